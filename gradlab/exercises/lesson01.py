"""The exercises of notebook 01: a prediction, a network on paper, two derivatives, the shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlab import mlp, worked
from gradlab.data import paraboloid
from gradlab.exercises import exercise
from gradlab.exercises.feedback import (
    NotAttempted,
    Wrong,
    blank,
    call,
    number,
    only_arguments,
    same_array,
    shape,
)

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
    if guess == 0:
        return "not zero: both nudges raise the loss"
    if np.sign(guess) != np.sign(truth):
        return "not of that sign"
    return "smaller than that" if abs(guess) > abs(truth) else "larger than that"


PAPER = ("Z1", "H", "y_hat", "L", "dy", "dW2", "db2", "dH", "dZ1", "dW1", "db1")


@exercise("01_paper", "1.2 A network on paper")
def judge_paper(answer: Any) -> str:
    """Value by value, in the order of the work, so that one slip is found where it was made."""
    if blank(answer):
        raise NotAttempted
    if not isinstance(answer, dict):
        raise Wrong(f"A dict with {', '.join(PAPER)} is asked for.")
    truth, done = worked.values(), 0
    for name in PAPER:
        found = answer.get(name, ...)
        for index in np.ndindex(truth[name].shape):
            where = f"{name}[{', '.join(map(str, index))}]" if index else name
            value = value_at(found, index, where)
            if blank(value):
                if done <= 1:  # the stub gives the first
                    raise NotAttempted
                raise NotAttempted(f"{done} numbers right so far. Next: {where}.")
            said, right = number(value, where), float(truth[name][index])
            if abs(said - right) > 1e-9:
                raise Wrong(paper_sentence(name, index, where, said))
            done += 1
    return (
        f"All {done} numbers, forward and backward. There is nothing in backpropagation that you have "
        f"not just done; what follows is the same with letters."
    )


def value_at(found: Any, index: tuple[int, ...], where: str) -> Any:
    """One entry of nested lists (or of an array), blank where the learner has not got that far."""
    for place in index:
        if blank(found):
            return ...
        try:
            found = found[place]
        except (TypeError, IndexError, KeyError):
            raise Wrong(f"There is no {where}: keep the brackets as the stub has them.") from None
    return found


def paper_sentence(name: str, index: tuple[int, ...], where: str, said: float) -> str:
    """What went wrong at one number, if it can be told from the number."""
    seen = worked.values()
    params = worked.params()
    row, column = index if index else (0, 0)
    X, H, Z, W2 = worked.X, seen["H"], seen["Z1"], params["W2"]
    error = seen["y_hat"] - worked.y
    mistakes: dict[str, list[tuple[float, str]]] = {
        "Z1": [(float((X @ params["W1"])[index]) if name == "Z1" else 0, "The bias is missing.")],
        "H": [
            (float(Z[row, column] ** 2), "A unit is half the square: Z1² / 2."),
            (float(Z[row, column]), "That is Z1. The unit is half its square."),
        ],
        "y_hat": [
            (float((H @ W2)[row, 0]), "The bias b2 is missing."),
            (float(np.sum(H[row]) - 2), "The weights W2 are missing."),
        ],
        "L": [
            (float(np.sum(error**2) / 2), "Divide by N: the loss is a mean over the two samples."),
            (float(np.mean(error**2)), "The half in front of each square is missing."),
            (float(np.sum(error**2)), "The half of each square and the mean over N are missing."),
        ],
        "dy": [
            (float(error[row, 0]), "Divide by N: each sample has only half a say in the loss."),
            (float(-error[row, 0] / 2), "The other way round: prediction minus target."),
            (float(error[row, 0] ** 2 / 2), "The slope of half a square is not a square."),
        ],
        "dW2": [
            *((float(H[i, row] * seen["dy"][i, 0]), one_path(i)) for i in (0, 1)),
            (float(seen["dW2"][row, 0] / 2), "Add the paths, do not average: dy has its 1/N."),
        ],
        "db2": [
            *((float(seen["dy"][i, 0]), one_path(i)) for i in (0, 1)),
            (float(seen["db2"][0, 0] / 2), "Add the paths, do not average: dy has its 1/N."),
        ],
        "dH": [
            (float(seen["dy"][row, 0] * W2[1 - column, 0]), "That is the other unit's weight."),
            (
                float(seen["dy"][row, 0]),
                "On the way back it is multiplied by the unit's weight in W2.",
            ),
        ],
        "dZ1": [
            (float(seen["dH"][row, column]), "That is dH: the slope of the unit is missing."),
            (float(seen["dH"][row, column] * H[row, column]), "The slope of Z1² / 2 is Z1, not H."),
            (float(Z[row, column]), "That is the slope alone. What arrives from the right?"),
        ],
        "dW1": [
            *((float(X[i, row] * seen["dZ1"][i, column]), one_path(i)) for i in (0, 1)),
            (float(seen["dW1"][row, column] / 2), "Add the paths, do not average."),
            (float(seen["db1"][0, column]), "That is db1. A weight has the input as its factor."),
        ],
        "db1": [
            *((float(seen["dZ1"][i, column]), one_path(i)) for i in (0, 1)),
            (float(seen["db1"][0, column] / 2), "Add the paths, do not average."),
            (float(seen["dW1"][0, column]), "That is dW1. A bias has the factor 1, whatever X is."),
        ],
    }
    right = float(seen[name][index])
    for wrong, sentence in mistakes[name]:
        if abs(said - wrong) < 1e-9 and abs(wrong - right) > 1e-9:
            return f"{where}: {sentence}"
    if said == -right:
        return f"{where} has the right size; look at its sign."
    hints = {
        "Z1": "the sample's input times the unit's weight, plus the unit's bias",
        "H": "half the square of the same entry of Z1",
        "y_hat": "each hidden value of the sample times its weight in W2, plus b2",
        "L": "half the squared errors, averaged over the two samples",
        "dy": "the sample's error, y_hat minus y, over N = 2",
        "dW2": "for each sample the hidden value times dy; then add the two",
        "db2": "for each sample dy; then add the two",
        "dH": "the sample's dy times the unit's weight in W2",
        "dZ1": "the same entry of dH times the slope of the unit there, which is Z1",
        "dW1": "for each sample the input times dZ1; then add the two",
        "db1": "for each sample dZ1; then add the two",
    }
    return f"{where} is not {worked.fraction(said)}. It is {hints[name]}."


def one_path(sample: int) -> str:
    return f"That is the path through sample {sample} alone. The other sample has a path too: add."


@exercise("01_shortcut", "1.3 A shortcut")
def judge_shortcut(answer: Any) -> str:
    stream = np.random.RandomState(4)
    X, H, dy = (stream.normal(size=shape) for shape in ((6, 3), (6, 4), (6, 2)))
    only_arguments(answer)
    said = call(answer, X, H, dy)
    if isinstance(said, tuple):
        raise Wrong("The function returns several things; dS alone is asked for.")
    by_unit = H.T @ dy
    same_array(
        said,
        X.T @ dy,
        "dS",
        mistakes={
            "dy has its 1/N already: dS is divided by N a second time.": X.T @ dy / 6,
            "That is dW2. S does not meet the hidden values: which array does it multiply?": by_unit,
            "That is a row for each sample still. S serves them all, so its paths are summed.": dy,
            "That sums dy alone, as for a bias. S has a factor: the input.": (
                np.sum(dy, axis=0, keepdims=True)
            ),
            "S is multiplied by X on the way forward, not added to it: no sum over the inputs.": (
                np.sum(X, axis=1, keepdims=True).T @ dy
            ),
        },
    )
    return (
        "S stands to X as W2 stands to H, so its gradient is X.T @ dy: one more path into the same "
        "prediction, and no path of the others changes."
    )


@exercise("01_tanh_slope", "1.4 Another hidden layer")
def judge_tanh_slope(answer: Any) -> str:
    only_arguments(answer)
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


@exercise("01_shapes", "1.5 Shapes for another network")
def judge_shapes(answer: Any) -> str:
    if answer is None or answer is ...:
        raise NotAttempted
    if not isinstance(answer, dict):
        raise Wrong(f"A dict with a shape for each of {', '.join(SHAPES)} is asked for.")
    missing = [name for name in SHAPES if blank(answer.get(name, ...))]
    if len(missing) == len(SHAPES):
        raise NotAttempted
    if missing:
        raise NotAttempted(f"Still to come: {', '.join(missing)}.")
    for name, truth in SHAPES.items():
        if isinstance(answer[name], np.ndarray):
            raise Wrong(
                f"{name} is an array of shape {answer[name].shape}. Its shape is asked for, as a "
                f"tuple such as (7, 6), in the network of the exercise."
            )
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
