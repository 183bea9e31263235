"""House rules about the tests themselves: fakes live on the wire, and a test that exists runs.

As in ``rules``: each function goes from one module to its violations; ``RULES`` has a bad sample of each.
"""

import ast
from collections.abc import Iterator

from tests.architecture.rules import Module, Rule, imports, name_of

PATCHES = {"setattr", "setitem", "patch"}
SKIPS = {"skip", "skipif", "xfail", "importorskip", "skipTest"}


def patches_of_our_code(module: Module) -> Iterator[str]:
    """A fake inside our code instead of on the wire: it would prove what the test wrote, not what the code does."""
    if not module.is_in("tests/"):
        return
    for line, name in imports(module.tree):
        if "mock" in name.split("."):
            yield f"line {line}: {name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            receiver, _, called = name_of(node.func).rpartition(".")
            if called in PATCHES and receiver.rpartition(".")[2] in {"monkeypatch", "patch", "mocker"}:
                yield f"line {node.lineno}: {name_of(node.func)}"


def tests_that_do_not_run(module: Module) -> Iterator[str]:
    """A test that is skipped or allowed to fail: it promises what nobody checks."""
    if not module.is_in("tests/"):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            receiver, _, called = name_of(node).rpartition(".")
            if called in SKIPS and receiver in {"pytest", "pytest.mark", "unittest"}:
                yield f"line {node.lineno}: {name_of(node)}"


RULES = (
    Rule("our code is not patched", patches_of_our_code, "tests/test_x.py", "from unittest.mock import patch"),
    Rule(
        "nor by a fixture",
        patches_of_our_code,
        "tests/test_x.py",
        "def test_x(monkeypatch): monkeypatch.setattr('shared.x.y', 1)",
    ),
    Rule("every test runs", tests_that_do_not_run, "tests/test_x.py", "@pytest.mark.skipif(True)\ndef test_x(): ..."),
    Rule("nor does it give up", tests_that_do_not_run, "tests/test_x.py", "def test_x(): pytest.skip('no')"),
)
