"""The mutation run itself: what it changes, and that it sees what the tests see."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.mutants import mutants
from tests.mutation.run import HOUSE
from tests.mutation.targets import TARGETS

SAMPLE = '''
LIMIT = 300
KNOWN = {"a", "b"}


def check(one, two):
    """Check."""
    if one is None or two > LIMIT:
        raise ValueError("no")
    require(one)
    log.info("seen")
    return decode(one, audience=two) if not two else True
'''
CHANGES = [
    ("LIMIT = 300", "LIMIT = 600"),
    ("'a', 'b'", "'b'"),
    ("one is None or two > LIMIT", "False"),
    ("one is None or two", "two"),
    ("two > LIMIT", "two >= LIMIT"),
    ("raise ValueError('no')", "pass"),
    ("require(one)", "pass"),
    ("audience=two", ""),
    ("not two", "two"),
    ("True", "False"),
]


def test_each_kind_of_check_is_taken_away(tmp_path: Path) -> None:
    """Guards, operands, comparisons, constants, raises, calls, elements and keywords; no word for the log."""
    (tmp_path / "sample.py").write_text(SAMPLE)
    made = mutants(tmp_path, "sample.py")
    assert len({mutant.name for mutant in made}) == len({mutant.source for mutant in made}) == len(made)
    for mutant in made:
        compile(mutant.source, "sample.py", "exec")
        assert "log.info('seen')" in mutant.source
    for before, after in CHANGES:
        assert any(before not in mutant.source and after in mutant.source for mutant in made), before


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_target_names_is_there(name: str) -> None:
    """A module or test that was renamed is not forgotten."""
    for file in (*TARGETS[name].modules, *TARGETS[name].tests):
        assert (HOUSE / file).is_file(), file


def test_every_argued_survivor_is_a_mutant_and_says_why() -> None:
    """A reason is for a mutant that exists; one that is gone would argue for nothing."""
    argued: dict[str, str] = json.loads((HOUSE / "tests/mutation/survivors.json").read_text("utf-8"))
    names = {
        mutant.name for target in TARGETS.values() for module in target.modules for mutant in mutants(HOUSE, module)
    }
    assert sorted(set(argued) - names) == []
    assert [name for name, reason in argued.items() if len(reason) < 20] == []


def test_the_checks_on_keys_and_signatures_are_all_noticed(tmp_path: Path) -> None:
    """D05, D07, D12: what is taken out of these three modules fails a test, or is argued to change nothing."""
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation", "--full", "keys", "--json", str(file)],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(file.read_text("utf-8"))
    assert told["survivors"] == [], done.stdout
    assert told["figures"]["killed"] > 40
