"""Every known attack has an answer: a test that carries its id, or a line that says why none is needed.

The list is the table in docs/threat-model.md. What a row promises by "tests" is looked for in the docstrings; what it
argues stands there to be read.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
LAST = {"A": 17, "B": 19, "C": 18, "D": 18, "E": 18, "F": 18, "G": 18, "H": 12, "I": 14}
"""How many attacks of each kind there are: 152."""
ROW = re.compile(r"^\| ([A-I]\d\d) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
ID = re.compile(r"\b[A-I]\d\d\b")
SPAN = re.compile(r"\b([A-I])(\d\d) to \1(\d\d)\b")
TESTED = "tests"
ENOUGH = 40
"""Characters below which nothing is argued."""


def ids_in(text: str) -> set[str]:
    """The ids that a text names, spans ("F01 to F04") included."""
    spans = {f"{kind}{n:02d}" for kind, first, last in SPAN.findall(text) for n in range(int(first), int(last) + 1)}
    return spans | set(ID.findall(text))


@cache
def carried() -> list[tuple[str, set[str]]]:
    """Every test function, and the ids in its docstring."""
    return list(_carried())


def _carried() -> Iterator[tuple[str, set[str]]]:
    for file in sorted((HOUSE / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{file.relative_to(HOUSE)}::{node.name}", ids_in(ast.get_docstring(node) or "")


def table(text: str) -> dict[str, str]:
    """The table's rows: an id, and how it is answered."""
    return {row: answer.strip() for row, _, answer in ROW.findall(text)}


def missing(answers: dict[str, str], tested: set[str]) -> list[str]:
    """What has no answer: one line for each."""
    wanted = {f"{kind}{number:02d}" for kind, last in LAST.items() for number in range(1, last + 1)}
    lines = [f"{row} is not in the table" for row in sorted(wanted - set(answers))]
    lines += [f"{row} is in the table and no attack" for row in sorted(set(answers) - wanted)]
    for row, answer in sorted(answers.items()):
        if answer.startswith(TESTED) and row not in tested:
            lines.append(f"{row} says {TESTED} and none carries it")
        elif not answer.startswith(TESTED) and len(answer) < ENOUGH:
            lines.append(f"{row} has neither a test nor an argument")
    return lines


def test_every_attack_is_answered() -> None:
    """All 152: each row of the table has a test with its id, or says how the design answers it."""
    assert sum(LAST.values()) == 152
    answers = table((HOUSE / "docs" / "threat-model.md").read_text(encoding="utf-8"))
    assert missing(answers, {row for _, ids in carried() for row in ids}) == []


def test_no_test_carries_an_attack_that_is_not_there() -> None:
    """An id that is mistyped would hold nothing."""
    known = {f"{kind}{number:02d}" for kind, last in LAST.items() for number in range(1, last + 1)}
    assert [(test, sorted(ids - known)) for test, ids in carried() if ids - known] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"A01": ""}, "A01 has neither a test nor an argument"),
        ({"A01": "tests"}, "A01 says tests and none carries it"),
        ({"J01": "An argument that is long enough to be one, of nothing."}, "J01 is in the table and no attack"),
    ],
)
def test_a_row_without_an_answer_is_found(change: dict[str, str], said: str) -> None:
    """The first test can fail, for each reason."""
    answers = table((HOUSE / "docs" / "threat-model.md").read_text(encoding="utf-8"))
    tested = {row for _, ids in carried() for row in ids} - {"A01"}
    assert said in missing({**answers, **change}, tested)
    assert "A01 is not in the table" in missing({row: told for row, told in answers.items() if row != "A01"}, tested)
