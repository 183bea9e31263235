"""The OpenAPI document is read as device makers expect it."""

import pytest
from fastapi import FastAPI

from shared.pages import ApiDocs, Pages
from shared.pages.api_reference import read
from tests.pages.outline import Outline

PAGES = Pages([])


def type_of(schema: object) -> str:
    """Return the words for a schema's type."""
    document = {"components": {"schemas": {"Thing": {"properties": {"it": schema}}}}}
    (thing,) = read(document).schemas
    (field,) = thing.fields
    return "".join(part.text for part in field.type)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "uuid"}, "string (uuid)"),
        ({"type": "string", "minLength": 1, "maxLength": 128}, "string (at least 1, at most 128)"),
        ({"type": "integer", "minimum": 0.0, "maximum": 20.0}, "integer (from 0, to 20)"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"const": 361}, "361"),
        ({"enum": ["user", "admin"]}, '"user" or "admin"'),
        ({"$ref": "#/components/schemas/Scan"}, "Scan"),
        ({"anyOf": [{"$ref": "#/components/schemas/Scan"}, {"type": "null"}]}, "Scan or null"),
        ({"allOf": [{"$ref": "#/components/schemas/Scan"}, {"type": "object"}]}, "Scan and object"),
        ({"type": "array", "items": {"type": "string"}}, "array of string"),
        ({"type": "array"}, "array of any"),
        ({}, "any"),
    ],
)
def test_types_are_written_in_words(schema: object, words: str) -> None:
    """JSON Schema becomes words, with its limits."""
    assert type_of(schema) == words


def test_operations_keep_their_groups_and_order() -> None:
    """Calls stand under their first tag, tags in the order in which they are announced, and none is lost."""
    document = {
        "tags": [{"name": "People", "description": "Who."}, {"name": "Nobody"}],
        "paths": {
            "/a": {"post": {"tags": ["Scans"]}, "get": {"tags": ["Scans"]}},
            "/b": {"get": {"tags": ["People", "Scans"]}},
            "/c": {"delete": {}},
        },
    }
    found = [
        (group.name, group.description, [(one.method, one.path) for one in group.operations])
        for group in read(document).groups
    ]
    assert found == [
        ("People", "Who.", [("GET", "/b")]),
        ("Scans", "", [("GET", "/a"), ("POST", "/a")]),
        ("", "", [("DELETE", "/c")]),
    ]


def test_a_body_without_a_name_shows_its_fields() -> None:
    """A form described in place, as the token request is, is as readable as a named schema."""
    form = {"type": "object", "required": ["scope"], "properties": {"scope": {"type": "string"}}}
    content = {"application/x-www-form-urlencoded": {"schema": form}}
    document = {"paths": {"/token": {"post": {"requestBody": {"content": content}}}}}
    page = Outline(PAGES.render(ApiDocs(document), language="en").body.decode())
    assert "scope *" in [cell.text for cell in page.all("th")]


def test_a_refusal_leads_to_its_problems() -> None:
    """Where the document names the reasons of a status, each is a link to what it means."""
    schema = {"$ref": "#/components/schemas/Problem", "properties": {"reason": {"enum": ["not_found", "slow_down"]}}}
    response = {"description": "No", "content": {"application/problem+json": {"schema": schema}}}
    document = {"paths": {"/thing": {"get": {"responses": {"404": response}}}}}
    page = Outline(PAGES.render(ApiDocs(document), language="en").body.decode())
    links = [link.attributes["href"] for link in page.all("a") if link.text in {"not_found", "slow_down"}]
    assert links == ["#not_found", "#slow_down"]


def test_words_in_double_backquotes_are_code() -> None:
    """Docstrings mark code with double backquotes; the page shows it as code and not the marks."""
    page = Outline(
        PAGES.render(ApiDocs({"info": {"description": "Say ``words`` aloud."}}), language="en").body.decode()
    )
    assert "words" in [code.text for code in page.all("code")]
    assert "``" not in page.one("main").text


def test_what_fastapi_publishes_can_be_read() -> None:
    """FastAPI's own document, without any of our care, becomes a page."""
    app = FastAPI()

    @app.get("/things/{thing_id}")
    def thing(thing_id: int, *, deep: bool = False) -> list[dict[str, int]]:
        raise NotImplementedError(thing_id, deep)

    text = Outline(PAGES.render(ApiDocs(app.openapi()), language="en").body.decode()).one("main").text
    for part in ("/things/{thing_id}", "thing_id", "deep", "boolean", "HTTPValidationError"):
        assert part in text
