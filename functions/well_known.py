"""HTTP: what a client finds out by itself, under ``/.well-known`` (RFC 8615). Served by the catch-all door."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from shared.services import Services

KEPT_SECONDS = 3600


def router(services: Callable[[], Services]) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/.well-known")

    @routes.get("/oauth-authorization-server")
    def authorization_server() -> JSONResponse:
        """The metadata of our token endpoint (RFC 8414 section 2; RFC 9449 section 5.1). Addresses as configured."""
        issuer = services().settings.public_url
        return JSONResponse(
            {
                "issuer": issuer,
                "token_endpoint": f"{issuer}/api/v1/token",
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
                "grant_types_supported": ["client_credentials"],
                # Required by RFC 8414; there is no authorization endpoint that could answer with anything.
                "response_types_supported": [],
                "dpop_signing_alg_values_supported": ["ES256"],
                "service_documentation": f"{issuer}/api/docs",
            },
            headers={"Cache-Control": f"public, max-age={KEPT_SECONDS}"},
        )

    return routes
