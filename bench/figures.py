"""Figures of one part of the benches: shown as they come, and kept as JSON for who writes them down."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Cell = str | float


@dataclass
class Table:
    """A table; ``name`` is how plots find it."""

    name: str
    head: list[str]
    rows: list[list[Cell]] = field(default_factory=list)

    def column(self, title: str) -> list[Any]:
        """Return what stands below a heading."""
        place = self.head.index(title)
        return [row[place] for row in self.rows]


@dataclass
class Figures:
    """The tables of a part."""

    tables: list[Table] = field(default_factory=list)

    def table(self, name: str, *head: str) -> Table:
        """Begin a table."""
        self.tables.append(Table(name, list(head)))
        print("\n" + "\n".join(markdown(self.tables[-1])), flush=True)
        return self.tables[-1]

    def row(self, *cells: Cell) -> None:
        """Add a row to the table that was begun last."""
        self.tables[-1].rows.append(list(cells))
        print(line(cells), flush=True)


def markdown(table: Table) -> list[str]:
    """Return the lines of a table in Markdown."""
    return [line(table.head), "|" + "---|" * len(table.head), *map(line, table.rows)]


def line(cells: Sequence[Cell]) -> str:
    """Return a row in Markdown: three digits are enough of any figure."""
    return "| " + " | ".join(cell if isinstance(cell, str) else rounded(cell) for cell in cells) + " |"


def rounded(figure: float) -> str:
    """Return a figure as people read it."""
    if isinstance(figure, int) or abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return what every part can be asked."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="the short form: it shows that it runs, and little else")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    return parser


def keep(figures: Figures, file: Path | None) -> None:
    """Write the figures down where that was asked for."""
    if file is not None:
        file.write_text(json.dumps([asdict(table) for table in figures.tables], indent=1))


def kept(file: Path) -> list[Table]:
    """Read what :func:`keep` wrote."""
    return [Table(**each) for each in json.loads(file.read_text())]


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_of(pid: int) -> float:
    """Return the MiB that a process has held at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(each.split()[1]) / 1024 for each in lines if each.startswith("VmHWM"))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0 to 1) of the values lie: the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
