"""``python -m local.printer``: the virtual printer on a port of this machine.

With TICKET in the environment a printer that is not enrolled yet enrols itself.
"""

import argparse
import os
import threading
import time
from datetime import datetime
from pathlib import Path

import uvicorn

from local.printer.panel import Panel, enrol
from local.printer.registry import USERS
from to_my_email import Client, Error

_PATIENCE = 60.0
"""Seconds that the printer waits at its start for a service that starts beside it."""
_RESUME_EVERY = 30.0
"""Seconds between two looks for scans that the service did not get."""


def main() -> None:
    """Serve the panel until stopped."""
    parser = argparse.ArgumentParser(prog="python -m local.printer", description=__doc__)
    parser.add_argument("--port", type=int, default=8631)
    parser.add_argument("--service", default="http://127.0.0.1:7071", help="the service's PUBLIC_URL")
    parser.add_argument("--run-dir", type=Path, default=Path(".run"))
    asked = parser.parse_args()

    device = Client(asked.service, asked.run_dir / "printer")
    ticket = os.environ.get("TICKET", "")
    if ticket and device.enrolment is None:
        _enrol(device, ticket)
    threading.Thread(target=_resume, args=(device,), daemon=True).start()
    panel = Panel(device, USERS, lambda: datetime.now().astimezone())
    print(f"virtual printer: http://127.0.0.1:{asked.port}", flush=True)
    uvicorn.run(panel.app(), host="127.0.0.1", port=asked.port, log_level="warning", lifespan="off")


def _enrol(device: Client, ticket: str) -> None:
    """Enrol, waiting for the service; a refusal is printed, and the panel then asks for a ticket."""
    try:
        enrol(device, ticket, _PATIENCE)
    except Error as error:
        print(f"virtual printer: not enrolled: {error}", flush=True)


def _resume(device: Client) -> None:
    """Hand over, now and then, what the service did not get: a power cut or an outage must lose no scan."""
    while True:
        try:
            device.resume()
        except Error as error:
            print(f"virtual printer: {error}", flush=True)
        time.sleep(_RESUME_EVERY)


if __name__ == "__main__":
    main()
