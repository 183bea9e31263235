"""The house keeps its rules, and each rule can fail."""

from pathlib import Path

import pytest

from tests.architecture import rules, rules_of_tests
from tests.architecture.rules import Module, Rule, homeless_modules, modules, violations

HOUSE = Path(__file__).resolve().parent.parent.parent
RULES = (*rules.RULES, *rules_of_tests.RULES)
BY_PROMISE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.promise)


def write(house: Path, path: str, source: str) -> None:
    """Put one file into a sample tree."""
    file = house / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, encoding="utf-8")


@pytest.fixture(scope="session")
def tree() -> list[Module]:
    """Every module of this house, read once."""
    return modules(HOUSE)


@pytest.mark.parametrize("rule", {rule.breaks: rule for rule in RULES}.values(), ids=lambda rule: rule.breaks.__name__)
def test_the_house_keeps_the_rule(rule: Rule, tree: list[Module]) -> None:
    """No module of this house breaks the rule; its docstring says what it forbids. One is I12: no MAC meets ``==``."""
    assert violations(rule, tree) == [], rule.breaks.__doc__


@BY_PROMISE
def test_the_rule_can_fail(rule: Rule, tmp_path: Path) -> None:
    """A tree with one bad file breaks the rule, in that file."""
    write(tmp_path, rule.bad_path, rule.bad_source)
    found = violations(rule, modules(tmp_path))
    assert found
    assert all(violation.startswith(rule.bad_path) for violation in found)


@BY_PROMISE
def test_good_code_breaks_nothing(rule: Rule, tmp_path: Path) -> None:
    """What the house means to allow is allowed."""
    write(tmp_path, "function_app.py", "import azure.functions as func\napp = func.FunctionApp()\n")
    write(tmp_path, "shared/settings.py", "import os\nvalues = os.environ\n")
    write(tmp_path, "shared/storage/__init__.py", '"""Rows."""\nfrom azure.data.tables import TableClient\n')
    write(
        tmp_path,
        "shared/storage/tables.py",
        "def f(url, key, table):\n"
        "    table.query_entities('RowKey ge @key', parameters={'key': key})\n"
        "    return TableClient(url), f'as {key} le plus', requests.get(url, timeout=5), {}.get(url)\n",
    )
    write(tmp_path, "shared/services.py", "from datetime import UTC, datetime\nnow = datetime.now(UTC)\n")
    write(tmp_path, "local/run.py", "import os\nprint(os.environ)\n")
    write(tmp_path, "tests/test_x.py", "def test_x(monkeypatch):\n    monkeypatch.setenv('A', 'b')\n")
    assert violations(rule, modules(tmp_path)) == []


def test_every_folder_of_modules_is_a_package() -> None:
    """Nothing under shared/, functions/ or local/ lies outside a package, where no docstring introduces it."""
    assert homeless_modules(HOUSE) == []


def test_a_folder_without_init_is_found(tmp_path: Path) -> None:
    """The rule about packages can fail."""
    write(tmp_path, "shared/__init__.py", '"""x"""')
    write(tmp_path, "shared/lost/x.py", "")
    assert homeless_modules(tmp_path) == ["shared/lost"]
