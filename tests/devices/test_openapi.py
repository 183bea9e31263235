"""The OpenAPI document is whole: schemas, examples that are true, and every refusal of every call by name.

That a call answers nothing else is watched in every test that has the world (``tests/documented.py``).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from shared.faults import BY_REASON
from tests.documented import PROBLEM, document, reasons

JSON = "application/json"
OPEN = {"/api/v1/nonce", "/api/v1/enrolments", "/api/v1/token"}
OPERATIONS = {
    f"{method.upper()} {path}": (method, path, operation)
    for path, found in document()["paths"].items()
    for method, operation in found.items()
}
SCHEMAS = document()["components"]["schemas"]
EACH = pytest.mark.parametrize("name", OPERATIONS)


def references(node: Any) -> Iterator[str]:
    """Every reference in the document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def found(reference: str) -> Any:
    """What a reference leads to."""
    node: Any = document()
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def fits(value: Any, schema: dict[str, Any]) -> None:
    """Assert that a value is what a schema of the document says (OpenAPI 3.1 is JSON Schema 2020-12)."""
    jsonschema_rs.Draft202012Validator(
        {**schema, "components": document()["components"]}, validate_formats=True
    ).validate(value)


def test_the_document_is_whole() -> None:
    """OpenAPI 3.1: references lead somewhere, ids are unique, and nothing is described that nobody uses."""
    assert document()["openapi"].startswith("3.1.")
    assert document()["info"].keys() >= {"title", "version"}
    used = set(references(document()))
    for reference in used:
        assert found(reference) is not None
    ids = [operation["operationId"] for _, _, operation in OPERATIONS.values()]
    assert len(ids) == len(set(ids))
    for kind in ("schemas", "examples"):
        assert {f"#/components/{kind}/{name}" for name in document()["components"][kind]} <= used


@EACH
def test_a_call_is_described(name: str) -> None:
    """It says what it does, declares what is in its path, and its body and every answer have a schema."""
    _, path, operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    declared = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
    assert declared == set(re.findall(r"{(\w+)}", path))
    for body in operation.get("requestBody", {"content": {}})["content"].values():
        assert body["schema"]
    assert any(status.startswith("2") for status in operation["responses"])
    for status, response in operation["responses"].items():
        assert response["description"], status
        if status.startswith("2"):
            assert status == "204" or response["content"][JSON]["schema"], status
        elif path.endswith("/token") and status in {"400", "401"}:
            assert response["content"][JSON]["schema"]["$ref"].endswith("/TokenError")
        else:
            assert response["content"][PROBLEM]["schema"]["$ref"].endswith("/Problem"), status


@EACH
def test_a_call_lists_its_refusals_by_name(name: str) -> None:
    """Each status says which reasons it can have, with an example of each that is true to the tree of faults."""
    method, path, operation = OPERATIONS[name]
    told = set()
    for status, response in operation["responses"].items():
        if PROBLEM not in response.get("content", {}):
            continue
        listed, examples = reasons(operation, status), response["content"][PROBLEM]["examples"]
        assert listed
        assert set(listed) == examples.keys()
        for reason in listed:
            example = found(examples[reason]["$ref"])["value"]
            fits(example, response["content"][PROBLEM]["schema"])
            leaf = BY_REASON[reason]
            assert (example["status"], example.get("code"), example["who"]) == (int(status), leaf.code, leaf.who)
        told |= set(listed)
    assert told >= {"body_too_large", "service_misconfigured", "unexpected"}
    if path not in OPEN:
        assert told >= {"device_token_expired", "device_token_invalid", "invalid_dpop_proof", "use_dpop_nonce"}
        assert told >= {"device_pending", "too_many_requests", "storage_unavailable"}
    assert ("length_required" in told) == (method in {"post", "put"})
    assert ("not_found" in told) == ("{id}" in path)
    assert "requestBody" not in operation or "invalid_request" in told


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_has_an_example_that_fits_it(name: str) -> None:
    """What a maker copies from the document is right."""
    assert SCHEMAS[name]["examples"]
    for example in SCHEMAS[name]["examples"]:
        fits(example, {"$ref": f"#/components/schemas/{name}"})


def test_a_wrong_example_would_be_seen() -> None:
    """The check above can fail: another type, a stray member, a recipient of another kind."""
    [manifest, *_] = SCHEMAS["ScanManifest"]["examples"]
    for change in ({"id": 7}, {"stray": 1}, {"kind": "fax"}, {"to": ["a@contoso.example"]}, {"user": None}):
        with pytest.raises(jsonschema_rs.ValidationError):
            fits({**manifest, **change}, {"$ref": "#/components/schemas/ScanManifest"})


@EACH
def test_parameters_have_examples_that_fit(name: str) -> None:
    """An id, a user, a cursor as they look."""
    for parameter in OPERATIONS[name][2].get("parameters", ()):
        for example in parameter["examples"].values():
            fits(example["value"], parameter["schema"])


def test_what_a_call_made_is_followed_by_its_id() -> None:
    """Who made a scan or a sign-in is told which calls take its id; the links lead to calls that are there."""
    ids = {operation["operationId"] for _, _, operation in OPERATIONS.values()}
    for method, path, operation in OPERATIONS.values():
        follow = {one["operationId"] for _, place, one in OPERATIONS.values() if place.startswith(f"{path}/{{id}}")}
        for status in ("201", "202"):
            if method == "post" and status in operation["responses"] and follow:
                assert operation["responses"][status]["links"].keys() == follow <= ids


def test_only_what_must_be_open_is_open() -> None:
    """Every call but the three that come before a token names the schemes that open it."""
    assert {path for _, path, one in OPERATIONS.values() if "security" not in one} == OPEN
    assert document()["components"]["securitySchemes"].keys() == {"bearer", "dpop"}
    assert "HTTPValidationError" not in json.dumps(document())
