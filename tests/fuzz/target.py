"""What a target of the fuzzing is, and how inputs are tried."""

from __future__ import annotations

import sys
import time
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

HOUSE = Path(__file__).resolve().parent.parent.parent
Modules = Callable[[str], Any]
"""Gives a module of ours by its name: as it is, or a copy with a planted fault."""
Check = Callable[[Any], None]
"""Tries one input; an AssertionError is a broken promise, and so is any exception that is not documented."""


@dataclass(frozen=True)
class Edit:
    """A text of a module's source, and what stands there instead."""

    module: str
    before: str
    after: str


Planted = tuple[Edit, ...]
"""A fault to be found: one check that is gone. Where several guard the same thing, all of them."""


@dataclass(frozen=True)
class Target:
    """A parser or builder under fuzzing.

    Attributes:
        name: for people.
        promise: what holds for every input.
        share: of 100,000 inputs.
        generate: makes an input that the standard library can print.
        build: makes the check, of our modules or of copies.
        copied: modules that a planted fault needs copies of, each before those that import it.
        planted: faults that must be found.
    """

    name: str
    promise: str
    share: int
    generate: Callable[[Random], Any]
    build: Callable[[Modules], Check]
    copied: tuple[str, ...] = ()
    planted: Sequence[Planted] = field(default_factory=tuple)


@dataclass(frozen=True)
class Finding:
    """An input that broke the promise."""

    target: str
    seed: str
    number: int
    given: Any
    error: str


@dataclass(frozen=True)
class Outcome:
    """What a run of one target came to."""

    inputs: int
    seconds: float
    finding: Finding | None


def run(target: Target, seed: str, inputs: int, modules: Modules = import_module) -> Outcome:
    """Try so many inputs; stop at the first that breaks the promise. The same seed makes the same inputs."""
    check = target.build(modules)
    began = time.process_time()
    for number in range(inputs):
        given = target.generate(Random(f"{seed} {target.name} {number}"))
        try:
            check(given)
        except Exception as error:  # noqa: BLE001  (whatever is raised is the finding)
            told = "".join(traceback.format_exception(error, limit=-4))
            found = Finding(target.name, seed, number, given, told)
            return Outcome(number + 1, time.process_time() - began, found)
    return Outcome(inputs, time.process_time() - began, None)


def with_fault(target: Target, planted: Planted) -> Modules:
    """Return copies of the target's modules, one of which has the fault; ours stay as they are."""
    copies: dict[str, types.ModuleType] = {}
    for name in target.copied:
        original = import_module(name)
        source = Path(str(original.__file__)).read_text(encoding="utf-8")
        for edit in planted:
            if edit.module != name:
                continue
            if source.count(edit.before) != 1:
                raise ValueError(f"{name} has not one place that reads {edit.before!r}")
            source = source.replace(edit.before, edit.after)
        copy = types.ModuleType(f"planted.{name}")
        copy.__package__ = original.__package__
        sys.modules[copy.__name__] = copy  # dataclasses ask for their module
        exec(compile(source, f"planted {name}", "exec"), copy.__dict__)
        _relink(copy, copies)
        copies[name] = copy
    return lambda name: copies.get(name) or import_module(name)


def _relink(copy: types.ModuleType, copies: Mapping[str, types.ModuleType]) -> None:
    """Let a copy use the copies of what it imported."""
    for name, other in copies.items():
        original = import_module(name)
        for known, value in list(copy.__dict__.items()):
            if value is original:
                copy.__dict__[known] = other
            elif known in other.__dict__ and value is original.__dict__.get(known) and not known.startswith("__"):
                copy.__dict__[known] = other.__dict__[known]
