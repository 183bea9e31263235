"""The token endpoint that App Service gives an app for its managed identities, at ``/msi/token``.

https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference. The app finds it by
IDENTITY_ENDPOINT and proves by IDENTITY_HEADER that it runs inside. In Azure it is plain http on the instance itself.
"""

import hmac

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .cloud import Cloud
from .pages import base_of
from .records import Application
from .tokens import access_token, exchange_token

PATH = "/msi/token"
_API_VERSION = "2019-08-01"
_LIFETIME = 24 * 3600
HOME = "99999999-9999-4999-8999-999999999999"
"""The tenant of whoever runs the app. Its directory is not emulated."""
EXCHANGE = "api://AzureADTokenExchange"
"""The resource whose token an app registration can be told to take for its own proof."""


class ManagedIdentityEndpoint:
    """The endpoint."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.routes = [Route(PATH, self._token)]

    async def _token(self, request: Request) -> Response:
        identities = self._cloud.managed_identities
        asked = request.query_params
        if not hmac.compare_digest(request.headers.get("x-identity-header", ""), identities.header):
            return _failed(401, "The identity header is missing or wrong.")
        if asked.get("api-version") != _API_VERSION:
            return _failed(400, "The api-version is missing or not supported.")
        client_id, resource = asked.get("client_id", ""), asked.get("resource", "")
        if not identities.has(client_id) or not (resource == EXCHANGE or resource.startswith("https://")):
            return _failed(400, "No User Assigned or Delegated Managed Identity found for specified parameters.")
        if resource == EXCHANGE:
            principal = identities.principal(client_id)
            token = exchange_token(self._cloud, principal, HOME, resource, base_of(request), lifetime=_LIFETIME)
        else:
            identity = Application(client_id=client_id, redirect_uris=(), name="managed identity")
            token = access_token(self._cloud, identity, None, resource, lifetime=_LIFETIME, tid=HOME)
        expires = int(self._cloud.clock().timestamp()) + _LIFETIME
        return JSONResponse(
            {
                "access_token": token,
                "client_id": client_id,
                "expires_on": str(expires),
                "resource": resource,
                "token_type": "Bearer",
            }
        )


def _failed(status: int, message: str) -> Response:
    return JSONResponse({"statusCode": status, "message": message}, status)
