"""JSON schemas as they can stand anywhere in an OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's schema without references: those that pydantic makes count from the schema's own root."""
    whole = model.model_json_schema()
    parts: dict[str, Any] = whole.pop("$defs", {})

    def without_references(node: Any) -> Any:
        if isinstance(node, dict):
            if name := node.get("$ref", "").removeprefix("#/$defs/"):
                return without_references(parts[name])
            return {key: without_references(value) for key, value in node.items()}
        return [without_references(value) for value in node] if isinstance(node, list) else node

    plain: dict[str, Any] = without_references(whole)
    return plain
