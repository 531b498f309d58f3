"""One JupyterLab and one browser for all tests; without them the tests say so and are skipped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import lab
import pytest


def notebook_of(item):
    """The notebook that a test wants open, if it does."""
    return item.callspec.params.get("notebook", "") if hasattr(item, "callspec") else ""


def pytest_collection_modifyitems(items):
    """Take the notebooks one by one; without a browser skip, or fail where one is required."""
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    here.sort(key=lambda item: (item.path, notebook_of(item)))
    items[:] = [item for item in items if item not in here] + here
    reason = lab.why_not()
    if reason and not os.environ.get("GRADLAB_REQUIRE_BROWSER"):
        for item in here:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def screenshots():
    """Where screenshots are kept, to be looked at."""
    folder = lab.ROOT / "build" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """A copy of the notebooks that may be run and saved."""
    folder = tmp_path_factory.mktemp("course")
    for path in (lab.ROOT / "notebooks").iterdir():
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
