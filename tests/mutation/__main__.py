"""Mutation run over the security code: ``python -m tests.mutation``, see docs/development.md.

Results are kept in ``.run/mutation`` by the text of module and mutant, so a run that was stopped goes on where
it was. Survivors that change nothing stand in ``survivors.json`` with the reason; any other counts against the share
of killed ones that is wanted. With ``--minutes`` mutants are drawn by chance, and the share is an estimate.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.mutation.mutants import mutants
from tests.mutation.run import HOUSE, judge_and_keep, load
from tests.mutation.targets import TARGETS

KEPT = HOUSE / ".run" / "mutation"
REASONS = Path(__file__).with_name("survivors.json")
WANTED = 0.95


def main() -> int:
    """Run, print, and say by the exit code whether enough was noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; none: all")
    parser.add_argument("--full", action="store_true", help="every target, and what is kept from before is tried again")
    parser.add_argument("--minutes", type=float, help="for all together; without, every mutant is tried")
    parser.add_argument(
        "--jobs", type=int, default=1, help="targets at once; a test waits for storage half of its time"
    )
    parser.add_argument("--report", action="store_true", help="run nothing, say what is known")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    asked = parser.parse_args()
    chosen = asked.targets or list(TARGETS)
    known = {} if asked.full else load(KEPT)
    reasons = json.loads(REASONS.read_text(encoding="utf-8"))
    argued = {
        mutant.digest
        for name in chosen
        for module in TARGETS[name].modules
        for mutant in mutants(HOUSE, module)
        if mutant.name in reasons
    }
    if not asked.report:  # a survivor that nobody argued for is tried again: a test may have come
        known = {digest: told for digest, told in known.items() if told.startswith("killed") or digest in argued}
    broken: list[str] = []
    if not asked.report:
        shares = _shared_out(chosen, known, asked.minutes, asked.jobs)
        with ThreadPoolExecutor(asked.jobs) as pool:
            for found in pool.map(lambda name: _in_a_process_of_its_own(name, known, shares[name]), chosen):
                broken += found
        known.update(load(KEPT))
    return report(chosen, known, broken, asked.json)


def _shared_out(chosen: list[str], known: dict[str, str], minutes: float | None, jobs: int) -> dict[str, float | None]:
    """Return what each target gets of the minutes: by how many mutants it has to try."""
    wanted = {
        name: sum(mutant.digest not in known for module in TARGETS[name].modules for mutant in mutants(HOUSE, module))
        for name in chosen
    }
    every = max(1, sum(wanted.values()))
    return {name: minutes * jobs * wanted[name] / every if minutes else None for name in chosen}


def _in_a_process_of_its_own(name: str, known: dict[str, str], minutes: float | None) -> list[str]:
    """Judge one target; what it imports and leaves behind goes with the process."""
    context = multiprocessing.get_context("spawn")
    queue: Any = context.SimpleQueue()
    process = context.Process(target=judge_and_keep, args=(name, KEPT, known, minutes, queue))
    process.start()
    process.join()
    return list(queue.get()) if not queue.empty() else [f"{name}: the run itself died"]


def report(chosen: list[str], known: dict[str, str], broken: list[str], file: Path | None) -> int:
    """Print what became of every mutant and return the exit code."""
    reasons: dict[str, str] = json.loads(REASONS.read_text(encoding="utf-8"))
    counted: Counter[str] = Counter()
    open_: list[str] = []
    by_module: dict[str, Counter[str]] = {}
    for name in chosen:
        for module in TARGETS[name].modules:
            of_module = by_module.setdefault(module, Counter())
            for mutant in mutants(HOUSE, module):
                result = known.get(mutant.digest, "not tried")
                kind = "killed" if result.startswith("killed") else result
                if kind in {"survived", "not reached"}:
                    if mutant.name in reasons:
                        kind = "argued"
                    else:
                        open_.append(f"{result}: {mutant.name} (line {mutant.line})")
                of_module[kind] += 1
            counted += of_module
    print()
    for module, of_module in by_module.items():
        print(f"{module}: {', '.join(f'{count} {kind}' for kind, count in sorted(of_module.items()))}")
    print("\n".join(["", *open_, *(f"does not pass by itself: {test}" for test in broken)]))
    tried = sum(counted.values()) - counted["not tried"]
    judged = tried - counted["argued"]
    share = counted["killed"] / judged if judged else 0.0
    figures = {**counted, "mutants": sum(counted.values()), "share": round(share, 4)}
    if file is not None:
        file.write_text(json.dumps({"figures": figures, "survivors": open_}, indent=1), encoding="utf-8")
    print(
        f"mutation: {counted['killed']} of {judged} mutants killed ({share:.1%}), "
        f"{counted['argued']} change nothing (argued), {counted['not tried']} not tried"
    )
    return 0 if share >= WANTED and not broken else 1


if __name__ == "__main__":
    sys.exit(main())
