"""The trial of a learner's check: a good one passes, and each mutant is known by what it lets through.

Every mutant is a check as a learner might write it, with one flaw.
"""

from __future__ import annotations

import numpy as np
import pytest

from gradlab import exercises
from gradlab.exercises.feedback import Wrong
from gradlab.exercises.trial import cases, trial

norm = np.linalg.norm


def noise_of(loss, params, reach=1e-9):
    t = np.linspace(-reach, reach, 200)
    rise = np.array([loss({k: a + step for k, a in params.items()}) for step in t]) - loss(params)
    return np.max(np.abs(rise - np.polyval(np.polyfit(t, rise, 1), t)))


def differences(loss, params, eps, up=1, down=1, restore=True, names=None):
    """The loop of notebook 04, with a few ways to spoil it."""
    found = {name: np.zeros_like(array) for name, array in params.items()}
    for name in names or params:
        array = params[name]
        for index in np.ndindex(array.shape):
            old = array[index]
            array[index] = old + up * eps
            ahead = loss(params)
            array[index] = old - down * eps
            found[name][index] = (ahead - loss(params)) / ((up + down) * eps)
            if restore:
                array[index] = old
    return found


def with_bars(loss, params, grads, eps=1e-5, up=1, down=1):
    """The solution of the notebook, entry by entry: no flaw."""
    once, twice = (differences(loss, params, h, up, down) for h in (eps, 2 * eps))
    noise = noise_of(loss, params)
    wrong = []
    for name, n in once.items():
        bar = noise / eps + abs(twice[name] - n)
        if grads[name].shape != n.shape or not np.all(abs(grads[name] - n) <= bar):
            wrong.append(name)
    return wrong


def by_cutoff(error, cutoff=1e-6, eps=1e-5, **loop):
    """A check that compares ``error(a, n)`` of each array with a cutoff."""

    def check(loss, params, grads):
        numeric = differences(loss, params, eps, **loop)
        return [
            name
            for name, n in numeric.items()
            if grads[name].shape != n.shape or not error(grads[name], n) <= cutoff
        ]

    return check


def relative(a, n):
    return norm(a - n) / (norm(a) + norm(n) + 1e-15)


def by_bar(judge, shapes=True):
    """A check with good bars; ``judge(a, n, bar)`` says whether an array is right."""

    def check(loss, params, grads, eps=1e-5):
        once, twice = (differences(loss, params, h) for h in (eps, 2 * eps))
        noise = noise_of(loss, params)
        return [
            name
            for name, n in once.items()
            if (shapes and grads[name].shape != n.shape)
            or not judge(grads[name], n, noise / eps + abs(twice[name] - n))
        ]

    return check


def inside(a, n, bar):
    return np.all(abs(a - n) <= bar)


def joined(loss, params, grads):
    if any(grads[name].shape != array.shape for name, array in params.items()):
        return list(params)
    numeric = differences(loss, params, 1e-5)
    a, n = (np.concatenate([np.ravel(each[name]) for name in params]) for each in (grads, numeric))
    return list(params) if not relative(a, n) <= 1e-6 else []


def joined_first(loss, params, grads):
    return with_bars(loss, params, grads) if joined(loss, params, grads) else []


def with_itself(loss, params, grads):
    return [name for name, g in grads.items() if relative(g, g) > 1e-7]


def with_itself_after_a_look(loss, params, grads):
    loss(params)
    return [name for name, g in grads.items() if relative(g, g) > 1e-7]


def finds_nothing(loss, params, grads):
    differences(loss, params, 1e-5)
    return []


def first_array_only(loss, params, grads):
    for name in with_bars(loss, params, grads):
        return [name]
    return []


def first_entry_only(loss, params, grads, eps=1e-5):
    wrong, noise = [], noise_of(loss, params)
    for name, array in params.items():
        index = (0,) * array.ndim
        d = []
        for step in (eps, 2 * eps):
            old = array[index]
            array[index] = old + step
            ahead = loss(params)
            array[index] = old - step
            d.append((ahead - loss(params)) / (2 * step))
            array[index] = old
        a = grads[name]
        if a.shape != array.shape or not abs(a[index] - d[0]) <= noise / eps + abs(d[1] - d[0]):
            wrong.append(name)
    return wrong


def in_a_hurry(loss, params, grads):
    """As ``first_entry_only``, though it measures every entry."""
    return by_bar(lambda a, n, bar: a.flat[0] == a.flat[0] and abs(a - n).flat[0] <= bar.flat[0])(
        loss, params, grads
    )


def written_for_four(loss, params, grads):
    names = ("W1", "b1", "W2", "b2")
    if not set(names) <= set(params):
        return with_bars(loss, params, grads)
    found = with_bars(loss, params, grads)
    return [name for name in names if name in found]


def two_loops(loss, params, grads):
    for array in params.values():
        rows, columns = array.shape
    return with_bars(loss, params, grads)


def skips_zeros(loss, params, grads):
    return [name for name in with_bars(loss, params, grads) if np.any(grads[name])]


def skips_what_does_not_move(loss, params, grads):
    numeric = differences(loss, params, 1e-5)
    return [name for name in with_bars(loss, params, grads) if np.any(numeric[name])]


def does_not_restore(loss, params, grads):
    numeric = differences(loss, params, 1e-5, restore=False)
    return [name for name, n in numeric.items() if relative(grads[name], n) > 1e-6]


def puts_back_by_adding(loss, params, grads, eps=1e-5):
    for array in params.values():
        for index in np.ndindex(array.shape):
            array[index] += eps
            loss(params)
            array[index] -= 2 * eps
            loss(params)
            array[index] += eps
    return with_bars(loss, params, grads)


def divides_the_gradient(loss, params, grads):
    found = with_bars(loss, params, grads)
    for gradient in grads.values():
        gradient /= 2
    return found


def noise_of_another_loss(loss, params, grads, eps=1e-5):
    once, twice = (differences(loss, params, h) for h in (eps, 2 * eps))
    return [
        name
        for name, n in once.items()
        if grads[name].shape != n.shape
        or not np.all(abs(grads[name] - n) <= 1e-15 / eps + abs(twice[name] - n))
    ]


def the_right_ones(loss, params, grads):
    wrong = with_bars(loss, params, grads)
    return [name for name in params if name not in wrong]


MUTANTS = {
    "compares with itself": (with_itself, "never evaluated"),
    "compares with itself, after a look": (with_itself_after_a_look, "saw the same point every"),
    "finds nothing": (finds_nothing, "what is the gradient compared with?"),
    "returns the right ones": (the_right_ones, "the names of the wrong ones are wanted"),
    "the first array only": (first_array_only, "it names W1 but not b1, W2, b2"),
    "the first entry only": (first_entry_only, "wrong last entry of dW1 pass. It never moves"),
    "judges the first entry only": (in_a_hurry, "look at every entry"),
    "one norm for all arrays": (joined, "one norm for all arrays cannot say which is wrong"),
    "one norm for all arrays, first": (
        joined_first,
        "saturated pass. W1 has a tiny gradient there",
    ),
    "a cutoff of 2 %": (by_cutoff(relative, 0.02), "one per cent too large pass. The cutoff"),
    "a cutoff of 1e-3": (by_cutoff(relative, 1e-3), "update by 1e-4 of its gradient pass. The cut"),
    "a cutoff of 1e-7": (by_cutoff(relative, 1e-7), "an error bar does"),
    "a cutoff of 1e-11": (by_cutoff(relative, 1e-11), "less than the error of the difference"),
    "a step of 1e-12, and a cutoff": (by_cutoff(relative, eps=1e-12), "steps are 1e-12 long: at"),
    "a step of 1e-12, and bars": (
        lambda *given: with_bars(*given, eps=1e-12),
        "pass. Its steps are 1e-12 long: with so small a step the noise, divided by it",
    ),
    "a step of 0.3, and a cutoff": (by_cutoff(relative, eps=0.3), "the curve bends"),
    "a step of 1, and bars": (lambda *given: with_bars(*given, eps=1.0), "makes room for the mis"),
    "forward differences": (by_cutoff(relative, down=0), "All of its steps go one way: the trunc"),
    "forward differences, and bars": (
        lambda *given: with_bars(*given, down=0, eps=1e-4),
        "All of its steps go one way",
    ),
    "abs forgotten": (by_bar(lambda a, n, bar: np.all(a - n <= bar)), "abs is missing"),
    "abs forgotten the other way": (by_bar(lambda a, n, bar: np.all(n - a <= bar)), "abs is miss"),
    "the difference of the norms": (
        by_cutoff(lambda a, n: abs(norm(a) - norm(n)) / (norm(a) + norm(n) + 1e-15), 1e-5),
        "A vector and its negative have the same size",
    ),
    "a mean of the differences": (
        by_bar(lambda a, n, bar: abs(np.mean(a - n)) <= np.max(bar)),
        "the right ones in the wrong places",
    ),
    "a mean over the entries": (
        by_cutoff(lambda a, n: np.mean(abs(a - n) / (abs(a) + abs(n) + 1e-15)), 2e-3),
        "take no mean",
    ),
    "zeros taken for agreement": (skips_zeros, "Zeros are taken for agreement"),
    "arrays that do not move skipped": (skips_what_does_not_move, "no reason to skip them"),
    "0/0": (
        by_cutoff(lambda a, n: norm(a - n) / (norm(a) + norm(n)), 1e-4),
        "the quotient 0/0 is nan",
    ),
    "nan taken for agreement": (
        by_bar(lambda a, n, bar: not np.any(abs(a - n) > bar)),
        "is False for it",
    ),
    "rows broadcast": (
        by_bar(lambda a, n, bar: np.shape(a)[:1] == (20,) or inside(a, n, bar), False),
        "shapes",
    ),
    "an absolute cutoff": (by_cutoff(lambda a, n: norm(a - n), 1e-8), "an absolute number"),
    "np.allclose": (by_cutoff(lambda a, n: not np.allclose(a, n), 0), "an absolute number"),
    "the noise of another loss": (noise_of_another_loss, "the noise of another loss"),
    "names built in": (written_for_four, "The names come from params"),
    "two loops": (two_loops, "np.ndindex(array.shape)"),
    "not restored": (does_not_restore, "leaves W1 changed: put the old value itself back"),
    "restored by adding": (puts_back_by_adding, "leaves W1 changed, in its last digits"),
    "arguments swapped": (
        lambda loss, grads, params: with_bars(loss, params, grads),
        "come in the order loss, params, grads",
    ),
    "changes the gradient": (divides_the_gradient, "changes the gradient of W1"),
}


@pytest.mark.parametrize("flaw", MUTANTS)
def test_a_flaw_is_known_by_what_it_lets_through(flaw):
    check, sentence = MUTANTS[flaw]
    with np.errstate(all="ignore"), pytest.raises(Wrong) as said:
        trial(check)
    assert sentence in str(said.value)


def test_every_sentence_belongs_to_few_flaws():
    """Otherwise the mutants would not be told apart."""
    sentences = [sentence for _, sentence in MUTANTS.values()]
    assert len(MUTANTS) >= 30
    assert len(set(sentences)) >= 25


def test_the_answer_does_not_travel_with_the_loss():
    """A learner who looks into the loss finds the loss, and not what is wrong with the gradient."""

    def looks_into_the_loss(loss, params, grads):
        inside = [cell.cell_contents for cell in loss.__closure__]
        assert not any(hasattr(found, "wrong") or hasattr(found, "flaw") for found in inside)
        return with_bars(loss, params, grads)

    assert "accuses none" in trial(looks_into_the_loss)


@pytest.mark.parametrize("eps", [1e-7, 1e-5, 1e-3, 1e-2])
def test_a_check_with_bars_of_its_own_passes_at_any_sensible_step(eps):
    assert "accuses none of the 6 right ones" in trial(lambda *given: with_bars(*given, eps=eps))


def test_no_single_cutoff_passes():
    """So that the bar is needed: what a cutoff lets through at 1e-5 it still accuses at 1e-6."""
    for cutoff in 10.0 ** np.arange(-10, 0):
        with pytest.raises(Wrong):
            trial(by_cutoff(relative, cutoff))


def test_the_cases_are_what_they_say():
    """Right gradients are right to ten digits, and of the others exactly the named arrays differ."""
    for case in cases():
        numeric = differences(case.loss, {k: np.array(a) for k, a in case.params.items()}, 1e-4)
        for name, n in numeric.items():
            a = case.grads[name]
            same = a.shape == n.shape and norm(a - n) <= 1e-5 * norm(n) + 1e-11 * abs(
                case.loss(case.params)
            )
            assert same == (name not in case.wrong), (case.what, name)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (..., "Not attempted yet"),
        (lambda loss, params, grads: ..., "Not attempted yet. The function returns nothing"),
        (lambda loss, params, grads: None, "Not attempted yet. The function returns nothing"),
        ("my_check", "A function is asked for here"),
        (lambda loss, params, grads: True, "empty if all are right; this is the value True"),
        (lambda loss, params, grads: "W1", "empty if all are right; this is the text 'W1'"),
        (lambda loss, params, grads: {"W1": 1e-9}, "empty if all are right; this is"),
        (lambda loss, params, grads: [1e-9], "among yours is the value 1e-09"),
        (lambda loss, params, grads: ["dW1"], "among yours is the text 'dW1'"),
        (lambda loss, params, grads: loss(), "missing 1 required positional argument: 'params'"),
        (lambda loss, params: [], "takes 2 positional arguments but 3 were given"),
        (with_bars, "Right. It finds all 14 wrong gradients"),
        (first_array_only, "Not yet. Your check lets twice the right gradient pass"),
    ],
)
def test_what_a_learner_is_told_of_a_check(capsys, answer, sentence):
    exercises.check("05_gradient_check", answer)
    assert sentence in capsys.readouterr().out
