"""What is refused, by name and before anything is evaluated: parameters, gradients, losses, steps.

Every refusal is one sentence that says what is wrong and what to do about it. Nothing here changes
an array.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any, overload

import numpy as np

__all__ = [
    "Params",
    "first_index",
    "index_of",
    "loss_value",
    "require_gradients",
    "require_installed",
    "require_loss",
    "require_method",
    "require_parameters",
    "require_step",
    "type_in_words",
]

# What the course draws with: the extra ``course`` of pyproject.toml, without its versions.
COURSE = ("matplotlib", "ipywidgets", "tqdm")

# By name, which may be anything hashable; a Mapping does not vary in the type of its keys.
Params = Mapping[Any, np.ndarray]


def require_parameters(params: Params) -> dict[Any, np.ndarray]:
    """The parameter arrays, if each of them can be perturbed in place, entry by entry.

    Parameters
    ----------
    params
        Arrays by name, of any shape and memory order, real floating point, finite and writeable.
        Arrays without entries are let through: there is nothing to perturb in them.

    Returns
    -------
    dict
        The caller's own arrays (no copies), by name.

    Raises
    ------
    TypeError
        If ``params`` is not a mapping of NumPy arrays of real floating-point numbers.
    ValueError
        If it has no entries at all, or an array is read-only, holds nan or infinity, or shares
        memory with itself or with another one.
    """
    if not isinstance(params, Mapping):
        raise TypeError(
            f"params must be a dict of NumPy arrays by name, not {type_in_words(params)}; "
            f"a list of arrays becomes one with dict(enumerate(arrays))"
        )
    for name, array in params.items():
        _require_perturbable(name, array)
    if not any(array.size for array in params.values()):
        raise ValueError("params has no entries, so there is nothing to differentiate")
    for (name, array), (other, another) in itertools.combinations(params.items(), 2):
        if array is another or np.shares_memory(array, another):
            raise ValueError(
                f"params[{name!r}] and params[{other!r}] share memory, so neither can be perturbed "
                f"alone: keep one of the two names, with the sum of both gradients"
            )
    return dict(params)


def _require_perturbable(name: Hashable, array: np.ndarray) -> None:
    label = f"params[{name!r}]"
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            f"{label} must be a NumPy array, so that it can be perturbed in place, "
            f"not {type_in_words(array)}"
        )
    if not np.issubdtype(array.dtype, np.floating):
        reason = {
            "i": "a small step would be rounded away in integers",
            "u": "a small step would be rounded away in integers",
            "b": "a boolean has no small step",
            "c": "its real and imaginary parts are two parameters: pass them as two arrays",
        }.get(array.dtype.kind, "its entries are not numbers of a known precision")
        raise TypeError(
            f"{label} has dtype {array.dtype}, and {reason}; it must be a real floating-point array"
        )
    if not array.flags.writeable:
        raise ValueError(
            f"{label} is read-only, so it cannot be perturbed in place; pass a copy of it"
        )
    if _overlaps_itself(array):
        raise ValueError(
            f"{label} is a view in which several entries share memory (strides {array.strides}), "
            f"so they cannot be perturbed one at a time; pass a copy of it"
        )
    if not np.isfinite(array).all():
        index = first_index(~np.isfinite(array))
        place = list(index) if index else ""
        raise ValueError(f"{label}{place} is {array[index]}; every parameter must be finite")


def _overlaps_itself(array: np.ndarray) -> bool:
    """Whether two entries of ``array`` share a byte, as in the result of ``np.broadcast_to``."""
    axes = [
        (abs(stride), n)
        for stride, n in zip(array.strides, array.shape, strict=True)
        if n > 1 and array.size
    ]
    reach = array.itemsize
    for stride, n in sorted(axes):
        if stride < reach:
            break
        reach += stride * (n - 1)
    else:
        return False
    # The strides interleave, which may still be free of overlap: look at every address.
    addresses = np.zeros(1, dtype=np.intp)
    for stride, n in axes:
        addresses = np.add.outer(addresses, stride * np.arange(n)).ravel()
    return bool((np.diff(np.sort(addresses)) < array.itemsize).any())


def require_gradients(grads: Params, params: Params) -> dict[Any, np.ndarray]:
    """Copies of the gradients, in float64 or wider, if their names and shapes are those of params.

    Copies, because a backward pass may hand out buffers that it will use again.

    Raises
    ------
    TypeError
        If ``grads`` is not a mapping of real numeric arrays.
    ValueError
        If a name is missing or unknown, or a shape is not that of the parameter. Shapes that
        would broadcast are refused as well: (5,) against (1, 5) is an invitation to mistakes.
    """
    if not isinstance(grads, Mapping):
        raise TypeError(
            f"grads must be a dict of arrays with the names of params, or a function that "
            f"returns one, not {type_in_words(grads)}"
        )
    missing = [name for name in params if name not in grads]
    unknown = [name for name in grads if name not in params]
    if missing or unknown:
        said = [f"has no {_listed(missing)}"] * bool(missing)
        said += [f"has {_listed(unknown)}, which params has not"] * bool(unknown)
        raise ValueError(f"grads {' and '.join(said)}; it must have the names of params")
    copies = {}
    for name, parameter in params.items():
        gradient = np.asarray(grads[name])
        if gradient.dtype.kind not in "iuf":
            raise TypeError(
                f"grads[{name!r}] has dtype {gradient.dtype}; it must be an array of real numbers"
            )
        if gradient.shape != parameter.shape:
            raise ValueError(
                f"grads[{name!r}] has shape {gradient.shape}, but params[{name!r}] has shape "
                f"{parameter.shape}{_shape_hint(gradient.shape, parameter.shape)}"
            )
        copies[name] = np.array(gradient, dtype=np.result_type(gradient.dtype, np.float64))
    return copies


def _shape_hint(found: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    if len(found) > 1 and found == wanted[::-1]:
        return ": is it transposed?"
    if math.prod(found) == math.prod(wanted):
        return ": the same entries, but an axis too many or too few; reshape it"
    if found[-1:] == wanted[-1:] and math.prod(found) > math.prod(wanted):
        return ": is a sum over the batch missing?"
    if math.prod(found) == 1:
        return ": is it summed over every axis?"
    return ""


def require_loss(loss: Callable) -> None:
    """Raise a TypeError if ``loss`` cannot be called."""
    if not callable(loss):
        raise TypeError(f"loss must be a function of the parameters, not {type_in_words(loss)}")


def loss_value(value: Any) -> float:
    """What a loss returned, as a float (nan and infinity included).

    Raises
    ------
    TypeError
        If it is not one real number: an array with an axis, complex, None, text.
    """
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if np.ndim(value) > 0:
        raise TypeError(
            f"the loss must return one number, not an array of shape {np.shape(value)}; "
            f"is a sum or a mean missing?"
        )
    if isinstance(value, complex) or kind == "c":
        raise TypeError(f"the loss must return a real number, not the complex {value!r}")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"the loss must return one number, not {type_in_words(value)}") from None


def require_installed(user: str, *modules: str) -> None:
    """Raise a ModuleNotFoundError that says how to get what ``user`` imports and is not there."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"{user} needs {' and '.join(missing)}, which the checker alone does without; "
            f"`pip install {' '.join(COURSE)}` installs what the course draws with",
            name=missing[0],
        )


@overload
def require_step(eps: float, argument: str = "eps") -> float: ...
@overload
def require_step(eps: float | None, argument: str = "eps") -> float | None: ...
def require_step(eps: float | None, argument: str = "eps") -> float | None:
    """``eps`` as a positive, finite float; None stays None.

    Raises
    ------
    TypeError, ValueError
        If it is not a number, or not positive and finite.
    """
    if eps is None:
        return None
    try:
        number = float(eps)
    except (TypeError, ValueError):
        raise TypeError(f"{argument} must be a positive number, not {eps!r}") from None
    if not 0 < number < math.inf:
        raise ValueError(f"{argument} must be positive and finite, not {number}")
    return number


def require_method(method: str, methods: Collection[str], argument: str = "method") -> str:
    """``method``, if it is one of ``methods``; otherwise a ValueError that lists them."""
    if not isinstance(method, str) or method not in methods:
        raise ValueError(f"unknown {argument} {method!r}; choose one of {_listed(methods)}")
    return method


def first_index(mask: np.ndarray) -> tuple[int, ...]:
    """The index of the first entry at which ``mask`` holds, as plain ints."""
    return index_of(int(np.argmax(mask)), mask.shape)


def index_of(entry: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index, as plain ints, of an entry that is counted in C order."""
    return tuple(int(i) for i in np.unravel_index(entry, shape))


def _listed(names: Collection[Hashable]) -> str:
    return ", ".join(repr(name) for name in names)


def type_in_words(value: object) -> str:
    """The type of a value with its article: ``a list``, ``an int``; ``None`` for itself."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
