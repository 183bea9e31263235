"""``python -m local.printer``: the virtual printer on a port of this machine.

With TICKET in the environment a printer that is not enrolled yet enrols itself.
"""

import argparse
import os
import time
from datetime import datetime
from pathlib import Path

import uvicorn

from local.printer.device import Device
from local.printer.panel import Panel, enrol
from local.printer.problem import UNREACHABLE, Problem
from local.printer.registry import USERS

_PATIENCE = 60
"""Seconds that the printer waits at its start for a service that starts beside it."""


def main() -> None:
    """Serve the panel until stopped."""
    parser = argparse.ArgumentParser(prog="python -m local.printer", description=__doc__)
    parser.add_argument("--port", type=int, default=8631)
    parser.add_argument("--service", default="http://127.0.0.1:7071", help="the service's PUBLIC_URL")
    parser.add_argument("--run-dir", type=Path, default=Path(".run"))
    asked = parser.parse_args()

    device = Device(asked.service, asked.run_dir / "printer")
    ticket = os.environ.get("TICKET", "")
    if ticket and device.enrolment is None:
        _enrol(device, ticket)
    panel = Panel(device, USERS, lambda: datetime.now().astimezone())
    print(f"virtual printer: http://127.0.0.1:{asked.port}", flush=True)
    uvicorn.run(panel.app(), host="127.0.0.1", port=asked.port, log_level="warning", lifespan="off")


def _enrol(device: Device, ticket: str) -> None:
    """Enrol, waiting for the service; a refusal is printed, and the panel then asks for a ticket."""
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            enrol(device, ticket)
        except Problem as problem:
            if problem.reason == UNREACHABLE and time.monotonic() < ends:
                time.sleep(1)
                continue
            print(f"virtual printer: not enrolled: {problem}", flush=True)
        return


if __name__ == "__main__":
    main()
