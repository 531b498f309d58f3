"""The answers to the exercises of notebook 08: the wrong ones get the sentence that helps."""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import exercises, mlp
from gradlab.exercises import lesson08


def said(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out.strip()


# ---------------------------------------------------------------------------- 8.1


@pytest.mark.parametrize("answer", [1e6, 1000 * 1000, np.float64(1e6), 1_001_000])
def test_growth_right(capsys, answer):
    assert said(capsys, "08_growth", answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (1000, "That counts the evaluations"),
        (2000, "the two cancels"),
        (2_000_000, "the two cancels"),
        (6, "looks like an exponent"),
        (1e-6, "turn it round"),
        (1e9, "One thousand too many"),
        (1, "cost the same"),
        (5e4, "too small"),
        (2, "looks like an exponent"),
        (1e12, "divide by that of the small one"),
        (1e8, "too large"),
        (np.inf, "divided by zero or overflowed"),
        ("a lot", "A number is asked for"),
    ],
)
def test_growth_wrong(capsys, answer, sentence):
    output = said(capsys, "08_growth", answer)
    assert output.startswith("Not yet.")
    assert sentence in output


def test_growth_not_attempted(capsys):
    assert said(capsys, "08_growth", ...).startswith("Not attempted yet.")


# ---------------------------------------------------------------------------- 8.2


def by_entries(up=1, down=1, over=lambda rise, eps: rise / (2 * eps), loss=mlp.loss):
    def w2_gradient(H, y_hat, y, eps):
        gradient = np.zeros((H.shape[1], 1))
        for j in range(H.shape[1]):
            shift = eps * H[:, [j]]
            gradient[j] = over(loss(y_hat + up * shift, y) - loss(y_hat - down * shift, y), eps)
        return gradient

    return w2_gradient


def summed(y_hat, y):
    return 0.5 * np.sum((y_hat - y) ** 2)


def unhalved(y_hat, y):
    return np.mean((y_hat - y) ** 2)


def all_at_once(H, y_hat, y, eps):
    shift = eps * H.sum(axis=1, keepdims=True)
    rise = mlp.loss(y_hat + shift, y) - mlp.loss(y_hat - shift, y)
    return np.full((H.shape[1], 1), rise / (2 * eps))


def broadcast(H, y_hat, y, eps):
    def loss(prediction):
        return 0.5 * np.sum((prediction - y) ** 2) / len(y)

    rises = [loss(y_hat + eps * h) - loss(y_hat - eps * h) for h in H.T]
    return np.array(rises)[:, None] / (2 * eps)


def stopped_by_the_shape_check(H, y_hat, y, eps):
    return mlp.loss(y_hat + eps * H[:, 0], y)


def without_h(H, y_hat, y, eps):
    rise = mlp.loss(y_hat + eps, y) - mlp.loss(y_hat - eps, y)
    return np.full((H.shape[1], 1), rise / (2 * eps))


def by_one(H, y_hat, y, eps):
    return by_entries()(H, y_hat, y, 1) / eps


def without_y_hat(H, y_hat, y, eps):
    return by_entries()(H, 0 * y_hat, y, eps)


def stacked(H, y_hat, y, eps):
    shift = eps * H.T[:, :, None]
    rise = mlp.loss(y_hat + shift, y) - mlp.loss(y_hat - shift, y)
    return rise[:, None] / (2 * eps)


@pytest.mark.parametrize("answer", [by_entries(), stacked])
def test_last_layer_right(capsys, answer):
    assert said(capsys, "08_last_layer", answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda H, y_hat, y, eps: H.T @ (y_hat - y) / len(y), "is under test"),
        (lambda H, y_hat, y, eps: np.mean((y_hat - y) * H, axis=0)[:, None], "is under test"),
        (by_entries(loss=summed), "division by the number of samples"),
        (by_entries(loss=unhalved), "Twice too large"),
        (by_entries(over=lambda rise, eps: rise / eps), "Twice too large"),
        (by_entries(over=lambda rise, eps: rise / (4 * eps)), "Half of it"),
        (by_entries(over=lambda rise, eps: rise), "divide it by the distance"),
        (by_entries(over=lambda rise, eps: rise / 2 * eps), "brackets"),
        (by_entries(over=lambda rise, eps: -rise / (2 * eps)), "The sign is wrong"),
        (by_entries(down=0, over=lambda rise, eps: rise / eps), "forward difference"),
        (by_entries(up=0, over=lambda rise, eps: rise / eps), "backward difference"),
        (all_at_once, "one at a time"),
        (without_h, "between an entry of W2 and a prediction"),
        (by_one, "moves W2 by 1"),
        (without_y_hat, "add it to y_hat"),
        (broadcast, "(N, N) array"),
        (stopped_by_the_shape_check, "ValueError"),
        (lambda *arguments: by_entries()(*arguments).ravel(), "in the shape of W2"),
        (lambda *arguments: by_entries()(*arguments).T, "dW2 has the right numbers, lying"),
        (lambda H, y_hat, y, eps: y_hat * np.nan, "has shape (6, 1)"),
        (lambda H, y_hat, y, eps: np.full((4, 1), np.nan), "nan or infinity"),
        ([1, 2], "A function is asked for"),
    ],
)
def test_last_layer_wrong(capsys, answer, sentence):
    output = said(capsys, "08_last_layer", answer)
    assert output.startswith("Not yet.")
    assert sentence in output


def test_last_layer_not_attempted(capsys):
    assert said(capsys, "08_last_layer", lambda H, y_hat, y, eps: ...).startswith("Not attempted")


# ---------------------------------------------------------------------------- 8.3


def halving(suspicious, n):
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if suspicious(np.arange(low, middle)):
            high = middle
        else:
            low = middle
    return low


def recursively(suspicious, n, low=0):
    if n == 1:
        return low
    half = n // 2
    if suspicious(list(range(low, low + half))):
        return recursively(suspicious, half, low)
    return recursively(suspicious, n - half, low + half)


def with_arrays(suspicious, n):
    entries = np.arange(n)
    while len(entries) > 1:
        left, right = np.array_split(entries, 2)
        entries = left if suspicious(left) else right
    return entries


def one_by_one(suspicious, n):
    return next(entry for entry in range(n) if suspicious([entry]))


def middle_only(suspicious, n):
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if suspicious([middle]):
            high = middle
        else:
            low = middle
    return low


def bare_middle(suspicious, n):
    return n // 2 if suspicious(n // 2) else 0


def both_halves(suspicious, n):
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if suspicious(np.arange(low, middle)):
            high = middle
        elif suspicious(np.arange(middle, high)):
            low = middle
    return low


def thirds(suspicious, n):
    low, high = 0, n
    while high - low > 1:
        third = max((high - low) // 3, 1)
        if suspicious(np.arange(low, low + third)):
            high = low + third
        elif suspicious(np.arange(low + third, min(low + 2 * third, high))):
            low, high = low + third, min(low + 2 * third, high)
        else:
            low = min(low + 2 * third, high - 1)
    return low


def asking_about_all_first(suspicious, n):
    return halving(suspicious, n) if suspicious(np.arange(n)) else None


def one_too_many(suspicious, n):
    return halving(suspicious, n) + 1


def other_half(suspicious, n):
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if suspicious(np.arange(low, middle)):
            low = middle
        else:
            high = middle
    return low


def without_end(suspicious, n):
    while suspicious(np.arange(n)):
        pass


def one_too_few(suspicious, n):
    return halving(suspicious, n - 1)


def with_two_arguments(suspicious, n):
    return suspicious(0, n)


def with_halves_of_entries(suspicious, n):
    return suspicious(np.arange(0, n / 2))


def out_of_range(suspicious, n):
    return suspicious(np.arange(n + 1))


@pytest.mark.parametrize("answer", [halving, recursively, with_arrays])
def test_halving_right(capsys, answer):
    output = said(capsys, "08_halving", answer)
    assert output.startswith("Right.")
    assert "10 questions for 1000 entries" in output


def test_a_question_more_than_needed_is_told(capsys):
    output = said(capsys, "08_halving", asking_about_all_first)
    assert output.startswith("Right.")
    assert "11 questions for 1000 entries, where 10 are enough" in output


def test_thirds_take_more_than_halves(capsys):
    output = said(capsys, "08_halving", thirds)
    assert output.startswith("Not yet. Found, but with")
    assert "Ask about half" in output


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (one_by_one, "Ask about half"),
        (middle_only, "Each of your questions is about one entry"),
        (bare_middle, "TypeError: suspicious takes a list of entries"),
        (both_halves, "with 6 questions for 8 entries. The answer about one half"),
        (both_halves, "3 of your questions were answered before you asked. 3 are enough."),
        (one_too_many, "next door"),
        (other_half, "rule out. Where is the culprit after a True?"),
        (one_too_few, "2 entries are still possible"),
        (lambda suspicious, n: 3442, "Follow low and high by hand"),
        (with_two_arguments, "TypeError: suspicious takes one list"),
        (with_halves_of_entries, "TypeError: suspicious takes whole numbers"),
        (with_halves_of_entries, "It was at `return suspicious(np.arange(0, n / 2))`."),
        (without_end, "asks without end"),
        (without_end, "It was at `while suspicious(np.arange(n)):`."),
        (out_of_range, "numbers of entries, from 0 to 7"),
        (lambda suspicious, n: np.arange(n), "the number of one entry"),
        (lambda suspicious, n: "5", "the number of one entry"),
        (lambda suspicious, n: [[1], [2, 3]], "the number of one entry"),
        (lambda suspicious: 0, "TypeError"),
        (17, "A function is asked for"),
    ],
)
def test_halving_wrong(capsys, answer, sentence):
    output = said(capsys, "08_halving", answer)
    assert output.startswith("Not yet.")
    assert sentence in output


@pytest.mark.parametrize("answer", [None, lambda suspicious, n: None])
def test_halving_not_attempted(capsys, answer):
    assert said(capsys, "08_halving", answer).startswith("Not attempted yet.")


# ---------------------------------------------------------------------------- 8.4


@pytest.mark.parametrize(
    "answer", [(31, 32, 33), [33, 32, 31], (5, 64, 65), np.array([7, 32, 97]), {31, 32, 33}]
)
def test_lengths_right(capsys, answer):
    assert said(capsys, "08_lengths", answer).startswith("Right. Each of the six")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((64, 128, 256), "Not caught at 64, 128 and 256: the kernel that rounds"),
        ((64, 128, 256), "rounds the number of blocks down, and 3 more."),
        ((31, 32), "overwrites its sum"),
        ((31, 32, 64), "forgets a last block that holds a single entry."),
        ((5, 7, 33), "takes n % block for the length of the last block"),
        ((4, 32, 36), "forgets a last block"),
        ((12, 32, 64), "forgets a last block"),
        ((32, 33, 100), "fills up its first block"),
        (33, "Not caught at 33: the kernel that takes n % block"),
        ((31, 32, 33, 64), "4 lengths; 3 are enough"),
        ((0, 32, 33), "0 is no length"),
        ((31, 32, 1_000_001), "1,000,001 is long for a check"),
        ((31.5, 32, 33), "Lengths are whole numbers"),
        ("31, 32, 33", "Lengths are whole numbers"),
        ([[31], [32, 33]], "A few lengths are asked for"),
    ],
)
def test_lengths_wrong(capsys, answer, sentence):
    output = said(capsys, "08_lengths", answer)
    assert output.startswith("Not yet.")
    assert sentence in output


@pytest.mark.parametrize("answer", [..., None, (), (31, ..., 33)])
def test_lengths_not_attempted(capsys, answer):
    assert said(capsys, "08_lengths", answer).startswith("Not attempted yet.")


def test_each_kernel_fails_where_its_mistake_says():
    wrong = {
        "rounds": lambda n: n % 32 != 0,
        "overwrites": lambda n: n > 32,
        "forgets": lambda n: n % 32 == 1,
        "takes n": lambda n: n % 32 == 0,
        "takes four": lambda n: n % 4 != 0,
        "fills": lambda n: n < 32,
    }
    for mistake, kernel in lesson08.KERNELS.items():
        (fails,) = [when for name, when in wrong.items() if mistake.startswith(name)]
        found = [n for n in range(2, 131) if not lesson08._right_at(kernel, n)]
        assert found == [n for n in range(2, 131) if fails(n)], mistake
