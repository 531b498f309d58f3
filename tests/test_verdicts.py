"""The rule that decides a verdict: evidence in, verdict out, by hand and without a loss."""

import numpy as np
import pytest

from gradlab.checking import verdicts
from gradlab.checking.verdicts import Evidence, Look, judge, of_array, on_a_kink, worst_of

INF, NAN = np.inf, np.nan


def evidence(analytic=1.0, slopes=(), bars=(), kinks=None, jumps=None, jump_bars=None, **rounding):
    """Evidence from short lists; without kinks and with jumps too small to see, unless given."""
    nothing = [0.0] * len(slopes)
    return Evidence(
        analytic,
        np.array(slopes, dtype=float),
        np.array(bars, dtype=float),
        np.array(kinks or nothing, dtype=float),
        np.array(jumps or nothing, dtype=float),
        np.array(jump_bars or [1.0] * len(slopes), dtype=float),
        **rounding,
    )


# Steps from the longest to the shortest; the gradient under test is 1 throughout.
CASES = {
    "inside the narrowest bar": (evidence(slopes=[1.5, 1.01, 1.2], bars=[0.1, 0.02, 0.5]), "ok"),
    "inside a wide bar, outside the narrowest": (
        evidence(slopes=[1.5, 1.03, 1.2], bars=[0.7, 0.02, 0.5]),
        "undecided",
    ),
    "outside two neighbouring bars": (
        evidence(slopes=[1.5, 1.03, 1.2], bars=[0.1, 0.02, 0.5]),
        "wrong",
    ),
    "the second witness is the shorter step": (
        evidence(slopes=[1.5, 1.03, 1.2], bars=[0.7, 0.02, 0.1]),
        "wrong",
    ),
    "one step alone condemns nobody": (evidence(slopes=[1.5], bars=[0.1]), "undecided"),
    "a witness two steps away is none": (
        evidence(slopes=[1.5, 1.4, 1.03, 1.4, 1.5], bars=[0.1, 0.5, 0.02, 0.5, 0.1]),
        "undecided",
    ),
    "a kink on the way widens the bar": (
        evidence(slopes=[1.5, 1.03], bars=[0.1, 0.02], kinks=[0.5, 0.02]),
        "ok",
    ),
    "two witnesses beyond the same kink are none": (
        evidence(slopes=[1.5, 1.5, 1.1], bars=[0.01, 0.01, 0.05], kinks=[0.6, 0.6, 0.0]),
        "undecided",
    ),
    "its own rounding excuses the gradient": (
        evidence(slopes=[1.05, 1.05], bars=[0.01, 0.01], own=0.045),
        "ok",
    ),
    "but not beyond it": (
        evidence(slopes=[1.05, 1.05], bars=[0.01, 0.01], own=0.03),
        "wrong",
    ),
    "what may come from elsewhere leaves it open": (
        evidence(slopes=[1.05, 1.05], bars=[0.01, 0.01], own=0.03, foreign=0.02),
        "undecided",
    ),
    "nan is no number": (evidence(slopes=[NAN, 1.0], bars=[0.001, 0.1]), "ok"),
    "nothing finite": (evidence(slopes=[NAN, NAN], bars=[0.1, 0.1]), "nonfinite"),
    "no finite bar": (evidence(slopes=[1.0, 1.0], bars=[INF, INF]), "nonfinite"),
    "no step at all": (evidence(), "nonfinite"),
    "a jump at every step is a kink": (
        evidence(
            slopes=[1.0] * 5, bars=[0.1] * 5, jumps=[0.5] * 5, jump_bars=[0.01] * 5, kinks=[0.7] * 5
        ),
        "kink",
    ),
    "a wrong gradient beside a kink is wrong": (
        evidence(
            analytic=3.0,
            slopes=[1.0] * 5,
            bars=[0.1] * 5,
            jumps=[0.5] * 5,
            jump_bars=[0.01] * 5,
            kinks=[0.7] * 5,
        ),
        "wrong",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_evidence_proves(name):
    seen, verdict = CASES[name]
    assert judge(seen).verdict == verdict


def test_the_numbers_of_a_look_are_those_of_the_narrowest_bar():
    look = judge(evidence(slopes=[1.5, 1.01, 1.2], bars=[0.1, 0.02, 0.5], own=0.25))
    assert look[:3] == ("ok", 1.01, pytest.approx(0.27))
    # What rounding could have done to the gradient is no doubt beyond what it has done.
    assert look.doubt == pytest.approx(0.02 + 0.01)
    wide = judge(evidence(slopes=[1.2], bars=[0.02], own=0.05))
    assert wide.doubt == pytest.approx(0.02 + 0.05)


@pytest.mark.parametrize(
    ("jumps", "bars", "kink"),
    [
        ([0.5, 0.5, 0.5, 0.5], [0.01] * 4, True),
        ([0.5, 0.5, 0.5], [0.01] * 3, False),  # too few to tell
        ([0.8, 0.4, 0.2, 0.1, 0.05], [0.001] * 5, False),  # smooth: it halves with the step
        ([9.0, 0.5, 0.5, 0.5, 0.5], [0.01] * 5, True),  # curvature adds to it on a long step
        ([0.5, 0.5, 0.5, 0.5, 0.0], [0.01] * 5, False),  # a step that ends before the kink
        ([0.5, 0.5, 0.5, 0.5, 0.0], [0.01] * 4 + [0.2], True),  # there rounding would hide it
        ([0.5, 0.5, 0.5, 0.44], [0.01] * 4, False),  # fading: the kink is near, not here
        ([0.5, 0.5, 0.5, 0.46], [0.01] * 4, True),
        ([0.5, -0.5, 0.5, -0.5], [0.13] * 4, False),  # does not stand out of rounding
        ([NAN, 0.5, 0.5, 0.5, 0.5], [NAN, 0.01, 0.01, 0.01, 0.01], True),
    ],
)
def test_a_jump_is_a_kink_only_if_it_stays(jumps, bars, kink):
    assert on_a_kink(evidence(slopes=jumps, bars=bars, jumps=jumps, jump_bars=bars)) == kink


@pytest.mark.parametrize(
    ("off", "size", "tolerance", "verdict"),
    [
        (1e-7, 0.0, 1e-6, "close"),
        (2e-6, 0.0, 1e-6, "wrong"),
        (1e-7, 0.0, 0.0, "wrong"),
        (2e-6, 10.0, 1e-6, "close"),  # the array is larger: what cancels there shows here
        (0.5e-3, 1e6, 1e-6, "close"),
        (2e-3, 1e6, 1e-6, "wrong"),  # a small entry does not hide behind its neighbours
    ],
)
def test_close_is_within_the_tolerance_of_its_size(off, size, tolerance, verdict):
    seen = evidence(slopes=[1 + off, 1 + off], bars=[1e-12, 1e-12])
    assert judge(seen, tolerance, size).verdict == verdict


def test_close_counts_what_the_error_bar_leaves_open():
    seen = evidence(slopes=[1 + 9e-7, 1 + 9e-7], bars=[8e-7, 8e-7])
    assert judge(seen, 1e-6).verdict == "wrong"


def test_close_needs_no_second_witness():
    seen = evidence(slopes=[1.0, 1 + 1e-8], bars=[1e-7, 1e-9])
    assert judge(seen, 1e-6).verdict == "close" and judge(seen, 0.0).verdict == "undecided"


ONE = np.ones(4)


@pytest.mark.parametrize(
    ("verdict", "analytic", "doubt", "answers", "rounding_only", "expected"),
    [
        ("ok", ONE, 0.05, True, True, "ok"),
        ("ok", ONE, 0.15, True, True, "undecided"),
        ("close", ONE, 1e-7, True, True, "close"),
        ("ok", 0 * ONE, 0.0, True, True, "untested"),
        ("undecided", 0 * ONE, 1.0, True, True, "untested"),
        ("undecided", ONE, 0.0, True, True, "undecided"),
        ("ok", 0 * ONE, 0.0, False, True, "unused"),
        ("ok", ONE, 0.0, False, True, "unused"),
        ("undecided", ONE, 0.0, False, True, "undecided"),
        ("undecided", 0 * ONE, 0.0, False, True, "unused"),
        ("ok", ONE, 0.0, False, False, "undecided"),  # so noisy that nothing could answer
        ("wrong", 0 * ONE, 0.0, False, True, "wrong"),
        ("kink", ONE, 0.0, True, True, "kink"),
        ("nonfinite", ONE, 0.0, False, True, "nonfinite"),
    ],
)
def test_what_the_looks_at_an_array_prove_together(
    verdict, analytic, doubt, answers, rounding_only, expected
):
    doubts = np.full(4, doubt)
    assert of_array(verdict, analytic, analytic, doubts, answers, rounding_only) == expected


def test_a_doubt_is_weighed_in_the_two_norm_against_the_larger_gradient():
    doubts = np.array([0.19, 0.0, 0.0, 0.0])  # rms 0.095
    assert of_array("ok", ONE, 0 * ONE, doubts, True, True) == "ok"
    assert of_array("ok", 0.9 * ONE, 0.9 * ONE, doubts, True, True) == "undecided"
    assert of_array("ok", 0.9 * ONE, 1.1 * ONE, doubts, True, True) == "ok"


def test_the_order_of_the_verdicts():
    order = "ok close untested unused undecided kink wrong nonfinite random".split()
    assert list(verdicts.VERDICTS) == order
    assert worst_of(*order) == "random" and worst_of("ok", "close") == "close"
    assert verdicts.PASSING == ("ok", "close")


@pytest.mark.parametrize("verdict", verdicts.VERDICTS)
def test_every_verdict_but_ok_says_what_to_look_for(verdict):
    said = verdicts.hint_for(verdict)
    assert bool(said) == (verdict not in ("ok", "wrong"))
    assert not said.endswith(".") and said == said.strip()


@pytest.mark.parametrize(
    ("share", "said"),
    [(2e-9, "2e-9"), (1.2e-9, "2e-9"), (9.5e-8, "1e-7"), (1e-6, "1e-6"), (0.0, "its tolerance")],
)
def test_close_says_how_close(share, said):
    assert verdicts.hint_for("close", share=share).startswith(f"right to {said}, and no closer")


def test_an_ok_that_leaves_much_unseen_says_so():
    assert verdicts.hint_for("ok", share=0.02) and not verdicts.hint_for("ok", share=0.005)


def test_evidence_is_frozen():
    with pytest.raises(AttributeError):
        evidence(slopes=[1.0], bars=[1.0]).analytic = 2.0
    assert Look("ok", 1.0, 0.1).doubt == INF
