"""One target under atheris: its generator draws from the bytes that libFuzzer evolves, so coverage guides the grammar.

Started by ``python -m tests.fuzz --atheris TARGET``, which makes the environment that has atheris.
"""

from __future__ import annotations

import sys
from random import Random
from typing import Any

import atheris

with atheris.instrument_imports(include=["shared", "functions"]):
    from tests.fuzz import devices, doors, mail, sealed, tokens

    TARGETS = (*mail.TARGETS, *tokens.TARGETS, *devices.TARGETS, *sealed.TARGETS, *doors.TARGETS)
    for each in TARGETS:
        each.build(lambda name: __import__(name, fromlist=["_"]))


class Drawn(Random):
    """Random numbers that are the input's bytes, and zero where they end."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._left = int.from_bytes(data, "little")

    def getrandbits(self, k: int) -> int:
        """The next ``k`` bits."""
        drawn = self._left & ((1 << k) - 1)
        self._left >>= k
        return drawn

    def random(self) -> float:
        """The next 16 bits as a fraction."""
        return self.getrandbits(16) / 65536


def main() -> None:
    """Run until something is found."""
    name = sys.argv.pop(1)
    [target] = [each for each in TARGETS if each.name == name]
    check: Any = target.build(lambda module: __import__(module, fromlist=["_"]))

    def one(data: bytes) -> None:
        given = target.generate(Drawn(data))
        try:
            check(given)
        except Exception:
            print(f"FOUND by {given!r}", file=sys.stderr)
            raise

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


main()
