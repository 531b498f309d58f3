"""Draw the README's picture and run its example again, with the package as it is.

python tests/tools/refresh_readme.py
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

import numpy as np

from gradlab import mlp, paraboloid, plots
from gradlab.bugs import Problem, suspect_a, suspect_b, sweep

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "notebooks" / "images" / "two_suspects.png"
ALT = (
    "Two plots. Left, the training loss of two backward passes: the curves lie on each other all "
    "the way down. Right, the relative error of the two gradients against the step of the "
    "numerical check: that of a right gradient is a deep V, that of a wrong one is a flat line."
)
EXAMPLE = re.compile(
    r"(?<=<!-- example -->\n)```python\n(?P<code>.*?)```\n\n```text\n(?P<output>.*?)```",
    re.DOTALL,
)


def picture() -> bytes:
    """The story of the course: both train to the same loss, and one of them is wrong."""
    X, y = paraboloid()
    losses, errors = {}, []
    loss = mlp.loss_function(X, y)
    eps = 10.0 ** np.arange(-12, 0.1, 0.25)
    params = mlp.init_params()
    _, cache = mlp.forward(params, X)
    for name, backward in {"suspect A": suspect_a, "suspect B": suspect_b}.items():
        losses[name] = mlp.train(mlp.init_params(), X, y, backward=backward)
        errors.append(sweep(Problem(loss, params, backward(params, cache, y)), eps))
    page, (left, right) = plots.figure(9, 3.6, columns=2)
    plots.training_curves(losses, ax=left)
    errors.sort(key=np.min)
    named = dict(zip(("a right gradient", "a wrong one"), errors, strict=True))
    plots.named_error_curves(eps, named, ax=right)
    # Other colours than on the left: which of the suspects it is, notebook 05 lets you find out.
    for line, color in zip(right.lines, (plots.GREEN, plots.BLACK), strict=True):
        line.set_color(color)
    right.set_ylim(top=2)
    right.legend(loc="lower left")
    left.set_title("Two backward passes, the same descent")
    right.set_title("One of them is wrong")
    return plots.png(page, alt=ALT)


def output_of(code: str) -> str:
    """What the README's example prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "example"})
    return printed.getvalue()


def with_output(readme: str) -> str:
    """The README with the output of its example behind it."""
    example = EXAMPLE.search(readme)
    start, end = example.span("output")
    return readme[:start] + output_of(example["code"]) + readme[end:]


def main() -> int:
    PICTURE.write_bytes(picture())
    readme = ROOT / "README.md"
    readme.write_text(with_output(readme.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
