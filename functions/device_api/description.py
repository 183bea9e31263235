"""The OpenAPI document: what FastAPI reads off the handlers, and what it cannot know (schemes, and how errors look)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from functions.device_api import bodies

OPEN = {"nonce", "enrolments", "token"}
"""Resources that need no token."""
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From /api/v1/token"},
    "dpop": {
        "type": "http",
        "scheme": "DPoP",
        "description": "A token that is bound to the device's key, beside a proof in the header DPoP (RFC 9449)",
    },
}
_ALWAYS = {429: "More than allowed; retry_after says when", 503: "Passing, or the operator's; see who"}
_GUARDED = {
    401: "No good token, or no proof",
    403: "The device, or what it asks for, needs an administrator or a person",
}
_WITH_BODY = {
    411: "Content-Length is missing",
    413: "Too large",
    415: "Another content type",
    422: "Not valid; errors names the fields",
}
_WITH_ID = {404: "Unknown, or another device's: one answer for both", 409: "Not in this state"}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the device API."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = bodies.Problem.model_json_schema()
    schemas.update(_hoisted(document))
    components["securitySchemes"] = _SCHEMES
    for path, operation in _operations(document):
        resource = path.split("/")[3]
        if resource not in OPEN:
            operation["security"] = [{"bearer": []}, {"dpop": []}]
        responses: dict[str, Any] = operation["responses"]
        responses.pop("422", None)  # FastAPI's own, which is never sent
        for status, description in _refusals(path, operation, guarded=resource not in OPEN).items():
            responses.setdefault(
                str(status),
                {
                    "description": description,
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                },
            )
        operation["responses"] = dict(sorted(responses.items()))
    return document


def _hoisted(node: Any) -> dict[str, Any]:
    """Take the definitions out of schemas that stand in place, and let references to them lead to the components.

    A schema that pydantic makes alone keeps its parts in ``$defs`` and refers to them from the root of the document,
    which is another one here.
    """
    found: dict[str, Any] = {}
    if isinstance(node, dict):
        found |= node.pop("$defs", {})
        if isinstance(reference := node.get("$ref"), str):
            node["$ref"] = reference.replace("#/$defs/", "#/components/schemas/")
    for part in list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else ():
        found |= _hoisted(part)
    for part in list(found.values()):
        found |= _hoisted(part)
    return found


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            yield path, operation


def _refusals(path: str, operation: dict[str, Any], *, guarded: bool) -> dict[int, str]:
    found = dict(_ALWAYS)
    if guarded:
        found |= _GUARDED
    if path.endswith("/enrolments"):
        found |= {400: "The proof of the key is not valid", 403: "The ticket is not valid"}
    if path.endswith("/device/key"):
        found |= {400: "A proof of a key is not valid"}
    if "requestBody" in operation:
        found |= _WITH_BODY
    elif operation.get("parameters"):
        found |= {422: _WITH_BODY[422]}
    if "{id}" in path:
        found |= _WITH_ID
    if path.endswith("/scans") and "requestBody" in operation:
        found |= {409: "This id has another manifest"}
    return found
