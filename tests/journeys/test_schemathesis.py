"""The device API against its own OpenAPI document: whatever is asked, the answer is one that the document has."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.devices.printer import Printer

HERE = Path(__file__).parent
MORE = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "0"))
"""For the longer form: so many cases of each call and phase, others at every run (docs/development.md)."""
PRINTERS = 16
PHASES = ("Examples", "Coverage", "Fuzzing", "Stateful")


@pytest.mark.timeout(300 + 60 * MORE)
def test_whatever_is_asked_is_answered_as_documented(world: Any, tmp_path: Path) -> None:
    """I14: no 5xx, no status, reason, header or content beyond the document; good and bad input."""
    world.consent()
    printers = [Printer(world.rooms) for _ in range(PRINTERS + MORE)]
    for printer in printers:
        printer.enrol()
    world.sign_in(world.printer())
    amount = ["--max-examples", str(MORE)] if MORE else ["--generation-deterministic", "--max-examples", "5"]
    run = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            f"--config-file={HERE / 'schemathesis.toml'}",
            "run",
            f"{world.url}/api/v1/openapi.json",
            "--request-timeout=30",
            "--continue-on-failure",
            "--warnings=off",
            *amount,
        ],
        cwd=tmp_path,
        env=os.environ
        | {
            "DEVICE_TOKENS": " ".join(printer.token() for printer in printers),
            "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py"),
            "NO_COLOR": "1",
        },
        check=False,
        text=True,
        capture_output=True,
        timeout=280 + 60 * MORE,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    for phase in PHASES:
        assert re.search(rf"✅ +{phase} \(in ", run.stdout), run.stdout
