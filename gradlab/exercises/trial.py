"""A gradient check on trial: right gradients that it must pass, wrong ones that it must not.

The check is the learner's, ``gradient_check(loss, params, grads)``, and returns the names of the
arrays that it calls wrong. Each case is one that a certain flaw of a check gets wrong, so that the
first case to go wrong says what the flaw is; where it could be one of two, the points at which the
loss was asked decide.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gradlab import mlp
from gradlab.bugs import CATALOGUE
from gradlab.bugs.networks import draw
from gradlab.data import paraboloid
from gradlab.exercises import depth
from gradlab.exercises.feedback import Wrong, attempted, call, described

__all__ = ["Case", "Finding", "Points", "cases", "trial"]

Params = dict[str, np.ndarray]
Loss = Callable[[Params], float]

# A step below the one, or above the other, explains a wrong answer better than any cutoff does.
# Rounding at 1e-9 is 1e-7, a part in ten thousand of the smaller entries here; truncation at 0.02
# is about as much. A check with steps between the two gets every case right with bars of its own.
SHORT, LONG = 1e-9, 2e-2


class Points:
    """The points at which a check asks for the loss, as far as they tell how it works.

    ``up`` and ``down`` say of each entry whether it was ever moved to that side alone, ``steps`` how
    far such a move went, ``moved`` whether anything ever did.
    """

    def __init__(self, params: Params) -> None:
        self.start = {name: np.array(array) for name, array in params.items()}
        self.up = {name: np.zeros(np.shape(array), bool) for name, array in params.items()}
        self.down = {name: np.zeros(np.shape(array), bool) for name, array in params.items()}
        self.evaluations = 0
        self.moved = False
        self.steps: list[float] = []

    def note(self, point: Mapping[str, Any]) -> None:
        """Compare a point with the one at which the check began."""
        self.evaluations += 1
        off = {
            name: np.asarray(point[name]) - array
            for name, array in self.start.items()
            if name in point and np.shape(point[name]) == array.shape
        }
        moved = np.concatenate([each[each != 0] for each in off.values()] or [np.empty(0)])
        self.moved |= moved.size > 0 or len(off) < len(self.start)
        if moved.size == 1:
            self.steps.append(float(abs(moved[0])))
            for name, each in off.items():
                self.up[name] |= each > 0
                self.down[name] |= each < 0

    @property
    def one_sided(self) -> bool:
        """Whether single entries are moved, but none of them to both sides."""
        both = (np.any(self.up[name] & self.down[name]) for name in self.start)
        return bool(self.steps) and not any(both)

    def skips(self, name: str) -> bool:
        """Whether single entries are moved, but not every one of this array."""
        return bool(self.steps) and not np.all(self.up[name] | self.down[name])


class Finding(NamedTuple):
    """What a check said about a case, and how it came to it."""

    named: frozenset[str]
    points: Points


class Case(NamedTuple):
    """A gradient, the arrays of it that are wrong, and what it means if a check says otherwise.

    ``flaw`` is the sentence, or finds it in what the check did.
    """

    what: str
    loss: Loss
    params: Params
    grads: Params
    wrong: frozenset[str]
    flaw: str | Callable[[Case, Finding], str]


# ------------------------------------------------------------------------------------- the flaws


def _calls_the_right_one_wrong(case: Case, finding: Finding) -> str:
    points = finding.points
    if points.one_sided:
        return (
            "All of its steps go one way: the truncation error of such a forward difference is "
            "larger than what you allow. Step to both sides."
        )
    if points.steps and max(points.steps) < SHORT:
        return (
            f"Its steps are {min(points.steps):.0e} long: at so small a step the difference is "
            f"little but rounding error."
        )
    if points.steps and max(points.steps) > LONG:
        return (
            f"It steps as far as {max(points.steps):.0e}: over such a distance the curve bends, and "
            f"the truncation error rules."
        )
    return (
        "What you allow is less than the error of the difference itself: its rounding error, about "
        "noise/eps, and its truncation error."
    )


def _finds_nothing(case: Case, finding: Finding) -> str:
    if finding.named:
        return _finds_some(case, finding)
    return "Every array is twice what it should be there: what is the gradient compared with?"


def _sign(case: Case, finding: Finding) -> str:
    if finding.named:
        return _finds_some(case, finding)
    return (
        "A vector and its negative have the same size: the norm of the difference is asked for, "
        "norm(a − n), not the difference of the norms, and no squares of a and n."
    )


def _finds_some(case: Case, finding: Finding) -> str:
    """Why of four wrong arrays a few are named and the others are not."""
    missed = _listed(case.wrong - finding.named)
    truth = _course()[2]
    signs = {name: np.sign(case.grads[name] - truth[name]) for name in case.wrong}
    for sign in (1, -1):
        if {name for name, of in signs.items() if np.all(of == sign)} == case.wrong - finding.named:
            return (
                f"It misses {missed}, where every a − n is {'positive' if sign > 0 else 'negative'}: "
                f"abs is missing round the difference."
            )
    return (
        f"All four arrays are wrong there, and it names {_listed(finding.named)} but not {missed}: "
        f"does it stop, or return, before the last one?"
    )


def _last_entry(case: Case, finding: Finding) -> str:
    if finding.points.skips("W1"):
        return (
            "It never moves that entry: every entry of every array wants a difference of its own."
        )
    if _unfit_steps(finding.points):
        return _small(case, finding)
    return (
        "One entry in ten is off there, by two per cent: look at every entry, take no mean over them, "
        "in which one mistake drowns, and keep the cutoff narrow."
    )


def _joined(case: Case, finding: Finding) -> str:
    if _unfit_steps(finding.points):
        return _small(case, finding)
    return (
        "W1 has a tiny gradient there. One norm for all arrays is ruled by the large ones: judge "
        "each array for itself, or each entry."
    )


def _unfit_steps(points: Points) -> bool:
    return bool(points.steps) and (max(points.steps) < SHORT or min(points.steps) > LONG)


def _small(case: Case, finding: Finding) -> str:
    points = finding.points
    if points.one_sided:
        return (
            "All of its steps go one way, and what is allowed to such a forward difference hides "
            "the mistake. Step to both sides."
        )
    if points.steps and max(points.steps) < SHORT:
        return (
            f"Its steps are {min(points.steps):.0e} long: with so small a step the noise, divided by "
            f"it, makes room for the mistake."
        )
    if points.steps and min(points.steps) > LONG:
        return (
            f"Its steps are {min(points.steps):.0e} and longer: the truncation error there makes "
            f"room for the mistake."
        )
    return (
        "The cutoff, or the bar, is too wide: at a good step the difference itself is right to nine "
        "digits, and so small a mistake stands out clearly."
    )


# ------------------------------------------------------------------------------------- the cases


def cases() -> list[Case]:
    """The trial, gross flaws first: the first case that goes wrong is the one to talk about."""
    return [*_gross(), *_containers(), *_silent(), *_fine()]


def _gross() -> list[Case]:
    loss, params, right = _course()
    last = {name: array.copy() for name, array in right.items()}
    last["W1"][-1, -1] *= 1.02
    every = frozenset(params)
    return [
        Case("the right gradient of the course's network", loss, params, right, frozenset(),
             _calls_the_right_one_wrong),
        _bug("factor_two", "twice the right gradient", every, _finds_nothing),
        _bug("wrong_sign", "the negative of the right gradient", every, _sign),
        Case("a dW1 that is one per cent too large", loss, params,
             {**right, "W1": 1.01 * right["W1"]}, frozenset({"W1"}), _small),
        Case("a wrong last entry of dW1", loss, params, last, frozenset({"W1"}), _last_entry),
        _bug("bias_forgotten", "a db2 of nothing but zeros", frozenset({"b2"}),
             "Zeros are taken for agreement, or for nothing to check; the difference beside them is "
             "not zero."),
    ]  # fmt: skip


def _containers() -> list[Case]:
    X, y = paraboloid(12, 4)
    params = depth.init_params((2, 4, 3, 1), seed=4)
    right = depth.backward(params, X, y)
    deep = depth.loss_function(X, y)
    names = "The names come from params: a network may have more arrays, or others, than this one."
    w = {"w": np.array([0.4, -0.9]), "c": np.array(0.2)}
    residual = X @ w["w"] + w["c"] - y[:, 0]
    line = {"w": X.T @ residual / 12, "c": np.mean(residual)}

    def line_loss(p: Params) -> float:
        return float(0.5 * np.mean((X @ p["w"] + p["c"] - y[:, 0]) ** 2))

    shapes = "An array may have one axis, or none: np.ndindex(array.shape) walks through any."
    return [
        Case("the right gradient of a network with three layers", deep, params, right,
             frozenset(), names),
        Case("a wrong dW3 in a network with three layers", deep, params,
             {**right, "W3": 1.2 * right["W3"]}, frozenset({"W3"}), names),
        Case("the right gradient of a straight line, whose arrays have one axis and none",
             line_loss, w, line, frozenset(), shapes),
        Case("a wrong slope of a straight line", line_loss, w, {**line, "w": 1.5 * line["w"]},
             frozenset({"w"}), shapes),
    ]  # fmt: skip


def _silent() -> list[Case]:
    loss, params, right = _course()
    spoilt = {name: array.copy() for name, array in right.items()}
    spoilt["W2"][2, 0] = np.nan
    idle = {**params, "unused": np.ones((1, 3))}
    zeros = np.zeros((1, 3))
    return [
        _bug("weights_transposed_square", "a square dW1 that lies on its side", frozenset({"W1"}),
             "Its entries are the right ones in the wrong places: sums, means and norms agree, so "
             "compare entry by entry, or take the norm of a − n."),
        _bug("bias_not_summed", "a db1 with a row for each sample", frozenset({"b1"}),
             "Its shape is (20, 5), that of b1 (1, 5), and broadcasting hides the difference: compare "
             "the shapes first."),
        Case("a nan in dW2", loss, params, spoilt, frozenset({"W2"}),
             "nan is neither larger nor smaller than anything, so `error > limit` is False for it: "
             "ask for `not error <= limit`."),
        Case("a gradient of 0.3 for an array that the loss does not use", loss, idle,
             {**right, "unused": zeros + 0.3}, frozenset({"unused"}),
             "Its differences are exactly 0, which is no reason to skip them: the gradient should be "
             "0 as well."),
        Case("a gradient of 0 for an array that the loss does not use", loss, idle,
             {**right, "unused": zeros}, frozenset(),
             "There a and n are both 0, and agree; the quotient 0/0 is nan. Add a tiny number to the "
             "denominator, or compare without dividing."),
    ]  # fmt: skip


def _fine() -> list[Case]:
    loss, params, right = _course()
    X, y = paraboloid()
    flat = {**mlp.init_params(seed=0), "b1": np.full((1, 5), 15.0)}
    saturated = mlp.loss_function(X, y)
    flat_right = mlp.backward(flat, mlp.forward(flat, X)[1], y)
    flipped = CATALOGUE["one_wrong_sign"].function(flat, mlp.forward(flat, X)[1], y)
    tiny_loss, tiny = _in_units(1e-9, loss, CATALOGUE["derivative_of_activation"].problem(3).grads)
    huge_loss, huge = _in_units(1e9, loss, right)
    units = (
        "Somewhere stands an absolute number, which only suits losses of ordinary size: a cutoff on "
        "a − n itself, or the noise of another loss."
    )
    slightly = CATALOGUE["updated_w2"].function(
        params, mlp.forward(params, loss.X)[1], loss.y, learning_rate=1e-4
    )
    hidden = frozenset({"W1", "b1"})
    return [
        Case("the right gradient of a network whose hidden units are saturated",
             saturated, flat, flat_right, frozenset(),
             "The gradient of W1 is so small there that the rounding error of the difference is large "
             "beside it. A cutoff cannot know that; an error bar does."),
        Case("a dW1 with its sign flipped, in a network whose hidden units are saturated",
             saturated, flat, flipped, frozenset({"W1"}),
             _joined),
        Case("a wrong slope of the sigmoid, with the loss in units that make it a billion times "
             "smaller", tiny_loss, params, tiny, hidden,
             units),
        Case("the right gradient, with the loss in units that make it a billion times larger",
             huge_loss, params, huge, frozenset(),
             units),
        Case("a gradient computed with W2 after an update by 1e-4 of its gradient", loss, params,
             slightly, hidden, _small),
    ]  # fmt: skip


def _course(seed: int = 3) -> tuple[Any, Params, Params]:
    params, X, y = draw(seed)
    return mlp.loss_function(X, y), params, mlp.backward(params, mlp.forward(params, X)[1], y)


def _bug(
    name: str, what: str, wrong: frozenset[str], flaw: str | Callable[[Case, Finding], str]
) -> Case:
    problem = CATALOGUE[name].problem(3)
    return Case(what, problem.loss, problem.params, dict(problem.grads), wrong, flaw)


def _in_units(factor: float, loss: Loss, grads: Mapping[str, np.ndarray]) -> tuple[Loss, Params]:
    return lambda params: factor * loss(params), {k: factor * g for k, g in grads.items()}


# ------------------------------------------------------------------------------------- the trial


def trial(check: Any) -> str:
    """Put a learner's check through every case, and say what happened.

    Raises
    ------
    NotAttempted, Wrong
        If there is no check yet; if it gets a case wrong, with the sentence for the first.
    """
    attempted(check)
    every = cases()
    findings = [_tried(check, every[0], first=True), _tried(check, every[1])]
    if findings[0].named and not findings[1].named:
        raise Wrong("It returns the arrays that are right; the names of the wrong ones are wanted.")
    if findings[0].named and _right_when_swapped(check, every[0]):
        raise Wrong(
            "Its arguments come in the order loss, params, grads; yours takes the gradient for the "
            "parameters."
        )
    _judge(every[0], findings[0])
    _judge(every[1], findings[1])
    for case in every[2:]:
        findings.append(_tried(check, case))
        _judge(case, findings[-1])
    bugs = sum(bool(case.wrong) for case in every)
    return (
        f"It finds all {bugs} wrong gradients and accuses none of the {len(every) - bugs} right ones, "
        f"with {findings[0].points.evaluations} evaluations for the 21 entries of the first."
    )


def _right_when_swapped(check: Any, case: Case) -> bool:
    """Whether a check that takes its second and third argument for each other is right."""
    try:
        return not _tried(lambda loss, params, grads: check(loss, grads, params), case).named
    except Wrong:
        return False


def _judge(case: Case, finding: Finding) -> None:
    """Raise ``Wrong``, and say why, if a check is mistaken about a case."""
    missed, accused = case.wrong - finding.named, finding.named - case.wrong
    why = case.flaw if isinstance(case.flaw, str) else case.flaw(case, finding)
    if missed:
        raise Wrong(f"Your check lets {case.what} pass. {why}")
    if accused and not case.wrong:
        raise Wrong(f"Your check calls {case.what} wrong ({_listed(accused)}). {why}")
    if accused and finding.named == frozenset(case.params):
        raise Wrong(
            f"Given {case.what}, your check accuses every array, though the others are right: one "
            f"norm for all arrays cannot say which is wrong. Judge each array for itself."
        )
    if accused:
        raise Wrong(
            f"Given {case.what}, your check finds the mistake, and accuses {_listed(accused)} "
            f"besides, which is right there: judge each array for itself."
        )


def _tried(check: Any, case: Case, first: bool = False) -> Finding:
    """What a check says about one case, on copies, watched."""
    params = {name: np.array(array) for name, array in case.params.items()}
    grads = {name: np.array(array) for name, array in case.grads.items()}
    points, loss = Points(params), case.loss  # and not the case, in which the answer stands

    def watched(params: Params) -> float:
        points.note(params)
        return loss(params)

    watched.__name__ = watched.__qualname__ = "loss"
    answer = partial(check, watched, params, grads) if callable(check) else check
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = call(answer)
    except Wrong as wrong:
        if first:
            raise
        flaw = f" {case.flaw}" if isinstance(case.flaw, str) else ""
        raise Wrong(f"Given {case.what}: {_lower(str(wrong))}{flaw}") from None
    finding = Finding(_names(said, case), points)
    _judge_manners(case, params, grads, points)
    return finding


def _judge_manners(case: Case, params: Params, grads: Params, points: Points) -> None:
    """Refuse a check that asks nothing, or leaves things changed behind it."""
    if not points.evaluations:
        raise Wrong(
            "The loss that your check is given is never evaluated: a gradient compared with anything "
            "else, itself included, proves nothing."
        )
    if not points.moved:
        raise Wrong("The loss saw the same point every time: what you move never reaches it.")
    for name, array in case.params.items():
        if name not in params or not np.array_equal(params[name], array):
            close = np.shape(params.get(name, 0)) == array.shape and np.allclose(
                params.get(name, 0), array
            )
            raise Wrong(
                f"Your check leaves {name} changed{', in its last digits' if close else ''}: put the "
                f"old value itself back after each step, or work on a copy."
            )
    for name, gradient in case.grads.items():
        if name not in grads or not np.array_equal(grads[name], gradient, equal_nan=True):
            raise Wrong(f"Your check changes the gradient of {name}, which it is to judge.")


def _names(said: Any, case: Case) -> frozenset[str]:
    wanted = (
        "A list of the wrong arrays' names is asked for, such as ['W2'], empty if all are right"
    )
    if isinstance(said, Mapping | str | bool | np.bool_) or not np.iterable(said):
        raise Wrong(f"{wanted}; this is {described(said)}.")
    names = list(said)
    unknown = [name for name in names if not isinstance(name, str) or name not in case.params]
    if unknown:
        raise Wrong(f"{wanted}; among yours is {described(unknown[0])}.")
    return frozenset(names)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names, key=lambda name: (name[1:], name[:1] != "W")))


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
