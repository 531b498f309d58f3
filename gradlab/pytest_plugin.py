"""What pytest says when ``assert check_gradients(...)`` fails: the whole report.

By itself pytest shows 240 characters of it, in one line. It finds this module by the entry point of
the installed package; nothing is imported here but what a test run has imported already.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

import pytest

__all__: list[str] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the text of every report that has failed in the line of the assertion."""
    made = yield
    checking = sys.modules.get("gradlab.checking.report")
    raised = call.excinfo.value if call.excinfo else None
    if checking is None or not isinstance(raised, AssertionError):
        return made
    if not isinstance(raised, checking.GradientCheckError):  # whose message is the report
        for text in _failed_reports(raised, checking.Report):
            made.sections.append(("the whole report", text))
    return made


def _failed_reports(raised: BaseException, kind: type) -> list[str]:
    """Of the frame that raised: its variables, and what the rewritten assertion has kept."""
    trace = raised.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    values: list[Any] = list(trace.tb_frame.f_locals.values()) if trace is not None else []
    found = {id(each): each for each in values if isinstance(each, kind)}
    return [str(report) for report in found.values() if not report]
