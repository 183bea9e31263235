"""Everything that is proven, in one run: ``make proof``, or ``python -m bench.proof [part …]``.

Each part is a program of its own, bounded in time; one that fails or takes too long is told as such, and the others run
on. What they found (``.run/proof/*.json``) becomes ``.run/proof/report.md``, and the table of docs/reliability.md
between its two marks.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

HOUSE = Path(__file__).resolve().parent.parent
KEPT = HOUSE / ".run" / "proof"
PAGE = HOUSE / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: begin (make proof) -->", "<!-- figures: end -->"
PYTEST = (*("-m", "pytest", "-q", "--proof"), "--timeout=2400")


@dataclass(frozen=True)
class Part:
    """One part: a line of the report, what Python is to run, and how many minutes it may take."""

    name: str
    shows: str
    command: tuple[str, ...]
    minutes: int


PARTS = (
    Part(
        "crash",
        "kill -9 before and after each call",
        (*PYTEST, "-n5", *(f"tests/proof/test_killed_{each}.py" for each in ("deliveries", "requests", "sign_ins"))),
        18,
    ),
    Part("storage", "storage that misbehaves", (*PYTEST, "tests/proof/test_storage.py"), 9),
    Part("history", "eight workers, one history", (*PYTEST, "tests/proof/test_history.py"), 4),
    Part("refresh", "512 workers at an expiry", (*PYTEST, "tests/vault/test_refresh.py", "-k", "expiry_costs_one"), 3),
    Part("soak", "32 devices for ten minutes", ("-m", "bench.soak"), 14),
    Part(
        "fuzz", "parsers and builders under made-up input", ("-m", "tests.fuzz", "--json", str(KEPT / "fuzz.json")), 4
    ),
    Part(
        "mutation",
        "security tests fail without their checks",
        ("-m", "tests.mutation", "--full", "--jobs", "3", "--json", str(KEPT / "mutation.json")),
        20,
    ),
)


def run(part: Part) -> dict[str, Any]:
    """Run a part; returns how it went."""
    print(f"== {part.name}: {part.shows}", flush=True)
    begun, log = monotonic(), KEPT / f"{part.name}.log"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *part.command],
            cwd=HOUSE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            result = "passed" if process.wait(part.minutes * 60) == 0 else "failed"
        except subprocess.TimeoutExpired:
            result = f"not done after {part.minutes} minutes"
        finally:
            # Whatever it left behind: it has a session of its own.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    last = next((line for line in reversed(log.read_text("utf-8", "replace").splitlines()) if line.strip()), "")
    print(f"   {result} after {monotonic() - begun:.0f} s; {log.relative_to(HOUSE)}", flush=True)
    return {"result": result, "seconds": round(monotonic() - begun), "last": last[:200]}


def figures() -> dict[str, Any]:
    """What the parts wrote down."""
    return {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in sorted(KEPT.glob("*.json"))
        if path.name != "report.json"
    }


def lines(told: dict[str, Any]) -> list[str]:
    """The table of figures."""
    made = ["| what | how much | outcome |", "|---|---|---|"]
    for name, each in told["figures"].items():
        kind, _, which = name.partition("-")
        made += LINES[kind](which, each) if kind in LINES else []
    return made


def _crash(which: str, each: dict[str, Any]) -> list[str]:
    what = " sign-ins" * which.startswith("re")
    outcome = [f"{each['lost']}{what} lost", *(f"{count} {end}" for end, count in each.get("ends", {}).items())]
    if "longest_seconds" in each:
        outcome.append(f"taken up after {each['longest_seconds']:.0f} s at most")
    chance = f", and {each['by_chance']} by chance" if each["by_chance"] else ""
    return [f"| killed: {which} | {each['points']} moments{chance} | {', '.join(outcome)} |"]


def _storage(_: str, each: dict[str, Any]) -> list[str]:
    met = each["requests"]
    wrong = sum(count for fault, count in met.items() if fault != "let through")
    much = f"{each['lives']} lives, {sum(met.values())} requests, {wrong} of them disturbed"
    return [f"| storage misbehaves | {much} | {each['lost']} lost, {each['doubled']} doubled |"]


def _history(which: str, each: dict[str, Any]) -> list[str]:
    much = f"{each['workers']} workers, {each['operations']} operations"
    return [f"| history, rotation {which} | {much} | {each['anomalies']} anomalies |"]


def _soak(_: str, each: dict[str, Any]) -> list[str]:
    ends = ", ".join(f"{count} {end}" for end, count in each["ends"].items())
    first, warm, last = each["memory_mib"]
    memory = f"{first} MiB at first, {warm} warm, {last} at the end: {each['memory_mib_per_hour']} MiB an hour"
    alone = each["neighbour"]["alone"]["p50"]
    ratios = ", ".join(
        f"{phase} {found['ratio']} (one of {found['scans']} waited {found['longest']} s)"
        for phase, found in each["neighbour"].items()
        if phase != "alone"
    )
    killed = each["trouble"].get("worker killed", 0)
    much = f"{each['devices']} devices, {each['accepted']} scans, {killed} workers killed"
    load = f"load {each['load'][0]} to {each['load'][1]}"
    return [
        f"| soak, {each['minutes']} minutes, {load} | {much} | {each['lost']} lost, {ends} |",
        f"| its memory | a worker that lived through it | {memory} |",
        f"| its neighbour | median wait, as a multiple of the {alone} s alone | {ratios} |",
    ]


def _fuzz(_: str, each: dict[str, Any]) -> list[str]:
    return [f"| made-up input | {each['inputs']:,} inputs | {each['findings']} findings |"]


def _mutation(_: str, each: dict[str, Any]) -> list[str]:
    found = each["figures"]
    argued, left = found.get("argued", 0), len(each["survivors"])
    outcome = f"{found.get('killed', 0)} noticed ({found['share']:.1%}), {argued} change nothing, {left} open"
    return [f"| a check taken away | {found['mutants']:,} changes to the security code | {outcome} |"]


LINES = {
    "crash": _crash,
    "storage": _storage,
    "history": _history,
    "soak": _soak,
    "fuzz": _fuzz,
    "mutation": _mutation,
}


def write(told: dict[str, Any]) -> None:
    """Write the report, and the table of the page."""
    head = (
        f"Run of {told['when']}: {told['cores']} cores, Python {told['python']}, load {told['load'][0]} at its begin "
        f"and {told['load'][1]} at its end."
    )
    parts = ["| part | shows | result | seconds |", "|---|---|---|---|"]
    parts += [
        f"| {part.name} | {part.shows} | {told['parts'][part.name]['result']} | {told['parts'][part.name]['seconds']} |"
        for part in PARTS
        if part.name in told["parts"]
    ]
    text = "\n".join([head, "", *parts, "", *lines(told)])
    (KEPT / "report.json").write_text(json.dumps(told, indent=1), "utf-8")
    last = [f"- {name}: `{each['last']}`" for name, each in told["parts"].items()]
    (KEPT / "report.md").write_text("\n".join(["# Proof", "", text, "", "Last lines:", "", *last, ""]), "utf-8")
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")


def main() -> int:
    """Run the parts; 0 only if all that are there passed."""
    parser = argparse.ArgumentParser(prog="python -m bench.proof", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(part.name for part in PARTS)}; none: all")
    asked = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    chosen = [part for part in PARTS if part.name in (asked.parts or [part.name])]
    earlier = KEPT / "report.json"
    kept: dict[str, Any] = json.loads(earlier.read_text("utf-8"))["parts"] if asked.parts and earlier.exists() else {}
    for path in KEPT.glob("*.json"):
        if not asked.parts or path.stem.partition("-")[0] in asked.parts:
            path.unlink()
    load = [round(os.getloadavg()[0], 1)]
    results = {part.name: run(part) for part in chosen}
    load.append(round(os.getloadavg()[0], 1))
    told = {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": load,
        "parts": {**kept, **results},
        "figures": figures(),
    }
    write(told)
    print(f"\n{(KEPT / 'report.md').relative_to(HOUSE)}, {PAGE.relative_to(HOUSE)}")
    return int(any(each["result"] != "passed" for each in results.values()))


if __name__ == "__main__":
    sys.exit(main())
