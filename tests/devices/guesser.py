"""Somebody who guesses codes, at a process of the service of his own: ``python -m tests.devices.guesser``.

Standard input, a line of JSON each: the settings with the seconds the clock is ahead; then, again and again, a list of
guesses, each a door (``enrolment`` or ``sign-in``), a code and the address it comes from. Standard output: ``ready``,
then a line of JSON for each list: how often which answer was heard.
"""

import json
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

from shared import faults, settings
from shared.services import Services


def main() -> None:
    """Guess until the input ends."""
    told, seconds = json.loads(sys.stdin.readline())
    ahead = timedelta(seconds=seconds)
    rooms = Services(settings.read(told), clock=lambda: datetime.now(UTC) + ahead)
    rooms.storage.table("tickets").get("nothing", "nothing")
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        heard: Counter[str] = Counter()
        for door, code, address in json.loads(line):
            try:
                if door == "enrolment":
                    rooms.tickets.find(code, "thumbprint", address)
                else:
                    rooms.handoffs.link_of(code, address)
            except faults.Fault as fault:
                heard[fault.reason] += 1
            else:
                heard["found"] += 1
        print(json.dumps(heard), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
