"""What a gradient check found, as a report that people can act on."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradlab.checking.verdicts import PASSING, SYMBOLS, VERDICTS, Verdict, worst_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["VERDICTS", "ArrayReport", "GradientCheckError", "Report"]

WORST = 3  # entries of a wrong array are told
DIGITS = 17  # are all that a float64 number has
WIDTH = 100  # characters, for text: a notebook breaks longer lines in the middle of a word


class GradientCheckError(AssertionError):
    """A gradient did not pass its check; the message is the text of the report."""


class ArrayReport(NamedTuple):
    """What was found about the gradient of one parameter array.

    Attributes
    ----------
    name, shape
        Of the parameter array.
    verdict
        One of the keys of :data:`VERDICTS`.
    hint
        What to look for, in a sentence; empty if there is nothing to say.
    relative_error
        ``|a - n| / (|a| + |n| + 1e-15)`` over the whole array, in the 2-norm; nan if it was not
        computed.
    worst_index
        The entry that speaks loudest: of a wrong array the one that is farthest off, otherwise the
        one farthest off in units of its error bar. None if no single entry was looked at.
    analytic, numeric, error_bar
        The gradient under test, the difference of the loss, and its error bar, at that entry.
    gradient, differences, error_bars
        The same for every entry, in the shape of the array; None where there is none.
    resolution
        The smallest error in one entry that would have been seen, in the units of the gradient: in
        any entry, or, along directions, in nine entries of ten. nan if nothing was compared.
    """

    name: Hashable
    shape: tuple[int, ...]
    verdict: Verdict
    hint: str = ""
    relative_error: float = math.nan
    worst_index: tuple[int, ...] | None = None
    analytic: float = math.nan
    numeric: float = math.nan
    error_bar: float = math.nan
    gradient: np.ndarray | None = None
    differences: np.ndarray | None = None
    error_bars: np.ndarray | None = None
    resolution: float = math.nan

    @property
    def finding(self) -> str:
        """The entry to look at, with its values as far as they are certain; empty if all is well.

        Nothing in it depends on the rounding noise of the machine it was computed on.
        """
        if self.verdict == "ok" or self.worst_index is None or not math.isfinite(self.numeric):
            return ""
        if self.verdict in ("untested", "unused"):
            return ""
        place = f"at [{', '.join(map(str, self.worst_index))}] " if self.worst_index else ""
        size = max(abs(self.analytic), abs(self.numeric))
        bar = next(
            (f"below {part:.0e} of it" for part in (1e-6, 1e-3) if self.error_bar < part * size),
            f"{self.error_bar:.0e}",
        )
        analytic, numeric = _told_apart(self.analytic, self.numeric, self.error_bar)
        return f"{place}analytic {analytic}, numeric {numeric}, error bar {bar}"

    @property
    def outside(self) -> list[tuple[int, ...]]:
        """The entries of a wrong array that lie outside their error bars, the worst ones first.

        Entries that are as far off as one another, to three digits, come in their own order: which
        of them is the worst is a matter of rounding. Empty if not every entry was compared.
        """
        whole = (self.gradient, self.differences, self.error_bars)
        if self.verdict != "wrong" or any(each is None for each in whole):
            return []
        gradient, numeric, bars = (np.asarray(each, dtype=float) for each in whole)
        with np.errstate(all="ignore"):
            off = np.abs(gradient - numeric)
            off = np.where(off > bars, off, 0.0)
            largest = off[np.isfinite(off)].max(initial=0.0)
            rank = np.round(off / largest, 3) if largest else off
        entries = np.argsort(-rank, axis=None, kind="stable")[: np.count_nonzero(off)]
        return [tuple(map(int, np.unravel_index(entry, off.shape))) for entry in entries]

    @property
    def others(self) -> str:
        """How many entries are off, and the worst after the worst one, in a sentence; may be empty."""
        outside = self.outside
        if len(outside) < 2 or self.differences is None or self.gradient is None:
            return ""
        every = np.size(self.differences)
        count = f"{len(outside)} of {every}"
        if len(outside) == every:
            count = f"all {every}" if every > 2 else "both"
        following = []
        for index in [index for index in outside if index != self.worst_index][: WORST - 1]:
            bar = float(np.asarray(self.error_bars)[index])
            values = float(self.gradient[index]), float(self.differences[index])
            analytic, numeric = _told_apart(*values, bar)
            place = ", ".join(map(str, index))
            following.append(f"[{place}] analytic {analytic}, numeric {numeric}")
        return f"{count} entries are off; next {'; '.join(following)}"

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, entry by entry; nan is the same as nan."""
        return isinstance(other, ArrayReport) and all(map(_alike, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __repr__(self) -> str:
        whole = ("gradient", "differences", "error_bars")
        parts = (f"{k}={v!r}" for k, v in self._asdict().items() if k not in whole)
        return f"ArrayReport({', '.join(parts)})"

    def __str__(self) -> str:
        return "\n".join(_lines(self, len(str(self.name)), len(str(self.shape))))


class Report(Mapping):
    """The result of :func:`gradlab.check_gradients`: an :class:`ArrayReport` for each array.

    It is true if, and only if, every array is ok or close. ``print`` shows it as text, a notebook as a
    table. The text is the same on every machine: an array that is ok shows no digits, since they
    would be rounding noise; they are attributes of its :class:`ArrayReport`. ``report["W1"]`` is the
    one of that array, and a KeyError names the arrays if there is none.

    Attributes
    ----------
    title
        What was done, in a line.
    hint
        What the arrays that are wrong say together, in a sentence; may be empty.
    notes
        Sentences on what else happened: arrays that were skipped, changes that were undone.
    cutoff
        The largest relative error allowed, or None.
    evaluations
        How often the loss was called.
    """

    def __init__(
        self,
        arrays: Mapping[Hashable, ArrayReport],
        title: str = "Gradient check",
        hint: str = "",
        notes: Sequence[str] = (),
        cutoff: float | None = None,
        evaluations: int = 0,
    ) -> None:
        self._arrays = dict(arrays)
        self.title, self.hint, self.notes, self.cutoff = title, hint, tuple(notes), cutoff
        self.evaluations = evaluations

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all arrays."""
        return worst_of(*(array.verdict for array in self._arrays.values()))

    @property
    def passed(self) -> bool:
        """Whether every array is ok or close."""
        return self.verdict in PASSING

    def __bool__(self) -> bool:
        return self.passed

    def __getitem__(self, name: Hashable) -> ArrayReport:
        try:
            return self._arrays[name]
        except KeyError:
            known = ", ".join(map(repr, self._arrays))
            raise KeyError(f"no array {name!r} in this report; it has {known}") from None

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same of the same arrays."""
        if not isinstance(other, Report):
            return NotImplemented
        mine, theirs = vars(self), vars(other)
        return mine.keys() == theirs.keys() and all(_alike(mine[k], theirs[k]) for k in mine)

    __hash__ = None  # type: ignore[assignment]  # as of every mapping

    def __str__(self) -> str:
        arrays = self._arrays.values()
        widths = [max(len(str(a.name)) for a in arrays), max(len(str(a.shape)) for a in arrays)]
        lines = [f"{self.title}: {self._summary()}"]
        for array in arrays:
            told = _lines(array, widths[0], widths[1], self._relative(array))
            lines += [f"  {line}" for line in told]
        for remark in self._remarks():
            lines += _wrapped(remark)
        return "\n".join(lines)

    __repr__ = __str__

    def _summary(self) -> str:
        if self.passed:
            return "passed"
        counts: dict[Verdict, list[str]] = {}
        for array in self._arrays.values():
            if array.verdict not in PASSING:
                counts.setdefault(array.verdict, []).append(str(array.name))
        order = sorted(counts, key=list(VERDICTS).index, reverse=True)
        return "; ".join(f"{verdict}: {', '.join(counts[verdict])}" for verdict in order)

    def _relative(self, array: ArrayReport) -> str:
        """How the array fares by the classical rule, if there is one."""
        if self.cutoff is None or math.isnan(array.relative_error):
            return ""
        if array.relative_error < self.cutoff:
            return f"relative error below {self.cutoff:g}"
        return f"relative error {array.relative_error:.1g}, not below {self.cutoff:g}"

    def _remarks(self) -> list[str]:
        return [
            remark for remark in (self.hint, *(f"Note: {note}" for note in self.notes)) if remark
        ]

    def _repr_html_(self) -> str:
        from html import escape

        heads = ("array", "shape", "verdict", "where", "what to look for")
        rows = []
        for array in self._arrays.values():
            findings = "; ".join(filter(None, _findings(array, self._relative(array))))
            verdict = f"{SYMBOLS.get(array.verdict, '?')} {array.verdict}"
            cells = (str(array.shape), verdict, findings, array.hint)
            rows.append(
                f'<tr><th scope="row" style="{_CELL}">{escape(str(array.name))}</th>'
                + "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in cells)
                + "</tr>"
            )
        head = "".join(f'<th scope="col" style="{_CELL}">{name}</th>' for name in heads)
        remarks = "".join(f"<p>{escape(remark)}</p>" for remark in self._remarks())
        caption = escape(f"{self.title}: {self._summary()}")
        return (
            f'<table><caption style="text-align:left">{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{remarks}"
        )

    def raise_if_failed(self) -> None:
        """Do nothing if every array is ok; otherwise stop with the text of the report.

        Raises
        ------
        GradientCheckError
            An AssertionError, so that a test fails by it.
        """
        if not self.passed:
            raise GradientCheckError(str(self))

    def plot(self) -> Figure:
        """Draw every entry as a heat map, each array in its own shape.

        Raises
        ------
        ValueError
            If the report has no entries to draw: see :func:`gradlab.plots.heat_map`.
        """
        from gradlab import plots

        return plots.heat_map(self)


_CELL = "text-align:left;vertical-align:top"


def _lines(array: ArrayReport, name: int, shape: int, relative: str = "") -> list[str]:
    finding, others, relative = _findings(array, relative)
    findings = "; ".join(filter(None, (finding, relative)))
    first = f"{array.name!s:{name}}  {array.shape!s:{shape}}  {array.verdict:9}  {findings}"
    indent = name + shape + 15
    return [first.rstrip(), *_wrapped(others, indent), *_wrapped(array.hint, indent)]


def _findings(array: ArrayReport, relative: str) -> tuple[str, str, str]:
    return array.finding, array.others, relative


def _wrapped(sentence: str, indent: int = 0) -> list[str]:
    """Its lines, short enough for a notebook; a name or a number is not broken."""
    blanks = " " * indent
    return textwrap.wrap(
        sentence,
        WIDTH,
        initial_indent=blanks,
        subsequent_indent=blanks,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _told_apart(analytic: float, numeric: float, bar: float) -> tuple[str, str]:
    """Both values to four digits, or to as many as it takes to see that they differ.

    Of the numeric one no more are shown than its error bar leaves certain; "0" if that is none.
    """
    size, off = max(abs(analytic), abs(numeric)), abs(analytic - numeric)
    wanted = 4
    if 0 < off < math.inf and 0 < size < math.inf:
        wanted = min(max(4, 2 + math.ceil(math.log10(size) - math.log10(off))), DIGITS)
    if not abs(numeric) > bar:
        return f"{analytic:.{wanted}g}", "0"
    certain = wanted
    if 0 < bar and math.isfinite(numeric):
        certain = int(math.log10(abs(numeric)) - math.log10(bar))
    return f"{analytic:.{wanted}g}", f"{numeric:.{max(1, min(wanted, certain))}g}"


def _alike(one: Any, other: Any) -> bool:
    """Equality for what reports are made of: arrays by their entries, nan equal to nan."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return (
            isinstance(one, np.ndarray)
            and isinstance(other, np.ndarray)
            and one.dtype == other.dtype
            and np.array_equal(one, other, equal_nan=True)
        )
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)
