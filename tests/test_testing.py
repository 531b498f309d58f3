"""A test that is tried passes, fails with its reasons, or cannot be run."""

from __future__ import annotations

import pytest

from gradlab.testing import run_pytest


def test_pytest_says_how_many_passed_and_why_the_others_failed():
    files = {
        "half.py": "HALF = 0.5\n",
        "test_half.py": "import half\ndef test(): assert half.HALF < 1",
    }
    assert run_pytest(files) == "1 passed"
    count, *why = run_pytest(files | {"half.py": "HALF = 2\n"}).splitlines()
    assert count == "1 failed"
    assert "assert 2 < 1" in why[0]


def test_the_reader_s_own_settings_of_pytest_have_no_say(monkeypatch, tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --from-a-folder-above")
    (tmp_path / "conftest.py").write_text("raise SystemExit('from a folder above')")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PYTEST_ADDOPTS", "--from-the-environment")
    assert run_pytest({"test_it.py": "def test(): pass"}) == "1 passed"


def test_the_reasons_may_be_in_any_script(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    assert "élan" in run_pytest({"test_it.py": "def test(): assert not 'élan'"})


def test_no_pytest_is_said_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "pytest.py").write_text("raise SystemExit('no pytest here')")
    with pytest.raises(RuntimeError, match="is it installed.*no pytest here"):
        run_pytest({"test_nothing.py": ""})
