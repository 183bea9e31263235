"""The OpenAPI document: what FastAPI reads off the handlers, and what it cannot know (schemes, errors, examples)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from functions.device_api import bodies, examples, refusals, replies
from shared.faults import BY_REASON

OPEN = {"nonce", "enrolments", "token"}
"""Resources that need no token."""
_BY_HAND = (replies.Problem, bodies.ScanManifest)
"""Schemas of bodies that no handler names: FastAPI does not see them."""
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From /api/v1/token"},
    "dpop": {
        "type": "http",
        "scheme": "DPoP",
        "description": "A token that is bound to the device's key, beside a proof in the header DPoP (RFC 9449)",
    },
}
_CREATED = {"201", "202"}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the device API."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in _BY_HAND:
        schemas[model.__name__] = model.model_json_schema()
    schemas.update(_hoisted(document))
    for name, schema in schemas.items():
        schema["examples"] = examples.of_schema(name)
    components["securitySchemes"] = _SCHEMES
    answered = set()
    for path, method, operation in _operations(document):
        guarded = path.split("/")[3] not in OPEN
        if guarded:
            operation["security"] = [{"bearer": []}, {"dpop": []}]
        found: dict[str, Any] = operation["responses"]
        found.pop("422", None)  # FastAPI's own, which is never sent
        leaves = refusals.refusals(method, path, operation, guarded=guarded)
        for status, response in refusals.responses(leaves).items():
            found.setdefault(status, response)
        operation["responses"] = dict(sorted(found.items()))
        answered |= {leaf.reason for leaf in leaves}
        for parameter in operation.get("parameters", ()):
            parameter["examples"] = examples.of_parameter(parameter["name"])
        _link(document, path, operation)
    components["examples"] = {
        reason: refusals.example(leaf) for reason, leaf in BY_REASON.items() if reason in answered
    }
    return document


def _link(document: dict[str, Any], path: str, operation: dict[str, Any]) -> None:
    """Say what can be done with what a call made (OpenAPI 3.1.0 section 4.8.20): all that has its id in the path."""
    followed = {
        one["operationId"]: {"operationId": one["operationId"], "parameters": {"id": "$response.body#/id"}}
        for place, _, one in _operations(document)
        if place.startswith(path + "/{id}")
    }
    for status in _CREATED & operation["responses"].keys() if followed else ():
        operation["responses"][status]["links"] = followed


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


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation
