"""The time of a call, by a clock that the tests set."""

from __future__ import annotations

import pytest

from gradlab import timing


class Work:
    """Takes ``seconds`` on a clock of its own, and returns how often it was called."""

    def __init__(self, seconds):
        self.seconds, self.now, self.calls = seconds, 0.0, 0

    def __call__(self, *arguments, **options):
        self.calls += 1
        self.now += self.seconds
        return self.calls, arguments, options


@pytest.mark.parametrize(("seconds", "calls"), [(3.0, 1), (0.2, 1), (1e-3, 200)])
def test_the_time_is_that_of_one_call(monkeypatch, seconds, calls):
    work = Work(seconds)
    monkeypatch.setattr(timing, "clock", lambda: work.now)
    (last, _, _), found = timing.timed(work)
    assert found == pytest.approx(seconds)
    assert last == work.calls >= calls


def test_what_is_slow_is_called_once_with_the_arguments(monkeypatch):
    work = Work(1.0)
    monkeypatch.setattr(timing, "clock", lambda: work.now)
    result, _ = timing.timed(work, 1, two=2)
    assert result == (1, (1,), {"two": 2})
