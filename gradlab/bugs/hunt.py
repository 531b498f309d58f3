"""A hunt: code to read, evidence to buy, and a line to name.

A case is a function that returns a loss and its gradient, somebody's, with one wrong line in it, or
two, or none: then a check complains of right code, and the hunter has to say why. Everything is
drawn from the seed: the network, its sizes, the data, the parameters, the way each line is written,
and what is wrong. Reading is free; evidence has a price.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradlab.bugs.hunt_code import BODIES, HEADS, Body, Head, Sizes, drawn_parameters
from gradlab.bugs.hunter import feeds, solve, suspects
from gradlab.bugs.networks import Arrays
from gradlab.checking import relative_error
from gradlab.data import random_stream

__all__ = ["BUDGET", "INNOCENT", "PRICES", "Evidence", "Hunt", "hunt"]

STREAM = 16  # a new number makes new cases of all seeds
EPS = 1e-5
CUTOFF = 1e-7  # of the rule of the exercise
LARGEST_OUTPUT = 3.0  # beyond, a probability is so near 0 or 1 that differences lose their digits
SEEN = 1e-4  # a mistake that changes no array by this part of it is not worth a hunt
BUDGET = 30
FALSE_CHARGE = 10
PRICES: Mapping[str, int] = {
    "direction": 1,
    "check": 2,
    "reseed": 2,
    "hold": 2,
    "float64": 2,
    "sample": 2,
    "freeze": 3,
}
INNOCENT: Mapping[str, str] = {
    "kink": "a step crosses the zero of a ReLU, in this draw of the parameters",
    "dice": "the loss is another function at every call",
    "float32": "the loss rounds to single precision",
    "dead units": "no hidden unit is active, so that zeros are compared with zeros",
}
# Dealt like cards, eight to a hand.
HANDS = ("one line",) * 5 + ("two lines",) + ("innocent",) * 2


@dataclass(frozen=True)
class Evidence:
    """What a purchase shows: for each array the gradient of the code, and that of differences.

    Attributes
    ----------
    title
        What was bought.
    price
        What it cost.
    analytic, numeric
        Of each array that was looked at.
    """

    title: str
    price: int
    analytic: Arrays = field(repr=False)
    numeric: Arrays = field(repr=False)

    @property
    def wrong(self) -> tuple[str, ...]:
        """The arrays whose relative error is above the cutoff of 1e-7."""
        return tuple(name for name, a in self.analytic.items() if not _right(a, self.numeric[name]))

    @property
    def empty(self) -> tuple[str, ...]:
        """The arrays where zeros are compared with zeros."""
        return tuple(
            name for name, a in self.analytic.items() if not (a.any() or self.numeric[name].any())
        )

    def ratios(self, name: str) -> np.ndarray:
        """Analytic over numeric, flat, of the entries of an array that are not next to zero."""
        a, n = self.analytic[name], self.numeric[name]
        told = np.abs(n) > 1e-3 * np.max(np.abs(n), initial=0.0)
        return a[told] / n[told]

    def __str__(self) -> str:
        lines = [f"{self.title}  ({self.price} {'point' if self.price == 1 else 'points'})"]
        width = max(map(len, self.analytic))
        for name, a in self.analytic.items():
            lines.append(f"  {name:{width}}  {_in_words(a, self.numeric[name], self.ratios(name))}")
        return "\n".join(lines)

    __repr__ = __str__


@dataclass
class Hunt:
    """One case: its code, the evidence bought so far, and the points that are left.

    Printed, it shows the code with numbered lines, and what evidence costs. Every purchase is
    printed when it is shown as a cell's last line, and kept in ``bought``.

    Attributes
    ----------
    seed
        Of the case.
    code
        The source of ``loss_and_gradient(p, X, y)``.
    bought
        The evidence so far.
    points
        What is left of the 30 points of the start. A wrong answer costs ten.
    """

    seed: int
    code: str
    _secret: _Secret = field(repr=False)
    bought: list[Evidence] = field(default_factory=list)
    points: int = BUDGET
    _draw: int = 0
    _held: bool = False
    _double: bool = False
    _closed: bool = False

    # ------------------------------------------------------------------------ what can be bought

    def check(self) -> Evidence:
        """Central differences of every entry, ε = 1e-5, by the rule of the exercise. 2 points."""
        return self._buy("check", "Check")

    def direction(self, name: str) -> Evidence:
        """The slope along one random direction in one array, twice. 1 point.

        Raises
        ------
        ValueError
            If there is no array of that name.
        """
        params, X, y = self._point()
        if name not in params:
            raise ValueError(f"there is no array {name!r}; there are {', '.join(params)}")
        d = np.random.RandomState([self.seed, STREAM, len(self.bought)]).normal(
            size=params[name].shape
        )

        def moved(t: float) -> float:
            return self._loss({**params, name: params[name] + t * d}, X, y)

        analytic = np.sum(self._run(params, X, y)[1][name] * d)
        numeric = (moved(EPS) - moved(-EPS)) / (2 * EPS)
        return self._pay(
            "direction",
            f"One direction in {name}",
            {name: np.array([analytic])},
            {name: np.array([numeric])},
        )

    def reseed(self) -> Evidence:
        """Other parameters, other data, from here on; and a check there. 2 points."""
        self._draw += 1
        return self._buy("reseed", "Check at another draw of parameters and data")

    def hold(self) -> Evidence:
        """From here on every call of the loss throws the same dice; and a check. 2 points."""
        self._held = True
        return self._buy("hold", "Check with the dice held")

    def float64(self) -> Evidence:
        """From here on nothing is rounded to single precision; and a check. 2 points."""
        self._double = True
        return self._buy("float64", "Check in float64")

    def sample(self) -> Evidence:
        """A check with the first sample alone. 2 points."""
        params, X, y = self._point()
        return self._buy("sample", "Check with one sample", (params, X[:1], y[:1]))

    def freeze(self, name: str) -> Evidence:
        """A check in which the gradients down to ``name`` are put right, by differences. 3 points.

        All gradients of intermediate values, from the first line of the backward pass down to
        ``name`` (such as ``"dH"``), are replaced by what differences of that value give. What is
        still wrong then comes from a line further down; what has not changed at all, from no line
        above.

        Raises
        ------
        ValueError
            If that is none of :attr:`freezable`.
        """
        order = self.freezable
        if name not in order:
            raise ValueError(f"{name!r} cannot be frozen; these can: {', '.join(order)}")
        params, X, y = self._point()
        given = {
            gradient: self._slope_of(gradient[1:], params, X, y)
            for gradient in order[: order.index(name) + 1]
        }
        return self._buy(
            "freeze", f"Check with all gradients down to {name} put right", given=given
        )

    @property
    def freezable(self) -> tuple[str, ...]:
        """The gradients of intermediate values, in the order of the code."""
        return self._secret.freezable

    @property
    def par(self) -> int:
        """The price of the evidence that decides this case for :func:`gradlab.bugs.hunter.solve`."""
        case = Hunt(self.seed, self.code, self._secret.afresh())
        solve(case)
        return sum(one.price for one in case.bought)

    # -------------------------------------------------------------------------------- the answer

    def accuse(self, *lines: int) -> None:
        """Name the wrong line, by its number; or the two of them. Prints the outcome.

        Raises
        ------
        TypeError
            If there are no numbers, or something else.
        """
        if not lines or not all(isinstance(number, (int, np.integer)) for number in lines):
            raise TypeError("name lines by their numbers, such as accuse(9) or accuse(9, 14)")
        self._answer(frozenset(int(number) for number in lines))

    def acquit(self, why: str) -> None:
        """Say that the code is right, and why a check complains. Prints the outcome.

        Raises
        ------
        ValueError
            If that is none of the reasons that there are.
        """
        if why not in INNOCENT:
            raise ValueError(f"why must be one of {', '.join(map(repr, INNOCENT))}, not {why!r}")
        self._answer(why)

    @property
    def answer(self) -> tuple[int, ...] | str:
        """The key: the numbers of the wrong lines, or what makes right code look wrong."""
        return self._secret.answer

    def _answer(self, given: frozenset[int] | str) -> None:
        truth = self.answer if isinstance(self.answer, str) else frozenset(self.answer)
        if given == truth:
            spent = sum(one.price for one in self.bought)
            print(f"Right. {self._secret.sentence()}")
            if not self._closed:
                print(
                    f"{self.points} of {BUDGET} points are left; evidence cost you {spent}. A "
                    f"hunter who reads nothing but which line feeds which array needs {self.par}."
                )
            self._closed = True
            return
        if not self._closed:
            self.points = max(0, self.points - FALSE_CHARGE)
        print(f"No. {self._why_not(given, truth)} {self.points} points are left.")

    def _why_not(self, given: frozenset[int] | str, truth: frozenset[int] | str) -> str:
        last = len(self.code.splitlines())
        if isinstance(given, str):
            return "Something else is going on here, or a line is wrong all the same."
        if any(not 1 <= number <= last for number in given):
            return f"The lines are numbered from 1 to {last}."
        if given & set(range(1, self._secret.first_gradient_line)):
            return (
                "Down to L the code computes the loss, and the differences follow whatever it says: "
                "only a line of the gradient can disagree with them."
            )
        if isinstance(truth, str):
            return "There is nothing wrong with that."
        if given < truth:
            return "That is one of two."
        if given & truth:
            return "One of these is wrong; not all of them are."
        return "That is as it should be."

    # ---------------------------------------------------------------------------------- machinery

    def _buy(
        self,
        kind: str,
        title: str,
        at: tuple[Arrays, np.ndarray, np.ndarray] | None = None,
        given: Arrays | None = None,
    ) -> Evidence:
        params, X, y = at or self._point()
        analytic = self._run(params, X, y, given=given)[1]
        numeric = {}
        for name, array in params.items():

            def along(change: np.ndarray, name: str = name) -> float:
                return self._loss({**params, name: params[name] + change}, X, y)

            numeric[name] = _differences(along, np.full(array.shape, EPS))
        return self._pay(kind, title, {name: analytic[name] for name in params}, numeric)

    def _pay(self, kind: str, title: str, analytic: Arrays, numeric: Arrays) -> Evidence:
        evidence = Evidence(title, PRICES[kind], analytic, numeric)
        self.bought.append(evidence)
        if not self._closed:
            self.points = max(0, self.points - evidence.price)
        return evidence

    def _point(self) -> tuple[Arrays, np.ndarray, np.ndarray]:
        return self._secret.point(self._draw)

    def _slope_of(self, value: str, params: Arrays, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The gradient of the loss in an intermediate value, by differences."""
        at = self._run(params, X, y)[2][value]
        # Fourth order, and short beside the distance to 0 and to 1: a loss bends sharply where a
        # probability comes near either, and what is put right has to be right to many digits.
        steps = 1e-3 * np.clip(np.minimum(np.abs(at), np.abs(1 - at)), 1e-3, 1.0)

        def loss(change: np.ndarray) -> float:
            return self._loss(params, X, y, {value: change})

        near, far = _differences(loss, steps), _differences(loss, 2 * steps)
        return (4 * near - far) / 3

    def _run(
        self,
        params: Arrays,
        X: np.ndarray,
        y: np.ndarray,
        given: Mapping[str, np.ndarray] | None = None,
    ) -> tuple[float, Arrays, Mapping[str, Any]]:
        return self._secret.run(params, X, y, given, self._held, self._double)

    def _loss(
        self,
        params: Arrays,
        X: np.ndarray,
        y: np.ndarray,
        nudges: Mapping[str, np.ndarray] | None = None,
    ) -> float:
        return self._secret.loss(params, X, y, nudges or {}, self._held, self._double)

    def __str__(self) -> str:
        numbered = [f"{n:3}  {text}" for n, text in enumerate(self.code.splitlines(), start=1)]
        prices = ", ".join(f"{name} {price}" for name, price in PRICES.items())
        return "\n".join(
            [
                f"Case {self.seed}. A check of this code complains, or has nothing to compare.",
                "",
                *numbered,
                "",
                f"Can be frozen: {', '.join(self.freezable)}.",
                f"{self.points} points. Evidence costs: {prices}. A wrong answer costs "
                f"{FALSE_CHARGE}.",
                "Answer with accuse(line), accuse(line, line) or acquit(why).",
            ]
        )

    __repr__ = __str__


def _differences(loss: Callable[[np.ndarray], float], steps: np.ndarray) -> np.ndarray:
    slopes = np.empty(steps.shape)
    with np.errstate(all="ignore"):
        for index in np.ndindex(steps.shape):
            change = np.zeros(steps.shape)
            change[index] = steps[index]
            slopes[index] = (loss(change) - loss(-change)) / (2 * steps[index])
    return slopes


def _right(a: np.ndarray, n: np.ndarray) -> bool:
    return bool(relative_error(a, n) < CUTOFF)


def _in_words(a: np.ndarray, n: np.ndarray, ratios: np.ndarray) -> str:
    """One line about an array: its relative error, and the ratios of analytic to numeric."""
    if not (a.any() or n.any()):
        return "0 in every entry, and so are the differences"
    if _right(a, n):
        return "ok"
    error = f"relative error {relative_error(a, n):.1g}"
    if not ratios.size:
        return f"{error}: the differences are 0"
    low, high = ratios.min(), ratios.max()
    if high - low < 1e-5 * max(abs(low), abs(high)):
        return f"{error}, every ratio {ratios.mean():.4g}"
    off = np.count_nonzero(np.abs(ratios - 1) > 1e-6)
    return f"{error}, ratios from {low:.4g} to {high:.4g}, {off} of {ratios.size} not 1"


# ----------------------------------------------------------------------------- the drawing of a case


@dataclass(frozen=True)
class _Secret:
    """What the hunter does not see: how the case was made."""

    answer: tuple[int, ...] | str
    rights: Mapping[int, str]
    first_gradient_line: int
    freezable: tuple[str, ...]
    function: Callable[..., Any]
    draw: Callable[[int], tuple[Arrays, np.ndarray, np.ndarray]]
    dice_seed: int
    throws: bool
    points: dict[int, tuple[Arrays, np.ndarray, np.ndarray]] = field(default_factory=dict)
    dice: list[np.random.RandomState] = field(default_factory=list)

    def point(self, number: int) -> tuple[Arrays, np.ndarray, np.ndarray]:
        if number not in self.points:
            self.points[number] = self.draw(number)
        return self.points[number]

    def run(
        self,
        params: Arrays,
        X: np.ndarray,
        y: np.ndarray,
        given: Mapping[str, np.ndarray] | None = None,
        held: bool = True,
        double: bool = True,
    ) -> tuple[float, Arrays, Mapping[str, Any]]:
        """The loss, its gradient and all intermediate values."""
        rng = self._rng(held)
        with np.errstate(all="ignore"):
            return self.function(params, X, y, rng, {}, given or {}, double)

    def loss(
        self,
        params: Arrays,
        X: np.ndarray,
        y: np.ndarray,
        nudges: Mapping[str, np.ndarray],
        held: bool,
        double: bool,
    ) -> float:
        """The loss alone, as a difference needs it: the lines down to ``L``."""
        rng = self._rng(held)
        return self.function(params, X, y, rng, nudges, {}, double, only_loss=True)

    def _rng(self, held: bool) -> np.random.RandomState:
        if held and self.throws:
            return np.random.RandomState(self.dice_seed)
        if not self.dice:
            self.dice.append(np.random.RandomState(self.dice_seed))
        return self.dice[0]

    def afresh(self) -> _Secret:
        """The same case, its dice not yet thrown."""
        return replace(self, dice=[])

    def sentence(self) -> str:
        if isinstance(self.answer, str):
            return f"The code is right: {INNOCENT[self.answer]}."
        return " ".join(
            f"Line {number} should read `{self.rights[number].strip()}`." for number in self.answer
        )


def hunt(seed: int) -> Hunt:
    """A case to solve: code with a wrong line in it, or with two, or with none.

    Among any eight seeds from a multiple of eight, five cases have one wrong line, one has two, and
    in two the code is right. The same seed gives the same case everywhere.

    Parameters
    ----------
    seed
        A whole number from 0 to 2**32 - 1.

    Raises
    ------
    TypeError, ValueError
        If ``seed`` is not such a number.

    Examples
    --------
    >>> case = hunt(3)
    >>> evidence = case.check()
    >>> case.points
    28
    """
    if isinstance(seed, np.random.RandomState):
        raise TypeError("the seed of a hunt must be a whole number, so that it has one answer")
    random_stream(seed)  # refuses anything else that is not a seed
    number = operator.index(seed)
    deal, card = divmod(number, len(HANDS))
    hand = HANDS[np.random.RandomState([deal, STREAM]).permutation(len(HANDS))[card]]
    rng = np.random.RandomState([number, STREAM])
    while True:
        case = _attempt(number, hand, rng)
        if case is not None:
            return case


def _attempt(seed: int, hand: str, rng: np.random.RandomState) -> Hunt | None:
    """Draw a case, or ``None`` where what was drawn shows too little or gives itself away."""
    trap = _trap(hand, rng)
    bodies = [body for body in BODIES if body.kinked or trap not in ("kink", "dead units")]
    body = bodies[rng.randint(len(bodies))]
    head = HEADS[rng.randint(len(HEADS))]
    sizes = Sizes(
        N=rng.randint(4, 8), D=rng.randint(2, 5), H=rng.randint(3, 5), K=rng.randint(2, 4)
    )
    lines = [*head.backward, *body.backward]
    texts = [one.right[rng.randint(len(one.right))] for one in lines]
    first = _header(body, head, trap)
    guilty = _guilty(hand, lines, rng)
    rights = {}
    for k in guilty:
        rights[len(first) + 1 + k] = texts[k]
        texts[k] = lines[k].wrong[rng.randint(len(lines[k].wrong))]
    names = tuple(body.shapes(sizes))
    returned = "return L, {" + ", ".join(f'"{name}": d{name}' for name in names) + "}"
    code = [first[0], *(f"    {text}" for text in (*first[1:], *texts, returned))]
    values = {match[1] for text in first if (match := re.match(r"(\w+) = ", text))}
    freezable = tuple(t for t in dict.fromkeys(map(_target, texts)) if t[1:] in values)
    answer = tuple(sorted(rights)) if guilty else trap
    secret = _Secret(
        answer=answer,
        rights=rights,
        first_gradient_line=len(first) + 1,
        freezable=freezable,
        function=_instrumented(code, values, freezable),
        draw=_drawer(seed, body, head, sizes, trap),
        dice_seed=rng.randint(2**31),
        throws=trap == "dice",
    )
    case = Hunt(seed, "\n".join(code), secret)
    repaired = [f"    {rights.get(n, text.strip())}" for n, text in enumerate(code[1:], start=2)]
    right = _instrumented([code[0], *repaired], values, freezable)
    return case if _fair(case, guilty, right) else None


def _trap(hand: str, rng: np.random.RandomState) -> str:
    """What makes a check complain of right code: always in an innocent case, else now and then."""
    if hand != "innocent" and rng.uniform() < 0.6:
        return ""
    return tuple(INNOCENT)[rng.randint(len(INNOCENT))]


def _guilty(hand: str, lines: list, rng: np.random.RandomState) -> list[int]:
    if hand == "innocent":
        return []
    candidates = [k for k, one in enumerate(lines) if one.wrong]
    chosen = rng.permutation(candidates)[: 1 if hand == "one line" else 2]
    return sorted(int(k) for k in chosen)


def _header(body: Body, head: Head, trap: str) -> list[str]:
    extra = {
        "dice": ["X = X * (rng.uniform(size=X.shape) < 0.8) / 0.8"],
        "float32": ["p, X, y = float32(p), float32(X), float32(y)"],
    }
    return [
        "def loss_and_gradient(p, X, y):",
        *extra.get(trap, []),
        *body.forward,
        *head.forward,
    ]


def _target(text: str) -> str:
    return text.split(" = ")[0]


def _instrumented(code: list[str], values: Iterable[str], freezable: Iterable[str]) -> Callable:
    """The code as a function that can be nudged and frozen, and that tells what it has computed."""
    lines = ["def instrumented(p, X, y, rng, nudges, given, double, only_loss=False):"]
    lines.append("    float32 = as_it_is if double else single")
    for text in code[1:-1]:
        lines.append(text)
        target = _target(text.strip())
        if target in values and target != "X":
            lines.append(f'    {target} = {target} + nudges.get("{target}", 0)')
        if target == "L":
            lines.append("    if only_loss: return L")
        if target in freezable:
            lines.append(f'    {target} = given.get("{target}", {target})')
    lines.append(f"{code[-1]}, locals()")
    namespace: dict[str, Any] = {"np": np, "single": _single, "as_it_is": lambda a: a}
    exec(compile("\n".join(lines), "<the code of a hunt>", "exec"), namespace)
    return namespace["instrumented"]


def _single(a: Any) -> Any:
    if isinstance(a, Mapping):
        return {name: array.astype(np.float32) for name, array in a.items()}
    return a.astype(np.float32)


def _drawer(
    seed: int, body: Body, head: Head, sizes: Sizes, trap: str
) -> Callable[[int], tuple[Arrays, np.ndarray, np.ndarray]]:
    forward = _instrumented(
        ["def f(p, X, y):", *(f"    {text}" for text in body.forward), "    return out"],
        (),
        (),
    )

    def draw(number: int) -> tuple[Arrays, np.ndarray, np.ndarray]:
        rng = np.random.RandomState([seed, STREAM, 1 + number])
        while True:
            params = drawn_parameters(rng, body.shapes(sizes))
            X = rng.normal(size=(sizes.N, body.columns(sizes)))
            y = head.targets(rng, sizes.N, sizes.K)
            out, seen = forward(params, X, y, rng, {}, {}, True)
            if np.max(np.abs(out)) > LARGEST_OUTPUT:
                continue
            if body.kinked is None:
                return params, X, y
            value, bias = body.kinked
            Z = seen[value]
            alive = (Z > 0).reshape(-1, Z.shape[-1]).mean(axis=0)
            if np.min(np.abs(Z)) > 1e-3 and alive.min() > 0 and alive.max() < 1:
                break
        if number == 0 and trap == "kink":
            nearest = np.unravel_index(rng.randint(Z.size), Z.shape)
            params[bias][0, nearest[-1]] += 4e-6 - Z[nearest]
        if number == 0 and trap == "dead units":
            params[bias] -= Z.max() + 1
        return params, X, y

    return draw


# --------------------------------------------------------------------------------------- fairness


def _fair(case: Hunt, guilty: list[int], right: Callable[..., Any]) -> bool:
    """Whether every wrong line shows, evidence decides, and no table of ratios does so alone."""
    try:
        first = Hunt(case.seed, case.code, case._secret.afresh()).check()
        if any(array.shape != first.numeric[name].shape for name, array in first.analytic.items()):
            return False
        if not all(np.isfinite(array).all() for array in first.analytic.values()):
            return False
        if not first.wrong and not first.empty:
            return False
        answers = suspects(case.code, first)
        if len(answers) < 2:
            return False
        if guilty and not _shows(case, right):
            return False
        return solve(Hunt(case.seed, case.code, case._secret.afresh())) == case.answer
    except ValueError:  # shapes that do not fit would be no riddle
        return False


def _shows(case: Hunt, right: Callable[..., Any]) -> bool:
    """Whether each wrong line changes each array that it feeds, at two draws without a trap.

    Of two wrong lines neither may hide behind the other.
    """
    fed = [feeds(case.code)[number] for number in case._secret.rights]
    if len(fed) == 2 and (fed[0] <= fed[1] or fed[1] <= fed[0]):
        return False
    spoilt = frozenset[str]().union(*fed)
    for draw in (1, 2):
        params, X, y = case._secret.point(draw)
        found = case._secret.run(params, X, y)[1]
        rng = np.random.RandomState(case._secret.dice_seed)
        truth = right(params, X, y, rng, {}, {}, True)[1]
        for name in spoilt:
            gap = np.linalg.norm(found[name] - truth[name])
            if not gap > SEEN * np.linalg.norm(truth[name]):
                return False
    return True
