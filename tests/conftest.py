"""What all tests share: one thread per process, no traces in the user's folders, no deadlines."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "tools"))

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["IPYTHONDIR"] = tempfile.mkdtemp(prefix="ipython-")

# A deadline on an example would be a timed assertion, and fail on a busy machine.
with suppress(ImportError):  # most files need nothing but pytest
    import hypothesis

    hypothesis.settings.register_profile("gradlab", deadline=None, derandomize="CI" in os.environ)
    hypothesis.settings.load_profile("gradlab")


def pytest_collection_modifyitems(items):
    """Begin with the longest file, so that the workers end together."""
    items.sort(key=lambda item: item.path.name != "test_notebooks_solved.py")
