"""Fuzzing of what takes input from outside: ``python -m tests.fuzz``, see docs/development.md.

The seed is the day, or what ``--seed`` says; a finding is printed with what makes it again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.fuzz import devices, doors, mail, sealed, stored, tokens
from tests.fuzz.target import HOUSE, Target, run

FULL = 10
"""How many times as many inputs a full run tries."""
INPUTS = 100_000


def main() -> int:
    """Run, print, and say by the exit code whether anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--full", action="store_true", help=f"{FULL} times as many inputs")
    parser.add_argument("--inputs", type=int, default=INPUTS, help="of all targets together")
    parser.add_argument("--seed", default=f"{datetime.now(UTC):%Y-%m-%d}", help="makes the same inputs again")
    parser.add_argument("--target", help="this one alone, by its name")
    parser.add_argument(
        "--atheris", metavar="TARGET", help="guided by coverage, until Ctrl-C (libFuzzer's own options may follow)"
    )
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    asked, rest = parser.parse_known_args()
    if asked.atheris:
        return guided(asked.atheris, rest)
    inputs = asked.inputs * (FULL if asked.full else 1)
    with stored.served() as services:
        targets = (
            *mail.TARGETS,
            *tokens.TARGETS,
            *devices.TARGETS,
            *sealed.TARGETS,
            *doors.TARGETS,
            *stored.targets(services),
        )
        chosen = [target for target in targets if asked.target in {None, target.name}]
        return report(chosen, asked.seed, inputs, asked.json)


def report(targets: list[Target], seed: str, inputs: int, file: Path | None) -> int:
    """Run targets, print what came of it, and return the exit code."""
    figures: dict[str, object] = {"seed": seed}
    tried, seconds, found = 0, 0.0, 0
    for target in targets:
        outcome = run(target, seed, target.share * inputs // INPUTS)
        tried, seconds = tried + outcome.inputs, seconds + outcome.seconds
        figures[target.name] = {"inputs": outcome.inputs, "seconds": round(outcome.seconds, 2)}
        print(f"{target.name}: {outcome.inputs} inputs, {outcome.seconds:.1f} s; {target.promise}", flush=True)
        if outcome.finding:
            found += 1
            print(f"FOUND: {outcome.finding.error}\ninput {outcome.finding.number}: {outcome.finding.given!r}")
            print(f"again: python -m tests.fuzz --target {target.name!r} --seed {seed!r} --inputs {inputs}")
    if file is not None:
        told = {"inputs": tried, "findings": found, "cpu_seconds": round(seconds, 1), **figures}
        file.write_text(json.dumps(told, indent=1), encoding="utf-8")
    print(
        f"fuzz: {tried} inputs for {len(targets)} targets, {found} findings, {seconds:.0f} s of one core, seed {seed}"
    )
    return 1 if found or not targets else 0


def guided(name: str, rest: list[str]) -> int:
    """Run a target under atheris, in an environment of its own (it is no dependency of anything here)."""
    environment = HOUSE / ".run" / "atheris"
    python = environment / "bin" / "python"
    if not (environment / "installed").exists():
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        here = Path(sys.prefix) / "lib" / version / "site-packages"
        for command in (
            [sys.executable, "-m", "venv", str(environment)],
            [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "atheris"],
        ):
            subprocess.run(command, check=True, timeout=600)
        # What the tests have is found behind what atheris brings.
        (environment / "lib" / version / "site-packages" / "house.pth").write_text(f"{here}\n", encoding="utf-8")
        (environment / "installed").touch()
    corpus = HOUSE / ".run" / "corpus" / name.replace(" ", "-")
    corpus.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [str(python), "-m", "tests.fuzz.guided", name, str(corpus), *rest],
        check=False,
        cwd=HOUSE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
