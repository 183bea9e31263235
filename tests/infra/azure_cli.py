"""A stand-in for the Azure CLI: ``az account show`` and ``az rest`` for app registrations, kept in a JSON file.

It answers as Microsoft Graph does where the callers look: new objects get ids, PATCH replaces what it names, what was
never set is null, and what is wrong ends with a message on standard error and code 1. Run as a program of its own.
"""

import json
import os
import re
import sys
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import unquote

TENANT = "99999999-9999-4999-8999-999999999999"
NEVER_SET: dict[str, Any] = {
    "identifierUris": [],
    "appRoles": [],
    "passwordCredentials": [],
    "keyCredentials": [],
    "verifiedPublisher": {"verifiedPublisherId": None},
    "isFallbackPublicClient": None,
    "groupMembershipClaims": None,
    "api": {"requestedAccessTokenVersion": None, "oauth2PermissionScopes": []},
}


def answer(arguments: list[str], state: dict[str, Any]) -> Any:  # noqa: PLR0911  (one return for each request)
    """Return what goes to standard output; SystemExit with a message where Graph would refuse."""
    if arguments[:2] == ["account", "show"]:
        return {"tenantId": TENANT}
    given = dict(zip(arguments[1::2], arguments[2::2], strict=False))
    method, path = given["--method"], unquote(given["--url"]).removeprefix("https://graph.microsoft.com/v1.0")
    body = json.loads(given["--body"]) if "--body" in given else {}
    applications = state.setdefault("applications", {})
    match (method, *path.strip("/").split("/")):
        case ("GET", query) if found := re.fullmatch(r"applications\?\$filter=appId eq '([^']*)'", query):
            return {"value": [one for one in applications.values() if one["appId"] == found[1]]}
        case ("POST", "applications"):
            made = {**NEVER_SET, **body, "id": str(uuid.uuid4()), "appId": str(uuid.uuid4())}
            applications[made["id"]] = made
            return made
        case ("POST", "servicePrincipals"):
            state.setdefault("principals", []).append(body["appId"])
            return body
        case ("PATCH", "applications", object_id):
            applications[object_id] |= body
            return None
        case ("GET", "applications", object_id, "federatedIdentityCredentials"):
            return {"value": state.get("credentials", {}).get(object_id, [])}
        case ("POST", "applications", object_id, "federatedIdentityCredentials"):
            there = state.setdefault("credentials", {}).setdefault(object_id, [])
            if any(one["name"] == body["name"] for one in there):
                sys.exit("FederatedIdentityCredential with name already exists.")
            there.append({**body, "id": str(uuid.uuid4())})
            return there[-1]
        case ("PATCH", "applications", object_id, "federatedIdentityCredentials", credential):
            [one] = [one for one in state["credentials"][object_id] if one["id"] == credential]
            one |= body
            return None
    return sys.exit(f"Bad Request: {method} {path}")


def main() -> None:
    """Answer one command."""
    file = Path(os.environ["AZURE_CLI_STATE"])
    state = json.loads(file.read_text("utf-8")) if file.exists() else {}
    state.setdefault("journal", []).append(sys.argv[1:])
    said = answer(sys.argv[1:], state)
    file.write_text(json.dumps(state), encoding="utf-8")
    if said is not None:
        print(json.dumps(said))  # noqa: T201  (it is a program)


if __name__ == "__main__":
    main()
