"""Whatever holds the parameters, as a dict of NumPy arrays by name, and back.

The checker moves the entries of NumPy arrays that it knows by name. People hold their parameters in
one array, in lists, tuples, dicts and NamedTuples of arrays, in JAX arrays or PyTorch tensors. A
:class:`Container` names every array by its path, and a :class:`Packed` loss is handed what it was
written for. A dict of NumPy arrays is left as it is. NumPy arrays, and PyTorch tensors in the memory
of the processor, are the caller's own, moved in place; JAX arrays never change, so the loss gets new
ones. Neither library is imported here: an array of theirs can only be where they are.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from gradlab.validation import Params, type_in_words

__all__ = [
    "Container",
    "Packed",
    "alike",
    "as_numpy",
    "is_differentiable",
    "leaves",
    "library_of",
    "mapped",
    "unpacked",
]

SINGLE = "x"  # what one array by itself is called in a report


def unpacked(
    loss: Callable[[Any], Any], params: Any, grads: Any
) -> tuple[Callable[[Any], Any], Params, Any]:
    """A loss, its parameters and its gradient, as the checker knows them.

    Parameters
    ----------
    loss
        A function of whatever ``params`` is.
    params
        An array, or arrays in lists, tuples, dicts and NamedTuples, however nested.
    grads
        The same structure, or a function of ``params`` that returns one; True if the loss returns
        its value and its gradient.

    Returns
    -------
    tuple
        The same three, as a function of a dict of NumPy arrays, that dict, and a dict of arrays or
        a function that returns one. If ``params`` is a dict of NumPy arrays it is handed out itself.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab.containers import unpacked
    >>> layers = [{"W": np.ones((2, 2))}, {"W": np.ones((2, 1))}]
    >>> loss, params, _ = unpacked(lambda p: np.sum(p[0]["W"] @ p[1]["W"]), layers, None)
    >>> list(params), float(loss(params))
    (['[0].W', '[1].W'], 4.0)
    """
    if grads is True and callable(loss):
        loss, grads = _Value(loss), _Gradient(loss)
    if _is_plain(params):
        return loss, params, grads
    container = Container(params)
    if callable(grads) and not isinstance(grads, Mapping):
        grads = _Flattened(grads, container)
    elif grads is not None:
        grads = container.flat_like(grads)
    return (Packed(loss, container) if callable(loss) else loss), container.arrays, grads


def _is_plain(params: Any) -> bool:
    """Whether the checker knows what to do with it, or to say about it, without any help."""
    if isinstance(params, Mapping):
        others = [value for value in params.values() if not isinstance(value, np.ndarray)]
        return not any(_is_node(value) or library_of(value) for value in others)
    return not (isinstance(params, np.ndarray) or library_of(params) or _is_node(params))


def _is_node(value: Any) -> bool:
    """Whether it is a list, tuple or mapping with arrays in it, at any depth."""
    if isinstance(value, Mapping):
        items: Any = value.values()
    elif isinstance(value, (list, tuple)):
        items = value
    else:
        return False
    return any(isinstance(i, np.ndarray) or library_of(i) is not None or _is_node(i) for i in items)


class _Tree(NamedTuple):
    """One place in a container: a leaf with a name, or a node with children by their keys."""

    given: Any
    name: str | None
    path: str
    children: dict[Any, _Tree] | None


class Container:
    """The arrays in a structure, by their paths, and the structure with other arrays in it.

    Attributes
    ----------
    arrays
        By their paths, such as "layers[0].W". NumPy's own, and views of PyTorch's tensors: writing
        into them writes into the caller's. Copies of all others.
    of_jax
        The names of those that are JAX's.

    Raises
    ------
    TypeError, ValueError
        If two arrays have the same path, or an array cannot be had in NumPy.
    """

    def __init__(self, given: Any) -> None:
        self.arrays: dict[str, Any] = {}
        self.of_jax: list[str] = []
        self._tree = self._grown(given, "")

    def _grown(self, given: Any, path: str) -> _Tree:
        if given is None:
            return _Tree(None, None, path, None)
        if not (_is_node(given) or (not path and isinstance(given, Mapping))):
            name = path or SINGLE
            if name in self.arrays:
                raise ValueError(
                    f"params has two arrays whose path reads {name!r}: give one of them another key"
                )
            self.arrays[name] = _moveable(given, name)
            if library_of(given) == "jax":
                self.of_jax.append(name)
            return _Tree(given, name, path, None)
        children = {key: self._grown(item, _joined(path, key)) for key, item in _items(given)}
        return _Tree(given, None, path, children)

    def pack(self, values: Mapping[Any, Any], convert: bool = True) -> Any:
        """The structure with these arrays in the places of their names.

        With ``convert`` each becomes what was given there: an array of the same library, on the same
        device; otherwise they stay as they are.
        """
        return self._packed(self._tree, values, convert)

    def _packed(self, tree: _Tree, values: Mapping[Any, Any], convert: bool) -> Any:
        if tree.name is not None:
            value = values[tree.name]
            if not convert:
                return value
            own = value is self.arrays[tree.name]
            return tree.given if own and _moves_in_place(tree.given) else alike(tree.given, value)
        if tree.children is None:
            return tree.given
        kids = {key: self._packed(kid, values, convert) for key, kid in tree.children.items()}
        return _remade(tree.given, kids)

    def flat_like(self, grads: Any) -> dict[str, Any]:
        """The gradients in the same structure, by the names of their parameters.

        What is missing is left out, and what is too many gets a name of its own, so that the one
        sentence on names is said in one place.

        Raises
        ------
        TypeError, ValueError
            If it is another structure.
        """
        return dict(self._flattened(self._tree, grads))

    def _flattened(self, tree: _Tree, grads: Any) -> Iterator[tuple[str, Any]]:
        if tree.name is not None:
            yield tree.name, _gradient_of(tree, grads)
        elif tree.children is not None:
            named = isinstance(tree.given, Mapping) or hasattr(tree.given, "_fields")
            if isinstance(grads, Mapping) and named:
                found = {key: grads[key] for key in tree.children if key in grads}
                extra = {key: grads[key] for key in grads if key not in tree.children}
            elif isinstance(grads, (list, tuple)) and not isinstance(tree.given, Mapping):
                if len(grads) != len(tree.children):
                    raise ValueError(
                        f"grads{tree.path and ' at ' + tree.path} has {len(grads)} items, but "
                        f"params has {len(tree.children)}: one gradient for each"
                    )
                found, extra = dict(zip(tree.children, grads, strict=True)), {}
            else:
                raise TypeError(
                    f"grads{tree.path and ' at ' + tree.path} is {type_in_words(grads)}, but "
                    f"params has {type_in_words(tree.given)} there: hand in the same structure"
                )
            for key, item in found.items():
                yield from self._flattened(tree.children[key], item)
            for key in extra:
                yield _joined(tree.path, key), extra[key]


class Packed:
    """A loss of a structure, as one of the dict of its arrays; what it returns is in NumPy."""

    def __init__(self, loss: Callable[[Any], Any], container: Container) -> None:
        self.loss, self.container = loss, container

    def __call__(self, arrays: Params) -> Any:
        with wide_enough(*(arrays[name] for name in self.container.of_jax)):
            return as_numpy(self.loss(self.container.pack(arrays)))


class _Flattened:
    """A gradient function of a structure, as one of the dict of its arrays."""

    def __init__(self, grads: Callable[[Any], Any], container: Container) -> None:
        self.grads, self.container = grads, container

    def __call__(self, arrays: Params) -> dict[str, Any]:
        return self.container.flat_like(self.grads(self.container.pack(arrays)))


class _Value:
    """The value of a loss that returns its gradient as well."""

    def __init__(self, loss: Callable[[Any], Any]) -> None:
        self.loss = loss

    def __call__(self, params: Any) -> Any:
        return _pair(self.loss(params))[0]


class _Gradient:
    """The gradient of a loss that returns its value as well."""

    def __init__(self, loss: Callable[[Any], Any]) -> None:
        self.loss = loss

    def __call__(self, params: Any) -> Any:
        return _pair(self.loss(params))[1]


def _pair(returned: Any) -> tuple[Any, Any]:
    if isinstance(returned, (tuple, list)) and len(returned) == 2:
        return returned[0], returned[1]
    raise TypeError(
        f"with grads=True the loss must return (value, gradient), not {type_in_words(returned)}"
    )


def mapped(function: Callable[[Any], Any], structure: Any) -> Any:
    """A structure of lists, tuples and mappings with ``function`` applied to what they hold."""
    if structure is None or not isinstance(structure, (list, tuple, Mapping)):
        return function(structure)
    kids = {key: mapped(function, item) for key, item in _items(structure)}
    return _remade(structure, kids)


def leaves(structure: Any) -> list[Any]:
    """What a structure of lists, tuples and mappings holds, in the order of :func:`mapped`."""
    found: list[Any] = []
    mapped(found.append, structure)
    return found


def _items(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, Mapping):
        return iter(node.items())
    return zip(getattr(node, "_fields", range(len(node))), node, strict=True)


def _joined(path: str, key: Any) -> str:
    """The path to an item: ``layers`` and 0 give ``layers[0]``, and "W" after it ``layers[0].W``."""
    if isinstance(key, str):
        return f"{path}.{key}" if path else key
    return f"{path}[{key!r}]"


def _remade(given: Any, kids: dict[Any, Any]) -> Any:
    """A container of the type of ``given`` with other items; never ``given`` itself."""
    if hasattr(given, "_make"):
        return given._make(kids.values())
    if type(given) in (dict, list, tuple):
        return kids if type(given) is dict else type(given)(kids.values())
    if isinstance(given, MutableMapping):
        import copy  # which NumPy does without

        made = copy.copy(given)
        for key, item in kids.items():
            made[key] = item
        return made
    return type(given)(kids if isinstance(given, Mapping) else kids.values())


# ------------------------------------------------------------------- arrays of other libraries


def library_of(value: Any) -> str | None:
    """ "jax" or "torch" if the value is an array of theirs; None for anything else."""
    jax, torch = sys.modules.get("jax"), sys.modules.get("torch")
    if torch is not None and isinstance(value, getattr(torch, "Tensor", ())):
        return "torch"
    if jax is not None and isinstance(value, getattr(jax, "Array", ())):
        return "jax"
    return None


def is_differentiable(value: Any) -> bool:
    """Whether it is an array of real floating-point numbers, of whatever library."""
    library = library_of(value)
    if library == "torch":
        return bool(value.is_floating_point())
    if library == "jax":
        return bool(_module("jax.numpy").issubdtype(value.dtype, _module("jax.numpy").floating))
    return isinstance(value, np.ndarray) and value.dtype.kind in "fV"


def as_numpy(value: Any) -> Any:
    """An array of another library in NumPy, sharing memory where it can; anything else as it is.

    bfloat16 of PyTorch needs ml_dtypes for that, and becomes float32 without it.
    """
    library = library_of(value)
    if library == "jax":
        return np.asarray(value)[()] if not value.ndim else np.asarray(value)
    if library != "torch":
        return value
    torch = _module("torch")
    tensor = value.detach().resolve_conj().resolve_neg().cpu()
    if tensor.dtype == torch.bfloat16:
        if importlib.util.find_spec("ml_dtypes") is None:
            return tensor.float().numpy()
        import ml_dtypes

        tensor = tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
        return tensor if tensor.ndim else tensor[()]
    return tensor.numpy() if tensor.ndim else tensor.numpy()[()]


def alike(given: Any, array: Any) -> Any:
    """The numbers of a NumPy array as an array of the library, and on the device, of ``given``.

    Its type is that of ``array``; memory is shared with neither.
    """
    library = library_of(given)
    if library is None:
        return array
    if library == "jax":
        with wide_enough(array):
            made = _module("jax.numpy").array(array)
            if len(given.devices()) == 1 and given.devices() != made.devices():
                made = _module("jax").device_put(made, next(iter(given.devices())))
            return made
    torch = _module("torch")
    plain = np.array(array, order="C")
    if plain.dtype.kind == "V":  # bfloat16 of ml_dtypes
        made = torch.from_numpy(plain.view(np.int16)).view(torch.bfloat16)
    else:
        made = torch.from_numpy(plain)
    made = made.to(given.device)
    return made.requires_grad_() if given.requires_grad and made.is_floating_point() else made


def wide_enough(*arrays: Any) -> AbstractContextManager[Any]:
    """In which JAX keeps float64 numbers as they are: by default it would cut them to float32."""
    jax = sys.modules.get("jax")
    if jax is None or not any(getattr(a, "dtype", None) in _WIDE for a in arrays):
        return nullcontext()
    if jax.config.jax_enable_x64:
        return nullcontext()
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    return _module("jax.experimental").enable_x64()


_WIDE = (np.dtype(np.float64), np.dtype(np.complex128))


def _moves_in_place(given: Any) -> bool:
    """Whether what is written into its NumPy array is seen in the array that was given."""
    return library_of(given) != "jax" and (library_of(given) is None or given.device.type == "cpu")


def _moveable(given: Any, name: str) -> Any:
    """The array to move: the caller's own, a view of it, or a copy where it cannot be moved."""
    library = library_of(given)
    if library is None:
        return given
    if library == "torch" and str(given.dtype) == "torch.bfloat16":
        if importlib.util.find_spec("ml_dtypes") is None:
            raise TypeError(
                f"params[{name!r}] is in bfloat16, which NumPy knows only with ml_dtypes: "
                f"pip install ml_dtypes, or pass it in float32"
            )
    try:
        array = np.asarray(as_numpy(given))
        if library == "torch" and given.device.type == "cpu" and not given.ndim:
            array = as_numpy(given.detach().reshape(1)).reshape(())
    except (TypeError, RuntimeError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise TypeError(
            f"params[{name!r}] cannot be read as a NumPy array ({said}): pass a dense one"
        ) from None
    return array if _moves_in_place(given) else array.copy()


def _gradient_of(tree: _Tree, value: Any) -> Any:
    if value is None:
        raise TypeError(
            f"grads has None for {tree.name!r}, so nothing was computed there: pass an array, of "
            f"zeros if that is meant"
        )
    return as_numpy(value)


def _module(name: str) -> ModuleType:
    """A module of a library that is imported already."""
    return importlib.import_module(name)
