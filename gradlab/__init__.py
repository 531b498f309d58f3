"""gradlab: is a gradient that was written by hand right?"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as in typing, whose import would be half of this module's time
if TYPE_CHECKING:
    from gradlab import bugs as bugs
    from gradlab import exercises as exercises
    from gradlab import explorers as explorers
    from gradlab import foreign as foreign
    from gradlab import mlp as mlp
    from gradlab import plots as plots
    from gradlab.checking import check_adjoint as check_adjoint
    from gradlab.checking import check_autodiff as check_autodiff
    from gradlab.checking import check_gradients as check_gradients
    from gradlab.checking import check_vjp as check_vjp
    from gradlab.curves import error_curve as error_curve
    from gradlab.curves import taylor_test as taylor_test
    from gradlab.data import paraboloid as paraboloid
    from gradlab.differences import numerical_gradient as numerical_gradient
    from gradlab.structured import structured_gradient as structured_gradient

__version__ = "1.0.0"

# Everything is imported when it is first asked for: a check in somebody's test suite should not
# wait for matplotlib, nor a figure for the checker.
_HOME = {
    "check_adjoint": "checking",
    "check_autodiff": "checking",
    "check_gradients": "checking",
    "check_vjp": "checking",
    "error_curve": "curves",
    "numerical_gradient": "differences",
    "paraboloid": "data",
    "structured_gradient": "structured",
    "taylor_test": "curves",
}
_MODULES = {"bugs", "exercises", "explorers", "foreign", "mlp", "plots"}

__all__ = sorted({*_HOME, *_MODULES})


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"gradlab.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"gradlab.{name}")
    raise AttributeError(f"module 'gradlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
