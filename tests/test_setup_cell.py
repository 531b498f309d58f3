"""The setup cell makes gradlab available on Colab, and touches nothing elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from set_address import SETUP_CELL

# Stands in for a notebook whose `%pip` is not connected to the world: `uninstall` takes the
# unrelated package away, `install` lets the real one be found.
STAND_IN = """
import importlib.abc, sys
from IPython.core.interactiveshell import InteractiveShell

unrelated, cell = sys.argv[1:]
calls, hidden = [], {hidden}

class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if hidden and name == "gradlab" and unrelated not in sys.path:
            raise ModuleNotFoundError("No module named 'gradlab'", name="gradlab")

sys.meta_path.insert(0, Hide())
if {wrong}:
    sys.path.insert(0, unrelated)

def pip(line):
    global hidden
    calls.append(line)
    if line.startswith("uninstall") and unrelated in sys.path:
        sys.path.remove(unrelated)
    if line.startswith("install"):
        hidden = False

shell = InteractiveShell.instance()
shell.register_magic_function(pip, "line", "pip")
for source in (cell, "import gradlab\\nfrom gradlab import mlp\\nX, y = gradlab.paraboloid()"):
    shell.run_cell(source).raise_error()
print(calls)
"""


def run_cell(folder: Path, hidden: bool, wrong: bool, init: str = "") -> str:
    package = folder / "gradlab"
    package.mkdir()
    (package / "__init__.py").write_text(f"from gradlab import agents\n{init}")
    (package / "agents.py").touch()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            STAND_IN.format(hidden=hidden, wrong=wrong),
            str(folder),
            SETUP_CELL.format(slug="OWNER/REPO"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


INSTALLS = str(
    [
        "uninstall -qqy gradlab",
        'install -q "gradlab-course[course] @ git+https://github.com/OWNER/REPO@main"',
    ]
)


def test_does_nothing_where_the_package_is_installed(tmp_path):
    assert run_cell(tmp_path, hidden=False, wrong=False) == "[]"


def test_installs_where_the_package_is_missing(tmp_path):
    assert run_cell(tmp_path, hidden=True, wrong=False) == INSTALLS


@pytest.mark.parametrize("init", ["", "import surely_missing_package"])
def test_replaces_the_unrelated_package_of_the_same_name(tmp_path, init):
    assert run_cell(tmp_path, hidden=False, wrong=True, init=init) == INSTALLS
