"""Reads both registrations back and names every deviation.

``python -m infra.entra.check --client-id ID --public-url URL --identity PRINCIPAL [--multi-tenant] [--mailbox ID]``
ends with 0 where there is none, with 1 and a line for each where there is, and with 2 where it could not look.
"""

from __future__ import annotations

import argparse
import os
import sys

from infra.entra import manifest
from infra.entra.graph import Applications, GraphError


def deviations(applications: Applications, client_id: str, wanted: manifest.Wanted, mailbox: str) -> list[str]:
    """Return a line for each deviation of the main registration and, where ``mailbox`` names it, of the other."""
    found = applications.find(client_id)
    if found is None:
        return [f"main: there is no app registration {client_id} in this tenant"]
    lines = [f"main: {line}" for line in manifest.main_deviations(found, applications.credentials(found["id"]), wanted)]
    if mailbox:
        other = applications.find(mailbox)
        if other is None:
            return [*lines, f"mailbox: there is no app registration {mailbox} in this tenant"]
        credentials = applications.credentials(other["id"])
        found_there = manifest.mailbox_deviations(other, credentials, wanted.public_url)
        lines += [f"mailbox: {line}" for line in found_there]
    return lines


def main() -> int:
    """Check and print."""
    parser = argparse.ArgumentParser(prog="python -m infra.entra.check", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--public-url", required=True)
    parser.add_argument("--identity", required=True, help="object (principal) id of the managed identity")
    parser.add_argument("--multi-tenant", action="store_true")
    parser.add_argument("--mailbox", default="", help="client id of the mailbox registration")
    given = parser.parse_args()
    applications = Applications([os.environ.get("AZ", "az")])
    try:
        wanted = manifest.Wanted(
            given.public_url.rstrip("/"), applications.tenant(), given.identity, given.multi_tenant
        )
        lines = deviations(applications, given.client_id, wanted, given.mailbox)
    except GraphError as error:
        print(error, file=sys.stderr)
        return 2
    for line in lines:
        print(line)
    if not lines:
        print("Both registrations are as they should be." if given.mailbox else "The registration is as it should be.")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
