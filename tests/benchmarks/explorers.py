"""How long from a key press to the new picture, in a real JupyterLab, against ``interact``.

    python tests/benchmarks/explorers.py [MOVES] [ROUNDS]

Both draw the same figure: the error of forward and central differences over epsilon, with the
chosen step marked. The one is ``explorers.epsilon_explorer()``; the other is what the manual of
ipywidgets shows, ``interact`` around a function that makes the figure with pyplot. They take turns
in one notebook of one kernel, MOVES moves each, round by round. The clock is the browser's: it
starts when the key goes down and stops at the start of the first frame that has the new picture.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))
import lab

EXPLORER = "from gradlab import explorers\nexplorers.epsilon_explorer()"
PLAIN = """\
%matplotlib inline
import ipywidgets, matplotlib.pyplot as plt, numpy as np
from gradlab.explorers.epsilon import EPS, _curve
from gradlab.plots import METHODS

def draw(step, seed):
    curve = _curve(seed)
    plt.figure(figsize=(7.6, 4.5), dpi=100)
    for method in ("forward", "central"):
        series = METHODS[method]
        dots = {**series, "linestyle": "", "markersize": 4.5}
        plt.loglog(EPS, curve.predicted(method), **{**series, "marker": ""})
        plt.loglog(EPS, curve.errors[method], **dots, label=method)
        plt.loglog(EPS[step], curve.errors[method][step], **{**dots, "markersize": 11})
    plt.axvline(EPS[step], color="grey")
    plt.xlim(5e-16, 2)
    plt.ylim(1e-14, 9)
    plt.xlabel("step ε")
    plt.ylabel("relative error of the gradient")
    plt.grid(True)
    plt.legend()
    plt.show()

steps = [(f"{eps:.1e}", i) for i, eps in enumerate(EPS)]
_ = ipywidgets.interact(
    draw,
    step=ipywidgets.SelectionSlider(options=steps, value=52),
    seed=ipywidgets.IntSlider(0, 0, 99),
)"""

# From the key event to the frame that shows a picture with another source. Watching costs nothing
# meanwhile: asking in every frame would slow down what is measured.
WATCH = """() => {
window.addEventListener('keydown', () => { window.pressedAt = performance.now(); }, true);
window.nextPicture = output => new Promise(resolve => {
    const before = output.querySelector('img').src;
    const shown = () => requestAnimationFrame(() => resolve(performance.now() - window.pressedAt));
    const watcher = new MutationObserver(() => {
        const image = output.querySelector('img');
        if (!image || image.src === before) return;
        watcher.disconnect();
        if (image.complete && image.naturalWidth) shown();
        else image.addEventListener('load', shown, {once: true});
    });
    watcher.observe(output, {subtree: true, childList: true, attributeFilter: ['src']});
});
}"""


def moves(notebook, index: int, count: int) -> list[float]:
    """Milliseconds of ``count`` moves of the first slider in a cell's output, there and back."""
    output = notebook.output(index)
    handle = output.query_selector(".noUi-handle")
    handle.scroll_into_view_if_needed()
    handle.focus()
    times = []
    for move in range(count):
        notebook.page.evaluate("output => { window.arrived = window.nextPicture(output); }", output)
        notebook.page.keyboard.press("ArrowLeft" if move % 40 < 20 else "ArrowRight")
        times.append(notebook.page.evaluate("() => window.arrived"))
        notebook.page.wait_for_timeout(120)  # a hand rests between two looks
    return times


def summary(times: list[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


def main(count: int = 40, rounds: int = 2) -> int:
    """Measure, print, and say with the exit code whether the bounds hold."""
    if reason := lab.why_not():
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as folder:
        cells = [nbformat.v4.new_code_cell(source) for source in (EXPLORER, PLAIN)]
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        nbformat.write(notebook, Path(folder) / "benchmark.ipynb")
        with lab.jupyterlab(Path(folder)) as address, lab.chromium() as browser:
            live = lab.Notebook(browser, address, "benchmark.ipynb")
            live.run_all()
            live.page.wait_for_timeout(2000)
            live.page.evaluate(WATCH)
            for index in (0, 1):
                moves(live, index, 5)  # the first ones load fonts and code
            times: dict[int, list[float]] = {0: [], 1: []}
            for _ in range(rounds):
                for index, collected in times.items():
                    collected += moves(live, index, count)
            errors, complaints = live.errors, live.complaints
    (median, late), (plain_median, plain_late) = summary(times[0]), summary(times[1])
    ratio = plain_median / median
    print(f"{rounds} rounds of {count} moves: from key press to new picture, in milliseconds")
    print(f"explorer   median {median:6.1f}   95th percentile {late:6.1f}")
    print(f"interact   median {plain_median:6.1f}   95th percentile {plain_late:6.1f}")
    print(f"ratio of the medians {ratio:.1f}")
    fine = median <= 50 and late <= 80 and ratio >= 4 and not errors and not complaints
    print("bounds: median <= 50, 95th percentile <= 80, ratio >= 4:", "hold" if fine else "broken")
    for line in (*errors, *complaints):
        print(line)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
