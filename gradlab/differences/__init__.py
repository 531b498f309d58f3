"""The derivative of a loss from its values: formulas, the sweep over all entries, the noise."""

from __future__ import annotations

from gradlab.differences.formulas import (
    FORMULAS,
    METHODS,
    Formula,
    difference,
    relative_error,
    title_of,
)
from gradlab.differences.gradient import (
    ComplexLoss,
    complex_copies,
    default_eps,
    entry_losses,
    entry_steps,
    numerical_gradient,
    require_visible,
    unstacked,
)
from gradlab.differences.sweep import moved, restored

__all__ = [
    "FORMULAS",
    "METHODS",
    "ComplexLoss",
    "Formula",
    "complex_copies",
    "default_eps",
    "difference",
    "entry_losses",
    "entry_steps",
    "moved",
    "numerical_gradient",
    "relative_error",
    "require_visible",
    "restored",
    "title_of",
    "unstacked",
]
