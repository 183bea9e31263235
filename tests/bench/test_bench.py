"""The benches: their arithmetic, and that what they find has its place in docs/performance.md."""

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as all_of_them
from bench.figures import Figures, Table, cpu_of, keep, kept, markdown, peak_of, percentile, rounded
from bench.soak import PHASES, broken


def test_percentiles_are_nearest_ranks() -> None:
    """Of a hundred values the 99th is p99 and the 50th is the median; of one it is that one."""
    values = [float(each) for each in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (50.0, 99.0, 100.0)
    assert percentile([7.0], 0.99) == percentile([7.0], 0.0) == 7.0


def test_figures_are_rounded_to_what_they_say() -> None:
    """Three digits; whole numbers whole."""
    assert [rounded(each) for each in (12345, 1234.5, 12.345, 1.2345, 0)] == ["12,345", "1,234", "12.3", "1.23", "0"]


def test_figures_come_back_as_they_were_kept(tmp_path: Path) -> None:
    """A part tells the run what it found by a file, and shows it as Markdown."""
    figures = Figures()
    figures.table("deliver", "devices", "a second")
    figures.row(8, 70.25)
    keep(figures, tmp_path / "part.json")
    [table] = kept(tmp_path / "part.json")
    assert table.column("a second") == [70.25]
    assert markdown(table) == ["| devices | a second |", "|---|---|", "| 8 | 70.2 |"]


def test_a_process_has_used_what_it_says() -> None:
    """CPU and memory of this very process."""
    own = os.times()
    assert cpu_of(os.getpid()) >= own.user + own.system - 0.1
    assert 10 < peak_of(os.getpid()) < 10_000


@pytest.mark.parametrize("part", all_of_them.PARTS)
def test_every_part_can_be_run_and_has_its_place(part: str) -> None:
    """Its module has a main, the document has its marks, and what stood between them is replaced and nothing else."""
    module, _ = all_of_them.PARTS[part]
    assert callable(importlib.import_module(module).main)
    document = all_of_them.DOCUMENT.read_text()
    once = all_of_them.written(document, part, [Table("t", ["a"], [["measured once"]])])
    twice = all_of_them.written(once, part, [Table("t", ["a"], [["measured twice"]])])
    assert "| measured once |" in once
    assert twice == once.replace("| measured once |", "| measured twice |")
    mark = f"<!-- bench {part} -->"
    assert twice.partition(mark)[0] == document.partition(mark)[0]
    with pytest.raises(ValueError, match="no marks"):
        all_of_them.written("nothing", part, [])


def test_the_machine_is_told_without_names() -> None:
    """Cores, Python and load; neither a host's name nor a path."""
    [row] = all_of_them.machine(1.5, quick=False).rows
    assert os.uname().nodename not in {str(each) for each in row}
    assert not any("/" in str(each) for each in row)


KEPT_ALL: dict[str, Any] = {
    "lost": 0,
    "memory_mib": [67.3, 80.0, 86.0],
    "neighbour": {"alone": {"ratio": 1.0}, **{phase: {"ratio": 1.9} for phase, _ in PHASES}},
}


@pytest.mark.parametrize(
    ("what", "promises"),
    [
        ({}, 0),
        ({"lost": 1}, 1),
        ({"memory_mib": [67.3, 80.0, 89.0]}, 1),
        ({"neighbour": {phase: {"ratio": 2.1 if phase == "storage fails" else 1.0} for phase, _ in PHASES}}, 1),
        ({"neighbour": {phase: {"ratio": 1.0} for phase, _ in PHASES[1:]}, "lost": 2}, 2),
    ],
)
def test_a_soak_says_which_promise_it_broke(what: dict[str, Any], promises: int) -> None:
    """Nothing lost, flat memory, a neighbour that is not slowed more than twice: each is judged, and by itself."""
    assert len(broken({**KEPT_ALL, **what})) == promises
