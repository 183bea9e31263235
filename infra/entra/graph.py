"""Microsoft Graph through the Azure CLI: ``az rest`` adds the token of whoever is signed in."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

GRAPH = "https://graph.microsoft.com/v1.0"
SECONDS = 120


class GraphError(Exception):
    """Graph or the Azure CLI refused; the message is theirs."""


class Applications:
    """App registrations of the tenant that the Azure CLI is signed in to.

    Args:
        command: the Azure CLI, such as ``["az"]``.
    """

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def tenant(self) -> str:
        """Return the id of the tenant."""
        return str(self._run("account", "show", "--output", "json")["tenantId"])

    def find(self, client_id: str) -> dict[str, Any] | None:
        """Return the registration with a client id, or None."""
        found = self._rest("GET", f"/applications?$filter={quote(_equals('appId', client_id))}")
        return next(iter(found["value"]), None)

    def create(self, registration: Mapping[str, Any]) -> dict[str, Any]:
        """Make a registration, and its service principal in the home tenant."""
        made = self._rest("POST", "/applications", registration)
        self._rest("POST", "/servicePrincipals", {"appId": made["appId"]})
        return made

    def change(self, object_id: str, registration: Mapping[str, Any]) -> None:
        """Set properties of a registration."""
        self._rest("PATCH", f"/applications/{object_id}", registration)

    def credentials(self, object_id: str) -> list[dict[str, Any]]:
        """Return its federated credentials."""
        found = self._rest("GET", f"/applications/{object_id}/federatedIdentityCredentials")
        return list(found["value"])

    def put_credential(self, object_id: str, credential: Mapping[str, Any]) -> None:
        """Make a federated credential, or change the one of that name (a name cannot be changed)."""
        path = f"/applications/{object_id}/federatedIdentityCredentials"
        for there in self.credentials(object_id):
            if there["name"] == credential["name"]:
                self._rest("PATCH", f"{path}/{there['id']}", credential)
                return
        self._rest("POST", path, credential)

    def _rest(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        arguments = ["rest", "--method", method, "--url", GRAPH + path, "--output", "json"]
        if body is not None:
            arguments += ["--headers", "Content-Type=application/json", "--body", json.dumps(body)]
        return self._run(*arguments)

    def _run(self, *arguments: str) -> dict[str, Any]:
        try:
            answer = subprocess.run(
                [*self._command, *arguments], capture_output=True, text=True, check=False, timeout=SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GraphError(f"the Azure CLI: {error}") from error
        if answer.returncode:
            raise GraphError(answer.stderr.strip() or f"the Azure CLI ended with {answer.returncode}")
        said: dict[str, Any] = json.loads(answer.stdout) if answer.stdout.strip() else {}
        return said


def _equals(name: str, value: str) -> str:
    # A quote in an OData literal is written twice; a client id has none.
    return "{} eq '{}'".format(name, value.replace("'", "''"))
