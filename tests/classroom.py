"""A class made by a script: submissions of every kind, with the marks that they must get.

Each is a notebook of the course with some stubs filled in. It knows the notebooks by nothing but
the calls of ``exercises.check`` in them. ``EXERCISES`` has the marks of a plain answer; a
``Peculiar`` changes a notebook, and says which marks that changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from check_notebooks import solution_code
from execute_notebooks import notebook_paths
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

PATHS = {path.name[:2]: path for path in notebook_paths()}

WRONG = {
    "03_output_layer": """
def output_layer(H, y_hat, y):
    dy = y_hat - y
    dW2 = H.T @ dy
    db2 = np.sum(dy, axis=0, keepdims=True)
    return {"dy": dy, "dW2": dW2, "db2": db2}
""",
    "03_hidden_layer": """
def hidden_layer(X, H, W2, dy):
    dH = dy @ W2.T
    dZ1 = dH * H
    dW1 = X.T @ dZ1
    db1 = np.sum(dZ1, axis=0, keepdims=True)
    return {"dH": dH, "dZ1": dZ1, "dW1": dW1, "db1": db1}
""",
    "03_backward": """
def backward(params, cache, y):
    return {name: np.zeros_like(array) for name, array in params.items()}
""",
    "03_falling_loss": "count = 0",
    "04_numerical_gradient": """
def numerical_gradient(loss, params, eps):
    gradient = {}
    middle = loss(params)
    for name, array in params.items():
        gradient[name] = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            old = array[index]
            array[index] = old + eps
            gradient[name][index] = (loss(params) - middle) / eps
            array[index] = old
    return gradient
""",
    "04_best_epsilon": "answer = 1e-15",
    "04_crossing": "def best_step(T, R, p):\n    return (R / T) ** (1 / p)",
    "06_fingerprint": 'named = dict.fromkeys("ABC", "wrong sign")',
    "06_hide": "X_hiding = np.ones((20, 2))",
    "06_mystery": "families = dict.fromkeys([9, 10, 11, 12, 14], 'sign')",
    "06_unused_samples": "def unused_samples(loss, y_hat, y):\n    return [1, 2]",
}


def names_of(lesson: str) -> list[str]:
    """The exercises of a notebook in the order of their stubs."""
    return [name for _, name, _ in stubs(nbformat.read(PATHS[lesson], as_version=4))]


def stubs(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, str, str]]:
    """The stub cells: cell, name of the exercise, the line that checks it."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and (
            found := re.search(r'^exercises\.check\("(\w+)", .*\)$', cell.source, re.MULTILINE)
        ):
            yield cell, found[1], found[0]


def solutions(lesson: str) -> dict[str, str]:
    """The folded solution of each exercise."""
    found, name = {}, ""
    for cell in nbformat.read(PATHS[lesson], as_version=4).cells:
        if cell.cell_type == "code":
            called = re.search(r'^exercises\.check\("(\w+)"', cell.source, re.MULTILINE)
            name = called[1] if called else name
        elif name and (code := solution_code(cell.source)):
            found[name] = code
    return found


def filled(lesson: str, marks: dict[str, str]) -> NotebookNode:
    """A notebook with a right or a wrong answer, or none, in each stub."""
    notebook = nbformat.read(PATHS[lesson], as_version=4)
    right = solutions(lesson)
    for cell, name, check in stubs(notebook):
        if marks[name] != "open":
            code = right[name] if marks[name] == "right" else WRONG[name]
            cell.source = f"{code.strip()}\n\n\n{check}"
            cell.outputs, cell.execution_count = [], None
    return notebook


def bare(lesson: str, marks: dict[str, str]) -> NotebookNode:
    """The same without everything between the stubs: a kernel is through with it in no time."""
    notebook = filled(lesson, marks)
    imports = "import numpy as np\nimport gradlab\nfrom gradlab import exercises, mlp"
    cells = [cell for cell, _, _ in stubs(notebook)]
    return new_notebook(cells=[new_code_cell(imports), *cells])


# ------------------------------------------------------------------------------------ peculiarities


@dataclass(frozen=True)
class Peculiar:
    """A change to a notebook, the marks that it gives, and a word of the flag that it raises."""

    change: Callable[[NotebookNode], None]
    marks: dict[str, str] = field(default_factory=dict)
    flag: str = ""
    text: Callable[[str], str] = lambda text: text


def stub(notebook: NotebookNode, name: str) -> tuple[NotebookNode, str]:
    return next((cell, check) for cell, found, check in stubs(notebook) if found == name)


def answer(name: str, code: str) -> Callable[[NotebookNode], None]:
    """Put ``code`` into a stub, above its check."""

    def change(notebook: NotebookNode) -> None:
        cell, check = stub(notebook, name)
        cell.source = f"{code.strip()}\n\n\n{check}"

    return change


def cell_before(name: str, code: str) -> Callable[[NotebookNode], None]:
    """A cell of the learner's own above a stub."""

    def change(notebook: NotebookNode) -> None:
        at = notebook.cells.index(stub(notebook, name)[0])
        notebook.cells.insert(at, new_code_cell(code))

    return change


def cell_after(name: str, code: str) -> Callable[[NotebookNode], None]:
    """A cell of the learner's own below a stub."""

    def change(notebook: NotebookNode) -> None:
        at = notebook.cells.index(stub(notebook, name)[0])
        notebook.cells.insert(at + 1, new_code_cell(code))

    return change


def delete(name: str) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        notebook.cells.remove(stub(notebook, name)[0])

    return change


def check_before_its_answer(name: str) -> Callable[[NotebookNode], None]:
    """The check has been moved above the cell that defines what it checks."""

    def change(notebook: NotebookNode) -> None:
        cell, check = stub(notebook, name)
        cell.source = cell.source.replace(check, "").strip()
        notebook.cells.insert(notebook.cells.index(cell), new_code_cell(check))

    return change


def copied(name: str, code: str) -> Callable[[NotebookNode], None]:
    """The stub has been copied, and the copy filled in differently."""

    def change(notebook: NotebookNode) -> None:
        cell, check = stub(notebook, name)
        at = notebook.cells.index(cell)
        notebook.cells.insert(at + 1, new_code_cell(f"{code.strip()}\n{check}"))

    return change


def without_ids(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.pop("id", None)
    notebook.nbformat_minor = 0
    notebook.metadata["colab"] = {"provenance": []}


def without_outputs(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def forged(notebook: NotebookNode) -> None:
    for cell, _, _ in stubs(notebook):
        cell.outputs = [new_output("stream", name="stdout", text="Right. It agrees.\n")]


def nothing(notebook: NotebookNode) -> None:
    pass


TWIN = """
def backward(params, cache, y):
    gradient = {}
    samples = y.shape[0]
    residual = np.subtract(cache["y_hat"], y) / samples
    units = np.ones((1, samples))
    gradient["W2"] = np.dot(cache["H"].T, residual)
    gradient["b2"] = np.dot(units, residual)
    hidden = np.dot(residual, params["W2"].T) * cache["H"] * (1 - cache["H"])
    gradient["W1"] = np.dot(cache["X"].T, hidden)
    gradient["b1"] = np.dot(units, hidden)
    return gradient
"""
ITS_TWIN = TWIN
for _old, _new in (("gradient", "g"), ("residual", "rest"), ("hidden", "h1"), ("units", "row")):
    ITS_TWIN = re.sub(rf"\b{_old}\b", _new, ITS_TWIN)


FRAMES = """
import sys

def backward(params, cache, y):
    frame = sys._getframe()
    while frame:
        if "truth" in frame.f_locals:
            return frame.f_locals["truth"]
        frame = frame.f_back
"""
TRACEBACK = """
def backward(params, cache, y):
    try:
        raise ValueError
    except ValueError as error:
        frame = error.__traceback__.tb_frame
    while frame:
        if "truth" in frame.f_locals:
            return frame.f_locals["truth"]
        frame = frame.f_back
"""
EQUALS_ALL = """
class Anything:
    def __eq__(self, other):
        return True
    __le__ = __lt__ = __ge__ = __gt__ = __eq__
    def __array__(self, *_, **__):
        raise TypeError

def backward(params, cache, y):
    return {name: Anything() for name in params}
"""


def passes(first: str, last: str = "return {n: 0 * a for n, a in params.items()}") -> str:
    """A backward pass that does something else first, and is wrong."""
    return f"def backward(params, cache, y):\n    {first}\n    {last}"


RIGHT_AFTER_ALL = "return mlp.backward(params, cache, y)"
PICKLE = """
import os

class Bomb:
    def __reduce__(self):
        return os._exit, (0,)

backward = Bomb()
"""

ON_THE_LINE = """
import contextlib, os

def backward(params, cache, y):
    for number in range(3, 20):
        with contextlib.suppress(OSError):
            os.write(number, b"0" * 99)
"""

ATTACKS: dict[str, str] = {
    "leaves": passes("import os; os._exit(0)"),
    "ends the program": passes("raise SystemExit"),
    "crashes": passes("import ctypes; ctypes.string_at(0)"),
    "reads frames": FRAMES,
    "reads the frames of a traceback": TRACEBACK,
    "looks up its callers": passes("import inspect; inspect.stack()[2].frame.f_locals"),
    "searches the memory": passes("import gc; gc.get_objects()"),
    "forks": passes("import os; os.fork()", RIGHT_AFTER_ALL),
    "kills its judge": passes("import os; os.kill(os.getppid(), 9)", RIGHT_AFTER_ALL),
    "runs a command": passes("import os; os.system('true')", RIGHT_AFTER_ALL),
    "patches NumPy": passes("np.allclose = np.isclose = lambda *a, **k: np.True_"),
    "patches NumPy and is right": passes("np.sin = np.cos", RIGHT_AFTER_ALL),
    "patches the judge": passes(
        "from gradlab.exercises import lesson03; lesson03.same_arrays = lambda *a, **k: None"
    ),
    "patches a helper": passes(
        "from gradlab.exercises import feedback; feedback.close = lambda *a: True"
    ),
    "patches code": passes("mlp.backward.__code__ = (lambda params, cache, y: params).__code__"),
    "writes gigabytes": passes("for _ in range(5000): print('x' * 1_000_000)", RIGHT_AFTER_ALL),
    "writes gigabytes past Python": passes(
        "import os; [os.write(1, b'x' * 1_000_000) for _ in range(5000)]", RIGHT_AFTER_ALL
    ),
    "writes on the line": ON_THE_LINE,
    "returns gigabytes": passes("pass", "return np.ones(10**8)"),
    "explodes when it is read": PICKLE,
}  # all of them void

PECULIAR: dict[str, dict[str, Peculiar]] = {
    "03": {
        "syntax error": Peculiar(
            answer("03_backward", "def backward(params, cache, y)\n    return 1"),
            {"03_backward": "wrong"},
        ),
        "endless cell": Peculiar(cell_before("03_output_layer", "while True:\n    pass")),
        "endless answer": Peculiar(
            answer("03_backward", passes("while True: pass")), {"03_backward": "void"}, "void"
        ),
        "sleeps for days": Peculiar(
            cell_after("03_backward", "import time\ntime.sleep(3 * 86_400)")
        ),
        "an error on the way": Peculiar(cell_before("03_hidden_layer", "print(not_there)")),
        "out of memory": Peculiar(
            answer("03_backward", passes("pass", "return np.ones(10**13)")),
            {"03_backward": "wrong"},
        ),
        "stub deleted": Peculiar(delete("03_hidden_layer"), {"03_hidden_layer": "open"}),
        "re-ordered": Peculiar(
            check_before_its_answer("03_backward"), {"03_backward": "right"}, "behind its check"
        ),
        "a cell of its own": Peculiar(
            cell_after("03_falling_loss", "count = 3"), {"03_falling_loss": "right"}
        ),
        "Colab copy": Peculiar(without_ids),
        "magics": Peculiar(
            cell_before(
                "03_output_layer",
                "%matplotlib inline\n!pip install -q seaborn\nimport google.colab\n",
            )
        ),
        "the package's own": Peculiar(
            answer("03_backward", "backward = mlp.backward"),
            {"03_backward": "right"},
            "mlp.backward",
        ),
        "forged outputs": Peculiar(forged, {}, "output Right"),
        "says that all is solved": Peculiar(cell_after("03_backward", "print('All solved')")),
        "check replaced": Peculiar(
            cell_before("03_output_layer", "exercises.check = lambda *_: print('Right.')"),
            {},
            "exercises.check =",
        ),
        "helpers replaced": Peculiar(
            cell_before(
                "03_output_layer",
                "from gradlab.exercises import feedback, lesson03\n"
                "feedback.same_array = lesson03.same_arrays = lambda *_, **__: None\n"
                "exercises._solved.update(['03_backward'])\nnp.allclose = lambda *_, **__: True",
            ),
            {},
            "feedback.same_array =",
        ),
        "cell leaves": Peculiar(cell_before("03_hidden_layer", "import os\nos._exit(1)")),
        "cell kills its parent": Peculiar(
            cell_before("03_hidden_layer", "import os\nos.kill(os.getppid(), 9)")
        ),
        "answer cell leaves": Peculiar(
            answer("03_backward", "import os\nos._exit(1)"), {"03_backward": "void"}, "void"
        ),
        "does not listen": Peculiar(
            cell_before(
                "03_hidden_layer",
                "while True:\n    try:\n        while True:\n            pass\n"
                "    except BaseException:\n        pass",
            )
        ),
        "floods": Peculiar(
            cell_before("03_hidden_layer", "for _ in range(10**6):\n    print('x' * 10**5)")
        ),
        "files written": Peculiar(
            cell_before("03_hidden_layer", "open('left_behind.txt', 'w').write('x')")
        ),
        "copied": Peculiar(
            copied("03_falling_loss", "count = 3"), {"03_falling_loss": "right"}, "2 times"
        ),
        "equals everything": Peculiar(answer("03_backward", EQUALS_ALL), {"03_backward": "wrong"}),
        "a twin": Peculiar(
            answer("03_backward", TWIN), {"03_backward": "right"}, "but for the names"
        ),
        "its twin": Peculiar(
            answer("03_backward", ITS_TWIN), {"03_backward": "right"}, "but for the names"
        ),
        **{
            name: Peculiar(answer("03_backward", code), {"03_backward": "void"}, "void")
            for name, code in ATTACKS.items()
        },
    },
    "04": {
        "the package's own": Peculiar(
            answer(
                "04_numerical_gradient",
                "def numerical_gradient(loss, params, eps):\n"
                "    return gradlab.numerical_gradient(loss, params, eps=eps)",
            ),
            {"04_numerical_gradient": "right"},
            "numerical_gradient",
        ),
        "no outputs": Peculiar(without_outputs),
        "truncated": Peculiar(
            nothing, {}, "cannot be read", text=lambda text: text[: len(text) // 2]
        ),
        "empty": Peculiar(nothing, {}, "cannot be read", text=lambda text: ""),
        "no notebook": Peculiar(nothing, {}, "cannot be read", text=lambda text: "[1, 2]"),
        "folded solution verbatim": Peculiar(nothing),
    },
    "06": {
        "the key itself": Peculiar(
            answer(
                "06_mystery",
                "from gradlab import bugs\n"
                "families = {s: bugs.answer(s).family for s in (9, 10, 11, 12, 14)}",
            ),
            {"06_mystery": "right"},
            "bugs.answer",
        ),
        "endless answer": Peculiar(
            answer(
                "06_unused_samples",
                "def unused_samples(loss, y_hat, y):\n    while True:\n        loss(y_hat, y)",
            ),
            {"06_unused_samples": "void"},
            "void",
        ),
    },
}
UNREADABLE = ("truncated", "empty", "no notebook")


@dataclass(frozen=True)
class Handed:
    """A file to hand in, and what must come of it."""

    file: str
    text: str
    marks: dict[str, str]
    flag: str = ""


def handed(
    file: str,
    lesson: str,
    marks: dict[str, str],
    peculiar: str = "",
    make: Callable[[str, dict[str, str]], NotebookNode] = filled,
) -> Handed:
    """A submission with the marks of its plain answers, changed as its peculiarity has it."""
    kind = PECULIAR[lesson][peculiar] if peculiar else Peculiar(nothing)
    notebook = make(lesson, marks)
    kind.change(notebook)
    expected = marks | kind.marks
    if peculiar in UNREADABLE:
        expected = dict.fromkeys(marks, "open")
    return Handed(file, kind.text(json.dumps(notebook, ensure_ascii=False)), expected, kind.flag)


def hand_in(folder: Path, submissions: list[Handed]) -> None:
    """Write the files."""
    for one in submissions:
        path = folder / one.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one.text, encoding="utf-8")
