"""Functions that return arrays: their vector-Jacobian products, checked as gradients are.

For a function f and an upstream gradient u, the scalar product of u and f(x) is a loss, and its
gradient is what a backward pass returns: J' u, the vector-Jacobian product. So a layer, a Jacobian and
a Hessian are judged by the rule for a gradient, one random u at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradlab.checking.check import check_gradients
from gradlab.checking.report import ArrayReport, Report
from gradlab.checking.verdicts import Verdict, hint_for
from gradlab.containers import (
    Container,
    alike,
    as_numpy,
    is_differentiable,
    leaves,
    mapped,
)
from gradlab.validation import roundoff_of, type_in_words

__all__ = ["check_adjoint", "check_named", "check_vjp", "input_names"]

ROUNDINGS = 256  # of the terms of a scalar product, in their 2-norm: more is no rounding


def check_vjp(
    function: Callable[..., Any],
    vjp: Callable[..., Any],
    *inputs: Any,
    seed: int = 0,
    **options: Any,
) -> Report:
    """Compare a vector-Jacobian product, such as the backward pass of a layer, with differences.

    Parameters
    ----------
    function
        ``function(*inputs)`` returns an array, or a tuple of them.
    vjp
        ``vjp(upstream, *inputs)`` returns one gradient for each input, None where there is none;
        of a single input just that one. ``upstream`` has the shape, or the shapes, of what
        ``function`` returns, and is drawn from a Gaussian: with ones, what sums up to the right
        number would pass. It is called once, right after ``function`` at the same inputs, so that
        it may use what that has kept.
    inputs
        Arrays, or nested structures of them, as the parameters of :func:`gradlab.check_gradients`,
        moved in place and put back. Inputs that are no floating-point arrays, or whose gradient is
        None, are handed on as they are. The report names them after the function's own parameters.
    seed
        Seed of the upstream gradient.
    **options
        Those of :func:`gradlab.check_gradients`.

    Returns
    -------
    Report
        As of :func:`gradlab.check_gradients`, with an array for each input.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used, or does not return what it should.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import check_vjp
    >>> x = np.array([0.5, -1.0, 2.0])

    A layer:

    >>> print(check_vjp(lambda x, W: x @ W, lambda u, x, W: (W @ u, np.outer(x, u)), x, np.eye(3)))
    VJP check (central differences): passed
      x  (3,)    ok
      W  (3, 3)  ok

    A Jacobian, row i of which is the gradient of output i:

    >>> bool(check_vjp(np.sin, lambda u, x: u @ np.diag(np.cos(x)), x))
    True

    A Hessian against a gradient, here those of sum(x**4), and a Hessian-vector product:

    >>> gradient = lambda x: 4 * x**3
    >>> bool(check_vjp(gradient, lambda u, x: np.diag(12 * x**2) @ u, x))
    True
    >>> bool(check_vjp(gradient, lambda u, x: 12 * x**2 * u, x))
    True

    A layer that keeps its input for the way back:

    >>> class Tanh:
    ...     def forward(self, x):
    ...         self.y = np.tanh(x)
    ...         return self.y
    ...     def backward(self, dy):
    ...         return dy * (1 - self.y**2)
    >>> layer = Tanh()
    >>> bool(check_vjp(layer.forward, lambda u, x: layer.backward(u), x))
    True
    """
    for argument, given in (("function", function), ("vjp", vjp)):
        if not callable(given):
            raise TypeError(f"{argument} must be a function, not {type_in_words(given)}")
    names = input_names(function, len(inputs))
    report = check_named(function, vjp, names, inputs, seed, options)
    report.title = report.title.replace("Gradient check", "VJP check")
    return report


def check_named(
    function: Callable[..., Any],
    vjp: Callable[..., Any],
    names: Sequence[str],
    inputs: Sequence[Any],
    seed: int,
    options: Mapping[str, Any],
) -> Report:
    """As :func:`check_vjp`, with the names that the report is to have.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used, or does not return what it should.
    """
    given = dict(zip(names, inputs, strict=True))
    changed: list[str] = []
    with _undone(given, changed):
        outputs = function(*inputs)
        upstream = _drawn(outputs, seed)
        gradients = _by_input(vjp(upstream, *inputs), given)
        gradients = {n: mapped(_copied, g) for n, g in gradients.items() if g is not None}
    for name in gradients:
        if not any(map(is_differentiable, leaves(given[name]))):
            raise TypeError(
                f"{name} is {type_in_words(given[name])}, which cannot be moved, so its gradient "
                f"cannot be checked: pass an array of floating-point numbers, or return None for it"
            )
    if not gradients:
        raise TypeError(
            "there is nothing to check: vjp must return a gradient for an input that is an array "
            "of floating-point numbers"
        )
    loss = _Contracted(function, given, upstream)
    report = check_gradients(loss, {name: given[name] for name in gradients}, gradients, **options)
    still = [
        name
        for name, value in given.items()
        if name not in gradients and any(map(is_differentiable, leaves(value)))
    ]
    notes = [f"the function or its vjp changed {name}; that was undone." for name in changed]
    notes += [f"{name} has no gradient, and was held still." for name in still]
    report.notes = (*notes, *report.notes)
    return report


def check_adjoint(
    function: Callable[..., Any],
    jvp: Callable[..., Any],
    vjp: Callable[..., Any],
    *inputs: Any,
    seed: int = 0,
) -> Report:
    """Whether two derivatives of a function are each other's adjoint: ``<u, J v> = <J' u, v>``.

    The Jacobian J takes changes of the inputs to changes of the output, its transpose J' takes
    gradients back. If both are right the two scalar products are equal to rounding, whatever u and
    v are: no step to choose. It sees a mistake in either of the two, not one that both share; for
    that there is :func:`gradlab.check_vjp`.

    Parameters
    ----------
    function
        ``function(*inputs)`` returns an array, or a tuple of them.
    jvp
        ``jvp(tangents, *inputs)`` returns the change of the output; ``tangents`` is a tuple with an
        array for each input, or the array alone if there is one input only.
    vjp
        As in :func:`gradlab.check_vjp`.
    inputs
        Floating-point arrays; the tangent of any other input, or of one without a gradient, is None.
    seed
        Seed of u and v.

    Returns
    -------
    Report
        For each input, moved alone, both scalar products (``analytic`` by the vjp, ``numeric`` by
        the jvp) and what rounding leaves in doubt, in the coarsest precision at hand.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used, or does not return what it should.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab import check_adjoint
    >>> A, x = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, -1.0])
    >>> print(check_adjoint(lambda x: A @ x, lambda v, x: A @ v, lambda u, x: A.T @ u, x))
    Adjoint test: passed
      x  (2,)  ok
    >>> check_adjoint(lambda x: A @ x, lambda v, x: A @ v, lambda u, x: A @ u, x).verdict
    'wrong'
    """
    given = dict(zip(input_names(function, len(inputs)), inputs, strict=True))
    changed: list[str] = []
    found: dict[Hashable, ArrayReport] = {}
    with _undone(given, changed):
        outputs = function(*inputs)
        upstream = _drawn(outputs, seed)
        gradients = _by_input(vjp(upstream, *inputs), given)
        gradients = {n: mapped(_copied, g) for n, g in gradients.items() if g is not None}
        moving = {name: given[name] for name in gradients if is_differentiable(given[name])}
        if not moving:
            raise TypeError(
                "there is nothing to compare: vjp must return a gradient for an input that is an "
                "array of floating-point numbers"
            )
        stream = np.random.RandomState(seed + 1)
        for name, value in moving.items():
            direction = _gaussian(stream, as_numpy(value))
            tangents = tuple(
                _tangent(each, direction if other == name else 0.0) if other in moving else None
                for other, each in given.items()
            )
            change = jvp(tangents if len(given) > 1 else tangents[0], *inputs)
            found[name] = _adjoint(name, outputs, upstream, change, gradients[name], direction)
    notes = [f"the function, jvp or vjp changed {name}; that was undone." for name in changed]
    return Report(found, "Adjoint test", notes=notes)


def _adjoint(
    name: str, outputs: Any, upstream: Any, change: Any, gradient: Any, direction: np.ndarray
) -> ArrayReport:
    """Both scalar products for one input, and whether they differ by more than rounding."""
    pairs = [(np.asarray(u), np.asarray(c)) for u, c in _paired(upstream, change, "jvp")]
    back = np.asarray(as_numpy(gradient))
    if back.shape != direction.shape:
        raise ValueError(
            f"vjp returned a gradient of shape {back.shape} for {name}, which has shape "
            f"{direction.shape}"
        )
    forward = sum(_product(u, c) for u, c in pairs)
    backward = _product(back, direction)
    size = sum(_norm(_terms(u, c)) for u, c in pairs) + _norm(_terms(back, direction))
    arrays = [back, direction, *(each for pair in pairs for each in pair)]
    arrays += [np.asarray(as_numpy(each)) for each in leaves(outputs)]
    unit = max(roundoff_of(a.dtype) for a in arrays if a.dtype.kind in "fV")
    bar = ROUNDINGS * unit * size
    verdict: Verdict = "ok" if abs(forward - backward) <= bar else "wrong"
    if not math.isfinite(forward - backward):
        verdict = "nonfinite"
    elif not size:
        verdict = "untested"
    hint = "J and J' differ: one of jvp and vjp is wrong, and check_vjp says whether it is vjp"
    return ArrayReport(
        name,
        direction.shape,
        verdict,
        hint if verdict == "wrong" else hint_for(verdict),
        analytic=backward,
        numeric=forward,
        error_bar=bar,
        resolution=bar,
        worst_index=() if verdict == "wrong" else None,
    )


def input_names(function: Callable[..., Any], count: int) -> list[str]:
    """What a function calls its first parameters; x0, x1 and so on where it does not say."""
    import inspect  # NumPy does without it

    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = range(count - len(names))
            names += [f"{parameter.name}[{i}]" for i in rest]
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            names.append(parameter.name)
    names = names[:count]
    return names + [f"x{i}" if count > 1 else "x" for i in range(len(names), count)]


class _Contracted:
    """The scalar product of a function's output and an upstream gradient: a loss of its inputs."""

    def __init__(self, function: Callable[..., Any], given: dict[str, Any], upstream: Any) -> None:
        self.function, self.given = function, given
        self.upstream = mapped(as_numpy, upstream)

    def __call__(self, params: Mapping[str, Any]) -> Any:
        outputs = self.function(*({**self.given, **params}.values()))
        return sum(_product(u, c) for u, c in _paired(self.upstream, outputs, "function"))


def _paired(upstream: Any, outputs: Any, who: str) -> Iterator[tuple[Any, Any]]:
    """Each upstream gradient with its output, both in NumPy."""
    ours, theirs = leaves(upstream), leaves(outputs)
    if len(ours) != len(theirs):
        raise ValueError(
            f"{who} returned {len(theirs)} arrays, where there are {len(ours)} outputs"
        )
    for u, output in zip(ours, theirs, strict=True):
        if u is None:
            continue
        output = as_numpy(output)
        if np.shape(u) != np.shape(output):
            raise ValueError(
                f"{who} returned an array of shape {np.shape(output)} for an output of shape "
                f"{np.shape(u)}"
            )
        yield as_numpy(u), output


def _product(one: Any, other: Any) -> Any:
    """The scalar product in float64 at least; of complex numbers without a conjugate."""
    return np.sum(_terms(np.asarray(one), np.asarray(other)))


def _terms(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    wide = float if other.dtype.kind == "V" else np.result_type(other.dtype, float)
    return np.asarray(one.astype(float) * other.astype(wide))


def _norm(array: np.ndarray) -> float:
    return float(np.sqrt(np.sum(np.square(array.astype(float)))))


def _drawn(outputs: Any, seed: int) -> Any:
    """A Gaussian upstream gradient like the outputs: their structure, types and library.

    None for an output of whole numbers. Of several outputs each is weighed by a power of two, so
    that none is lost in the rounding of a larger one.
    """
    stream = np.random.RandomState(seed)
    several = len(leaves(outputs)) > 1

    def draw(output: Any) -> Any:
        array = np.asarray(as_numpy(output))
        if array.dtype.kind in "iub" or output is None:
            return None
        if array.dtype.kind not in "fV":
            raise TypeError(
                f"function must return arrays of real numbers, not "
                f"{type_in_words(output)} of {array.dtype}; of complex ones return the real and the "
                f"imaginary part"
            )
        drawn = _gaussian(stream, array)
        size = _norm(array) / math.sqrt(array.size or 1)
        if several and 0 < size < math.inf:
            drawn = (drawn.astype(float) * 2.0 ** -round(math.log2(size))).astype(array.dtype)
        made = alike(output, drawn if drawn.ndim else drawn[()])
        return made.detach() if hasattr(made, "detach") else made

    upstream = mapped(draw, outputs)
    if all(each is None for each in leaves(upstream)):
        raise TypeError(
            "function must return an array of floating-point numbers, or a tuple of them"
        )
    return upstream


def _gaussian(stream: np.random.RandomState, array: np.ndarray) -> np.ndarray:
    return np.asarray(stream.standard_normal(array.shape)).astype(array.dtype)


def _tangent(given: Any, direction: Any) -> Any:
    array = np.asarray(as_numpy(given))
    made = alike(given, np.broadcast_to(direction, array.shape).astype(array.dtype))
    return made.detach() if hasattr(made, "detach") else made


def _copied(gradient: Any) -> Any:
    """A copy: a backward pass may hand out buffers that it uses again."""
    return gradient.copy() if isinstance(gradient, np.ndarray) else gradient


def _by_input(gradients: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a vjp has returned, by the names of the inputs."""
    names = list(given)
    if isinstance(gradients, Mapping) and set(gradients) <= set(names):
        return {name: gradients.get(name) for name in names}
    if len(names) == 1:
        alone = isinstance(gradients, (tuple, list)) and len(gradients) == 1
        structured = isinstance(given[names[0]], (tuple, list))
        return {names[0]: gradients[0] if alone and not structured else gradients}
    if not isinstance(gradients, (tuple, list)):
        raise TypeError(
            f"vjp must return a tuple with one gradient for each of the {len(names)} inputs, None "
            f"where there is none, not {type_in_words(gradients)}"
        )
    if len(gradients) != len(names):
        raise ValueError(
            f"vjp returned {len(gradients)} gradients for {len(names)} inputs "
            f"({', '.join(names)}): one for each, None where there is none"
        )
    return dict(zip(names, gradients, strict=True))


@contextmanager
def _undone(given: Mapping[str, Any], changed: list[str]) -> Iterator[None]:
    """Put back the arrays that have been changed inside, and name them in ``changed``."""
    arrays = {
        name: array
        for name, array in Container(dict(given)).arrays.items()
        if isinstance(array, np.ndarray) and array.dtype.kind in "fV"
    }
    before = {name: array.copy() for name, array in arrays.items()}
    try:
        yield
    finally:
        for name, array in arrays.items():
            if array.tobytes() != before[name].tobytes():
                array[...] = before[name]
                changed.append(name)
