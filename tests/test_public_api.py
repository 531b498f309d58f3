"""The docs of everything public are complete: annotated, described, and honest about errors."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap

import pytest

import gradlab


def public_functions():
    """Every function and method behind a name in an ``__all__``, by the module that defines it."""
    found = {}
    for module in pkgutil.walk_packages(gradlab.__path__, "gradlab."):
        if module.name.endswith("__main__"):
            continue
        module = importlib.import_module(module.name)
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if not getattr(thing, "__module__", "").startswith("gradlab"):
                continue
            if inspect.isclass(thing):
                for key, member in vars(thing).items():
                    member = member.fget if isinstance(member, property) else member
                    if inspect.isfunction(member) and not key.startswith("_"):
                        found[f"{thing.__module__}.{name}.{key}"] = member
            elif inspect.isfunction(thing):
                found[f"{thing.__module__}.{name}"] = inspect.unwrap(thing)
    return found


FUNCTIONS = public_functions()
HERE = ("gradlab", __name__)
UNWRITTEN = {"NotImplementedError"}  # of a base class: nobody who calls it meets that


def raised(function):
    """The exceptions that a function raises itself, or by a helper that refuses bad input for it."""
    names, seen, waiting = set(), set(), [function]
    while waiting:
        current = inspect.unwrap(waiting.pop())
        seen.add(current)
        known = vars(inspect.getmodule(current))
        owner = known.get(current.__qualname__.partition(".")[0])
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(current)))):
            if isinstance(node, ast.Raise) and node.exc:
                name = ast.unparse(node.exc).partition("(")[0].rpartition(".")[2]
                maker = known.get(name)  # of an exception with a long sentence
                if inspect.isfunction(maker):
                    name = inspect.signature(maker).return_annotation
                if name[0].isupper():  # and not one that was caught before
                    names.add(name)
            if isinstance(node, ast.Call):
                before, _, name = ast.unparse(node.func).rpartition(".")
                home = {"": known, "self": vars(owner) if owner else {}}.get(before)
                home = vars(known[before]) if inspect.ismodule(known.get(before)) else home or {}
                helper = home.get(name)
                refuses = re.match(r"_|require|random_stream", name) and inspect.isfunction(helper)
                if refuses and helper.__module__.startswith(HERE) and helper not in seen:
                    waiting.append(helper)
    return names - UNWRITTEN


def complaints(function):
    signature = inspect.signature(function)
    text = inspect.getdoc(function) or ""
    for parameter in signature.parameters.values():
        if parameter.annotation is parameter.empty and parameter.name != "self":
            yield f"{parameter.name} has no type"
    if signature.return_annotation is signature.empty:
        yield "what it returns has no type"
    if not re.match(r"\S.*[.:?]", text, re.DOTALL):
        yield "no sentence says what it does"
    for name in raised(function):
        if name not in text:
            yield f"does not say that it raises {name}"
    _, section, described = text.partition("Parameters\n----------\n")
    if section:
        heads = re.findall(r"^\S.*$", described, re.MULTILINE)
        named = {name.strip("* ") for head in heads for name in head.split(",")}
        for name in signature.parameters:
            if name not in named | {"self"}:
                yield f"{name} is not among its parameters"


def test_the_public_names_of_the_course_are_among_them():
    wanted = {
        "gradlab.checking.check.check_gradients",
        "gradlab.curves.ErrorCurve.slopes",
        "gradlab.explorers.epsilon.epsilon_explorer",
        "gradlab.mlp.backward",
        "gradlab.checking.report.Report.raise_if_failed",
    }
    assert wanted <= {*FUNCTIONS}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_documented(name):
    assert list(complaints(FUNCTIONS[name])) == []


def undescribed(a: int) -> int:
    return a


def untyped(a):
    """Do something."""


def silent(a: int) -> int:
    """Do something."""
    return _refuse(a)


def sentenced(a: int) -> int:
    """Do something."""
    raise _sentence(a)


def forgetful(a: int, b: int) -> int:
    """Do something.

    Parameters
    ----------
    a
        The one.
    """
    return a + b


def _refuse(a: int) -> int:
    raise ValueError(a)


def _sentence(a: int) -> TypeError:
    return TypeError(a)


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (undescribed, "no sentence says what it does"),
        (untyped, "a has no type"),
        (untyped, "what it returns has no type"),
        (silent, "does not say that it raises ValueError"),
        (sentenced, "does not say that it raises TypeError"),
        (forgetful, "b is not among its parameters"),
    ],
)
def test_a_gap_is_noticed(function, complaint):
    assert complaint in list(complaints(function))
