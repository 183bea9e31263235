"""Draws what ``python -m bench`` found: ``.run/bench/bin/python -m bench.plots FIGURES FOLDER``; needs matplotlib."""

import sys
from pathlib import Path

import matplotlib as mpl

from bench.figures import Table, kept

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "bench", "font.size": 9, "figure.figsize": (7, 2.8)})

from matplotlib import pyplot as plt  # noqa: E402  (after what it draws with is chosen)


def save(name: str, folder: Path) -> None:
    """Write a figure down; the same figures give the same file."""
    plt.tight_layout()
    plt.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close()


def deliver(table: Table, folder: Path) -> None:
    """Rates by devices, one picture for each delay."""
    delays = list(dict.fromkeys(table.column("upstream ms")))
    _, places = plt.subplots(1, len(delays), squeeze=False)
    for place, delay in zip(places[0], delays, strict=True):
        for who in dict.fromkeys(table.column("who")):
            rows = [row for row in table.rows if row[0] == delay and row[2] == who]
            place.plot([str(row[1]) for row in rows], [row[3] for row in rows], marker="o", label=who)
        place.set_title(f"{delay} ms upstream")
        place.set_xlabel("devices")
        place.set_ylabel("deliveries a second")
        place.set_yscale("log")
    places[0][0].legend()
    save("performance-deliver", folder)


def memory(table: Table, folder: Path) -> None:
    """Peak memory and CPU by size."""
    _, places = plt.subplots(1, 2)
    for place, title in zip(places, ("peak MiB", "CPU ms each"), strict=True):
        for who in dict.fromkeys(table.column("who")):
            rows = [row for row in table.rows if row[1] == who]
            values = [row[table.head.index(title)] for row in rows]
            place.plot([f"{row[0]:,}" for row in rows], values, marker="o", label=who)
        place.set_xlabel("document, KB")
        place.set_ylabel(title)
        place.set_ylim(bottom=0)
    places[0].legend()
    save("performance-memory", folder)


def renewals(table: Table, folder: Path) -> None:
    """Requests and time of a run by what is stored."""
    _, places = plt.subplots(1, 2)
    stored = [f"{each:,}" for each in table.column("stored")]
    for place, title in zip(places, ("requests to storage", "seconds"), strict=True):
        place.plot(stored, table.column(title), marker="o")
        place.set_xlabel("sign-ins stored, 60 of them due")
        place.set_ylabel(title)
        place.set_ylim(bottom=0)
    save("performance-renewals", folder)


DRAWN = {"deliver": deliver, "deliver by size": memory, "renewals": renewals}


def main() -> None:
    """Draw what there is."""
    for table in kept(Path(sys.argv[1])):
        if table.name in DRAWN:
            DRAWN[table.name](table, Path(sys.argv[2]))


if __name__ == "__main__":
    main()
