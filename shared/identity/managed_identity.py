"""The managed identity that Azure gives this app: tokens for Azure's own services, without any secret of ours."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from shared import faults
from shared.outbound import OutboundSession

if TYPE_CHECKING:
    import msal

RETRY_SECONDS = 30


class Dated(NamedTuple):
    """An access token, for how many seconds it is good, and from when on MSAL asks for a newer one (since 1970)."""

    text: str
    lives: int
    stale: int | None


class ManagedIdentity:
    """A user-assigned managed identity. Safe to use from many threads.

    MSAL finds the endpoint by IDENTITY_ENDPOINT and IDENTITY_HEADER, which the platform sets (Microsoft, "How to use
    managed identities for App Service and Azure Functions"), and keeps tokens until five minutes before they end.

    Args:
        client_id: of the identity.
    """

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._lock = threading.Lock()
        self._client: msal.ManagedIdentityClient | None = None

    def token(self, resource: str) -> str:
        """Return an access token for a resource, such as ``https://vault.azure.net``.

        Raises:
            KeyServiceUnavailable: as :meth:`dated_token`.
        """
        return self.dated_token(resource).text

    def dated_token(self, resource: str) -> Dated:
        """Return an access token with its times; MSAL replaces one that lives long at half its life.

        Raises:
            KeyServiceUnavailable: no token was given. Nothing in the answer tells a wrong set-up from an outage.
        """
        try:
            with self._lock:  # one question, however many threads start cold
                answer: dict[str, Any] = self._msal().acquire_token_for_client(resource=resource)
        except (requests.RequestException, ValueError) as error:
            # ValueError: MSAL could not read the answer.
            raise faults.KeyServiceUnavailable(
                f"managed identity: {type(error).__name__}", retry_after=RETRY_SECONDS
            ) from None
        if "access_token" not in answer:
            raise faults.KeyServiceUnavailable("managed identity: no token", retry_after=RETRY_SECONDS)
        stale = answer.get("refresh_on")
        return Dated(str(answer["access_token"]), int(answer["expires_in"]), int(stale) if stale else None)

    def _msal(self) -> msal.ManagedIdentityClient:
        if self._client is None:
            import msal

            identity = msal.UserAssignedManagedIdentity(client_id=self._client_id)
            self._client = msal.ManagedIdentityClient(identity, http_client=OutboundSession())
        return self._client
