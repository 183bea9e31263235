"""Reads our Bicep files, in the subset that an offline parser knows, and finds what no compiler is needed for.

What it finds: names that nobody declared, modules called with a parameter they do not have or without one they
need, and outputs that do not exist. What properties a resource may have is :mod:`infra.models`' business. It is no
compiler: types of expressions are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
_KEYWORDS = frozenset(
    {"targetScope", "param", "var", "resource", "module", "output", "existing", "if", "for", "in"}
    | {"true", "false", "null", "string", "int", "bool", "object", "array"}
)
_FUNCTIONS = frozenset(
    {"empty", "guid", "concat", "subscription", "subscriptionResourceId", "uniqueString", "toLower", "string"}
    | {"environment"}
)
# Together: two slashes in a literal begin no comment, and an apostrophe in a comment no literal.
_LITERAL_OR_COMMENT = re.compile(r"'(?:\\.|\$\{[^}]*\}|[^'\\])*'|//[^\n]*")
_HOLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"(?<![\w.@])([A-Za-z_]\w*)(\s*:)?")
_OUTPUT = re.compile(r"\b(\w+)\.outputs\.(\w+)")


@dataclass(frozen=True)
class Resource:
    """A resource as it stands in a file."""

    file: str
    symbol: str
    type: str
    config: Mapping[str, Any]
    looped: bool
    existing: bool

    @property
    def place(self) -> str:
        """Where somebody finds it."""
        return f"{self.file}: {self.symbol}"


class File:
    """One Bicep file.

    Raises:
        Exception: of the parser, where the file is outside of its subset.
    """

    def __init__(self, path: Path, root: Path = HERE) -> None:
        self.path = path
        self.name = path.relative_to(root).as_posix()
        self.text = path.read_text("utf-8")
        self.tree = _parsed(self.text)

    @cached_property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """What it is given."""
        return dict(self.tree.get("parameters", {}))

    @cached_property
    def variables(self) -> dict[str, Any]:
        """Its variables, as parsed."""
        return {name: made["value"] for name, made in self.tree.get("variables", {}).items()}

    @cached_property
    def outputs(self) -> set[str]:
        """Names of what it gives."""
        return set(self.tree.get("outputs", {}))

    @cached_property
    def modules(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Symbol of each module that it calls: its path, and the parameters of the call."""
        called = self.tree.get("modules", {})
        return {
            name: (made["detail"]["path"], _inner(made["config"]).get("params", {})) for name, made in called.items()
        }

    @cached_property
    def resources(self) -> list[Resource]:
        """Every resource."""
        return [
            Resource(
                self.name, name, made["type"], _inner(made["config"]), "loop_type" in made["config"], made["existing"]
            )
            for name, made in self.tree.get("resources", {}).items()
        ]

    @cached_property
    def symbols(self) -> set[str]:
        """Every name that is declared in it, loop variables included."""
        loops = set(re.findall(r"\bfor (\w+) in\b", self.text))
        resources = {resource.symbol for resource in self.resources}
        return {*self.parameters, *self.variables, *self.modules, *resources, *loops}

    def problems(self) -> Iterator[str]:
        """Yield what is wrong in it alone: names that nobody declared, names that nobody uses."""
        used = set(self._used())
        for name in sorted(used - self.symbols - self.outputs - _KEYWORDS - _FUNCTIONS):
            yield f"{self.name}: {name} is not declared"
        for name in sorted({*self.parameters, *self.variables} - used):
            yield f"{self.name}: {name} is declared and not used"

    def _used(self) -> Iterator[str]:
        code = _without_decorators(self.text)
        literals = [found for found in _LITERAL_OR_COMMENT.findall(code) if found.startswith("'")]
        holes = " ".join(hole for literal in literals for hole in _HOLE.findall(literal))
        code = _LITERAL_OR_COMMENT.sub(lambda found: "''" if found[0].startswith("'") else "", code)
        code = re.sub(r"\bin (\w+):", r"in \1 :", code)
        code = re.sub(r"^(param|output|resource|module|var) \w+", r"\1", code, flags=re.MULTILINE)
        for name, colon in _NAME.findall(f"{code}\n{holes}"):
            # `name:` is a property's name; the second half of a conditional has a space before its colon.
            if not colon.strip() or colon.startswith(" "):
                yield name


@cache
def _parsed(text: str) -> Mapping[str, Any]:
    """Parse a file; once, since copies with a mistake in one file have the others as they were."""
    from pycep import BicepParser

    tree: Mapping[str, Any] = BicepParser().parse(text=text)
    return tree


def files(root: Path = HERE) -> list[File]:
    """Read every Bicep file below ``root``."""
    return [File(path, root) for path in sorted(root.rglob("*.bicep"))]


def problems(read: list[File]) -> Iterator[str]:
    """Yield what is wrong within and between files."""
    by_name = {file.name: file for file in read}
    called = set()
    for file in read:
        yield from file.problems()
        for symbol, (path, given) in file.modules.items():
            name = (Path(file.name).parent / path).as_posix()
            target = by_name.get(name)
            if target is None:
                yield f"{file.name}: {symbol} calls {path}, which is not there"
                continue
            called.add(name)
            needed = {parameter for parameter, made in target.parameters.items() if made.get("default") is None}
            for missing in sorted(needed - set(given)):
                yield f"{file.name}: {symbol} is called without {missing}"
            for unknown in sorted(set(given) - set(target.parameters)):
                yield f"{file.name}: {symbol} has no parameter {unknown}"
        for symbol, output in _OUTPUT.findall(file.text):
            path = file.modules.get(symbol, ("", {}))[0]
            target = by_name.get((Path(file.name).parent / path).as_posix())
            if target is not None and output not in target.outputs:
                yield f"{file.name}: {symbol} has no output {output}"
    for name in sorted(set(by_name) - called - {"main.bicep"}):
        yield f"{name}: nobody calls it"


def _inner(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands between a resource's braces, inside of a condition or a loop."""
    while "config" in config and {"loop_type", "condition"} & set(config):
        config = config["config"]
    return dict(config)


def _without_decorators(text: str) -> str:
    return re.sub(r"^@\w+\((?:'(?:\\.|[^'\\])*'|[^()'])*\)\n", "", text, flags=re.MULTILINE)
