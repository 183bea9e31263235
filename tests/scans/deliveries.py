"""Delivering in processes that can be killed: ``python -m tests.scans.deliveries``.

It has everything imported and forks for each line of its input, JSON with ``environment`` and ``message``. It answers
with the process id of the fork, which delivers the message and ends.
"""

import importlib
import json
import os
import signal
import sys
from typing import Any

import shared.mail
import shared.organisations
import shared.scans
import shared.storage
import shared.vault  # noqa: F401
from shared import settings
from shared.services import Services


def main() -> None:
    """Serve until the input ends."""
    for vendor in ("azure.data.tables", "azure.storage.blob", "azure.storage.queue", "msal"):
        importlib.import_module(vendor)

    # Who ends is not waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        told: dict[str, Any] = json.loads(line)
        child = os.fork()
        if not child:
            try:
                # Whom this machine trusts says the environment that the tests run in.
                os.environ.update({**told["environment"], **os.environ})
                Services(settings.read(os.environ)).delivery.deliver(told["message"])
            finally:
                os._exit(0)
        print(child, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
