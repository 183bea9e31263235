"""A room's names, imported when somebody asks for them (PEP 562).

A room whose ``__init__`` imported all its modules would make every door pay for them: ``requests`` alone is a sixth of
a cold start, and most first requests of a door do not need it (docs/cold-start.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def exported(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for ``package``; ``names`` says in which of its modules each name is."""

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{names[name]}"), name)

    return find
