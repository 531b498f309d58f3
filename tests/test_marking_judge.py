"""An answer is judged from another process: what it does there costs nothing but itself."""

from __future__ import annotations

import io
import re
import threading

import cloudpickle
import numpy as np
import pytest
from classroom import ATTACKS, EQUALS_ALL

from gradlab import exercises, mlp
from gradlab.exercises.marking.handover import _places, put_in_place
from gradlab.exercises.marking.judge import judged
from gradlab.exercises.marking.wire import Link, Remote, Void

FILE = "/somewhere/ipykernel_1/1.py"


def handed_over(code: str, expression: str) -> bytes:
    """What a kernel hands over after a cell with ``code``."""
    names = {"__name__": "__main__", "np": np, "mlp": mlp}
    exec(compile(code, FILE, "exec"), names)
    answer = eval(expression, names)
    lines = [f"{line}\n" for line in code.split("\n")]
    return cloudpickle.dumps((answer, _places(answer), {FILE: lines}))


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_void(attack):
    found = judged("03_backward", handed_over(ATTACKS[attack], "backward"))
    assert found.mark == "void", found.sentence
    assert found.sentence.startswith("Void. ") and found.sentence.endswith((".", "?"))


def test_an_answer_that_does_not_end_is_void():
    code = "def backward(params, cache, y):\n    while True:\n        pass"
    found = judged("03_backward", handed_over(code, "backward"), seconds=1)
    assert found.mark == "void" and "within 1 seconds" in found.sentence


def test_what_equals_everything_is_wrong():
    assert judged("03_backward", handed_over(EQUALS_ALL, "backward")).mark == "wrong"


def test_the_line_that_stopped_is_quoted_as_in_the_notebook():
    code = (
        'def backward(params, cache, y):\n    X = cache["X"]\n    return helper(X)\n\n\n'
        "def helper(X):\n    return X @ X\n"
    )
    found = judged("03_backward", handed_over(code, "backward"))
    assert found.mark == "wrong"
    assert found.sentence.endswith("and here 3 meets 6. It was at `return X @ X`.")


def test_arrays_of_the_notebook_are_noticed_from_outside():
    code = "X = np.ones((6, 3))\n\n\ndef backward(params, cache, y):\n    return {'W1': X.T @ X}"
    assert "reads X from the notebook" in judged("03_backward", handed_over(code, "backward"))[1]


def test_honest_uses_of_python_are_no_attack():
    code = (
        "import traceback, warnings\nfrom collections import namedtuple\n\n\n"
        "def backward(params, cache, y):\n"
        "    Pair = namedtuple('Pair', 'a b')\n    warnings.warn('look')\n"
        "    try:\n        1 / 0\n    except ZeroDivisionError:\n        traceback.print_exc()\n"
        "    print('here', Pair(1, 2))\n    np.random.seed(1)\n    np.seterr(all='ignore')\n"
        "    np.set_printoptions(precision=3)\n    return mlp.backward(params, cache, y)"
    )
    assert judged("03_backward", handed_over(code, "backward")).mark == "right"


SAME_AS_HERE = {  # every way of passing things: data, functions, functions that call the judge's
    "05_liar": ("liar, arrays = 'B', {'W1': 0, 'b1': 1}.keys()", "(liar, arrays)"),
    "07_richardson": ("def f(D, h):\n    return (4 * D(h) - D(2 * h)) / 3", "f"),
    "08_halving": ("def f(suspicious, n):\n    return suspicious(1, 2)", "f"),
    "04_numerical_gradient": (
        "def f(loss, params, eps):\n    params['W1'] += 1\n    loss(params)\n    return params",
        "f",
    ),
    "09_update": (
        "def f(step, params, rate):\n    old = {n: a.copy() for n, a in params.items()}\n"
        "    step()\n    g = {n: (old[n] - params[n]) / rate for n in params}\n"
        "    params.update(old)\n    return g",
        "f",
    ),
    "05_factor_two": ("from fractions import Fraction\na = Fraction(1, 3)", "a"),
    "06_unused_samples": ("def f(loss, y_hat, y):\n    return loss(y_hat[:3], y[:3])", "f"),
    "01_tanh_slope": ("def f(H):\n    H *= -H\n    H += 1\n    return H", "f"),
}


@pytest.mark.parametrize("name", SAME_AS_HERE)
def test_the_verdict_is_the_one_that_the_notebook_gives(name):
    code, expression = SAME_AS_HERE[name]
    names = {"__name__": "__main__", "np": np}
    exec(compile(code, FILE, "exec"), names)
    there = judged(name, handed_over(code, expression))
    here = exercises.verdict(name, eval(expression, names))
    without_line = re.sub(r" It was at `.*`\.$", "", there.sentence)
    assert (there.mark, without_line) == tuple(here)


# --------------------------------------------------------------------------------------- the line


class Pipe:
    """Bytes from one thread to another."""

    def __init__(self):
        self._bytes, self._there = bytearray(), threading.Condition()

    def write(self, data):
        with self._there:
            self._bytes += data
            self._there.notify_all()

    def read(self, length):
        with self._there:
            self._there.wait_for(lambda: len(self._bytes) >= length, timeout=10)
            data = bytes(self._bytes[:length])
            del self._bytes[:length]
            return data

    def flush(self):
        pass


@pytest.fixture
def afar():
    """A function that sends another one to a thread and returns its stand-in."""
    there, back = Pipe(), Pipe()
    ours = Link(back.read, there.write, there.flush)

    def stand_in(function):
        theirs = Link(there.read, back.write, back.flush, trusts=True)
        theirs.send({"kind": ["s", "answer"]}, answer=function)
        threading.Thread(target=lambda: next(theirs.serve()), daemon=True).start()
        return ours.receive()["answer"]

    return stand_in


VALUES = [
    None, ..., True, 3, -2.5, float("inf"), 10**50, 1 + 2j, "text", "\ud800",
    [1, [2, "x"]], (1, (2,)), {"a": 1, 2: [3]}, {1, 2}, range(2, 9, 3),
    np.arange(6.0).reshape(2, 3), np.array([[1, 2]], dtype=np.int8), np.array(["a", "bc"]),
    np.float32(0.1), np.bool_(True), np.zeros((0, 3)), np.array([1 + 1j]),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_data_comes_back_as_it_was(afar, value):
    echo = afar(lambda argument: argument)
    found = echo((value,))[0]
    assert type(found) is type(value) and repr(found) == repr(value)


def test_what_is_shared_stays_shared_during_a_call(afar):
    params = {"W": np.zeros(3), "b": np.ones(2)}
    seen = []

    def loss(given):
        seen.append((given["W"].copy(), given["W"] is params["W"]))
        params["b"][0] = 7
        return 1.5

    def learner(loss, params):
        params["W"][1] = 4
        loss(params)
        params["W"] = params["W"].copy()
        params["W"][1] = 5
        loss(params)
        return {"W": params["b"], "seen": float(params["b"][0])}

    kept = params["W"]
    found = afar(learner)(loss, params)
    assert [(list(W), same) for W, same in seen] == [([0, 4, 0], True), ([0, 5, 0], True)]
    assert found["W"] is params["b"] and found["seen"] == 7
    assert params["W"] is not kept and list(kept) == [0, 4, 0]


def test_errors_keep_their_names_and_messages(afar):
    def raises(text):
        raise {"key": KeyError, "own": type("Own", (Exception,), {})}[text](text)

    with pytest.raises(KeyError, match="key"):
        afar(raises)("key")


def test_a_callback_s_error_can_be_caught(afar):
    def careful(loss):
        try:
            return loss()
        except ValueError as error:
            return str(error)

    def loss():
        raise ValueError("all 20 samples")

    assert afar(careful)(loss) == "all 20 samples"


def test_a_judge_reads_no_pickle():
    """A pickle is code; only the answer's end of the line reads one."""
    sent = io.BytesIO()
    Link(sent.read, sent.write, sent.flush).send({"kind": ["s", "x"]}, value=object)
    sent.truncate(0), sent.seek(0)
    Link(sent.read, sent.write, sent.flush).send({"kind": ["s", "x"]}, value=np.random.RandomState)
    sent.truncate(0), sent.seek(0)
    Link(sent.read, sent.write, sent.flush).send({"v": ["p", "gASVAAAAAAAAAA=="]})
    sent.seek(0)
    with pytest.raises(Void, match="garbled"):
        Link(sent.read, sent.write, sent.flush).receive()


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\0" * 8, b"\xff" * 60, b"\0\0\0\0\0\0\0\2{}", b"\0\0\0\0\0\0\0\x04[[],"],
)
def test_garbage_is_void(garbage):
    stream = io.BytesIO(garbage)
    with pytest.raises(Void):
        Link(stream.read, stream.write, stream.flush).receive()


def test_a_stand_in_is_not_copied_with_the_arguments():
    remote = Remote(None, 1, "f", [], ["x"])
    assert remote.__deepcopy__({}) is remote


def test_functions_get_their_files_back():
    names = {"__name__": "__main__"}
    exec(compile("def f():\n    return 1", FILE, "exec"), names)
    answer = cloudpickle.loads(cloudpickle.dumps(names["f"]))
    put_in_place(answer, _places(names["f"]))
    assert answer.__code__.co_filename == FILE and answer() == 1
