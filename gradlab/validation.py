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
    "is_real",
    "loss_value",
    "require_gradients",
    "require_installed",
    "require_loss",
    "require_method",
    "require_parameters",
    "require_step",
    "same_memory",
    "single",
    "roundoff_of",
    "type_in_words",
]

FEW = 16  # arrays: all pairs of so many are looked at, more are looked at address by address

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
        If it has no entries at all, or an array is read-only, holds nan or infinity, shares memory
        with itself or with another one, or is another one each time that it is asked for.
    """
    if not isinstance(params, Mapping):
        if hasattr(params, "named_parameters"):
            raise TypeError(
                f"params must be the arrays of {type_in_words(params)}, not the module itself: pass "
                f"dict(module.named_parameters()), or call check_autodiff(module, input)"
            )
        raise TypeError(
            f"params must be an array, or a dict, list or tuple of arrays, not "
            f"{_contents_in_words(params)}; pass np.array(params) if these are the numbers"
        )
    arrays = dict(params)
    for name, array in arrays.items():
        _require_perturbable(name, array)
        if not same_memory(params[name], array):
            raise ValueError(
                f"params[{name!r}] is a new array each time that it is asked for, so moving one "
                f"does not reach the loss: pass dict(params), and compute the loss from that"
            )
    if not any(array.size for array in arrays.values()):
        raise ValueError("params has no entries, so there is nothing to differentiate")
    if pair := _sharing(arrays):
        name, other = pair
        raise ValueError(
            f"params[{name!r}] and params[{other!r}] share memory, so neither can be perturbed "
            f"alone: keep one of the two names, with the sum of both gradients"
        )
    return arrays


def same_memory(one: Any, other: np.ndarray) -> bool:
    """Whether both are the same entries in the same place: one array, or two equal views of it."""
    return one is other or (
        isinstance(one, np.ndarray)
        and (one.shape, one.strides, one.dtype) == (other.shape, other.strides, other.dtype)
        and one.ctypes.data == other.ctypes.data
    )


def _sharing(arrays: Params) -> tuple[Hashable, Hashable] | None:
    """The names of two arrays that share memory, the earlier one first; or None.

    Only arrays whose stretches of memory overlap need a closer look, so that two thousand of them
    take no longer than sorting them does.
    """
    stretches = [(*_stretch(array), name) for name, array in arrays.items() if array.size]
    stretches.sort(key=lambda stretch: stretch[0])
    cluster: list[Hashable] = []
    end = -1
    for first, last, name in stretches:
        if first > end:
            if pair := _sharing_in(arrays, cluster):
                return pair
            cluster = []
        cluster.append(name)
        end = max(end, last)
    return _sharing_in(arrays, cluster)


def _sharing_in(arrays: Params, names: list[Hashable]) -> tuple[Hashable, Hashable] | None:
    """The same among arrays whose stretches overlap, such as the columns of one matrix."""
    if len(names) < 2:
        return None
    names = [name for name in arrays if name in set(names)]
    if len(names) <= FEW:
        pairs = itertools.combinations(names, 2)
        return next((p for p in pairs if np.shares_memory(arrays[p[0]], arrays[p[1]])), None)
    addresses = [np.unique(_addresses(arrays[name])) for name in names]
    owners = np.repeat(np.arange(len(names)), [len(each) for each in addresses])
    starts = np.concatenate(addresses)
    order = np.argsort(starts, kind="stable")
    sizes = np.array([arrays[name].itemsize for name in names])[owners[order]]
    close = np.flatnonzero(np.diff(starts[order]) < sizes[:-1])
    if not close.size:
        return None
    pair = sorted(owners[order][close[0] : close[0] + 2])
    return names[pair[0]], names[pair[1]]


def _stretch(array: np.ndarray) -> tuple[int, int]:
    """The addresses of the first and of the last byte between which the entries lie."""
    reaches = [stride * (n - 1) for stride, n in zip(array.strides, array.shape, strict=True)]
    start = array.ctypes.data
    return (
        start + sum(reach for reach in reaches if reach < 0),
        start + sum(reach for reach in reaches if reach > 0) + array.itemsize - 1,
    )


def _addresses(array: np.ndarray) -> np.ndarray:
    """The address of every entry, in C order."""
    addresses = np.full(1, array.ctypes.data, dtype=np.intp)
    for stride, n in zip(array.strides, array.shape, strict=True):
        addresses = np.add.outer(addresses, stride * np.arange(n)).ravel()
    return addresses


def _require_perturbable(name: Hashable, array: np.ndarray) -> None:
    label = f"params[{name!r}]"
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            f"{label} must be a NumPy array, so that it can be perturbed in place, "
            f"not {type_in_words(array)}"
        )
    if not is_real(array.dtype):
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


def is_real(dtype: np.dtype) -> bool:
    """Whether the numbers of a type are real floating-point ones, bfloat16 of ml_dtypes included."""
    extension = dtype.kind == "V" and dtype.type.__module__.partition(".")[0] == "ml_dtypes"
    return bool(dtype.kind == "f" or extension)


def roundoff_of(dtype: np.dtype) -> float:
    """The unit roundoff of a floating-point type, those of ml_dtypes included."""
    if dtype.kind == "f":
        return float(np.finfo(dtype).eps) / 2
    one, half = np.ones((), dtype), 1.0
    while float((one + np.asarray(half, dtype)).astype(float)) > 1.0:
        half /= 2
    return half


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
    return bool((np.diff(np.sort(_addresses(array))) < array.itemsize).any())


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
        if gradient.dtype.kind not in "iu" and not is_real(gradient.dtype):
            raise TypeError(
                f"grads[{name!r}] has dtype {gradient.dtype}; it must be an array of real numbers"
            )
        if gradient.shape != parameter.shape:
            raise ValueError(
                f"grads[{name!r}] has shape {gradient.shape}, but params[{name!r}] has shape "
                f"{parameter.shape}{_shape_hint(gradient.shape, parameter.shape)}"
            )
        wide = np.result_type(gradient.dtype, float) if gradient.dtype.kind != "V" else float
        copies[name] = np.array(gradient, dtype=wide)
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

    An array of one entry, whatever its axes, counts as that number.

    Raises
    ------
    TypeError
        If it is not one real number: an array of more entries or none, complex, None, text.
    """
    value = single(value)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if isinstance(value, tuple):
        raise TypeError(
            "the loss must return one number, not a tuple; if that is (value, gradient), pass "
            "grads=True"
        )
    if np.ndim(value) > 0:
        raise TypeError(
            f"the loss must return one number, not an array of shape {np.shape(value)}; "
            f"is a sum or a mean missing?"
        )
    if isinstance(value, complex) or kind == "c":
        raise TypeError(f"the loss must return a real number, not the complex {value!r}")
    try:
        return float(value)
    except OverflowError:  # a whole number or a fraction larger than any float
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        raise TypeError(f"the loss must return one number, not {type_in_words(value)}") from None


def single(value: Any) -> Any:
    """The entry of an array that has only one, in its own precision; anything else as it is."""
    if not hasattr(value, "reshape") or not np.ndim(value) or math.prod(np.shape(value)) != 1:
        return value
    return np.asarray(value).reshape(())[()] if isinstance(value, np.ndarray) else value.reshape(())


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
    except OverflowError:
        number = math.inf
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


def _contents_in_words(value: object) -> str:
    """As :func:`type_in_words`; of a list or tuple with what is in it: ``a list of float``."""
    words = type_in_words(value)
    return f"{words} of {type(value[0]).__name__}" if isinstance(value, list) and value else words


def _listed(names: Collection[Hashable]) -> str:
    return ", ".join(repr(name) for name in names)


def type_in_words(value: object) -> str:
    """The type of a value with its article: ``a list``, ``an int``; ``None`` for itself."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
