"""The time of a call, by a clock that the tests set."""

from __future__ import annotations

import pytest

from gradlab import timing


class Work:
    """Takes the given seconds, one after the other and then the last, on a clock of its own."""

    def __init__(self, *seconds):
        self.seconds, self.now, self.calls = seconds, 0.0, 0

    def __call__(self, *arguments, **options):
        self.now += self.seconds[min(self.calls, len(self.seconds) - 1)]
        self.calls += 1
        return self.calls, arguments, options


@pytest.mark.parametrize(
    ("seconds", "fastest", "calls"),
    [([3.0], 3.0, 1), ([0.2], 0.2, 1), ([0.01], 0.01, 20), ([0.05, 0.01, 0.08], 0.01, 4)],
)
def test_the_time_is_that_of_the_fastest_call(monkeypatch, seconds, fastest, calls):
    work = Work(*seconds)
    monkeypatch.setattr(timing, "clock", lambda: work.now)
    (last, _, _), found = timing.timed(work)
    assert found == pytest.approx(fastest)
    assert last == work.calls
    assert abs(work.calls - calls) <= (calls > 1)  # 20 times 0.01 need not be 0.2


def test_the_arguments_are_passed_on(monkeypatch):
    work = Work(1.0)
    monkeypatch.setattr(timing, "clock", lambda: work.now)
    result, _ = timing.timed(work, 1, two=2)
    assert result == (1, (1,), {"two": 2})
