"""What no mark says and a human should look at."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gradlab.exercises.marking.submissions import Call, Submission, python

if TYPE_CHECKING:
    from gradlab.exercises.marking.mark import Marked

PACKAGE_S_OWN = re.compile(
    r"import \w*(?:numerical_gradient|relative_error|backward|forward|answer)\b"
    r"|\b(?:mlp\.(?:forward|backward|train)|numerical_gradient\(|gradlab\.numerical_gradient"
    r"|(?:judging|checking|differences|gradlab)\.relative_error|check_gradients|best_step\("
    r"|lesson\d\d|bugs\.answer|(?<!\w)answer\(\d|gradient_from_update\b(?!\()|foreign\.\w+)"
)
TAMPERING = re.compile(
    r"_getframe|f_locals|currentframe|gc\.get_|_solved\b|_registered\b|os\._exit|ctypes|__reduce__"
    r"|addaudithook|os\.kill|os\.fork"
    r"|\b(?:exercises|feedback|judging|np|numpy|gradlab|lesson\d\d)(?:\.\w+)+\s*=(?!=)"
    r"|setattr\(\s*(?:exercises|feedback|np|numpy|gradlab)\b"
)
MOST_TWINS = 3
LONG_ENOUGH = 60  # nodes of a syntax tree; shorter answers are alike because there is one way


def of(
    one: Submission, asked: list[Call], marks: Mapping[str, tuple[str, str]], late: int
) -> list[str]:
    """The flags of one submission, a few words each."""
    found = []
    for call in asked:
        source = answer_source(one, call)
        if own := PACKAGE_S_OWN.search(_only_new(source, call)):
            found.append(f"{call.name} uses {own[0].rstrip('(')}")
        if one.cells[call.cell].printed.startswith("Right.") and marks[call.name][0] != "right":
            found.append(f"{call.name} was handed in with the output Right")
    for at, cell in enumerate(one.cells):
        if tampers := dict.fromkeys(one[0].strip() for one in TAMPERING.finditer(cell.source)):
            found.append(f"code cell {at + 1} has {', '.join(tampers)}")
    names = [call.name for call in asked]
    found += [
        f"{name} is answered {names.count(name)} times"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    found += [f"{name} is void" for name, (mark, _) in marks.items() if mark == "void"]
    unknown = {call.name for call in one.calls} - marks.keys()
    found += [f"there is no exercise {name}" for name in sorted(unknown)]
    if late:
        found.append("an answer stands behind its check")
    return list(dict.fromkeys(found))


def add_twins(read: list[Submission], marked: list[Marked]) -> None:
    """Flag long answers that are one and the same but for the names in them."""
    alike: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for at, one in enumerate(read):
        for call in one.calls:
            tree = python(answer_source(one, call))
            if tree is not None and sum(1 for _ in ast.walk(tree)) >= LONG_ENOUGH:
                alike[call.name, _without_names(tree)].append((at, ast.unparse(tree)))
    for (name, _), twins in alike.items():
        if len({marked[at].student for at, _ in twins}) > MOST_TWINS:
            continue  # there is a common source, such as the folded solution
        for at, text in twins:
            others = {marked[other].student for other, theirs in twins if theirs != text}
            if others:
                who = ", ".join(sorted(others))
                marked[at].flags.append(f"{name} is that of {who} but for the names")


def answer_source(one: Submission, call: Call) -> str:
    """The statements that define what a call hands in, wherever they stand in the notebook."""
    found = []
    for cell in one.cells:
        tree = python(cell.source)
        if tree is None:
            continue
        for statement in tree.body:
            defined = {getattr(statement, "name", None)} | {
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                defined = {alias.asname or alias.name for alias in statement.names}
            if defined & (call.names or {None}) and not isinstance(statement, ast.Expr):
                found.append(ast.unparse(statement))
    return "\n".join([*dict.fromkeys(found), call.expression])


def _only_new(source: str, call: Call) -> str:
    """Without the heads of functions, whose names are the stubs' own."""
    return re.sub(r"^\s*def \w+\(.*$", "", source, flags=re.MULTILINE)


def _without_names(tree: ast.Module) -> str:
    """The tree with its names numbered in the order of their first use."""
    numbers: dict[str, str] = {}

    def number(name: str) -> str:
        return numbers.setdefault(name, f"n{len(numbers)}")

    class Numbered(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return ast.Name(number(node.id), node.ctx)

        def visit_arg(self, node: ast.arg) -> ast.AST:
            return ast.arg(number(node.arg))

        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
            self.generic_visit(node)
            node.name = number(node.name)
            return node

    return ast.dump(Numbered().visit(ast.parse(ast.unparse(tree))))
