"""The formulas of differences, and how far two gradients lie apart.

The formulas, for one entry of the parameters moved by multiples of a step ``h``:

========== ============================================ ============ ========================
method     formula                                      truncation   default ``h``
========== ============================================ ============ ========================
forward    D+(h) = (L(h) - L(0)) / h                    h/2 L''      u^(1/2) = 1.5e-8
central    D(h) = (L(h) - L(-h)) / 2h                   h^2/6 L'''   u^(1/3) = 6.1e-6
central4   (4 D(h) - D(2h)) / 3                         -h^4/30 L^5  u^(1/5) = 7.4e-4
richardson (D(h) - 20 D(h/2) + 64 D(h/4)) / 45          O(h^6)       u^(1/7) = 5.8e-3
complex    Im L(ih) / h                                 -h^2/6 L'''  1e-20: no cancellation
========== ============================================ ============ ========================

A formula of order p has the error ``T h**p + R/h``, with ``R`` of the size of ``u |L|``. Here ``u``
is the machine epsilon, 2**-52 for float64: the distance of neighbours, twice the largest rounding
error, which is the u of notebook 04. The error is least where ``h**(p + 1)`` is about ``u``, which
gives the last column (for p of 1 and 2: [1]_). It is multiplied by ``max(1, |entry|)``, 1 being a typical size [2]_. Richardson:
[3]_. Complex step: [4]_, [5]_, [6]_.

.. [1] William H. Press, Saul A. Teukolsky, William T. Vetterling and Brian P. Flannery, *Numerical
   Recipes: The Art of Scientific Computing*, 3rd edition, Cambridge University Press, 2007, section
   5.7.
.. [2] John E. Dennis and Robert B. Schnabel, *Numerical Methods for Unconstrained Optimization and
   Nonlinear Equations*, Prentice-Hall, 1983, algorithm A5.6.3: steps in proportion to the larger
   of an entry and its typical size.
.. [3] Lewis F. Richardson and J. Arthur Gaunt, "The deferred approach to the limit", *Philosophical
   Transactions of the Royal Society of London, Series A* 226, 1927, pages 299-361.
.. [4] James N. Lyness and Cleve B. Moler, "Numerical differentiation of analytic functions", *SIAM
   Journal on Numerical Analysis* 4 (2), 1967, pages 202-210.
.. [5] William Squire and George Trapp, "Using complex variables to estimate derivatives of real
   functions", *SIAM Review* 40 (1), 1998, pages 110-112.
.. [6] Joaquim R. R. A. Martins, Peter Sturdza and Juan J. Alonso, "The complex-step derivative
   approximation", *ACM Transactions on Mathematical Software* 29 (3), 2003, pages 245-262.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, overload

import numpy as np

__all__ = [
    "FORMULAS",
    "METHODS",
    "Formula",
    "difference",
    "label_of",
    "relative_error",
    "rms",
    "title_of",
]


class Formula(NamedTuple):
    """A weighted sum of quotients ``(L(a h) - L(b h)) / (a h - b h)``, one ``(a, b, weight)`` each."""

    order: int
    quotients: tuple[tuple[float, float, float], ...]
    title: str = ""  # in a sentence
    label: str = ""  # in a figure

    @property
    def offsets(self) -> list[float]:
        """Every multiple of the step at which the loss is needed, once."""
        return sorted({offset for a, b, _ in self.quotients for offset in (a, b)})

    @property
    def truncation(self) -> float:
        """The factor c of the first term that the Taylor series leaves over, ``c h**p L^(p+1)``."""
        q = self.order + 1
        return sum(w * (a**q - b**q) / (a - b) for a, b, w in self.quotients) / math.factorial(q)

    @property
    def amplification(self) -> float:
        """The noise of the result, times h, for independent noise of size 1 in each loss."""
        return math.sqrt(sum(2 * (w / (a - b)) ** 2 for a, b, w in self.quotients))


FORMULAS = {
    "forward": Formula(1, ((1, 0, 1),), "forward differences", "forward"),
    "central": Formula(2, ((1, -1, 1),), "central differences", "central"),
    "central4": Formula(
        4,
        ((1, -1, 4 / 3), (2, -2, -1 / 3)),
        "central differences of order 4",
        "central, 4th order",
    ),
    "richardson": Formula(
        6,
        ((1, -1, 1 / 45), (1 / 2, -1 / 2, -20 / 45), (1 / 4, -1 / 4, 64 / 45)),
        "Richardson extrapolation",
        "Richardson",
    ),
}


class _Methods(Sequence[str]):
    """The names of all formulas, as the table stands at this moment, and "complex"."""

    def _names(self) -> tuple[str, ...]:
        return (*FORMULAS, "complex")

    def __len__(self) -> int:
        return len(self._names())

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self._names()[index]

    def __repr__(self) -> str:
        return repr(self._names())


METHODS: Sequence[str] = _Methods()


def title_of(method: str) -> str:
    """What a method is called in a sentence: "central differences"."""
    return "complex step" if method == "complex" else FORMULAS[method].title or method


def label_of(method: str) -> str:
    """What a method is called in a figure: "central"."""
    return "complex step" if method == "complex" else FORMULAS[method].label or title_of(method)


def difference(
    formula: Formula, losses: Mapping[float, np.ndarray], points: Mapping[float, np.ndarray]
) -> np.ndarray:
    """The formula applied to ``losses[offset]``, taken at the parameters ``points[offset]``.

    Each quotient is divided by the distance between the two floating-point numbers at which the loss
    was really evaluated, not by the one that was asked for; if they are the same number, it is 0.
    """
    total = np.zeros(np.shape(losses[formula.quotients[0][0]]))
    for a, b, weight in formula.quotients:
        run = np.subtract(points[a], points[b], dtype=np.float64)
        with np.errstate(invalid="ignore"):  # of two infinite losses: nan
            rise = losses[a] - losses[b]
        total += weight * np.divide(rise, run, out=np.zeros_like(total), where=run != 0)
    return total


def relative_error(analytic: np.ndarray, numeric: np.ndarray) -> float:
    """The measure of the exercise: ``|a - n| / (|a| + |n| + 1e-15)``, in the 2-norm.

    Both arrays have the same shape, whatever it is; the result has no unit.

    Examples
    --------
    >>> import numpy as np
    >>> from gradlab.differences import relative_error
    >>> f"{relative_error(np.array([3.0, 4.0]), np.array([3.0, 4.001])):.1e}"
    '1.0e-04'
    """
    off, *sizes = (
        rms(array) * math.sqrt(np.size(array)) for array in (analytic - numeric, analytic, numeric)
    )
    return float(off / (sum(sizes) + 1e-15))


def rms(array: np.ndarray) -> float:
    """The root mean square of the entries; 0 if there are none. It neither over- nor underflows."""
    array = np.abs(np.asarray(array, dtype=float))
    largest = array.max(initial=0.0)
    if not 0 < largest < np.inf:
        return float(largest)
    scale = 2.0 ** np.floor(np.log2(largest))
    return float(scale * np.sqrt(np.mean(np.square(array / scale))))
