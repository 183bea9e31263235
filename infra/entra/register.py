"""Makes both app registrations what they must be; running it again changes nothing.

``python -m infra.entra.register main [--client-id ID] [--public-url URL --identity PRINCIPAL] [--multi-tenant]`` and
``python -m infra.entra.register mailbox [--client-id ID] [--public-url URL]`` print the client id. Without
``--client-id`` a registration is made; with it, the one that is there is put right. It grants no consent: an
administrator does that in the service.
"""

from __future__ import annotations

import argparse
import os
import sys

from infra.entra import manifest
from infra.entra.graph import Applications, GraphError


def register_main(applications: Applications, wanted: manifest.Wanted, client_id: str) -> str:
    """Make or mend the main registration; returns its client id."""
    registration = manifest.main(wanted)
    found = _there(applications, client_id)
    if found is None:
        found = applications.create(registration)
    else:
        # Before the address is known, an earlier run's redirect addresses stay.
        changes = registration if wanted.public_url else {k: v for k, v in registration.items() if k != "web"}
        applications.change(found["id"], {name: value for name, value in changes.items() if name != "displayName"})
    if wanted.identity:
        applications.put_credential(found["id"], manifest.federated(wanted))
    return str(found["appId"])


def register_mailbox(applications: Applications, public_url: str, client_id: str) -> str:
    """Make or mend the registration of printers' mailboxes; returns its client id."""
    registration = manifest.mailbox(public_url)
    found = _there(applications, client_id)
    if found is None:
        return str(applications.create(registration)["appId"])
    left = {"displayName"} if public_url else {"displayName", "publicClient"}
    applications.change(found["id"], {name: value for name, value in registration.items() if name not in left})
    return str(found["appId"])


def _there(applications: Applications, client_id: str) -> dict[str, str] | None:
    if not client_id:
        return None
    found = applications.find(client_id)
    if found is None:
        raise GraphError(f"there is no app registration {client_id} in this tenant")
    return found


def main() -> int:
    """Register, and print the client id alone."""
    parser = argparse.ArgumentParser(prog="python -m infra.entra.register", description=__doc__.split("\n", 1)[0])
    parser.add_argument("which", choices=["main", "mailbox"])
    parser.add_argument("--client-id", default="")
    parser.add_argument("--public-url", default="")
    parser.add_argument("--identity", default="", help="object (principal) id of the managed identity")
    parser.add_argument("--multi-tenant", action="store_true", help="other organisations may consent, too")
    given = parser.parse_args()
    applications = Applications([os.environ.get("AZ", "az")])
    try:
        if given.which == "mailbox":
            client_id = register_mailbox(applications, given.public_url.rstrip("/"), given.client_id)
        else:
            wanted = manifest.Wanted(
                given.public_url.rstrip("/"), applications.tenant(), given.identity, given.multi_tenant
            )
            client_id = register_main(applications, wanted, given.client_id)
    except GraphError as error:
        print(error, file=sys.stderr)
        return 1
    print(client_id)
    return 0


if __name__ == "__main__":
    sys.exit(main())
