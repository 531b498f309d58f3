"""The exercises of notebook 05: the gradient check."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from gradlab.differences import relative_error
from gradlab.exercises import depth, exercise
from gradlab.exercises.feedback import (
    NotAttempted,
    Wrong,
    attempted,
    blank,
    call,
    choice,
    described,
    number,
    same_array,
)
from gradlab.exercises.trial import trial

NORM = np.linalg.norm
PARAMETERS = ("W1", "b1", "W2", "b2")
Pair = tuple[np.ndarray, np.ndarray]


# What people divide by what, each with the sentence that helps.
OTHER_ERRORS = {
    "That is the absolute error: divide it by the size of both.": lambda a, n: NORM(a - n),
    "You divide by the size of the analytic array alone.": lambda a, n: NORM(a - n) / NORM(a),
    "You divide by the size of the numeric array alone.": lambda a, n: NORM(a - n) / NORM(n),
    "You divide by the larger of the two sizes; the exercise divides by their sum.": (
        lambda a, n: NORM(a - n) / max(NORM(a), NORM(n))
    ),
    "You divide by the norm of the sum; what is asked for is the sum of the norms.": (
        lambda a, n: NORM(a - n) / NORM(a + n)
    ),
    "You take the difference of the norms, which is 0 for a flipped sign; "
    "take the norm of the difference.": lambda a, n: abs(NORM(a) - NORM(n)) / (NORM(a) + NORM(n)),
    "Only the first size is in the denominator, because / binds before +; brackets are missing.": (
        lambda a, n: NORM(a - n) / NORM(a) + NORM(n)
    ),
    "You divide by the mean of the two sizes; the exercise divides by their sum.": (
        lambda a, n: NORM(a - n) / ((NORM(a) + NORM(n)) / 2)
    ),
    "You divide by the product of the two sizes; the exercise divides by their sum.": (
        lambda a, n: NORM(a - n) / (NORM(a) * NORM(n))
    ),
    "The square roots are missing: a norm is the root of a sum of squares.": (
        lambda a, n: np.sum((a - n) ** 2) / (np.sum(a**2) + np.sum(n**2))
    ),
    "You add up absolute values, which is another norm; take the 2-norm.": (
        lambda a, n: np.sum(abs(a - n)) / (np.sum(abs(a)) + np.sum(abs(n)))
    ),
    "That is the mean over the entries; take one norm over the whole array.": (
        lambda a, n: np.mean(abs(a - n) / (abs(a) + abs(n)))
    ),
    "That is the largest over the entries; take one norm over the whole array.": (
        lambda a, n: np.max(abs(a - n) / (abs(a) + abs(n)))
    ),
    "For a matrix, norm(x, 2) is its largest singular value; leave the 2 out.": (
        lambda a, n: NORM(a - n, 2) / (NORM(a, 2) + NORM(n, 2))
    ),
}


@exercise("05_relative_error", "5.1 The relative error")
def judge_relative_error(answer: Any) -> str:
    stream = np.random.RandomState(5)
    pairs = []
    for shape, factor in (((2, 5), 0.5), ((5, 1), 2.0), ((1, 1), 1.2)):
        analytic = stream.normal(size=shape)
        pairs.append((analytic, factor * analytic + 0.3 * stream.normal(size=shape)))
    values = [number(call(answer, a, n), "the relative error") for a, n in pairs]
    if not _agree(values, relative_error, pairs):
        for sentence, error in OTHER_ERRORS.items():
            if _agree([abs(value) for value in values], error, pairs):
                raise Wrong(sentence)
        _judge_small_number(values, pairs)
        (a, n), value = pairs[0], values[0]
        raise Wrong(
            f"For two arrays of shape {a.shape} you return {value:.6g}, "
            f"not {relative_error(a, n):.6g}."
        )
    tiny = np.full((1, 1), 4e-16)
    if number(call(answer, tiny, tiny / 2), "the relative error") < 0:
        raise Wrong(
            "For two arrays of 4e-16 and 2e-16 you return a negative number: the 1e-15 is "
            "subtracted where it should be added."
        )
    zeros = _error_of_zeros(answer, np.zeros((1, 5)))
    if zeros != 0:
        raise Wrong(f"For two arrays of zeros, which agree, you return {zeros:.3g}.")
    return "And where both arrays are zero it is 0, because of the 1e-15."


def _judge_small_number(values: list[float], pairs: list[Pair]) -> None:
    """Name the small number in the denominator if it is so large that it shows."""
    small = [
        NORM(a - n) / value - NORM(a) - NORM(n)
        for value, (a, n) in zip(values, pairs, strict=True)
        if value > 0
    ]
    if len(small) == len(pairs) and 1e-13 < small[0] < 0.1 and np.allclose(small, small[0], 0.01):
        raise Wrong(
            f"The small number in your denominator is {small[0]:.0e}, so large that it shows: "
            f"gradients of that size would seem to agree. Take the 1e-15 of the formula."
        )


def _agree(values: list[float], error: Callable[..., float], pairs: list[Pair]) -> bool:
    return all(
        math.isclose(value, error(a, n), rel_tol=1e-9)
        for value, (a, n) in zip(values, pairs, strict=True)
    )


def _error_of_zeros(answer: Any, zeros: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        value = call(answer, zeros, zeros)
    try:
        return number(value, "the relative error")
    except Wrong:
        raise Wrong(
            "For two arrays of zeros you divide 0 by 0; the small number in the denominator is "
            "there for them."
        ) from None


@exercise("05_factor_two", "5.2 What a relative error says")
def judge_factor_two(answer: Any) -> str:
    if isinstance(answer, str) and re.fullmatch(r"[\d./% ]+", answer):
        raise Wrong(f"{answer!r} is a text: write the number without the quotes.")
    value = number(answer, "the relative error")
    mistakes = {
        1.0: "1 is what a wrong sign gives, or an array of zeros: |a - n| is as large as |a| + |n|.",
        0.5: "That is |a - n| / |a|; the denominator adds the numeric array's size to it.",
        2 / 3: "The numerator is too large: with a = 2n, how large is a - n?",
        0.0: "0 would mean that the two agree.",
        0.3: "Close, but too coarse: give two digits at least, or a fraction.",
    }
    for wrong, sentence in mistakes.items():
        if math.isclose(value, wrong, abs_tol=0.005):
            raise Wrong(sentence)
    if value > 1:
        raise Wrong("The denominator has both sizes in it, and no relative error here exceeds 1.")
    if value < 0:
        raise Wrong("A relative error is a quotient of norms, and those are never negative.")
    if not math.isclose(value, 1 / 3, abs_tol=0.005):
        raise Wrong("Put a = 2n into the formula; the size of n then cancels.")
    return (
        "One third, whatever the gradient: a relative error of 0.33 should make you look for a 2."
    )


@exercise("05_liar", "5.3 The liar")
def judge_liar(answer: Any) -> str:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong("Two things are asked for: the liar, and the list of the arrays.")
    liar, arrays = answer
    if _suspect(liar) == "A":
        raise Wrong("All four errors of suspect A are far below the cutoff. Look at the other one.")
    named = _names(arrays)
    if named == {"W1", "b1"}:
        return "Suspect B, and only in the arrays of the first layer: that is half a diagnosis."
    if not named <= {"W1", "b1"}:
        raise Wrong("The suspect is right. Of the arrays, you accuse at least one that matches.")
    raise Wrong("The suspect is right. Of the arrays, at least one more does not match.")


def _names(arrays: Any) -> set[str]:
    if arrays is None or arrays is ...:
        raise NotAttempted("Name the arrays as well.")
    if isinstance(arrays, str):
        arrays = arrays.replace(",", " ").replace(" and ", " ").split()
    try:
        return {_parameter(name) for name in arrays}
    except TypeError:
        raise Wrong("The arrays are asked for as a list of names, such as ['W2'].") from None


def _suspect(liar: Any) -> str:
    if isinstance(liar, str):
        short = liar.lower().replace("suspect", "").strip(" _").upper()
        if short in ("A", "B"):
            return short
    return choice(liar, ("A", "B"))


def _parameter(name: Any) -> str:
    """``W1`` for ``dW1``, as the code calls its gradient; what is neither is quoted as it stands."""
    short = name.strip().removeprefix("d") if isinstance(name, str) else ""
    return short if short in PARAMETERS else choice(name, PARAMETERS)


# ------------------------------------------------------------------------------- the error bar

Curve = Callable[[float], float]
Bar = Callable[[Curve, float, float, float], float]


def _central(f: Curve, x: float, step: float) -> float:
    return (f(x + step) - f(x - step)) / (2 * step)


def _change(f: Curve, x: float, eps: float) -> float:
    return _central(f, x, 2 * eps) - _central(f, x, eps)


# Bars that people draw, each with the sentence that helps.
OTHER_BARS: dict[str, Bar] = {
    "The noise is missing: where the curve is straight, your bar has no width at all.": (
        lambda f, x, eps, noise: abs(_change(f, x, eps))
    ),
    "Only the noise is in it: at a large step the truncation error is far larger.": (
        lambda f, x, eps, noise: noise / eps
    ),
    "abs is missing: where the curve bends the other way, your bar is too short.": (
        lambda f, x, eps, noise: noise / eps + _change(f, x, eps)
    ),
    "Each of the two losses may be off by the noise, in opposite directions: together that is twice "
    "the noise, over 2 eps.": lambda f, x, eps, noise: noise / (2 * eps) + abs(_change(f, x, eps)),
    "Two losses off by the noise are twice the noise apart, but they are divided by 2 eps: that "
    "leaves noise/eps.": lambda f, x, eps, noise: 2 * noise / eps + abs(_change(f, x, eps)),
    "The noise is divided by the step, not multiplied: the smaller the step, the more it weighs.": (
        lambda f, x, eps, noise: noise * eps + abs(_change(f, x, eps))
    ),
    "The noise of the losses is not yet that of the difference: it is divided by the step.": (
        lambda f, x, eps, noise: noise + abs(_change(f, x, eps))
    ),
    "A third of the change is the truncation error itself, so the derivative would lie at the very "
    "end of the bar. Take the whole change.": (
        lambda f, x, eps, noise: noise / eps + abs(_change(f, x, eps)) / 3
    ),
    "From eps/2 to eps the difference changes by three quarters of its truncation error, which is "
    "less than the error: go from eps to 2 eps.": (
        lambda f, x, eps, noise: noise / eps + abs(_change(f, x, eps / 2))
    ),
    "The second difference has its points at 2 eps, so it is divided by 4 eps.": (
        lambda f, x, eps, noise: (
            noise / eps + abs(2 * _central(f, x, 2 * eps) - _central(f, x, eps))
        )
    ),
    "Both parts may add up in the worst case: take their sum, not the root of their squares.": (
        lambda f, x, eps, noise: math.hypot(noise / eps, _change(f, x, eps))
    ),
    "Both parts may add up in the worst case: take their sum, not the larger one.": (
        lambda f, x, eps, noise: max(noise / eps, abs(_change(f, x, eps)))
    ),
    "That is the difference itself; its error bar is asked for.": (
        lambda f, x, eps, noise: _central(f, x, eps)
    ),
    "The losses are subtracted and not divided by their distances: the bar is to have the units of "
    "a slope.": (
        lambda f, x, eps, noise: (
            noise / eps + abs((f(x + 2 * eps) - f(x - 2 * eps)) - (f(x + eps) - f(x - eps)))
        )
    ),
}

# Cubics, so that every way to the same truncation error gives the same number: coefficients of x
# to x**3, the point, the step and the noise. In the first the noise is the larger part, in the
# second the truncation error, which the third has with the other sign.
CUBICS = (
    ((0.7, -0.3, 0.4), 0.25, 1e-2, 2e-6),
    ((-1.1, 0.2, 0.9), -0.5, 1e-1, 1e-4),
    ((0.4, 0.6, -0.8), 0.75, 5e-2, 2e-4),
)


def _right_bar(f: Curve, x: float, eps: float, noise: float) -> float:
    return noise / eps + abs(_change(f, x, eps))


@exercise("05_error_bar", "5.4 An error bar of your own")
def judge_error_bar(answer: Any) -> str:
    curves = [(_cubic(*factors), x, eps, noise) for factors, x, eps, noise in CUBICS]
    values = [number(call(answer, *curve), "the error bar") for curve in curves]
    if _bars_agree(values, _right_bar, curves):
        return "And on both sides of the V it is wide enough: the noise rules on the left, the change on the right."
    for sentence, bar in OTHER_BARS.items():
        if _bars_agree(values, bar, curves):
            raise Wrong(sentence)
    if min(values) < 0:
        raise Wrong("An error bar is a distance and never negative.")
    (f, x, eps, noise), value = curves[0], values[0]
    raise Wrong(
        f"For a curve whose noise is {noise:g} you return {value:.4g} at eps = {eps:g}. There "
        f"noise/eps is {noise / eps:.4g}, and from eps to 2 eps the difference changes by "
        f"{abs(_change(f, x, eps)):.4g}."
    )


def _cubic(first: float, second: float, third: float) -> Curve:
    def f(x: float) -> float:
        return x * (first + x * (second + x * third))

    return f


def _bars_agree(values: list[float], bar: Bar, curves: list[tuple]) -> bool:
    return all(
        math.isclose(value, bar(*curve), rel_tol=1e-6)
        for value, curve in zip(values, curves, strict=True)
    )


# ---------------------------------------------------------------------- a check, an empty page


@exercise("05_gradient_check", "5.5 A check of your own")
def judge_gradient_check(answer: Any) -> str:
    return trial(answer)


SIZES = ((2, 5, 1), (3, 4, 4, 2), (2, 3), (2, 4, 5, 4, 1))


@exercise("05_any_depth", "5.6 An empty page")
def judge_any_depth(answer: Any) -> str:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong(
            f"Two functions are asked for, forward and backward; this is {described(answer)}."
        )
    forward, backward = map(attempted, answer)
    caches = []
    for seed, sizes in enumerate(SIZES):
        stream = np.random.RandomState(seed)
        X, y = stream.normal(size=(7, sizes[0])), stream.normal(size=(7, sizes[-1]))
        params = depth.init_params(sizes, seed)
        caches.append((sizes, params, _judge_forward(forward, params, X, sizes), X, y))
    for sizes, params, cache, X, y in caches:
        _judge_backward(backward, params, cache, X, y, sizes)
    return "From one layer to four, every array is right: seven lines have become a loop."


def _judge_forward(
    forward: Any, params: depth.Params, X: np.ndarray, sizes: tuple[int, ...]
) -> Any:
    """Judge the predictions for a network; the learner's own cache."""
    given = depth.forward(params, X)
    try:
        answer = call(forward, params, X)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise Wrong(
                f"forward returns two things, the predictions and whatever backward needs; this is "
                f"{described(answer)}."
            )
        if blank(answer[0]):
            raise NotAttempted("forward returns nothing so far.")
        last, layers = given[-2], len(sizes) - 1
        W, b = params[f"W{layers}"], params[f"b{layers}"]
        mistakes = {
            "The last layer is linear: no sigmoid there.": _sigmoid(given[-1]),
            "The last layer has lost its bias.": last @ W,
        }
        if layers > 1:
            straight = X
            for layer in range(1, layers + 1):
                straight = straight @ params[f"W{layer}"] + params[f"b{layer}"]
            mistakes["The hidden layers want a sigmoid each."] = straight
            mistakes["The biases of the hidden layers are missing."] = depth.forward(
                {**params, **_zero_biases(params, layers)}, X
            )[-1]
        if layers > 2:
            short = _sigmoid(X @ params["W1"] + params["b1"])
            if short.shape[1] == W.shape[0]:
                mistakes["The layers between the first and the last are skipped."] = short @ W + b
        same_array(answer[0], given[-1], "y_hat", mistakes)
    except Wrong as wrong:
        raise Wrong(f"{_network_in_words(sizes)}: {_lower(str(wrong))}") from None
    return answer[1]


def _judge_backward(
    backward: Any, params: depth.Params, cache: Any, X: np.ndarray, y: np.ndarray, sizes: tuple
) -> None:
    """Judge a gradient array by array, from the last layer to the first."""
    truth = depth.backward(params, X, y)
    layers = len(sizes) - 1
    try:
        grads = call(backward, params, cache, y)
        if not isinstance(grads, dict):
            raise Wrong(f"backward returns a dict of gradients; this is {described(grads)}.")
        missing = [name for name in truth if name not in grads]
        if missing:
            raise Wrong(f"The dict has no {', '.join(missing)}.")
        right: list[str] = []
        for layer in range(layers, 0, -1):
            for name in (f"W{layer}", f"b{layer}"):
                _judge_gradient(grads[name], truth[name], name, params, X, y, right)
                right.append(name)
    except Wrong as wrong:
        raise Wrong(f"{_network_in_words(sizes)}: {_lower(str(wrong))}") from None


def _judge_gradient(
    found: Any,
    truth: np.ndarray,
    name: str,
    params: depth.Params,
    X: np.ndarray,
    y: np.ndarray,
    right: list[str],
) -> None:
    layer = int(name[1:])
    mistakes = {
        "The 1/N of the mean is missing.": len(y) * truth,
        "The 1/N of the mean stands there twice.": truth / len(y),
    }
    for sentence, slope in (
        ("The slope of the sigmoid, H (1 - H), is missing on the way.", "none"),
        (
            "The slope H (1 - H) is taken of the layer before: it belongs to the layer itself.",
            "before",
        ),
        ("The linear last layer has no H (1 - H).", "last"),
    ):
        wrong = _with_slope(params, X, y, slope).get(name)
        if wrong is not None and wrong.shape == truth.shape and not np.allclose(wrong, truth):
            mistakes[sentence] = wrong
    try:
        same_array(found, truth, f"d{name}", mistakes)
    except Wrong as wrong:
        if not right:
            raise
        behind = ", ".join(f"d{each}" for each in right)
        where = (
            f" Look at the step that carries the error signal back past W{layer + 1}."
            if name[0] == "W"
            else f" dW{layer} is right, so the error signal of this layer is."
        )
        raise Wrong(
            f"{behind} {'is' if len(right) == 1 else 'are'} right. {wrong}{where}"
        ) from None


def _with_slope(params: depth.Params, X: np.ndarray, y: np.ndarray, slope: str) -> depth.Params:
    """The gradient with a mistake in the slopes: left out, taken of the layer before, or once more."""
    given = depth.forward(params, X)
    upstream = (given[-1] - y) / len(y)
    if slope == "last":
        upstream = upstream * given[-1] * (1 - given[-1])
    grads: depth.Params = {}
    for layer in range(depth.layers(params), 0, -1):
        if layer < depth.layers(params):
            H = given[layer - 1] if slope == "before" else given[layer]
            if H.shape != upstream.shape:
                break
            upstream = upstream if slope == "none" else upstream * H * (1 - H)
        grads[f"W{layer}"] = given[layer - 1].T @ upstream
        grads[f"b{layer}"] = np.sum(upstream, axis=0, keepdims=True)
        upstream = upstream @ params[f"W{layer}"].T
    return grads


def _zero_biases(params: depth.Params, layers: int) -> depth.Params:
    return {f"b{layer}": 0 * params[f"b{layer}"] for layer in range(1, layers)}


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def _network_in_words(sizes: tuple[int, ...]) -> str:
    count = ("one layer", "two layers", "three layers", "four layers")[len(sizes) - 2]
    return f"With {count}, {'-'.join(map(str, sizes))}"


def _lower(sentence: str) -> str:
    """With a small letter at its beginning, unless that is the name of an array."""
    return sentence if sentence[1:2].isdigit() else sentence[:1].lower() + sentence[1:]
