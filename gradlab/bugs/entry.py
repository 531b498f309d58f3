"""One entry of the catalogue: what is wrong, where it was seen, and the code that has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gradlab.bugs.networks import Problem

CAUGHT = "caught"
HIDDEN = "hidden"
INVISIBLE = "invisible"
FALSE_ALARM = "false alarm"


@dataclass(frozen=True, kw_only=True)
class Bug:
    """A mistake that people make, re-created so that it can be run.

    "The classical check" means central differences with eps 1e-5 and a relative error below 1e-7
    for every array, unless ``eps`` or ``hiding_cutoff`` says otherwise; ``verdict`` and
    ``hiding_verdict`` are what :func:`gradlab.check_gradients` says with its defaults.

    Attributes
    ----------
    name
        Its key in the catalogue.
    title
        A few words for a table or a menu.
    wrong
        What is wrong, in a line.
    reported
        Where it was reported, or where code with it stands: ``owner/repository#number`` is an issue
        or a pull request on GitHub.
    function
        The function that has it: read it with ``inspect.getsource``.
    kind
        ``"caught"``: the classical check fails, as it should. ``"hidden"``: it fails in the
        ordinary setting and passes in the one that ``hidden_by`` names. ``"invisible"``: forward
        and backward agree, or the fault lies outside both; every gradient check passes.
        ``"false alarm"``: the gradient is right and the classical check fails.
    hidden_by, revealed_by
        What hides it and what brings it to light.
    errors
        Relative errors of the classical check in the ordinary setting, to one digit, for the arrays
        above its cutoff: the median over the seeds 0 to 19. ``inf``: the shape does not fit.
        Empty where the error is nothing but noise.
    verdict, hiding_verdict
        The verdict in the ordinary and in the hiding setting; several joined by "or" where it
        depends on the seed. ``"refused"``: an error before anything is evaluated, because of a
        shape or a dtype.
    eps
        The step of the classical check.
    hiding_cutoff
        Its cutoff in the hiding setting.
    witness
        For an invisible one: ``witness(seed)`` measures what gives it away, in the code with the
        mistake and in the code without; its docstring says what is measured.
    """

    name: str
    title: str
    wrong: str
    reported: str
    function: Callable
    kind: str
    ordinary: Callable[[int], Problem] = field(repr=False)
    hiding: Callable[[int], Problem] | None = field(default=None, repr=False)
    hidden_by: str = ""
    revealed_by: str
    errors: Mapping[str, float] = field(default_factory=dict)
    verdict: str = "wrong"
    hiding_verdict: str = "ok"
    eps: float = 1e-5
    hiding_cutoff: float = 1e-7
    witness: Callable[[int], tuple[float, float]] | None = field(default=None, repr=False)

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings it can be run in."""
        return tuple(self._problems)

    @property
    def _problems(self) -> dict[str, Callable[[int], Problem]]:
        hiding = {} if self.hiding is None else {"hiding": self.hiding}
        return {"ordinary": self.ordinary, **hiding}

    def problem(self, seed: int = 0, setting: str = "ordinary") -> Problem:
        """The loss, the point and the gradient with the bug, ready to be checked.

        Parameters
        ----------
        seed
            Draws the data and the parameters.
        setting
            ``"ordinary"``, or ``"hiding"`` where the bug has a setting that hides it.

        Returns
        -------
        Problem
            ``(loss, params, grads)``: a named tuple.

        Raises
        ------
        ValueError
            If the bug has no such setting.
        """
        if setting not in self.settings:
            known = " and ".join(repr(name) for name in self.settings)
            raise ValueError(f"{self.name} has no setting {setting!r}; it has {known}")
        return self._problems[setting](seed)
