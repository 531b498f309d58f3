"""What the web site costs whoever reads it, and how quickly its explorers answer.

    python tests/tools/build_site.py && python tests/benchmarks/site.py [PRESSES]

For every explorer: the time from a key press to the start of the first frame that has the new
picture, on the site and in a real JupyterLab, by the browser's clock, in the same run. For the
pages: what is transferred, as gzip makes it, and when the first page has painted something. The
build itself is timed by ``build_site.py``.
"""

from __future__ import annotations

import gzip
import statistics
import sys
import tempfile
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))
import explorers as jupyterlab_explorers
import lab
from site_browser import BUILD, PAGES, SITE, Page, served

BOUNDS = {
    "median, ms": 16,
    "95th percentile, ms": 33,
    "first page, kB": 400,
    "notebook's page, kB": 1200,
    "explorer's data, kB": 250,
    "first contentful paint, ms": 1000,
}
FASTER = 4  # than in JupyterLab
KEYS = ("ArrowLeft", "ArrowRight")  # in turn, from the middle: no press meets an end

MIDDLE = """() => {
    const { explorer } = document.querySelector('.explorer');
    const first = explorer.data.controls.findIndex(control => control.kind === 'slider');
    explorer.set(first, Math.floor(explorer.data.controls[first].options.length / 2));
}"""
LIVE = """\
from gradlab import explorers

live = explorers.{name}_explorer()
first = next(control for control in live.controls.values() if hasattr(control, "readout"))
if hasattr(first, "index"):
    first.index = len(first.options) // 2
else:
    first.value = (first.min + first.max) // 2
live"""

# A frame is drawn after the key has been handled; the next one begins when it is on the screen.
PRESS = """async () => {
    const place = document.querySelector('.explorer'), svg = () => place.querySelector('svg').outerHTML;
    const control = place.querySelector('input[type=range]');
    return new Promise(done => {
        window.pressed = new Promise(ready => addEventListener('keydown', event => {
            const start = event.timeStamp, before = svg();
            const look = () => requestAnimationFrame(() => {
                if (svg() !== before) ready(performance.now() - start);
                else look();
            });
            look();
        }, {capture: true, once: true}));
        control.focus();
        done();
    });
}"""


def on_the_site(page: Page, presses: int) -> list[float]:
    """Milliseconds for each press of an arrow key on the first slider of an explorer."""
    page.tab.evaluate(MIDDLE)
    times = []
    for press in range(presses + 3):
        page.tab.evaluate(PRESS)
        page.tab.keyboard.press(KEYS[press % 2])
        taken = page.tab.evaluate(
            "() => Promise.race([window.pressed, new Promise(r => setTimeout(r, 2000, null))])"
        )
        if taken is not None and press >= 3:  # the first ones compile the code
            times.append(taken)
        page.tab.wait_for_timeout(60)
    return times


def in_jupyterlab(names: list[str], presses: int) -> dict[str, list[float]]:
    """The same in JupyterLab, for every explorer."""
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        cells = [nbformat.v4.new_code_cell(LIVE.format(name=name)) for name in names]
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        nbformat.write(notebook, Path(folder) / "benchmark.ipynb")
        with lab.jupyterlab(Path(folder)) as address, lab.chromium() as browser:
            live = lab.Notebook(browser, address, "benchmark.ipynb")
            live.run_all()
            live.page.evaluate(jupyterlab_explorers.WATCH)
            for index, name in enumerate(names):
                times[name] = presses_in_jupyterlab(live, index, presses)
    return times


def presses_in_jupyterlab(live: lab.Notebook, index: int, presses: int) -> list[float]:
    """Milliseconds for each press of an arrow key on the first slider of a cell's explorer."""
    output = live.output(index)
    handle = output.query_selector(".noUi-handle")
    handle.scroll_into_view_if_needed()
    handle.focus()
    times = []
    for press in range(presses + 3):
        live.page.evaluate("output => { window.arrived = window.nextPicture(output); }", output)
        live.page.keyboard.press(KEYS[press % 2])
        times.append(live.page.evaluate("() => window.arrived"))
        live.page.wait_for_timeout(120)
    return times[3:]


def zipped(path: Path) -> float:
    """kB of a file as a server sends it: compressed, where that is of use."""
    data = path.read_bytes()
    small = data if path.suffix in (".png", ".woff2", ".jpg") else gzip.compress(data, 6)
    return len(small) / 1000


def transferred(browser, address: str, name: str, explorers: bool) -> float:
    """kB that a page loads, with its explorers' data or without."""
    page = Page(browser, address)
    asked: list[str] = []
    page.tab.on("request", lambda request: asked.append(request.url))
    page.open(name)
    page.close()
    files = {
        url.removeprefix(address).partition("?")[0] for url in asked if url.startswith(address)
    }
    return sum(
        zipped(SITE / file)
        for file in files
        if (SITE / file).is_file() and (explorers or "_static/explorers/" not in file)
    )


def first_paint(browser, address: str) -> float:
    """Milliseconds until the first page has painted something: the median of five visits."""
    times = []
    for _ in range(5):
        page = Page(browser, address)
        page.tab.goto(address + "index.html")
        page.tab.wait_for_timeout(300)
        times.append(
            page.tab.evaluate(
                "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 9999"
            )
        )
        page.close()
    return statistics.median(times)


def main(presses: int = 40) -> int:
    """Measure, print, and say with the exit code whether the bounds hold."""
    if reason := lab.why_not():
        sys.exit(reason)
    if not PAGES:
        sys.exit(BUILD)
    names = sorted(path.stem for path in (SITE / "_static" / "explorers").glob("*.js"))
    broken = []

    def hold(what: str, bound: str, value: float) -> None:
        if value > BOUNDS[bound]:
            broken.append(f"{what}: {bound} {value:.1f} instead of {BOUNDS[bound]}")

    live = in_jupyterlab(names, presses)
    with served(SITE) as address, lab.chromium() as browser:
        print(f"{'explorer':12} {'site, ms':>16} {'JupyterLab, ms':>18} {'ratio':>6} {'kB':>5}")
        for name in names:
            page = Page(browser, address).open(f"explorer-{name}")
            times = on_the_site(page, presses)
            page.close()
            median, late = jupyterlab_explorers.summary(times)
            other, other_late = jupyterlab_explorers.summary(live[name])
            size = zipped(SITE / "_static" / "explorers" / f"{name}.js")
            print(
                f"{name:12} {median:7.1f} {late:8.1f} {other:9.1f} {other_late:8.1f} "
                f"{other / median:6.1f} {size:5.0f}"
            )
            hold(name, "median, ms", median)
            hold(name, "95th percentile, ms", late)
            hold(name, "explorer's data, kB", size)
            if other < FASTER * median:
                broken.append(f"{name}: {other / median:.1f} times as fast instead of {FASTER}")
        first = transferred(browser, address, "index", explorers=True)
        hold("index", "first page, kB", first)
        print(f"first page, with its explorer: {first:.0f} kB")
        for path in lab.NOTEBOOKS:
            size = transferred(browser, address, path.stem, explorers=False)
            hold(path.stem, "notebook's page, kB", size)
            print(f"{path.stem}, without its explorers: {size:.0f} kB")
        paint = first_paint(browser, address)
        hold("index", "first contentful paint, ms", paint)
        print(f"first contentful paint of the first page: {paint:.0f} ms")
    print("bounds:", "hold" if not broken else "broken")
    for line in broken:
        print(line)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
