"""Runs a room's tests once to see which lines each reaches, then once more for every mutant of these lines.

A mutant is tried in a fork of the process that has everything imported and collected, so it costs what its tests
cost: those that reach its line, the quickest first, until one fails. The mutated functions get the mutant's code in
the fork alone; constants are replaced in every module that imported them.

Why not mutmut or cosmic-ray: both start pytest anew for each mutant, and with it Azurite (a second or two, two
thousand times); neither knows which lines a test reaches; neither takes a guard away as a whole.
"""

from __future__ import annotations

import ast
import json
import math
import os
import random
import signal
import sys
import time
import types
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.mutants import Mutant, mutants
from tests.mutation.targets import TARGETS, Target

HOUSE = Path(__file__).resolve().parent.parent.parent
TOOL = 3
"""A free id of sys.monitoring."""
SLOWEST = 20.0
"""Seconds that a mutant gets beside five times what its tests took."""
MOST_EXAMPLES = 60
"""Of each property, for each mutant."""


@dataclass
class Reached:
    """What one test reached, and how long it took."""

    seconds: float
    lines: frozenset[tuple[str, int]]


@dataclass
class Run:
    """A plugin for pytest: instead of running the tests it runs them against mutants.

    Args:
        target: what is mutated, and by which tests it is judged.
        known: results by digest that are not asked for again.
        minutes: how long mutants are begun, in an order by chance; None: all of them, in order.
        note: called with each mutant and its result.
    """

    target: Target
    known: dict[str, str]
    minutes: float | None
    note: Any
    broken: list[str] = field(default_factory=list)
    found: list[Mutant] = field(default_factory=list)

    def pytest_configure(self, config: pytest.Config) -> None:
        """Let hypothesis stop at what it finds, and remember nothing."""
        import hypothesis

        phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
        hypothesis.settings.register_profile("mutation", phases=phases, database=None, derandomize=True, deadline=None)
        hypothesis.settings.load_profile("mutation")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of pytest's own loop."""
        made = [mutant for file in self.target.modules for mutant in mutants(HOUSE, file)]
        self.found = made
        wanted = [mutant for mutant in made if mutant.digest not in self.known]
        if not wanted:
            return True
        until = time.time() + 60 * self.minutes if self.minutes is not None else math.inf
        if self.minutes is not None:
            # By the day, as everything by chance here: whoever asks again today gets the same.
            random.Random(date.today().isoformat()).shuffle(wanted)  # noqa: DTZ011
        reached = self._look(session.items)
        for item in session.items:
            _shorten(item)
        killers: list[str] = []
        for mutant in wanted:
            if time.time() > until:
                break
            tests = [item for item in session.items if _covers(reached.get(item.nodeid), mutant)]
            # What killed before kills again; among the rest, the quick ones first.
            tests.sort(key=lambda item: (item.nodeid not in killers[-8:], reached[item.nodeid].seconds))
            result = self._try(mutant, tests, reached) if tests else "not reached"
            if result.startswith("killed by tests"):
                killers.append(result.removeprefix("killed by "))
            self.note(mutant, result)
        return True

    def _look(self, items: list[pytest.Item]) -> dict[str, Reached]:
        """Run every test once and write down which lines it reached.

        It also makes what the session shares, Azurite above all: the forks find it there, and start none of their own.
        """
        files = {str(HOUSE / file): file for file in self.target.modules}
        lines: set[tuple[str, int]] = set()

        def met(code: types.CodeType, line: int) -> Any:
            if code.co_filename in files:
                lines.add((files[code.co_filename], line))
            return sys.monitoring.DISABLE

        sys.monitoring.use_tool_id(TOOL, "mutation")
        sys.monitoring.register_callback(TOOL, sys.monitoring.events.LINE, met)
        sys.monitoring.set_events(TOOL, sys.monitoring.events.LINE)
        reached = {}
        for item in items:
            lines.clear()
            sys.monitoring.restart_events()
            began = time.perf_counter()
            # With a next test, the session's own fixtures stay.
            reports = runtestprotocol(item, log=False, nextitem=items[0] if item is items[-1] else items[-1])
            if any(report.failed for report in reports):
                self.broken.append(item.nodeid)
            else:
                reached[item.nodeid] = Reached(time.perf_counter() - began, frozenset(lines))
        sys.monitoring.set_events(TOOL, 0)
        sys.monitoring.free_tool_id(TOOL)
        return reached

    def _try(self, mutant: Mutant, tests: list[pytest.Item], reached: dict[str, Reached]) -> str:
        limit = SLOWEST + 5 * sum(reached[item.nodeid].seconds for item in tests)
        reading, writing = os.pipe()
        sys.stdout.flush()
        if (child := os.fork()) == 0:
            os.setpgid(0, 0)
            os.close(reading)
            try:
                os.write(writing, _judge(mutant, tests).encode())
            finally:
                os._exit(0)
        os.close(writing)
        ended = time.time() + limit
        while time.time() < ended:
            if os.waitpid(child, os.WNOHANG)[0]:
                break
            time.sleep(0.01)
        else:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
        with os.fdopen(reading) as pipe:
            return pipe.read() or "killed by time"


def _shorten(item: pytest.Item) -> None:
    """Let a property be tried with fewer examples."""
    import hypothesis

    name = "_hypothesis_internal_use_settings"
    function = getattr(item, "obj", None)
    if (settings := getattr(function, name, None)) is not None:
        shorter = hypothesis.settings(settings, max_examples=min(settings.max_examples, MOST_EXAMPLES))
        setattr(getattr(function, "__func__", function), name, shorter)


def _covers(reached: Reached | None, mutant: Mutant) -> bool:
    if reached is None:
        return False
    if not mutant.owner:
        return any(file == mutant.file for file, _ in reached.lines)
    return (mutant.file, mutant.line) in reached.lines


def _judge(mutant: Mutant, tests: Iterable[pytest.Item]) -> str:
    """Put a mutant in place and run tests until one fails; only ever in a fork."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    try:
        put_in_place(mutant)
    except Exception as error:  # noqa: BLE001  (a module that cannot even be loaded is noticed by everybody)
        return f"killed by loading: {type(error).__name__}"
    tests = list(tests)
    for item in tests:
        following = tests[0] if item is tests[-1] else tests[-1]
        for report in runtestprotocol(item, log=False, nextitem=following):
            if report.failed:
                return f"killed by {item.nodeid}"
    return "survived"


def put_in_place(mutant: Mutant) -> None:
    """Give the loaded module's functions the code of the mutant, and its constants their new values."""
    name = mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    module = sys.modules[name]
    changed = types.ModuleType(name)
    changed.__dict__.update(__file__=str(HOUSE / mutant.file), __package__=module.__package__)
    registered = sys.modules[name]
    sys.modules[name] = changed  # dataclasses ask for the module by name
    try:
        exec(compile(ast.parse(mutant.source), str(HOUSE / mutant.file), "exec"), changed.__dict__)
    finally:
        sys.modules[name] = registered
    new = dict(_functions(changed))
    for path, function in _functions(module):
        if path in new:
            function.__code__ = new[path].__code__
    if mutant.owner:
        return
    for constant in _assigned(mutant.source):
        before, after = module.__dict__.get(constant), changed.__dict__.get(constant)
        if isinstance(before, types.FunctionType | type):
            continue
        for other in list(sys.modules.values()):
            names = getattr(other, "__dict__", {})
            if names.get(constant) is before and constant in names:
                names[constant] = after


def _assigned(source: str) -> Iterator[str]:
    for statement in ast.parse(source).body:
        for target in getattr(statement, "targets", [getattr(statement, "target", None)]):
            for each in ast.walk(target) if target is not None else ():
                if isinstance(each, ast.Name):
                    yield each.id


def _functions(module: types.ModuleType) -> Iterator[tuple[str, types.FunctionType]]:
    """Yield every function and method that a module defines itself."""
    waiting: list[tuple[str, Any]] = list(module.__dict__.items())
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, type) and value.__module__ == module.__name__ and path.count(".") < 2:
            waiting += [(f"{path}.{name}", member) for name, member in vars(value).items()]
        for attribute in ("__func__", "fget", "func", "__wrapped__"):
            inner = getattr(value, attribute, None)
            if isinstance(inner, types.FunctionType):
                waiting.append((f"{path}:{attribute}", inner))
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
            yield path, value


def judge(target: Target, known: dict[str, str], minutes: float | None, note: Any) -> Run:
    """Run a target; ``note`` hears of every result."""
    run = Run(target, known, minutes, note)
    pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", *target.tests], plugins=[run])
    return run


def load(folder: Path) -> dict[str, str]:
    """Return the results that were kept, of all targets."""
    kept: dict[str, str] = {}
    for file in sorted(folder.glob("*.results.json")):
        kept.update(json.loads(file.read_text(encoding="utf-8")))
    return kept


def judge_and_keep(name: str, folder: Path, known: dict[str, str], minutes: float | None, broken: Any) -> None:
    """Run a target in this process and keep every result as it comes; ``broken`` is told which tests fail anyway."""
    file = folder / f"{name}.results.json"
    mine = {mutant.digest for module in TARGETS[name].modules for mutant in mutants(HOUSE, module)}
    kept = {digest: told for digest, told in {**load(folder), **known}.items() if digest in mine}

    def note(mutant: Mutant, result: str) -> None:
        kept[mutant.digest] = result
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(kept, indent=0), encoding="utf-8")
        if not result.startswith("killed"):
            print(f"{result}: {mutant.name} (line {mutant.line})", flush=True)

    broken.put(judge(TARGETS[name], known, minutes, note).broken)
