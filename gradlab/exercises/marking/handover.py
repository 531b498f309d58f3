"""What runs in the kernel of a submission: the answer is taken by value and sent to the marker.

Nothing in here is trusted by the marker: a kernel that is tampered with can hand over another
answer, and no more.
"""

from __future__ import annotations

import base64
import hashlib
import linecache
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

MIME = "application/x-gradlab-answer"
MOST_BYTES = 50_000_000
MOST_PRINTED = 5_000_000  # characters of one cell


def prepare(cpu_seconds: int) -> None:
    """Keep the kernel from judging by itself, and from running commands of the shell."""
    from IPython import get_ipython

    import gradlab.exercises
    from gradlab.exercises.marking.limits import limit_this_process

    limit_this_process(cpu_seconds)
    gradlab.exercises.check = lambda name, answer: None  # the judge sits elsewhere
    shell = get_ipython()
    for magic in ("pip", "conda", "mamba", "micromamba", "uv"):
        shell.register_magic_function(lambda line: None, magic_name=magic)
    _quiet(shell)
    shell.system = lambda command: print("Shell commands are not run when a notebook is marked.")
    shell.getoutput = lambda command, **_: []


def _quiet(shell: Any) -> None:
    """Stop a cell that prints without end where it does so, and not megabytes later."""
    import sys

    left = [MOST_PRINTED]
    stream = type(sys.stdout)
    write = stream.write

    def counted(self: Any, text: str) -> Any:
        left[0] -= len(text)
        if left[0] < 0:
            raise RuntimeError("It prints without end.")
        return write(self, text)

    stream.write = counted  # type: ignore[method-assign]
    shell.events.register("pre_run_cell", lambda info: left.__setitem__(0, MOST_PRINTED))


def hand_over(expression: Callable[[], Any]) -> None:
    """Display an answer as bytes, or the sentence that says why it cannot be.

    ``expression`` returns the answer.
    """
    import cloudpickle
    from IPython.display import display

    try:
        answer = expression()
    except BaseException as error:
        told = {"error": f"{type(error).__name__}: {error}"[:500]}
    else:
        try:
            pickled = cloudpickle.dumps((answer, _places(answer), _sources()))
            if len(pickled) > MOST_BYTES:
                raise ValueError(f"it is larger than {MOST_BYTES // 1_000_000} MB")
            alone = hashlib.sha256(cloudpickle.dumps(answer)).hexdigest()
            told = {"answer": base64.b64encode(pickled).decode("ascii"), "alone": alone}
        except BaseException as error:
            told = {"unread": f"{type(error).__name__}: {error}"[:500]}
    display({MIME: told}, raw=True)


def functions_in(answer: Any) -> Iterator[FunctionType]:
    """The functions of an answer that the notebook defines, and those that they can call."""
    parts = answer.values() if isinstance(answer, dict) else answer
    for part in parts if isinstance(parts, (list, tuple, type({}.values()))) else [answer]:
        if isinstance(part, FunctionType) and part.__module__ == "__main__":
            yield part
            for other in list(part.__globals__.values()):
                if isinstance(other, FunctionType) and other.__module__ == "__main__":
                    yield other


def _places(answer: Any) -> dict[tuple[str, int], str]:
    """By name and line the file of each function, which cloudpickle does not keep."""
    codes = [function.__code__ for function in functions_in(answer)]
    return {(code.co_name, code.co_firstlineno): code.co_filename for code in codes}


def put_in_place(answer: Any, places: dict[tuple[str, int], str]) -> None:
    """Give the functions of an answer their files again."""
    for function in functions_in(answer):
        code = function.__code__
        place = places.get((code.co_name, code.co_firstlineno), code.co_filename)
        function.__code__ = code.replace(co_filename=place)


def _sources() -> dict[str, list[str]]:
    """The lines of the cells, so that a sentence can quote the one that an answer stopped at."""
    return {
        name: entry[2]
        for name, entry in linecache.cache.items()
        if len(entry) == 4 and ("ipykernel" in name or name.startswith("<ipython"))
    }
