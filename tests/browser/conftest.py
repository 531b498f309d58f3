"""One JupyterLab and one browser for all tests; without them the tests say so and are skipped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import lab
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def pytest_collection_modifyitems(items):
    """Take the notebooks one by one; without a browser skip, or fail where one is required."""
    items.sort(
        key=lambda item: getattr(item, "callspec", None) and item.callspec.params["notebook"]
    )
    reason = lab.why_not()
    if reason and not os.environ.get("GRADLAB_REQUIRE_BROWSER"):
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def screenshots():
    """Where screenshots are kept, to be looked at."""
    folder = ROOT / "build" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """A copy of the notebooks that may be run and saved."""
    folder = tmp_path_factory.mktemp("course")
    for path in (ROOT / "notebooks").iterdir():
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        else:
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def browse(course):
    """Open a notebook of the copied course in the browser."""
    if reason := lab.why_not():
        pytest.fail(reason)
    with lab.jupyterlab(course) as address, lab.chromium() as browser:
        yield lambda name: lab.Notebook(browser, address, name)
