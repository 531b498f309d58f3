"""With NumPy alone the checker works, and what draws says how to get what it draws with."""

from __future__ import annotations

import subprocess
import sys

import pytest
import refresh_readme
from conftest import ROOT

from gradlab import validation

# Python finds none of these, as after `pip install .` in an empty environment.
HIDDEN = (*validation.COURSE, "IPython", "PIL", "traitlets", "scipy", "sklearn", "jax", "torch")
HIDE = f"import sys; sys.modules |= dict.fromkeys({HIDDEN!r})\n"


def run_light(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", HIDE + code], capture_output=True, text=True
    )


def test_the_example_of_the_readme_runs():
    example = refresh_readme.EXAMPLE.search((ROOT / "README.md").read_text(encoding="utf-8"))
    done = run_light(example["code"])
    assert (done.stdout, done.stderr) == (example["output"], "")


def test_every_module_that_does_not_draw_can_be_imported():
    done = run_light(
        "import importlib, pkgutil, gradlab\n"
        "for found in pkgutil.walk_packages(gradlab.__path__, 'gradlab.', onerror=lambda name: 0):\n"
        "    draws = found.name.startswith(('gradlab.plots', 'gradlab.explorers'))\n"
        "    if not draws and not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)\n"
    )
    assert done.stderr == ""


@pytest.mark.parametrize("program", ["gradlab", "gradlab.bugs"])
def test_the_programs_run(program):
    done = run_light(
        f"import runpy; sys.argv[1:] = ['--seed{'s' * (program != 'gradlab')}', '3']\n"
        f"runpy.run_module({program!r}, run_name='__main__')"
    )
    assert done.stderr == "" and done.stdout != ""


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("from gradlab import plots", "gradlab.plots needs matplotlib and IPython, "),
        ("gradlab.explorers", "gradlab.explorers needs matplotlib and ipywidgets, "),
        ("import gradlab.plots.style", "gradlab.plots needs matplotlib and IPython, "),
        (
            "import numpy as np; w = np.ones(2)\n"
            "gradlab.check_gradients(lambda p: p['w'] @ p['w'], {'w': w}, {'w': 2 * w}).plot()",
            "gradlab.plots needs matplotlib and IPython, ",
        ),
    ],
)
def test_what_draws_says_how_to_get_what_is_missing(line, missing):
    done = run_light(f"import gradlab\n{line}")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ModuleNotFoundError: {missing}")
    assert f"pip install {' '.join(validation.COURSE)}" in last


def test_without_tqdm_there_is_simply_no_bar():
    done = run_light(
        "from gradlab.differences import progress\n"
        "progress.PATIENCE = 0\n"
        "with progress.Progress(3) as bar:\n"
        "    for _ in range(3): bar.advance()\n"
        "print(bar.done)"
    )
    assert (done.stdout, done.stderr) == ("3\n", "")
