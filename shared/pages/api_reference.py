"""The OpenAPI 3.1 document as a reader sees it: groups of operations, and the schemas they use.

Reads what FastAPI publishes (OpenAPI 3.1.0, section 4.8; JSON Schema 2020-12) and takes an absent part for an empty
one: the page is for reading, the document is checked elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


@dataclass(frozen=True)
class Part:
    """A piece of a type's name; with ``schema``, a reference to that schema."""

    text: str
    schema: str | None = None


@dataclass(frozen=True)
class Field:
    """A parameter of a call or a field of a schema."""

    name: str
    place: str
    type: tuple[Part, ...]
    required: bool
    description: str


@dataclass(frozen=True)
class Body:
    """A body in one media type; with its fields where its schema stands in place and has no name."""

    media_type: str
    type: tuple[Part, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Response:
    """A response of a call."""

    status: str
    description: str
    bodies: tuple[Body, ...]
    reasons: tuple[str, ...]
    """Of a refusal: which problems it can be, where the document says."""


@dataclass(frozen=True)
class Operation:
    """One method at one path."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Field, ...]
    bodies: tuple[Body, ...]
    responses: tuple[Response, ...]


@dataclass(frozen=True)
class Group:
    """Calls with the same first tag, or none."""

    name: str
    description: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Schema:
    """A named schema."""

    name: str
    description: str
    type: tuple[Part, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Reference:
    """The whole document."""

    title: str
    version: str
    description: str
    groups: tuple[Group, ...]
    schemas: tuple[Schema, ...]


def read(document: Mapping[str, Any]) -> Reference:
    """Return an OpenAPI document in the order in which it is read: groups by their first use."""
    info = document.get("info", {})
    told = {tag["name"]: tag.get("description", "") for tag in document.get("tags", [])}
    groups: dict[str, list[Operation]] = {name: [] for name in told}
    for path, item in document.get("paths", {}).items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                name = next(iter(operation.get("tags", [])), "")
                groups.setdefault(name, []).append(_operation(method, path, item, operation))
    return Reference(
        title=info.get("title", ""),
        version=info.get("version", ""),
        description=info.get("description", ""),
        groups=tuple(
            Group(name, told.get(name, ""), tuple(operations)) for name, operations in groups.items() if operations
        ),
        schemas=tuple(
            _schema(name, schema) for name, schema in document.get("components", {}).get("schemas", {}).items()
        ),
    )


def _operation(method: str, path: str, item: Mapping[str, Any], operation: Mapping[str, Any]) -> Operation:
    return Operation(
        id=f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        parameters=tuple(
            Field(
                name=parameter["name"],
                place=parameter.get("in", ""),
                type=_type(parameter.get("schema", {})),
                required=parameter.get("required", False),
                description=parameter.get("description", ""),
            )
            for parameter in (*item.get("parameters", []), *operation.get("parameters", []))
        ),
        bodies=_bodies(operation.get("requestBody", {})),
        responses=tuple(
            Response(status, response.get("description", ""), _bodies(response), tuple(_reasons(response)))
            for status, response in operation.get("responses", {}).items()
        ),
    )


def _bodies(carrier: Mapping[str, Any]) -> tuple[Body, ...]:
    return tuple(
        Body(media_type, _type(content.get("schema", {})), _properties(content.get("schema", {})))
        for media_type, content in carrier.get("content", {}).items()
    )


def _reasons(response: Mapping[str, Any]) -> Iterator[str]:
    for content in response.get("content", {}).values():
        yield from content.get("schema", {}).get("properties", {}).get("reason", {}).get("enum", ())


def _schema(name: str, schema: Mapping[str, Any]) -> Schema:
    return Schema(name, schema.get("description", ""), _type(schema), _properties(schema))


def _properties(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    required = schema.get("required", [])
    return tuple(
        Field(name, "", _type(inner), name in required, inner.get("description", ""))
        for name, inner in schema.get("properties", {}).items()
    )


def _type(schema: Mapping[str, Any] | bool) -> tuple[Part, ...]:
    return tuple(_parts(schema)) if isinstance(schema, Mapping) else (Part("any"),)


def _parts(schema: Mapping[str, Any]) -> Iterator[Part]:
    """Yield a schema's type in words: ``array of Scan``, ``string (uuid)``, ``"a" or "b"``."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        yield Part(name, name)
    elif "const" in schema:
        yield Part(_literal(schema["const"]))
    elif "enum" in schema:
        yield Part(" or ".join(_literal(value) for value in schema["enum"]))
    elif alternatives := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        joint = " and " if "allOf" in schema else " or "
        for number, alternative in enumerate(alternatives):
            if number:
                yield Part(joint)
            yield from _type(alternative)
    elif schema.get("type") == "array":
        yield Part("array of ")
        yield from _type(schema.get("items", {}))
    else:
        yield Part(_plain(schema))


def _plain(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "any")
    name = " or ".join(kind) if isinstance(kind, list) else str(kind)
    limits = [f"{label} {_number(schema[key])}".strip() for key, label in _LIMITS.items() if key in schema]
    return f"{name} ({', '.join(limits)})" if limits else name


def _number(value: Any) -> str:
    """Return a limit; FastAPI writes whole numbers as 1.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


_LIMITS = {
    "format": "",
    "contentMediaType": "",
    "minLength": "at least",
    "maxLength": "at most",
    "minimum": "from",
    "maximum": "to",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
    "pattern": "matching",
}


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
