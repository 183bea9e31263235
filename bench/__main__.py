"""All benches in one run, written into ``docs/performance.md``: ``python -m bench [PART ...] [--quick] [--dry]``.

Each part is a process of its own, so that none inherits the memory of another, and can be run alone. What a part shows
replaces what stands between its marks in the document; a part that fails leaves the document as it was, and the run
ends with its error. In the short form the document is written into ``.run/bench`` instead: its figures say nothing.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Table, kept, markdown

HOUSE = Path(__file__).resolve().parent.parent
STATE = HOUSE / ".run" / "bench"
DOCUMENT = HOUSE / "docs" / "performance.md"
PLOTS = {
    "deliver": {
        "performance-deliver": "Deliveries a second, by devices",
        "performance-memory": "Memory and CPU, by the size of a document",
    },
    "renewals": {"performance-renewals": "A run of the keep-alive, by what is stored"},
}
"""What :mod:`bench.plots` draws for a part."""
PARTS = {
    "deliver": ("bench.send", 1800),
    "accept": ("bench.accept", 900),
    "sign-ins": ("bench.sign_ins", 300),
    "renewals": ("bench.renewals", 1200),
    "smtp": ("bench.smtp_proxy", 300),
    "cold": ("bench.cold", 600),
}
"""Module, and seconds after which it is ended."""


def run(part: str, *, quick: bool) -> list[Table]:
    """Run one part; returns its tables.

    Raises:
        subprocess.SubprocessError: it failed, or took too long.
    """
    module, seconds = PARTS[part]
    file = STATE / f"{part}.json"
    file.unlink(missing_ok=True)
    command = [sys.executable, "-m", module, "--json", str(file), *(["--quick"] if quick else [])]
    paths = os.pathsep.join([str(HOUSE), str(HOUSE / "clients" / "python" / "src")])
    # cold says by its end whether its goal is met; the figures say it, too.
    process = subprocess.run(command, cwd=HOUSE, env={**os.environ, "PYTHONPATH": paths}, check=False, timeout=seconds)
    if not file.exists():
        raise subprocess.CalledProcessError(process.returncode, command)
    return kept(file)


def written(document: str, part: str, tables: list[Table]) -> str:
    """Return the document with the tables of a part between its marks.

    Raises:
        ValueError: the document has no such marks.
    """
    begin, end = f"<!-- bench {part} -->", f"<!-- end {part} -->"
    before, found, rest = document.partition(begin)
    _, also, after = rest.partition(end)
    if not found or not also:
        raise ValueError(f"{part} has no marks")
    text = "\n\n".join("\n".join(markdown(table)) for table in tables)
    text += "".join(f"\n\n![{title}]({name}.svg)" for name, title in PLOTS.get(part, {}).items())
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def machine(load: float, *, quick: bool) -> Table:
    """Return what the figures were measured on; no names and no paths."""
    ours = Table("machine", ["when", "cores", "Python", "system", "load before", "form"])
    form = "short" if quick else "full"
    ours.rows.append(
        [f"{datetime.now(UTC):%B %Y}", os.cpu_count() or 0, platform.python_version(), platform.system(), load, form]
    )
    return ours


def plot(tables: list[Table], folder: Path) -> None:
    """Draw, where there is what draws (``.run/bench`` has matplotlib; the app and its tests have not)."""
    file = STATE / "figures.json"
    file.write_text(json.dumps([asdict(table) for table in tables]))
    command = [STATE / "bin" / "python", "-m", "bench.plots", file, folder]
    subprocess.run(command, cwd=HOUSE, check=True, timeout=120)


def main() -> int:
    """Run the parts; 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of: {' '.join(PARTS)}; none means all")
    parser.add_argument("--quick", action="store_true", help="the short form, which writes no document")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {' '.join(sorted(unknown))}")
    STATE.mkdir(parents=True, exist_ok=True)
    document, failed = DOCUMENT.read_text(), []
    found = [machine(os.getloadavg()[0], quick=asked.quick)]
    parts = asked.parts or list(PARTS)
    if parts == list(PARTS):
        document = written(document, "machine", found)
    for part in parts:
        print(f"\n== {part}", flush=True)
        begun = time.monotonic()
        try:
            tables = run(part, quick=asked.quick)
        except subprocess.SubprocessError as error:
            print(f"{part}: {error}", file=sys.stderr)
            failed.append(part)
            continue
        print(f"({time.monotonic() - begun:.0f} seconds)")
        document = written(document, part, tables)
        found += tables
    file = STATE / DOCUMENT.name if asked.quick else DOCUMENT
    file.write_text(document)
    plot(found, file.parent)
    print(f"\nwritten: {file.relative_to(HOUSE)}" + (f"; failed: {' '.join(failed)}" if failed else ""))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
