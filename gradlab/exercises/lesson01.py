"""The exercises of notebook 01: a prediction, one derivative, and the shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlab import mlp
from gradlab.data import paraboloid
from gradlab.exercises import exercise
from gradlab.exercises.feedback import NotAttempted, Wrong, call, number, same_array, shape

NUDGE = 0.001


@exercise("01_nudge", "1.1 Two nudges at once")
def judge_nudge(answer: Any) -> str:
    guess = number(answer, "the change of the loss")
    loss = mlp.loss_function(*paraboloid())

    def change(*nudged: tuple[str, tuple[int, int]]) -> float:
        params = mlp.init_params(seed=0)
        before = loss(params)
        for name, index in nudged:
            params[name][index] += NUDGE
        return loss(params) - before

    first, second = ("W2", (0, 0)), ("b2", (0, 0))
    truth = change(first, second)
    for wrong, sentence in [
        (change(first), "That is what the nudge of W2[0, 0] does alone. What does b2 add to it?"),
        (change(second), "That is what the nudge of b2 does alone. What does W2[0, 0] add to it?"),
        (
            change(first) + change(second) / 10,
            "Mind the exponents: 1.151e-04 is the larger of the two, and 9.552e-05 the smaller.",
        ),
        (truth / 2, "That is the average of the two. Does one nudge wait for the other?"),
        (change(first) - change(second), "That is their difference; both push the loss one way."),
        (-truth, "The size is right; look at the sign."),
        (truth / NUDGE, "That is the change per unit of nudge. The nudge was a thousandth."),
    ]:
        if np.isclose(guess, wrong, rtol=0.008, atol=0):
            raise Wrong(sentence)
    if 0.02 < abs(guess / truth - 1) < 0.06:
        raise Wrong("Close. The cell above prints four digits: keep three of them.")
    if not np.isclose(guess, truth, rtol=0.02, atol=0):
        raise Wrong(
            f"It is {size_compared(guess, truth)}. Over a nudge this small the loss is nearly "
            f"flat paper, tilted: think of what two small steps do on it."
        )
    return (
        "Small changes add up. So the slopes for the single entries, one number each, say what any "
        "small move of all the parameters does: that list of slopes is the gradient."
    )


def size_compared(guess: float, truth: float) -> str:
    if guess == 0 or np.sign(guess) != np.sign(truth):
        return "not of that sign"
    return "smaller than that" if abs(guess) > abs(truth) else "larger than that"


@exercise("01_tanh_slope", "1.2 Another hidden layer")
def judge_tanh_slope(answer: Any) -> str:
    H = np.tanh(np.linspace(-2.1, 1.7, 12).reshape(3, 4))
    same_array(
        call(answer, H),
        1 - H**2,
        "tanh_slope(H)",
        mistakes={
            "That is the slope of the sigmoid. Here H comes out of tanh.": H * (1 - H),
            "H has been through tanh already; your function sends it through once more.": (
                1 - np.tanh(H) ** 2
            ),
            "Nearly: at H = 0.5 the slope of tanh is 0.75. Which power of H gives that?": 1 - H,
            "That is H itself, not the slope at H.": H,
            "The slope is never larger than 1, and H = 0 has the largest. Check a sign.": 1 + H**2,
            "Nearly: at H = 0.5 the slope of tanh is 0.75. Does that need a root?": (
                np.sqrt(1 - H**2)
            ),
        },
    )
    return "It is 1 - H**2: like the sigmoid's, it can be had from the output alone."


SHAPES = {
    "dy": (8, 2),
    "dW2": (4, 2),
    "db2": (1, 2),
    "dH": (8, 4),
    "dZ1": (8, 4),
    "dW1": (3, 4),
    "db1": (1, 4),
}
OF_THE_NOTEBOOK = {8: 20, 3: 2, 4: 5, 2: 1, 1: 1}  # the same axis in the notebook's network


@exercise("01_shapes", "1.3 Shapes for another network")
def judge_shapes(answer: Any) -> str:
    if answer is None or answer is ...:
        raise NotAttempted
    if not isinstance(answer, dict):
        raise Wrong(f"A dict with a shape for each of {', '.join(SHAPES)} is asked for.")
    missing = [name for name in SHAPES if answer.get(name, ...) in (..., None)]
    if len(missing) == len(SHAPES):
        raise NotAttempted
    if missing:
        raise NotAttempted(f"Still to come: {', '.join(missing)}.")
    for name, truth in SHAPES.items():
        given = shape(answer[name], name)
        if given != truth:
            raise Wrong(shape_sentence(name, given, truth))
    return "Every gradient has the shape of the array it belongs to, whatever the sizes are."


def shape_sentence(name: str, given: tuple[int, ...], truth: tuple[int, ...]) -> str:
    if given == truth[::-1]:
        return f"{name} lies on its side: a gradient stands as its array stands."
    if name.startswith("db") and given == (8, truth[1]):
        return f"{name} still has a row for each sample. All samples share one row of biases."
    if given == truth[1:]:
        return f"{name} has the right length, but the bias is a row of a matrix: two numbers."
    if len(given) == 2 and all(
        size in (right, OF_THE_NOTEBOOK[right]) for size, right in zip(given, truth, strict=True)
    ):
        return (
            f"For {name}, {given} has a size of this notebook's network in it. The one asked about "
            f"has 3 inputs, 4 hidden units and 2 outputs, and N is 8."
        )
    return f"{name} is not {given}. Which array is it the gradient of, and what is its shape?"
