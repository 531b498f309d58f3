"""What a gradient check found, as a report that people can act on."""

from __future__ import annotations

import html
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["VERDICTS", "ArrayReport", "GradientCheckError", "Report"]

# From the best to the worst; the verdict of a report is the worst of its arrays.
VERDICTS = {
    "ok": "the gradient agrees with the differences of the loss",
    "untested": "the gradient is zero here, and a zero proves nothing",
    "unused": "the loss does not depend on this array",
    "undecided": "the error bar is too wide to say",
    "kink": "the loss has a kink here, so it has no gradient to compare with",
    "wrong": "the gradient is not that of the loss",
    "nonfinite": "a loss or a gradient is nan or infinite",
    "random": "the loss does not give the same value twice",
}


class GradientCheckError(AssertionError):
    """A gradient did not pass its check; the message is the report."""


@dataclass(frozen=True)
class ArrayReport:
    """What was found about the gradient of one parameter array.

    ``analytic``, ``numeric`` and ``error_bar`` are those of the entry at ``worst_index``;
    ``gradient``, ``differences`` and ``error_bars`` those of every entry, in the array's shape.
    """

    name: Hashable
    verdict: str
    hint: str = ""
    relative_error: float = float("nan")
    worst_index: tuple[int, ...] | None = None
    gradient: np.ndarray = field(default=None, repr=False)
    differences: np.ndarray = field(default=None, repr=False)
    error_bars: np.ndarray = field(default=None, repr=False)

    @property
    def analytic(self) -> float:
        return self._worst(self.gradient)

    @property
    def numeric(self) -> float:
        return self._worst(self.differences)

    @property
    def error_bar(self) -> float:
        return self._worst(self.error_bars)

    def _worst(self, values: np.ndarray | None) -> float:
        known = values is not None and self.worst_index is not None
        return float(values[self.worst_index]) if known else float("nan")

    def __str__(self) -> str:
        return f"{self.name}  {self.verdict}{self.details()}"

    def details(self) -> str:
        if self.verdict == "ok" or self.worst_index is None:
            return ""
        index = ", ".join(map(str, self.worst_index))
        return f": at [{index}] analytic {self.analytic:.4g}, numeric {self.numeric:.4g}"


class Report(Mapping):
    """The result of :func:`gradlab.check_gradients`: an :class:`ArrayReport` by name.

    True if, and only if, every array is ok.
    """

    def __init__(
        self, arrays: Mapping[Hashable, ArrayReport], title: str = "", notes: tuple[str, ...] = ()
    ):
        self._arrays = dict(arrays)
        self.title, self.notes = title, notes

    @property
    def verdict(self) -> str:
        """The worst verdict of all arrays."""
        order = list(VERDICTS)
        return max((array.verdict for array in self._arrays.values()), key=order.index)

    @property
    def passed(self) -> bool:
        """Whether every array is ok."""
        return self.verdict == "ok"

    def __bool__(self) -> bool:
        return self.passed

    def __getitem__(self, name: Hashable) -> ArrayReport:
        try:
            return self._arrays[name]
        except KeyError:
            raise KeyError(f"no array {name!r} in this report; it has {list(self)}") from None

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __str__(self) -> str:
        lines = [self.title or "Gradient check"]
        for array in self._arrays.values():
            lines.append(f"  {array}")
            if array.hint:
                lines.append(f"      {array.hint}")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def raise_if_failed(self) -> None:
        """Raise a :class:`GradientCheckError` that carries the report, unless every array is ok."""
        if not self.passed:
            raise GradientCheckError(str(self))

    def plot(self):
        """A heat map of every entry, in the shapes of the parameters: a matplotlib figure."""
        from gradlab import plots

        return plots.heat_map(self)
