"""Functions of JAX and PyTorch: their own reverse mode against our differences.

Where a rule was written by hand, as in a ``custom_vjp`` or an ``autograd.Function``, reverse mode is
only as right as that rule. Neither library is imported here unless what is handed in is theirs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from gradlab.checking.report import Report
from gradlab.checking.vjp import check_named, input_names
from gradlab.containers import is_differentiable, leaves, library_of, mapped
from gradlab.validation import type_in_words

__all__ = ["check_autodiff"]


def check_autodiff(
    function: Callable[..., Any], *inputs: Any, seed: int = 0, **options: Any
) -> Report:
    """Compare the reverse mode of JAX or PyTorch with differences of the function itself.

    The gradient is computed in the precision of the inputs, and the differences in float64 where the
    function can be computed in it: float32 and bfloat16 need no tolerances, only their error bars.

    Parameters
    ----------
    function
        ``function(*inputs)`` returns an array of JAX or PyTorch, or a tuple of them; or a
        ``torch.nn.Module``, whose parameters are then checked as well, by their names.
    inputs
        Arrays of JAX or PyTorch, or nested structures of them. What is not of floating point is
        handed on as it is. For a function of JAX arrays of NumPy will do.
    seed
        Seed of the upstream gradient.
    **options
        Those of :func:`gradlab.check_gradients`.

    Returns
    -------
    Report
        As of :func:`gradlab.check_vjp`: an array for each input, and for each parameter of a module.
        An input to which the framework finds no path has a gradient of zeros.

    Raises
    ------
    TypeError, ValueError
        If the function is of neither library, or an input cannot be used.

    Examples
    --------
    A function of JAX would be checked by

    >>> def example():
    ...     import jax.numpy as jnp
    ...     from gradlab import check_autodiff
    ...     return check_autodiff(jnp.sinh, jnp.array([0.5, 1.0]))

    and a function of neither library is told where to go:

    >>> import numpy as np
    >>> from gradlab import check_autodiff
    >>> check_autodiff(np.sin, np.ones(2))
    Traceback (most recent call last):
    TypeError: function returned a ndarray: it must compute with JAX or PyTorch, whose reverse mode \
is checked; for a derivative of your own there is check_vjp
    """
    if not callable(function):
        raise TypeError(f"function must be a function, not {type_in_words(function)}")
    if hasattr(function, "named_parameters") and hasattr(function, "forward"):
        names, function, inputs = _opened(function, inputs)
    else:
        names = _names(function, len(inputs))
    library = _library(inputs)
    if library is None:
        library = _library(found := function(*inputs))
        if library is None:
            raise TypeError(
                f"function returned {type_in_words(found)}: it must compute with JAX or PyTorch, "
                f"whose reverse mode is checked; for a derivative of your own there is check_vjp"
            )
    if library == "jax":
        inputs = mapped(_as_jax, inputs)
    vjp = {"jax": _of_jax, "torch": _of_torch}[library](function)
    report = check_named(function, vjp, names, inputs, seed, options)
    report.title = report.title.replace("Gradient check", "Autodiff check")
    return report


def _names(function: Callable[..., Any], count: int) -> list[str]:
    """Those of the parameters; of the ``apply`` of an ``autograd.Function`` those of ``forward``."""
    forward = getattr(getattr(function, "__self__", None), "forward", None)
    if forward is None or getattr(function, "__name__", "") != "apply":
        return input_names(function, count)
    names = input_names(forward, count + 1)
    return names[1:] if names[0] == "ctx" else names[:count]


def _library(structure: Any) -> str | None:
    return next((name for name in map(library_of, leaves(structure)) if name), None)


def _as_jax(value: Any) -> Any:
    """An array of NumPy as one of JAX, in float32 where JAX has no other by default."""
    if library_of(value) or not is_differentiable(value):
        return value
    jax = importlib.import_module("jax")
    return jax.numpy.array(value, dtype=jax.dtypes.canonicalize_dtype(value.dtype))


def _filled(structure: Any, floats: Sequence[Any]) -> Any:
    """The structure with these in the places of its floating-point arrays."""
    remaining = iter(floats)
    return mapped(lambda each: next(remaining) if is_differentiable(each) else each, structure)


def _gradients(inputs: tuple[Any, ...], floats: Sequence[Any]) -> tuple[Any, ...]:
    """One for each input; None for an input without a floating-point array."""
    whole = _filled(inputs, floats)
    return tuple(
        gradient if any(map(is_differentiable, leaves(given))) else None
        for given, gradient in zip(inputs, whole, strict=True)
    )


def _wanted(outputs: Any, upstream: Any) -> list[Any]:
    """The outputs that have an upstream gradient."""
    pairs = zip(leaves(outputs), leaves(upstream), strict=True)
    return [output for output, u in pairs if u is not None]


def _of_jax(function: Callable[..., Any]) -> Callable[..., Any]:
    jax = importlib.import_module("jax")

    def vjp(upstream: Any, *inputs: Any) -> tuple[Any, ...]:
        floats = [each for each in leaves(inputs) if is_differentiable(each)]

        def outputs(*moved: Any) -> list[Any]:
            return _wanted(function(*_filled(inputs, moved)), upstream)

        pull = jax.vjp(outputs, *floats)[1]
        return _gradients(inputs, pull([u for u in leaves(upstream) if u is not None]))

    return vjp


def _of_torch(function: Callable[..., Any]) -> Callable[..., Any]:
    torch = importlib.import_module("torch")

    def vjp(upstream: Any, *inputs: Any) -> tuple[Any, ...]:
        floats = [
            each.detach().clone().requires_grad_()
            for each in leaves(inputs)
            if is_differentiable(each)
        ]
        with torch.enable_grad():
            outputs = _wanted(function(*_filled(inputs, floats)), upstream)
            given = [u for u in leaves(upstream) if u is not None]
            pairs = [(o, u) for o, u in zip(outputs, given, strict=True) if o.requires_grad]
            if not pairs:
                raise TypeError("function returned nothing that PyTorch could differentiate")
            ends, starts = zip(*pairs, strict=True)
            found = torch.autograd.grad(ends, floats, starts, allow_unused=True)
        whole = [
            torch.zeros_like(each) if gradient is None else gradient
            for each, gradient in zip(floats, found, strict=True)
        ]
        return _gradients(inputs, whole)

    return vjp


def _opened(
    module: Any, inputs: tuple[Any, ...]
) -> tuple[list[str], Callable[..., Any], tuple[Any, ...]]:
    """A module as a function of its parameters and its inputs, which changes nothing in it.

    Its buffers are copied for every call, so that running statistics stay as they are, and go along
    to float64 with the parameters.
    """
    torch = importlib.import_module("torch")
    parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
    held = {n: p for n, p in module.named_parameters() if not p.requires_grad}
    held |= dict(module.named_buffers())
    names = input_names(module.forward, len(inputs))
    names = [f"{name} (input)" if name in parameters else name for name in names]

    def function(*values: Any) -> Any:
        given = dict(zip(parameters, values, strict=False))
        widened = [v.dtype for n, v in given.items() if v.dtype != parameters[n].dtype]

        def fresh(each: Any) -> Any:
            copied = each.detach().clone()
            return copied.to(widened[0]) if widened and copied.is_floating_point() else copied

        rest = {name: fresh(each) for name, each in held.items()}
        return torch.func.functional_call(module, {**given, **rest}, values[len(given) :])

    return [*parameters, *names], function, (*parameters.values(), *inputs)
