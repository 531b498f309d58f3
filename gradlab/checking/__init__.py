"""Is a gradient right? Judged by the error bars of the differences, not by a magic cutoff."""

from __future__ import annotations

from gradlab.checking.autodiff import check_autodiff
from gradlab.checking.check import check_gradients
from gradlab.checking.report import ArrayReport, GradientCheckError, Report
from gradlab.checking.vjp import check_adjoint, check_vjp
from gradlab.differences.formulas import relative_error

__all__ = [
    "ArrayReport",
    "GradientCheckError",
    "Report",
    "check_adjoint",
    "check_autodiff",
    "check_gradients",
    "check_vjp",
    "relative_error",
]
