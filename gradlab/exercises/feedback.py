"""What turns a learner's answer into one helpful sentence.

A judge reads an answer and returns the sentence that says it is right; on the way it raises
:class:`Wrong` with the sentence that helps, or :class:`NotAttempted`. The helpers here do the
reading, so that a judge holds only what its own exercise knows: the truth and the usual mistakes.
"""

from __future__ import annotations

import copy
import dis
import inspect
import itertools
import math
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import numpy as np

from gradlab.checking.signatures import constant_ratio
from gradlab.validation import first_index, type_in_words

__all__ = [
    "NotAttempted",
    "Wrong",
    "attempted",
    "blank",
    "call",
    "choice",
    "described",
    "in_this_order",
    "number",
    "only_arguments",
    "real_array",
    "same_array",
    "same_arrays",
    "shape",
    "watching_arguments",
    "within_a_decade",
]


class Wrong(Exception):
    """The answer is wrong; the message is the sentence for the learner."""


class NotAttempted(Exception):
    """There is no answer yet; the message, if any, says what is missing."""


def blank(answer: Any) -> bool:
    """Whether there is no answer yet, but the stub's ``...`` (or ``None``)."""
    return answer is None or answer is ...


def attempted(answer: Any) -> Any:
    """Pass ``answer`` through unless it is still blank.

    Raises
    ------
    NotAttempted
        If it is.
    """
    if blank(answer):
        raise NotAttempted
    return answer


def call(function: Any, *arguments: Any) -> Any:
    """Call the learner's function on copies of ``arguments`` and return what it returns.

    Raises
    ------
    NotAttempted
        If there is no function yet, or it returns nothing.
    Wrong
        If it is not a function, or raises an exception of its own.
    """
    attempted(function)
    if not callable(function):
        raise Wrong(f"A function is asked for here; this is {described(function)}.")
    copies = copy.deepcopy(arguments)
    try:
        answer = function(*copies)
    except Exception as error:
        raise Wrong(stopped(function, error)) from None
    changes = _watch.get()
    if changes is not None:
        names = parameter_names(function, len(arguments))
        for name, before, after in zip(names, arguments, copies, strict=True):
            changes += [one for one in changed_parts(name, before, after) if one not in changes]
    if blank(answer):
        raise NotAttempted("The function returns nothing so far.")
    return answer


class Changes(list[str]):
    """The arguments, by name, that the learner's function has changed."""

    @property
    def said(self) -> str:
        return (
            f"What it returns is right, but your function changes {', '.join(self)} on the way, and "
            f"whoever calls it goes on with the changed array. Write a = a * b where a *= b stands, "
            f"or work on a copy."
        )


_watch: ContextVar[Changes | None] = ContextVar("changed arguments", default=None)


@contextmanager
def watching_arguments() -> Iterator[Changes]:
    """Note which arguments :func:`call` finds changed: a right answer should leave them alone."""
    changes = Changes()
    token = _watch.set(changes)
    try:
        yield changes
    finally:
        _watch.reset(token)


def parameter_names(function: Callable, count: int) -> list[str]:
    """What the learner calls the arguments."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return (names + [f"argument {number + 1}" for number in range(len(names), count)])[:count]


def changed_parts(name: str, before: Any, after: Any) -> Iterator[str]:
    """The arrays in an argument that are not what they were, by the names a learner would use."""
    if isinstance(before, Mapping):
        for key in before:
            if key not in after:
                yield f"{name}[{key!r}]"
            else:
                yield from changed_parts(f"{name}[{key!r}]", before[key], after[key])
        yield from (f"{name}[{key!r}]" for key in after if key not in before)
    elif isinstance(before, list):
        if len(before) != len(after):
            yield name
        else:
            for number, (one, other) in enumerate(zip(before, after, strict=True)):
                yield from changed_parts(f"{name}[{number}]", one, other)
    elif isinstance(before, np.ndarray) and (
        before.shape != after.shape or before.tobytes() != after.tobytes()
    ):
        yield name


def stopped(function: Callable, error: Exception) -> str:
    """Say why a learner's function stopped, and at which of its lines if it has several."""
    said = f": {in_plain_words(error)}" if str(error) else ""
    sentence = f"Your function stopped with {type(error).__name__}{said.rstrip('.')}."
    lines = lines_of(function, error)
    return f"{sentence} It was at `{lines[-1]}`." if lines else sentence


def lines_of(function: Any, error: BaseException) -> list[str]:
    """The lines of a learner's function that led to ``error``, as far as they are known."""
    if hasattr(error, "lines"):  # of a function that runs in another process
        return list(error.lines)
    learners = function.func if isinstance(function, partial) else function
    file = getattr(getattr(learners, "__code__", None), "co_filename", None)
    return [
        frame.line
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file and frame.name != "<lambda>" and frame.line
    ]


def in_plain_words(error: Exception) -> str:
    """What NumPy says to a forgotten transpose, or to a ^, in the words of the course."""
    said = str(error)
    if sizes := re.search(r"^matmul.*size (\d+) is different from (\d+)", said):
        rows, columns = sizes.groups()
        return (
            f"@ needs as many columns on its left as rows on its right, and here {columns} meets "
            f"{rows}"
        )
    if re.search(r"^matmul.*does not have enough dimensions", said):
        return "@ needs an array on both sides, and one of them here has no axes"
    if shapes := re.search(r"could not be broadcast.*(\(.*?\)) (\(.*?\))", said):
        return "arrays of shapes {} and {} cannot be combined entry by entry".format(
            *shapes.groups()
        )
    if "bitwise_xor" in said:
        return "^ is not a power in Python; a power is written with **"
    return said


def only_arguments(function: Any) -> None:
    """Refuse a function that reads arrays of the notebook where it should read its arguments.

    Raises
    ------
    Wrong
        If it reads an array from outside.
    """
    outside = arrays_read(function)
    if outside:
        raise Wrong(
            f"Your function reads {', '.join(outside)} from the notebook. It is tried on another "
            f"network, so take everything from its arguments."
        )


def arrays_read(function: Any) -> list[str]:
    """The names of the arrays that a function reads from outside of it."""
    if hasattr(function, "arrays_read"):  # a function that runs in another process
        return list(function.arrays_read)
    if not hasattr(function, "__code__"):
        return []
    read = [step.argval for step in dis.get_instructions(function) if step.opname == "LOAD_GLOBAL"]
    return [
        name
        for name in dict.fromkeys(read)
        if isinstance(function.__globals__.get(name), np.ndarray)
    ]


def in_this_order(function: Any, usual: str, *arguments: Any) -> None:
    """Notice a function of two or more arguments that works once they come the other way round.

    Raises
    ------
    Wrong
        If it stops as it is called, and does not with its arguments reversed.
    """
    if not callable(function):
        return
    try:
        function(*copy.deepcopy(arguments))
        return
    except Exception as error:
        stopped_with = str(error)
    if "<U" in stopped_with or "str" in stopped_with:
        unpacked = "A dict that is unpacked gives its keys, not its arrays"
        source = getattr(getattr(function, "__code__", None), "co_names", ())
        if "values" not in source:
            raise Wrong(f'{unpacked}: write W1 = params["W1"], or params.values().')
    for swapped in itertools.permutations(arguments):
        if all(one is other for one, other in zip(swapped, arguments, strict=True)):
            continue
        try:
            function(*copy.deepcopy(swapped))
        except Exception:
            continue
        raise Wrong(f"Your function takes its arguments in another order. It is called as {usual}.")


def number(answer: Any, name: str = "the answer") -> float:
    """Read one finite real number: a float, or an array of any shape with one entry.

    Raises
    ------
    NotAttempted, Wrong
        If there is none yet; if it is something else, more than one, nan or infinite.
    """
    attempted(answer)
    try:
        value = real_array(answer)
    except (TypeError, ValueError):
        raise Wrong(f"A number is asked for {name}; this is {described(answer)}.") from None
    if value.size != 1:
        raise Wrong(f"One number is asked for {name}; this has {value.size} of them.")
    if not np.isfinite(value).all():
        raise Wrong(
            f"{sentence_case(name)} is {value.item()}: something divided by zero or overflowed."
        )
    return value.item()


def choice(answer: Any, choices: tuple[str, ...]) -> str:
    """Read one of ``choices``, whatever its case and the blanks around it.

    Raises
    ------
    NotAttempted, Wrong
        If there is none yet; if it is none of them.
    """
    attempted(answer)
    text = answer.strip().lower() if isinstance(answer, str) else None
    for option in choices:
        if text == option.lower():
            return option
    quoted = ", ".join(repr(option) for option in choices)
    raise Wrong(f"Choose one of {quoted}; this is {described(answer)}.")


def within_a_decade(guess: float, best: float) -> None:
    """Raise ``Wrong``, and say by how much and why, unless a step is within a decade of the best."""
    if guess < 0 and guess == int(guess):
        raise Wrong(f"That looks like an exponent; the step itself would be 1e{guess:.0f}.")
    if guess <= 0:
        raise Wrong("A step has to be positive: it is a distance.")
    decades = math.log10(guess / best)
    if decades > 1:
        raise Wrong(
            f"Too large, by about {decades:.1f} decades: up there the curve bends within one step, "
            f"and the truncation error rules."
        )
    if decades < -1:
        raise Wrong(
            f"Too small, by about {-decades:.1f} decades: down there the two losses agree in "
            f"almost all their digits, and the rounding error rules."
        )


def shape(answer: Any, name: str = "a shape") -> tuple[int, ...]:
    """Read a shape: a tuple (or list) of whole numbers.

    Raises
    ------
    NotAttempted, Wrong
        If part of it is still missing; if it is no shape.
    """
    attempted(answer)
    if isinstance(answer, (tuple, list)):
        if any(map(blank, answer)):
            raise NotAttempted
        if all(isinstance(part, (int, np.integer)) for part in answer):
            return tuple(int(part) for part in answer)
    raise Wrong(f"A shape such as (20, 2) is asked for {name}; this is {described(answer)}.")


def same_array(
    answer: Any,
    truth: np.ndarray,
    name: str,
    mistakes: Mapping[str, np.ndarray] | None = None,
    rtol: float = 1e-6,
) -> None:
    """Compare an array value by value, and name the mistake when it has a signature.

    Parameters
    ----------
    answer
        The learner's.
    truth
        The right values.
    name
        What the learner calls it, such as ``dW2``.
    mistakes
        For each common mistake the sentence that helps, and the array that the mistake gives.
    rtol
        Relative to the largest entry of ``truth``.

    Raises
    ------
    NotAttempted, Wrong
        If there is no array yet; if its shape or one of its values is wrong.
    """
    attempted(answer)
    truth = np.asarray(truth, dtype=float)
    try:
        values = real_array(answer)
    except (TypeError, ValueError):
        raise Wrong(f"{name} should be an array of numbers; this is {described(answer)}.") from None
    for sentence, wrong in (mistakes or {}).items():
        if values.shape == np.shape(wrong) and close(values, np.asarray(wrong), rtol):
            raise Wrong(sentence)
    if values.shape != truth.shape:
        if values.shape == truth.T.shape and close(values, truth.T, rtol):
            raise Wrong(f"{name} has the right numbers, lying on their side: transpose it.")
        raise Wrong(f"{name} has shape {values.shape}; it should have shape {truth.shape}.")
    if not np.isfinite(values).all():
        raise Wrong(f"{name} contains nan or infinity: something divided by zero or overflowed.")
    if close(values, truth, rtol):
        return
    if values.shape == truth.T.shape and close(values, truth.T, rtol):
        raise Wrong(f"{name} has the right numbers in transposed places.")
    ratio = constant_ratio(values, truth)
    if ratio is not None:
        raise Wrong(ratio_sentence(name, ratio))
    raise Wrong(value_by_value(values, truth, name, rtol))


def same_arrays(
    answer: Any,
    truth: Mapping[str, np.ndarray],
    mistakes: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    rtol: float = 1e-6,
) -> None:
    """Compare a dict of arrays, in the order of ``truth``, and stop at the first that is wrong.

    ``mistakes`` maps an array's name to its common mistakes, as in :func:`same_array`.

    Raises
    ------
    NotAttempted, Wrong
        If there is no dict yet; if it is none, lacks an array, or holds a wrong one.
    """
    attempted(answer)
    if not isinstance(answer, Mapping):
        raise Wrong(f"A dict with {', '.join(truth)} is asked for; this is {described(answer)}.")
    missing = [name for name in truth if name not in answer]
    if missing:
        raise Wrong(f"The dict has no {', '.join(missing)} yet.")
    for name, values in truth.items():
        same_array(answer[name], values, name, (mistakes or {}).get(name), rtol)


def real_array(answer: Any) -> np.ndarray:
    """Read an array of real numbers.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    if np.iscomplexobj(answer):
        raise TypeError  # a cast to float would drop the imaginary part with no more than a warning
    return np.asarray(answer, dtype=float)


def close(values: np.ndarray, truth: np.ndarray, rtol: float) -> bool:
    scale = np.max(np.abs(truth), initial=0.0)
    return bool(np.all(np.abs(values - truth) <= rtol * scale))


def ratio_sentence(name: str, ratio: float) -> str:
    if np.isclose(ratio, -1):
        return f"Every entry of {name} has the right size and the wrong sign."
    if ratio == 0:
        return f"Every entry of {name} is zero."
    size = f"{ratio:.4g} times" if abs(ratio) >= 1 else f"1/{1 / ratio:.4g} of"
    return (
        f"Every entry of {name} is {size} what it should be: "
        f"a constant factor is missing or stands there twice."
    )


def value_by_value(values: np.ndarray, truth: np.ndarray, name: str, rtol: float) -> str:
    scale = np.max(np.abs(truth))
    wrong = np.abs(values - truth) > rtol * scale
    first = first_index(wrong)
    where = f"{name}[{', '.join(map(str, first))}]" if first else name
    count = f"{np.count_nonzero(~wrong)} of {truth.size} entries of {name} are right. "
    return (
        f"{count if truth.size > 1 else ''}"
        f"{where} is {values[first]:.4g} and should be {truth[first]:.4g}."
    )


def described(answer: Any) -> str:
    """Name an unexpected answer in a few words."""
    if isinstance(answer, str):
        return f"the text {answer!r}" if len(answer) <= 40 else "a long text"
    if isinstance(answer, (bool, int, float, complex, np.number, np.bool_)):
        return f"the value {answer}"
    if isinstance(answer, np.ndarray):
        return f"an array of shape {answer.shape}"
    return type_in_words(answer)


def sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]
