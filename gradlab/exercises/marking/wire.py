"""Two processes that call each other's functions and exchange nothing but plain data.

A :class:`Link` is one end. What it sends is JSON and the bytes of arrays, so that reading it can
run no code of the other side's. A function stays where it is: the other end gets a stand-in that
calls it from afar. Arrays and dicts that are passed to a function stay shared for the length of the
call: what either side writes into them, the other one sees, as if both lived in one process.
"""

from __future__ import annotations

import base64
import builtins
import json
import pickle
import re
import struct
from collections import namedtuple
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from contextlib import contextmanager, suppress
from inspect import Parameter, Signature, signature
from typing import Any

import numpy as np

MOST_BYTES = 50_000_000  # of one message: a hundred times what any exercise passes
TOO_LARGE = f"The answer is larger than {MOST_BYTES // 1_000_000} MB."
DEEPEST = 40
LONGEST_TEXT = 100_000
LARGEST_INTEGER = 10**4000  # JSON's reader takes no more than 4300 digits
_DTYPE = re.compile(r"[<>=|]?([biufc]\d{1,2}|[US]\d{1,7})")


class Void(BaseException):
    """The answer did what no answer may do. No ``except Exception`` catches it."""


class Remote:
    """Stands in for a function of the other end.

    ``arrays_read`` are the names of the arrays that it reads from its notebook; of its signature
    only the names of the parameters are known.
    """

    def __init__(
        self, link: Link, number: int, name: str, arrays_read: list[str], parameters: list[str]
    ) -> None:
        self._link, self._number = link, number
        self.__name__ = self.__qualname__ = name
        self.arrays_read = arrays_read
        kind = Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = Signature([Parameter(name, kind) for name in parameters])

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._link.call(self._number, arguments, named)

    def __deepcopy__(self, memo: Any) -> Remote:
        return self


class Opaque:
    """Something of the other end that is no plain data; only its type's name is known."""


class Link:
    """One end of the line.

    Parameters
    ----------
    read, write, flush
        Those of two binary files.
    inspect
        Called with each function that is handed over: the names of the arrays that it reads from
        outside.
    lines_of
        Called with a function and the exception that stopped it: the lines of its source on which
        it did.
    after_call
        Called when a function of this end has been called and before its value is sent: what must
        be told to the other end, or an empty text.
    trusts
        Whether the other end is believed. An answer believes its judge, which may send it any
        object, pickled; a judge never reads a pickle.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        write: Callable[[bytes], Any],
        flush: Callable[[], None],
        inspect: Callable[[Any], list[str]] = lambda function: [],
        lines_of: Callable[[Any, BaseException], list[str]] = lambda function, error: [],
        after_call: Callable[[], str] = lambda: "",
        trusts: bool = False,
    ) -> None:
        self._read, self._write, self._flush = read, write, flush
        self._inspect, self._lines_of, self._after_call = inspect, lines_of, after_call
        self._trusts = trusts
        self._exported: list[Any] = []
        self._shared: dict[int, Any] = {}  # number -> array, dict or list that both ends hold
        self._numbers: dict[int, int] = {}  # id -> number
        self._agreed: dict[int, Any] = {}  # number -> its contents when they last were the same
        self._sent_whole: set[int] = set()
        self._depth = 0

    # ------------------------------------------------------------------------------ conversation

    def send(self, opening: dict[str, Any], /, **values: Any) -> None:
        """Send a message; each of ``values`` is packed.

        Raises
        ------
        Void
            If it is too large.
        """
        buffers: list[bytes] = []
        message = opening | {name: self._pack(value, buffers) for name, value in values.items()}
        head = json.dumps([message, [len(buffer) for buffer in buffers]]).encode("ascii")
        self._write(struct.pack(">Q", len(head)) + head + b"".join(buffers))
        self._flush()

    def receive(self) -> dict[str, Any]:
        """The next message.

        Raises
        ------
        Void
            If the other end is gone, or has sent what is no message.
        """
        try:
            (length,) = struct.unpack(">Q", self._exactly(8))
            message, lengths = json.loads(self._exactly(length))
            if sum(lengths) > MOST_BYTES:
                raise Void(TOO_LARGE)
            buffers = [self._exactly(length) for length in lengths]
            return {name: self._unpacked(value, buffers) for name, value in message.items()}
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as e:
            raise Void("The answer garbled the line to its judge.") from e

    def call(self, number: int, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call function ``number`` of the other end, serving its calls of ours meanwhile.

        Raises
        ------
        Exception
            What the function raised, by name and message; its attribute ``lines`` holds the lines
            of the source.
        Void
            If it did what no answer may do.
        """
        with self._one_deeper():
            call = {"kind": ["s", "call"], "function": ["s", number]}
            self._request(call, arguments=(arguments, named))
            return self._until_reply()

    def ask(self, kind: str) -> Any:
        """Send a message without contents and return the value of its reply."""
        self.send({"kind": ["s", kind]})
        return self._until_reply()

    def serve(self) -> Iterator[str]:
        """Answer calls for ever; yields the kinds of all other messages."""
        while True:
            message = self.receive()
            if message["kind"] == "call":
                self._serve_call(message)
            else:
                yield message["kind"]

    def _until_reply(self) -> Any:
        while True:
            message = self.receive()
            kind = message["kind"]
            if kind == "call":
                self._serve_call(message)
                continue
            self._absorb(message.get("state"))
            if kind == "void":
                raise Void(str(message["reason"]))
            if message.get("told"):
                raise Void(str(message["told"]))
            if kind == "raise":
                raise _error(message)
            if kind == "return":
                return message["value"]
            raise Void("The answer garbled the line to its judge.")

    def _serve_call(self, message: dict[str, Any]) -> None:
        with self._one_deeper():
            self._absorb(message.get("state"))
            function = self._exported[message["function"]]
            arguments, named = message["arguments"]
            try:
                value = function(*arguments, **named)
            except Exception as error:
                lines = self._lines_of(function, error)
                self._request(
                    {"kind": ["s", "raise"]},
                    type=type(error).__name__,
                    message=_cut(str(error)),
                    lines=lines,
                    told=self._after_call(),
                )
            else:
                self._request({"kind": ["s", "return"]}, value=value, told=self._after_call())

    def _request(self, opening: dict[str, Any], /, **values: Any) -> None:
        if self._depth == 1 and opening["kind"] == ["s", "call"]:
            self._share(values["arguments"])
        self.send(opening, **values, state=self._changes())

    @contextmanager
    def _one_deeper(self) -> Iterator[None]:
        if self._depth >= DEEPEST:
            raise Void("The answer and its judge call each other without end.")
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._shared, self._numbers, self._agreed = {}, {}, {}
                self._sent_whole = set()

    def _exactly(self, length: int) -> bytes:
        if length > MOST_BYTES:
            raise Void(TOO_LARGE)
        data = self._read(length)
        if len(data) < length:
            raise Void("The answer ended its own process.")
        return data

    # ---------------------------------------------------------------------------- shared objects

    def _share(self, value: Any) -> None:
        """Give every array, dict and list in ``value`` a number that both ends know it by."""
        if isinstance(value, (np.ndarray, dict, list)):
            if id(value) in self._numbers or (isinstance(value, np.ndarray) and _odd(value)):
                return
            self._know(len(self._shared), value)
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, (list, tuple)):
            for part in value:
                self._share(part)

    def _know(self, number: int, value: Any) -> None:
        self._shared[number], self._numbers[id(value)] = value, number

    def _changes(self) -> list[Any]:
        """The shared objects that have changed since both ends agreed, and how they are now."""
        changed = []
        for number, value in self._shared.items():
            now = self._contents(value)
            if self._agreed.get(number, now) != now:
                changed.append(_Changed(number, value))
            self._agreed[number] = now
        return changed

    def _absorb(self, state: Any) -> None:
        for number, contents in state or []:
            value = self._shared[number]
            if isinstance(value, np.ndarray):
                if contents.shape != value.shape or contents.dtype != value.dtype:
                    raise ValueError("an array cannot change its shape")
                value[...] = contents
            elif isinstance(value, dict):
                value.clear()
                value.update(contents)
            else:
                value[:] = contents
        for number, value in self._shared.items():
            self._agreed[number] = self._contents(value)

    def _contents(self, value: Any, depth: int = 0) -> Any:
        """What compares equal as long as ``value`` holds the same: shared parts by their number."""

        def part(inner: Any) -> Any:
            known = self._numbers.get(id(inner))
            return ("shared", known) if known is not None else self._contents(inner, depth + 1)

        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tobytes()
        if isinstance(value, dict) and depth < DEEPEST:
            return [(key, part(inner)) for key, inner in value.items()]
        if isinstance(value, (list, tuple)) and depth < DEEPEST:
            return type(value).__name__, [part(inner) for inner in value]
        if isinstance(value, (bool, int, float, complex, str, type(None))):
            return type(value).__name__, repr(value)
        return "other", id(value)

    # --------------------------------------------------------------------------------- plain data

    def _pack(self, value: Any, buffers: list[bytes], depth: int = 0) -> Any:
        def pack(part: Any) -> Any:
            return self._pack(part, buffers, depth + 1)

        if isinstance(value, _Changed):
            contents = value.value
            if isinstance(contents, np.ndarray):
                return ["t", [["s", value.number], _array(contents, buffers)]]
            return ["t", [["s", value.number], self._container(contents, pack)]]
        if value is None or type(value) in (bool, float):
            return ["s", value]
        if isinstance(value, int) and abs(value) >= LARGEST_INTEGER:
            return ["o", "int", None]
        if value is ...:
            return ["e"]
        if isinstance(value, str):
            return ["s", _cut(str(value))]
        if id(value) in self._numbers:
            number = self._numbers[id(value)]
            if number in self._sent_whole:
                return ["shared", number]
            self._sent_whole.add(number)
            if isinstance(value, np.ndarray):
                return ["new", number, _array(value, buffers), bool(value.flags.writeable)]
            return ["new", number, self._container(value, pack), True]
        if depth > DEEPEST:
            return ["o", type(value).__name__, None]
        if isinstance(value, np.generic) and not _odd(np.asarray(value)):
            return ["g", _array(np.asarray(value), buffers)]
        if isinstance(value, np.ndarray):
            if value.dtype == object:
                return ["oa", list(value.shape), [pack(part) for part in value.ravel().tolist()]]
            return ["o", "ndarray", None] if _odd(value) else _array(value, buffers)
        if isinstance(value, (bool, int, float)):  # of a type derived from one of them
            return ["s", value.__index__() if isinstance(value, int) else float(value)]
        if isinstance(value, complex):
            return ["c", value.real, value.imag]
        if isinstance(value, range):
            return ["r", value.start, value.stop, value.step]
        if isinstance(value, Remote):
            return ["yours", value._number]
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return ["nt", type(value).__name__, list(value._fields), [pack(part) for part in value]]
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            return self._container(value, pack)
        if isinstance(value, Mapping):
            return self._container(dict(value), pack)
        if callable(value):
            self._exported.append(value)
            name = _cut(str(getattr(value, "__name__", type(value).__name__)), 100)
            known = self._inspect(value), _parameters(value)
            return ["f", len(self._exported) - 1, name, *known]
        return self._other(value, pack, buffers)

    def _container(self, value: Any, pack: Callable[[Any], Any]) -> Any:
        if isinstance(value, dict):
            return ["d", [[pack(key), pack(part)] for key, part in value.items()]]
        kind = "l" if isinstance(value, list) else "t" if isinstance(value, tuple) else "set"
        return [kind, [pack(part) for part in value]]

    def _other(self, value: Any, pack: Callable[[Any], Any], buffers: list[bytes]) -> Any:
        """Something that is no plain data: as an array or a number, if it says that it is one."""
        name = type(value).__name__
        if not self._trusts:
            return ["p", base64.b64encode(pickle.dumps(value)).decode("ascii")]
        with suppress(Exception):  # what it claims to be is not always true
            if hasattr(value, "__array__") and not _odd(array := np.asarray(value)):
                return _array(array, buffers)
            if hasattr(value, "__float__"):
                return ["n", name, float(value)]
        if isinstance(value, (KeysView, ValuesView, ItemsView)):
            return ["o", name, [pack(part) for part in value]]
        return ["o", name, None]

    def _unpacked(self, tree: Any, buffers: list[bytes]) -> Any:
        kind, *rest = tree

        def unpack(part: Any) -> Any:
            return self._unpacked(part, buffers)

        if kind == "s":
            return rest[0]
        if kind == "e":
            return ...
        if kind == "a":
            return _read_array(rest, buffers)
        if kind == "g":
            return _read_array(rest[0][1:], buffers)[()]
        if kind == "c":
            return complex(*rest)
        if kind == "r":
            return range(*rest)
        if kind == "d":
            return {unpack(key): unpack(part) for key, part in rest[0]}
        if kind in ("l", "t", "set"):
            return {"l": list, "t": tuple, "set": set}[kind](unpack(part) for part in rest[0])
        if kind == "oa":
            array = np.empty(rest[0], dtype=object)
            array.ravel()[:] = [unpack(part) for part in rest[1]]
            return array
        if kind == "shared":
            return self._shared[rest[0]]
        if kind == "new":
            number, contents, writeable = rest
            value: Any = {} if contents[0] == "d" else []
            if contents[0] == "a":
                value = unpack(contents)
                value.flags.writeable = writeable
            self._know(number, value)  # before its parts, which may hold it
            self._sent_whole.add(number)
            if contents[0] == "d":
                value.update(unpack(contents))
            elif contents[0] == "l":
                value.extend(unpack(contents))
            return value
        if kind == "yours":
            return self._exported[rest[0]]
        if kind == "f":
            read, parameters = ([str(name) for name in names] for names in rest[2:])
            return Remote(self, int(rest[0]), str(rest[1]), read, parameters)
        if kind == "n":
            number = float(rest[1])
            return _opaque(rest[0], {"__float__": lambda self: number})
        if kind == "nt":
            name, fields, parts = rest
            return namedtuple(name, fields)(*map(unpack, parts))
        if kind == "p" and self._trusts:
            return pickle.loads(base64.b64decode(rest[0]))
        if kind == "o":
            items = None if rest[1] is None else [unpack(part) for part in rest[1]]
            return _opaque(rest[0], {} if items is None else {"__iter__": lambda self: iter(items)})
        raise ValueError(f"no such kind: {kind!r}")


class _Changed:
    def __init__(self, number: int, value: Any) -> None:
        self.number, self.value = number, value


def _odd(array: np.ndarray) -> bool:
    """Whether an array is of a kind that the line does not carry as bytes."""
    return not _DTYPE.fullmatch(array.dtype.str)


def _array(array: np.ndarray, buffers: list[bytes]) -> Any:
    if array.nbytes > MOST_BYTES:
        raise Void(TOO_LARGE)
    buffers.append(np.ascontiguousarray(array).tobytes())
    return ["a", array.dtype.str, list(array.shape), len(buffers) - 1]


def _read_array(parts: list[Any], buffers: list[bytes]) -> np.ndarray:
    dtype, shape, number = parts
    if not _DTYPE.fullmatch(dtype):
        raise ValueError(f"no such type of numbers: {dtype!r}")
    return np.frombuffer(buffers[number], dtype).reshape(shape).copy()


def _opaque(name: str, methods: dict[str, Any]) -> Any:
    name = name if name.isidentifier() else "object"
    return type(name[:60], (Opaque,), methods)()


def _parameters(function: Any) -> list[str]:
    try:
        return list(signature(function).parameters)[:100]
    except (TypeError, ValueError):
        return []


def _cut(text: str, most: int = LONGEST_TEXT) -> str:
    return text if len(text) <= most else text[:most] + " ..."


def _error(message: dict[str, Any]) -> Exception:
    """An exception with the name and the message of the other end's."""
    name = str(message["type"])
    known = getattr(builtins, name, None)
    if not (isinstance(known, type) and issubclass(known, Exception)):
        known = type(name[:60] if name.isidentifier() else "Exception", (Exception,), {})
    try:
        error = known(str(message["message"]))
    except TypeError:  # as UnicodeDecodeError, which wants five arguments
        error = type(name[:60], (Exception,), {})(str(message["message"]))
    if str(error) != message["message"]:  # as KeyError, which quotes what it is given
        error = type(name[:60], (known,), {"__str__": lambda self: str(message["message"])})()
    if message["lines"]:
        error.lines = [str(line) for line in message["lines"]]
    return error
