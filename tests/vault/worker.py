"""A worker of the service in a process of its own: ``python -m tests.vault.worker``.

Standard input: one line of JSON with the seconds its clock is ahead, then a line for each person (oid) it needs a
token for. Standard output: ``ready``, then a line of JSON for each. The settings come from the environment.
"""

import json
import sys
from datetime import UTC, datetime, timedelta

from shared import faults, settings
from shared.services import Services
from tests.vault.conftest import SCOPES, TID


def main() -> None:
    """Serve until the input ends."""
    ahead = timedelta(seconds=json.loads(sys.stdin.readline()))
    rooms = Services(settings.from_environment(), clock=lambda: datetime.now(UTC) + ahead)
    grants = rooms.grants
    grants.get(TID, "nobody")
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        try:
            answer = {"token": grants.access_token(TID, line.strip(), SCOPES)}
        except faults.Fault as fault:
            answer = {"fault": str(fault)}
        print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
