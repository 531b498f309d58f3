"""Try a test before it is left behind: run pytest on a few files, and say what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["run_pytest"]


def run_pytest(files: Mapping[str, str]) -> str:
    """What pytest says of these files: how many tests passed or failed, and why they failed.

    The reader's own settings and plugins of pytest have no say in it.

    Parameters
    ----------
    files
        The text of each file by its name. They are written to a folder that is then deleted.

    Raises
    ------
    RuntimeError
        If pytest does not run, as where it is not installed.

    Examples
    --------
    >>> from gradlab.testing import run_pytest
    >>> print(run_pytest({"test_sum.py": "def test_sum(): assert 1 + 1 == 2"}))
    1 passed
    """
    command = [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider"]
    settings = {
        "PYTEST_ADDOPTS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    with tempfile.TemporaryDirectory() as folder:
        # An empty pytest.ini, so that pytest takes no settings from the folders above.
        for name, text in {"pytest.ini": "", **files}.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        said = subprocess.run(
            [*command, folder],
            capture_output=True,
            encoding="utf-8",
            cwd=folder,
            env=os.environ | settings,
        )
    lines = said.stdout.splitlines()
    if not lines:
        raise RuntimeError(
            f"pytest does not run: is it installed (pip install pytest)? It said: "
            f"{said.stderr.strip()}"
        )
    count, _, _ = lines[-1].partition(" in ")  # the time it took differs from run to run
    return "\n".join([count, *(line for line in lines if line.startswith("E "))])
