"""The engine of the exercises: whatever a learner hands in, one sentence comes back."""

import sys
from types import ModuleType

import numpy as np
import pytest

import gradlab.exercises as exercises
from gradlab.exercises import feedback

TRUTH = np.arange(1.0, 7.0).reshape(2, 3)


@pytest.fixture
def another_notebook(monkeypatch):
    """Room for exercises of a notebook of their own, whose names begin with 99."""
    monkeypatch.setattr(exercises, "LESSONS", ("99",))
    monkeypatch.setitem(sys.modules, "gradlab.exercises.lesson99", ModuleType("lesson99"))


@pytest.fixture
def practice(another_notebook, capsys):
    """Two exercises, not attempted yet."""

    @exercises.exercise("99_array", "An array")
    def array(answer):
        feedback.same_array(answer, TRUTH, "dW", {"That is the average.": TRUTH / 7})
        return "All six entries agree."

    @exercises.exercise("99_function", "A function")
    def function(answer):
        feedback.same_arrays(feedback.call(answer, TRUTH), {"W": TRUTH, "b": TRUTH[:1]})
        return "Both arrays agree."

    for name in ("99_array", "99_function"):
        exercises.check(name, ...)
    capsys.readouterr()


def sentence(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (..., "Not attempted yet."),
        (None, "Not attempted yet."),
        (TRUTH, "Right. All six entries agree."),
        (TRUTH.tolist(), "Right. All six entries agree."),
        (TRUTH / 7, "Not yet. That is the average."),
        (-TRUTH, "Not yet. Every entry of dW has the right size and the wrong sign."),
        (20 * TRUTH, "Not yet. Every entry of dW is 20 times what it should be"),
        (TRUTH / 20, "Not yet. Every entry of dW is 1/20 of what it should be"),
        (0 * TRUTH, "Not yet. Every entry of dW is zero."),
        (TRUTH.T, "Not yet. dW has the right numbers, lying on their side: transpose it."),
        (TRUTH[0], "Not yet. dW has shape (3,); it should have shape (2, 3)."),
        (TRUTH * np.nan, "Not yet. dW contains nan or infinity"),
        (
            TRUTH + np.eye(2, 3),
            "Not yet. 4 of 6 entries of dW are right. dW[0, 0] is 2 and should be",
        ),
        ("six", "Not yet. dW should be an array of numbers; this is the text 'six'."),
        ([1, [2, 3]], "Not yet. dW should be an array of numbers; this is a list."),
        (
            TRUTH * 1j,
            "Not yet. dW should be an array of numbers; this is an array of shape (2, 3).",
        ),
        ({}, "Not yet. dW should be an array of numbers; this is a dict."),
    ],
)
def test_an_array_answer_gets_its_sentence(practice, capsys, answer, expected):
    assert sentence(capsys, "99_array", answer).startswith(expected)


def stops(_):
    raise RuntimeError("lost")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (..., "Not attempted yet."),
        (lambda x: None, "Not attempted yet. The function returns nothing so far."),
        (lambda x: ..., "Not attempted yet. The function returns nothing so far."),
        (lambda x: {"W": x, "b": x[:1]}, "Right. Both arrays agree."),
        (lambda x: {"W": x}, "Not yet. The dict has no b yet."),
        (lambda x: x, "Not yet. A dict with W, b is asked for; this is an array of shape (2, 3)."),
        (stops, "Not yet. Your function stopped with RuntimeError: lost."),
        (lambda: None, "Not yet. Your function stopped with TypeError"),
        (3, "Not yet. A function is asked for here; this is the value 3."),
        ({"W": 1}, "Not yet. A function is asked for here; this is a dict."),
    ],
)
def test_a_function_answer_gets_its_sentence(practice, capsys, answer, expected):
    assert sentence(capsys, "99_function", answer).startswith(expected)


def test_the_line_at_which_a_function_stopped_is_quoted(practice, capsys):
    def slips(x):
        doubled = x * 2
        return helper(doubled)

    def helper(x):
        return x @ x

    said = sentence(capsys, "99_function", slips)
    assert said.endswith(
        "ValueError: @ needs as many columns on its left as rows on its right, and here 3 meets 2. "
        "It was at `return x @ x`."
    )


def test_of_a_lambda_no_line_is_quoted(practice, capsys):
    assert "It was at" not in sentence(capsys, "99_function", lambda x: x @ x)


def test_a_function_without_source_still_gets_its_sentence(practice, capsys):
    assert "stopped with LinAlgError" in sentence(capsys, "99_function", np.linalg.inv)
    feedback.only_arguments(np.linalg.inv)
    feedback.only_arguments(3)


def test_arrays_of_the_notebook_are_no_arguments():
    def reads(x):
        return x + TRUTH

    with pytest.raises(feedback.Wrong, match="reads TRUTH from the notebook"):
        feedback.only_arguments(reads)
    feedback.only_arguments(lambda TRUTH: np.sum(TRUTH))


def test_a_learners_function_cannot_harm_the_truth(practice, capsys):
    def spoils(x):
        x *= 0
        return {"W": x, "b": x[:1]}

    before = TRUTH.copy()
    assert "Every entry of W is zero." in sentence(capsys, "99_function", spoils)
    assert np.array_equal(TRUTH, before)


def test_an_answer_that_nobody_foresaw_still_gets_a_sentence(practice, capsys):
    class Awkward:
        def __array__(self, *_, **__):
            raise ZeroDivisionError("awkward")

    said = sentence(capsys, "99_array", Awkward())
    assert said == "Not yet. The answer could not be read (ZeroDivisionError: awkward)."


@pytest.mark.parametrize(
    ("answer", "mark"),
    [(TRUTH, "right"), (-TRUTH, "wrong"), ("six", "wrong"), (..., "open"), (None, "open")],
)
def test_a_verdict_is_a_mark_and_the_sentence_that_check_prints(practice, capsys, answer, mark):
    found = exercises.verdict("99_array", answer)
    assert capsys.readouterr().out == "" and not exercises.solved("99_array")
    assert found == (mark, sentence(capsys, "99_array", answer)) == (found.mark, found.sentence)
    exercises.check("99_array", TRUTH)
    exercises.verdict("99_array", -TRUTH)
    assert exercises.solved("99_array")  # a verdict remembers nothing


def test_progress_counts_what_is_solved_and_forgets_what_is_broken_again(practice, capsys):
    exercises.progress("99")
    assert capsys.readouterr().out.startswith("0 of 2 exercises solved")
    assert not exercises.solved("99_array")
    exercises.check("99_array", TRUTH)
    assert exercises.solved("99_array")
    capsys.readouterr()
    exercises.progress("99")
    assert capsys.readouterr().out == (
        "1 of 2 exercises solved in this notebook.\n  solved  An array\n  to do   A function\n"
    )
    exercises.check("99_array", -TRUTH)
    assert not exercises.solved("99_array")
    capsys.readouterr()
    exercises.progress("99")
    assert capsys.readouterr().out.startswith("0 of 2 exercises solved")


def test_an_unknown_exercise_or_notebook_is_named(practice):
    with pytest.raises(ValueError, match="no exercise '99_nothing'; notebook 99 has 99_array"):
        exercises.check("99_nothing", 1)
    with pytest.raises(ValueError, match="no exercise '99_nothing'; notebook 99 has 99_array"):
        exercises.verdict("99_nothing", 1)
    with pytest.raises(ValueError, match="'01' to '09'"):
        exercises.progress("10")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (2, 2.0),
        (np.float32(0.5), 0.5),
        (np.array([[3.0]]), 3.0),
        ("many", "A number is asked for eps; this is the text 'many'."),
        ([1, 2], "One number is asked for eps; this has 2 of them."),
        (np.inf, "Eps is inf"),
        (1j, "A number is asked for eps; this is the value 1j."),
    ],
)
def test_numbers_are_read(answer, expected):
    if isinstance(expected, float):
        assert feedback.number(answer, "eps") == expected
    else:
        with pytest.raises(feedback.Wrong, match=expected):
            feedback.number(answer, "eps")


def test_choices_and_shapes_are_read():
    assert feedback.choice(" Forward ", ("forward", "central")) == "forward"
    with pytest.raises(feedback.Wrong, match="Choose one of 'forward', 'central'"):
        feedback.choice("backward", ("forward", "central"))
    with pytest.raises(feedback.NotAttempted):
        feedback.choice(..., ("a", "b"))
    assert feedback.shape([2, np.int64(5)]) == (2, 5)
    with pytest.raises(feedback.NotAttempted):
        feedback.shape((..., 5))
    for wrong in ("2x5", 5, (2.5, 1), np.zeros((2, 5))):
        with pytest.raises(feedback.Wrong, match="A shape such as"):
            feedback.shape(wrong)


# ------------------------------------------------------------- functions that change their arguments


@pytest.fixture
def careful(another_notebook):
    @exercises.exercise("99_sum", "A sum")
    def judge(answer):
        given = {"W": TRUTH.copy()}, [TRUTH.copy()]
        feedback.same_array(feedback.call(answer, *given), 2 * TRUTH, "the sum")
        return "It agrees."


def spoils_its_dict(params, arrays):
    double = params["W"] + arrays[0]
    params["W"] -= 1
    return double


def spoils_its_list(params, arrays):
    arrays[0] += params["W"]
    return arrays[0]


def adds_a_key(params, arrays):
    params["V"] = 2 * arrays[0]
    return params["V"]


def puts_back(params, arrays):
    params["W"] += 1
    params["W"] -= 1
    return 2 * params["W"]


@pytest.mark.parametrize(
    ("answer", "part"),
    [(spoils_its_dict, "params['W']"), (spoils_its_list, "arrays[0]"), (adds_a_key, "params['V']")],
)
def test_a_right_answer_that_changes_its_arguments_is_told_so(careful, answer, part):
    mark, said = exercises.verdict("99_sum", answer)
    assert mark == "wrong" and f"your function changes {part} on the way" in said
    mark, said = exercises.verdict("99_sum", lambda p, a: answer(p, a) + 1)
    assert mark == "wrong" and "(Your function also changes" in said


def test_what_is_put_back_is_not_changed(careful):
    assert exercises.verdict("99_sum", puts_back).mark == "right"


def test_the_judges_own_arrays_are_safe(careful):
    exercises.verdict("99_sum", spoils_its_list)
    assert np.array_equal(TRUTH, np.arange(1.0, 7.0).reshape(2, 3))
