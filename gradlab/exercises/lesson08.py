"""The exercises of notebook 08: checking at scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gradlab.bugs import networks
from gradlab.exercises import exercise
from gradlab.exercises.feedback import (
    NotAttempted,
    Wrong,
    attempted,
    call,
    described,
    number,
    same_array,
)

MOST_QUESTIONS = 10_000  # a search that asks more than this would go on for ever


@exercise("08_growth", "8.1 Guess the growth")
def judge_growth(answer: Any) -> str:
    factor = number(answer, "the factor")
    mistakes = {
        "That counts the evaluations. Does each of them take as long as before?": (1e3,),
        "Each entry is evaluated twice in the small network too, so the two cancels.": (2e3, 2e6),
        "That looks like an exponent; write the factor itself.": (2, 3, 6),
        "That is the work of the large network alone; divide by that of the small one.": (
            1e12,
            2e12,
        ),
        "That is how much of the time the small network needs: turn it round.": (1e-3, 1e-6),
        "One thousand too many: the samples stay the same, so only two things grow.": (1e9,),
        "Would a thousand times as many parameters cost the same?": (1.0,),
    }
    if math.isclose(factor, 1e6, rel_tol=0.02):
        return "A thousand times as many evaluations, each a thousand times as long."
    for sentence, factors in mistakes.items():
        if any(math.isclose(factor, wrong, rel_tol=1e-6) for wrong in factors):
            raise Wrong(sentence)
    size = "small" if factor < 1e6 else "large"
    raise Wrong(
        f"{factor:g} is too {size}. Write down the number of evaluations and the time of one, for "
        f"both networks."
    )


@exercise("08_last_layer", "8.2 The same for W2")
def judge_last_layer(answer: Any) -> str:
    rng = np.random.RandomState(8)
    H, y_hat, y = rng.uniform(size=(6, 4)), rng.normal(size=(6, 1)), rng.normal(size=(6, 1))
    eps, r = 0.1, y_hat - y
    truth = H.T @ r / len(y)
    bend = eps / 2 * np.mean(H**2, axis=0)[:, None]
    mistakes = {
        "The loss is a mean: a division by the number of samples is missing.": len(y) * truth,
        "Twice too large. Either the half in the loss is missing, or the two points lie 2 eps "
        "apart and you divide by eps.": 2 * truth,
        "Half of it: the half stands in the loss already, and the points lie 2 eps apart.": (
            truth / 2
        ),
        "That is the difference of the two losses; divide it by the distance of the two points.": (
            2 * eps * truth
        ),
        "(a - b) / 2 * eps multiplies by eps; brackets round 2 * eps are missing.": (
            eps**2 * truth
        ),
        "The sign is wrong: up minus down.": -truth,
        "That is the forward difference, with its truncation error; nudge down as well.": (
            truth + bend
        ),
        "That is the backward difference, with its truncation error; nudge up as well.": (
            truth - bend
        ),
        "All entries of W2 move at once here; move one at a time.": np.full_like(
            truth, truth.sum()
        ),
    }
    gradient = call(answer, H, y_hat, y, eps)
    broadcast = _with_square_residuals(H, y_hat, y, eps)
    mistakes |= {
        "All predictions move by eps here; what stands between an entry of W2 and a prediction?": (
            np.full_like(truth, r.mean())
        ),
        "The nudge moves W2 by 1 here; it should move it by eps.": truth / eps,
        "The nudge stands alone here; add it to y_hat.": -H.T @ y / len(y),
    }
    mistakes["The loss is taken over an (N, N) array here: H[:, j] is (N,), and with the (N, 1) of "
             "y_hat it broadcasts. H[:, [j]] stays a column."] = broadcast  # fmt: skip
    if np.shape(gradient) == (len(truth),):
        raise Wrong(f"Return it in the shape of W2, {truth.shape}; this is {np.shape(gradient)}.")
    same_array(gradient, truth, "dW2", mistakes)
    tiny = 1e-9  # a difference of losses is off by about 1e-8 here, a formula by nothing
    if np.allclose(call(answer, H, y_hat, y, tiny), truth, rtol=0, atol=1e-13):
        raise Wrong(
            "The numbers are right, but rounding has left no trace in them: this is the formula of "
            "backpropagation, which is under test. A check needs differences of mlp.loss."
        )
    return (
        "No forward pass, and no truncation error: the loss is a parabola in W2, so this is "
        "H.T @ (y_hat - y) / N up to rounding, whatever eps is."
    )


def _with_square_residuals(
    H: np.ndarray, y_hat: np.ndarray, y: np.ndarray, eps: float
) -> np.ndarray:
    """What a loss without a shape check makes of an (N,) added to an (N, 1)."""
    ups, downs = (
        [0.5 * np.sum((y_hat + side * h - y) ** 2) / len(y) for h in H.T] for side in (eps, -eps)
    )
    return np.subtract(ups, downs)[:, None] / (2 * eps)


@exercise("08_halving", "8.3 Halve your suspects")
def judge_halving(answer: Any) -> str:
    if not callable(attempted(answer)):
        call(answer)  # says what is asked for
    most = 0
    for n, culprit in ((8, 5), (8, 0), (8, 7), (1000, 613), (1000, 0), (1000, 999), (7, 6), (1, 0)):
        interview = Interview(n, culprit)
        found = call(partial(answer, interview, n))
        _judge_culprit(found, interview)
        enough = math.ceil(math.log2(n))
        if interview.questions > enough + 2:
            raise Wrong(_too_many(interview, enough))
        most = max(most, interview.questions)
    said = f"No more than {most} questions for 1000 entries"
    if most > (enough := math.ceil(math.log2(1000))):
        return f"{said}, where {enough} are enough; for 16,000 it takes 14."
    return f"{said}; for 16,000 it takes 14."


def _too_many(interview: Interview, enough: int) -> str:
    found = f"Found, but with {interview.questions} questions for {interview.n} entries."
    if 3 * interview.idle >= interview.questions:
        return (
            f"{found} The answer about one half is the answer about the other as well: "
            f"{interview.idle} of your questions were answered before you asked. {enough} are enough."
        )
    return f"{found} Ask about half of those that are left: {enough} are enough."


class Interview:
    """Answers as ``suspicious`` does, counts the questions, and keeps who is still suspected.

    ``idle`` counts the questions whose answer followed from those before, and ``largest`` is the
    greatest number of entries that one question was about.
    """

    def __init__(self, n: int, culprit: int) -> None:
        self.n, self.culprit, self.questions, self.idle, self.largest = n, culprit, 0, 0, 0
        self.suspects = np.ones(n, dtype=bool)

    def __call__(self, *entries: Any) -> bool:
        self.questions += 1
        if self.questions > MOST_QUESTIONS:
            raise RuntimeError("it asks without end; low and high have to come closer each time")
        if len(entries) != 1:
            raise TypeError("suspicious takes one list of entries, such as np.arange(low, high)")
        asked = np.asarray(entries[0])
        if asked.ndim == 0:
            raise TypeError("suspicious takes a list of entries, such as np.arange(low, high)")
        if asked.size and asked.dtype.kind == "f":
            raise TypeError("suspicious takes whole numbers; // divides without a remainder")
        if asked.size and (
            asked.dtype.kind not in "iu" or asked.min() < 0 or asked.max() >= self.n
        ):
            raise ValueError(f"suspicious takes numbers of entries, from 0 to {self.n - 1}")
        among = np.isin(np.arange(self.n), asked)
        answer = bool(among[self.culprit])
        self.largest = max(self.largest, int(among.sum()))
        self.idle += bool(np.all(among[self.suspects] == answer))
        self.suspects &= among == answer
        return answer


def _judge_culprit(found: Any, interview: Interview) -> None:
    n, culprit = interview.n, interview.culprit
    try:
        number_found = np.asarray(found)
    except (TypeError, ValueError):
        raise Wrong(f"Return the number of one entry; this is {described(found)}.") from None
    if number_found.size != 1 or number_found.dtype.kind not in "iuf":
        raise Wrong(f"Return the number of one entry; this is {described(found)}.")
    entry = number_found.item()
    if entry == culprit:
        return
    where = f"Of {n} entries, number {culprit} is wrong, and you return {entry}"
    suspected = np.flatnonzero(interview.suspects)
    if interview.questions and interview.largest <= 1 and n > 2:
        raise Wrong(
            f"{where}. Each of your questions is about one entry, so a False clears no more than "
            f"that one: ask about half of those that are left, np.arange(low, middle)."
        )
    if entry in suspected:
        raise Wrong(f"{where}. After your questions {len(suspected)} entries are still possible.")
    if abs(entry - culprit) == 1:
        raise Wrong(f"{where}: next door. Which entries does np.arange(low, middle) ask about?")
    if entry in range(n):
        raise Wrong(f"{where}, which your questions rule out. Where is the culprit after a True?")
    raise Wrong(f"{where}. Follow low and high by hand for 8 entries.")


BLOCK, MOST_LENGTHS, LONGEST = 32, 3, 100_000


@exercise("08_lengths", "8.4 Choose the lengths")
def judge_lengths(answer: Any) -> str:
    lengths = _read_lengths(attempted(answer))
    missed = [
        mistake for mistake, kernel in KERNELS.items() if all(_right_at(kernel, n) for n in lengths)
    ]
    if missed:
        at = " and ".join(filter(None, [", ".join(map(str, lengths[:-1])), str(lengths[-1])]))
        others = f", and {len(missed) - 1} more" if len(missed) > 1 else ""
        raise Wrong(f"Not caught at {at}: the kernel that {missed[0]}{others}.")
    return (
        "Each of the six fails at one of these lengths: the last block full and not full, more than "
        "one block, and less than one."
    )


def _read_lengths(answer: Any) -> list[int]:
    try:
        given = np.asarray(list(answer) if isinstance(answer, set) else answer)
    except ValueError:
        raise Wrong(f"A few lengths are asked for, such as (5, 64); this is {described(answer)}.") from None  # fmt: skip
    if given.size == 0 or (given.dtype == object and any(part is ... for part in given.flat)):
        raise NotAttempted
    if given.dtype.kind not in "iuf" or given.ndim > 1 or not np.all(given == np.round(given)):
        raise Wrong(f"Lengths are whole numbers, such as (5, 64); this is {described(answer)}.")
    lengths = [int(length) for length in np.atleast_1d(given)]
    if len(lengths) > MOST_LENGTHS:
        raise Wrong(f"These are {len(lengths)} lengths; {MOST_LENGTHS} are enough.")
    if min(lengths) < 1:
        raise Wrong(f"An input has at least one entry; {min(lengths)} is no length.")
    if max(lengths) > LONGEST:
        raise Wrong(
            f"{max(lengths):,} is long for a check, and blocks of {BLOCK} show all at less."
        )
    return lengths


def _right_at(kernel: Callable[[np.ndarray, np.ndarray], np.ndarray], length: int) -> bool:
    rng = np.random.RandomState(length)
    dp, p = rng.normal(size=length), networks.softmax(rng.normal(size=(1, length)))[0]
    return np.allclose(kernel(dp, p), p * (dp - p @ dp), rtol=0, atol=1e-12)


def _backward(dp: np.ndarray, p: np.ndarray, used: np.ndarray) -> np.ndarray:
    """The backward pass of a softmax, of the entries in use; the others stay zero."""
    return np.where(used, p * (dp - (p * used) @ dp), 0)


def _tail_left_out(dp: np.ndarray, p: np.ndarray) -> np.ndarray:
    return _backward(dp, p, np.arange(len(p)) < len(p) // BLOCK * BLOCK)


def _sum_overwritten(dp: np.ndarray, p: np.ndarray) -> np.ndarray:
    last = (len(p) - 1) // BLOCK * BLOCK
    return p * (dp - p[last:] @ dp[last:])


def _single_entry_left_out(dp: np.ndarray, p: np.ndarray) -> np.ndarray:
    blocks = len(range(0, len(p) - 1, BLOCK))
    return _backward(dp, p, np.arange(len(p)) < blocks * BLOCK)


def _full_tail_taken_for_none(dp: np.ndarray, p: np.ndarray) -> np.ndarray:
    last = (len(p) - 1) // BLOCK * BLOCK
    return _backward(dp, p, np.arange(len(p)) < last + len(p) % BLOCK)


def _steps_of_four(dp: np.ndarray, p: np.ndarray) -> np.ndarray:
    return _backward(dp, p, np.arange(len(p)) < len(p) // 4 * 4)


def _padded_with_ones(dp: np.ndarray, p: np.ndarray) -> np.ndarray:
    padding = max(BLOCK - len(p), 0)
    return p * (dp - (p @ dp + padding))


# What each does with an input, and hence at which lengths it is right, is the exercise.
KERNELS = {
    "rounds the number of blocks down": _tail_left_out,
    "overwrites its sum over the blocks where it should add to it": _sum_overwritten,
    "forgets a last block that holds a single entry": _single_entry_left_out,
    "takes n % block for the length of the last block, even where that is 0": (
        _full_tail_taken_for_none
    ),
    "takes four entries at a time, and drops the rest": _steps_of_four,
    "fills up its first block with ones if the input is too short for it": _padded_with_ones,
}
