"""The device API against its own OpenAPI document: whatever is asked, the answer is one that the document has."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.devices.printer import Printer

HERE = Path(__file__).parent
SECONDS = int(os.environ.get("SCHEMATHESIS_SECONDS", "0"))


@pytest.mark.timeout(max(240, 2 * SECONDS))
def test_whatever_is_asked_is_answered_as_documented(world: Any, tmp_path: Path) -> None:
    """I14: no 5xx, no status, content type or body that the OpenAPI document lacks; all phases, good input and bad."""
    world.consent()
    world.sign_in(world.printer())
    printers = [Printer(world.rooms) for _ in range(16)]
    for printer in printers:
        printer.enrol()
    environment = os.environ | {
        "DEVICE_TOKENS": " ".join(printer.token() for printer in printers),
        "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py"),
        "NO_COLOR": "1",
    }
    amount = ["--max-time", str(SECONDS)] if SECONDS else ["--generation-deterministic", "--max-examples", os.environ.get("N","10")]
    run = subprocess.run(
        [Path(sys.executable).parent / "schemathesis", "run", f"{world.url}/api/v1/openapi.json",
         "--request-timeout", "30", "--continue-on-failure", *os.environ.get("MORE","").split(), *amount],
        cwd=tmp_path, env=environment, check=False, text=True, capture_output=True, timeout=max(200, 2 * SECONDS),
    )
    print(run.stdout, run.stderr)
    assert run.returncode == 0, run.stdout
