"""Looking at sign-ins in processes that can be killed: ``python -m tests.mailboxes.lookers``.

It has everything imported and forks for each line of its input, JSON with ``environment``, ``sign_in`` and ``device``.
It answers with the process id of the fork, which looks once at the sign-in, and so activates it where it can, and ends.
"""

import importlib
import json
import os
import signal
import sys
from typing import Any

import shared.identity
import shared.mail
import shared.mailboxes
import shared.organisations
import shared.storage
import shared.vault  # noqa: F401
from shared import settings
from shared.services import Services


def main() -> None:
    """Serve until the input ends."""
    for name in ("azure.data.tables", "msal", "shared.mailboxes.sign_ins", "shared.identity.device_code"):
        importlib.import_module(name)

    # Who ends is not waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        told: dict[str, Any] = json.loads(line)
        child = os.fork()
        if not child:
            try:
                # Whom this machine trusts says the environment that the tests run in.
                os.environ.update({**told["environment"], **os.environ})
                rooms = Services(settings.read(os.environ))
                rooms.mailbox_sign_ins.look(told["sign_in"], begun_by=told["device"])
            finally:
                os._exit(0)
        print(child, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
