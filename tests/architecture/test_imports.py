"""The import contracts of pyproject.toml hold, and each can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60

SKELETON = ("shared", "shared/faults", "shared/settings", "shared/storage", "shared/scans", "functions", "local")


def lint(house: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter, with the contracts of this house, in a process that sees the tree at ``house``."""
    command: list[str | Path] = [
        Path(sys.executable).with_name("lint-imports"),
        "--no-cache",
        "--config",
        house / "pyproject.toml",
    ]
    return subprocess.run(
        command, cwd=house, capture_output=True, text=True, check=False, timeout=PATIENCE, env={"COLUMNS": "200"}
    )


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A tree with our packages, empty, and our contracts."""
    for package in SKELETON:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    shutil.copy(HOUSE / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_house_keeps_its_contracts() -> None:
    """Nobody here imports against the direction: local, doors, services, rooms, storage, faults."""
    answer = lint(HOUSE)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_an_empty_tree_keeps_them(sample: Path) -> None:
    """What the next test sees broken is broken by the line it adds."""
    answer = lint(sample)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("importer", "imported", "contract"),
    [
        ("shared/scans", "functions", "No room imports a door or local"),
        ("shared/faults", "local", "No room imports a door or local"),
        ("functions", "local", "No door imports local"),
        ("shared/storage", "shared.settings", "Storage stands on faults and on the way out alone"),
        ("shared/faults", "shared.storage", "Faults and settings stand on nothing"),
        ("shared/settings", "shared.scans", "Faults and settings stand on nothing"),
    ],
)
def test_an_import_against_the_direction_is_seen(sample: Path, importer: str, imported: str, contract: str) -> None:
    """Each forbidden import breaks the contract that names it."""
    (sample / importer / "bad.py").write_text(f"def f():\n    import {imported}\n", encoding="utf-8")
    answer = lint(sample)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert f"{contract} BROKEN" in answer.stdout


def test_rooms_that_import_each_other_are_seen(sample: Path) -> None:
    """Two rooms may not need each other at run time; for types alone they may."""
    (sample / "shared/mail").mkdir()
    (sample / "shared/mail/__init__.py").write_text("import shared.scans\n", encoding="utf-8")
    room = sample / "shared/scans/__init__.py"
    room.write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import shared.mail\n", encoding="utf-8")
    assert lint(sample).returncode == 0
    room.write_text("import shared.mail\n", encoding="utf-8")
    answer = lint(sample)
    assert answer.returncode == 1
    assert "No two rooms need each other BROKEN" in answer.stdout
