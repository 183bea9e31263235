"""Makes an enrolment ticket: ``python -m local.ticket --tenant TID --group office --location "2nd floor"``.

It takes the app's settings from the environment, and on one machine, where none are set, from ``.run/app``.
"""

import argparse
import os
from pathlib import Path

from local.environment import Ports, app_environment
from shared.identity.id_token import canonical
from shared.services import services


def main() -> None:
    """Print one ticket. It is shown nowhere else."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenant", required=True, help="tenant id of the organisation (GUID)")
    parser.add_argument("--group", required=True, help="printers that share one user registry")
    parser.add_argument("--location", default="", help="where the printers stand; people see it")
    parser.add_argument("--count", type=int, default=1, help="how many printers it is for")
    wanted = parser.parse_args()
    try:
        tid = canonical(wanted.tenant)
    except ValueError:
        parser.error("--tenant must be a GUID")
    if "SERVICE_KEY" not in os.environ:
        os.environ |= app_environment(Path(".run"), Ports.chosen(os.environ))
    print(services().tickets.issue(tid, wanted.group, wanted.location, wanted.count))


if __name__ == "__main__":
    main()
