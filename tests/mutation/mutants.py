"""Mutants: copies of a module in each of which one check is gone or wrong.

What is changed is what holds a security check: a guard that raises or returns is removed, a condition is taken for
true or for false, an operand of ``and`` or ``or`` is dropped, a comparison or a constant is moved by one, a ``raise``
or a call made for its effect is dropped, an element of a listed set is left out, a keyword of a verifying call is
not given. Texts are left alone: most are words for the log.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_VERIFYING = {"decode", "signed_claims", "proven", "prove"}
"""Calls of which each keyword is a check."""
AROUND = 34
"""Characters that are shown around a change."""
_LIMIT = 30
"""From here on a number is a limit, and is doubled: whether it is 300 or 301 seconds is no check."""
_IDLE = {"log", "logging", "_tell"}
"""Calls to these are no checks."""


@dataclass(frozen=True)
class Mutant:
    """One change to one module.

    Attributes:
        file: the module's path in the house.
        line: where the change is.
        owner: the outermost function or method around it ("Class.method"); empty at the module's own level.
        change: the change, for people.
        source: the changed module.
    """

    file: str
    line: int
    owner: str
    change: str
    source: str

    @property
    def name(self) -> str:
        """What a survivor is listed by: it does not change with the lines above."""
        return f"{self.file}: {self.owner or 'module'}: {self.change}"

    @property
    def digest(self) -> str:
        """What a result is kept by: another text of the module is another mutant."""
        return hashlib.sha256(f"{self.file}\n{self.source}".encode()).hexdigest()[:24]


def mutants(house: Path, file: str) -> list[Mutant]:
    """Return the mutants of a module, no two of one name."""
    tree = ast.parse((house / file).read_text(encoding="utf-8"))
    found: dict[str, Mutant] = {}
    for owner, node in _places(tree):
        for change in _changes(node):
            before = ast.unparse(node)
            undo = change()
            after = ast.unparse(node)
            source = ast.unparse(tree)
            undo()
            name = f"`{_short(before, after)}` is `{_short(after, before)}`"
            mutant = Mutant(file, node.lineno, owner, name, source)
            again = 2
            while mutant.name in found:
                mutant = Mutant(file, node.lineno, owner, f"{name} ({again})", source)
                again += 1
            found[mutant.name] = mutant
    return list(found.values())


def _short(text: str, other: str) -> str:
    """Return where a text differs from another, with a little of what is around it, in one line."""
    text, other = " ".join(text.split()), " ".join(other.split())
    same = next((at for at, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), 0)
    alike = 0
    while alike < min(len(text), len(other)) - same and text[-1 - alike] == other[-1 - alike]:
        alike += 1
    start, end = max(0, same - AROUND), min(len(text), len(text) - alike + AROUND)
    return f"{'...' if start else ''}{text[start:end]}{'...' if end < len(text) else ''}"


def _places(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:  # noqa: C901
    """Yield every statement that may be changed, and the outermost function or method it is in."""

    def inside(body: list[ast.stmt], owner: str, path: str) -> Iterator[tuple[str, ast.stmt]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                if not owner:
                    yield from inside(node.body, "", f"{path}{node.name}.")
                continue
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from inside(node.body, owner or f"{path}{node.name}", path)
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            if owner or (not path and isinstance(node, ast.Assign | ast.AnnAssign)):
                yield owner, node
            for name in ("body", "orelse", "finalbody"):
                if owner:
                    yield from inside(getattr(node, name, []), owner, path)
            for handler in getattr(node, "handlers", []):
                yield from inside(handler.body, owner, path)

    yield from inside(tree.body, "", "")


def _changes(statement: ast.stmt) -> Iterator:
    """Yield functions that make one change to a statement and return what undoes it."""
    if isinstance(statement, ast.Raise):
        yield _becomes_pass(statement)
        return
    if isinstance(statement, ast.Expr):
        if isinstance(statement.value, ast.Constant) or _called(statement.value).partition(".")[0] in _IDLE:
            return
        if isinstance(statement.value, ast.Call):
            yield _becomes_pass(statement)
    if isinstance(statement, ast.If):
        yield _set(statement, "test", ast.Constant(value=False))
        if not isinstance(statement.body[-1], ast.Raise):
            yield _set(statement, "test", ast.Constant(value=True))
    for parent, field, index, node in _expressions(statement):
        yield from _of_expression(parent, field, index, node)


def _expressions(statement: ast.stmt) -> Iterator[tuple[ast.AST, str, int | None, ast.expr]]:
    """Yield the expressions of a statement itself, not of statements in it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        parent = waiting.pop(0)
        for field, value in ast.iter_fields(parent):
            if field in {"annotation", "returns", "type_params", "decorator_list"}:
                continue
            for index, node in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(node, ast.stmt | ast.ExceptHandler) or not isinstance(node, ast.AST):
                    continue
                if isinstance(node, ast.expr):
                    yield parent, field, index if isinstance(value, list) else None, node
                if not isinstance(node, ast.Raise | ast.JoinedStr):
                    waiting.append(node)


def _of_expression(parent: ast.AST, field: str, index: int | None, node: ast.expr) -> Iterator:  # noqa: C901, PLR0912
    if isinstance(node, ast.BoolOp):
        for at in range(len(node.values)):
            yield _without(node, "values", at)
    elif isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            # A whole condition is taken for true and for false already.
            if field != "test" or not isinstance(
                operator, ast.Eq | ast.NotEq | ast.In | ast.NotIn | ast.Is | ast.IsNot
            ):
                yield _replace(node, "ops", at, _SWAPPED[type(operator)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and field != "test":
        yield _replace(parent, field, index, node.operand)
    elif isinstance(node, ast.IfExp):
        yield _set(node, "test", ast.Constant(value=True))
        yield _set(node, "test", ast.Constant(value=False))
    elif isinstance(node, ast.Set | ast.Tuple | ast.List) and len(node.elts) > 1 and _listed(parent, node):
        for at in range(len(node.elts)):
            yield _without(node, "elts", at)
        # The numbers in it are listed, not counted with: leaving each out is enough.
    elif isinstance(node, ast.Call) and _called(node).rpartition(".")[2] in _VERIFYING:
        for at, keyword in enumerate(node.keywords):
            if keyword.arg:
                yield _without(node, "keywords", at)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield _set(node, "value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(parent, ast.Set):
        yield _set(node, "value", node.value * 2 if node.value >= _LIMIT else node.value + 1)


def _listed(parent: ast.AST, node: ast.Set | ast.Tuple | ast.List) -> bool:
    """Say whether a display lists values: not a target of an assignment, nor what is unpacked into one."""
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Tuple):
        return False
    loaded = isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
    return loaded and all(isinstance(each, ast.Constant | ast.Name | ast.Attribute) for each in node.elts)


def _called(node: ast.expr) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def _set(node: ast.AST, field: str, value: object):  # noqa: ANN202
    def change():  # noqa: ANN202
        before = getattr(node, field)
        setattr(node, field, value)
        return lambda: setattr(node, field, before)

    return change


def _replace(parent: ast.AST, field: str, index: int | None, value: ast.AST):  # noqa: ANN202
    if index is None:
        return _set(parent, field, value)

    def change():  # noqa: ANN202
        before = getattr(parent, field)
        after = list(before)
        after[index] = value
        setattr(parent, field, after)
        return lambda: setattr(parent, field, before)

    return change


def _without(parent: ast.AST, field: str, index: int):  # noqa: ANN202
    left = [each for at, each in enumerate(getattr(parent, field)) if at != index]
    return _set(parent, field, left)


def _becomes_pass(statement: ast.stmt):  # noqa: ANN202
    """Put nothing in a statement's place; it keeps its line."""

    def change():  # noqa: ANN202
        kind, fields = statement.__class__, dict(statement.__dict__)
        statement.__class__ = ast.Pass  # type: ignore[assignment]

        def undo() -> None:
            statement.__class__ = kind  # type: ignore[assignment]
            statement.__dict__.update(fields)

        return undo

    return change
