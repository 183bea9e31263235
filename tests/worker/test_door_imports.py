"""What each door imports when it starts: cold start is paid for every module (docs/cold-start.md)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from functions import HTTP_DOORS

HOUSE = Path(__file__).resolve().parent.parent.parent
SDKS = {"msal", "jwt", "cryptography", "azure.data", "azure.storage", "azure.core", "smtplib"}
HTTP_CLIENT = {"requests", "urllib3"}
WEB = {"fastapi", "starlette", "pydantic", "jinja2", "segno"}
AFTER = """
import json, sys
sys.path.insert(0, sys.argv[1])
exec(sys.argv[2])
print(json.dumps(sorted(sys.modules)))
"""
HTTP = """
from functions.doors import application
def nothing():
    raise RuntimeError("no door asks for its services before a request")
application({door!r}, nothing)
"""
OTHERS = {
    "delivery": {"deliver", "give_up"},
    "upkeep": {"sweep", "renew", "expire", "rotate_keys"},
}


def imported(code: str) -> set[str]:
    """Every module that is there after ``code`` has run in a process of its own, with an empty environment."""
    command = [sys.executable, "-I", "-c", AFTER, str(HOUSE), code]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, env={}, check=True)
    return set(json.loads(answer.stdout))


def of(packages: set[str], modules: set[str]) -> set[str]:
    """Which of these packages are among the modules."""
    return {package for package in packages if package in modules}


@pytest.mark.parametrize("door", sorted(set(HTTP_DOORS.values())))
def test_an_http_door_starts_without_an_sdk(door: str) -> None:
    """Neither a vendor's SDK nor an HTTP client is imported before a request needs it, and no other door's module."""
    modules = imported(HTTP.format(door=door))
    assert of(SDKS | HTTP_CLIENT, modules) == set()
    assert of(WEB, modules) >= {"fastapi"}
    doors = {name.split(".")[1] for name in modules if name.startswith("functions.")}
    assert doors & set(HTTP_DOORS.values()) == {door}
    assert not doors & set(OTHERS)


@pytest.mark.parametrize("module", sorted(OTHERS))
def test_a_queue_or_timer_door_starts_without_the_web(module: str) -> None:
    """Deliveries and timers run in processes of their own: no web framework, and no SDK before there is work."""
    modules = imported(f"from functions.{module} import {', '.join(sorted(OTHERS[module]))}")
    assert of(WEB | SDKS | HTTP_CLIENT, modules) == set()
    assert not {name for name in modules if name.startswith("functions.") and name != f"functions.{module}"}


WORK = """
import os
from shared.services import Services
from shared.settings import Settings
from dataclasses import fields
told = {{field.name: "" for field in fields(Settings)}}
told |= {{"service_key": b"k" * 32, "former_service_key": b"", "vault_keys": (b"v" * 32,), "environment": "local"}}
told |= {{"authority_url": "https://localhost:1", "graph_url": "https://localhost:1", "public_url": "http://127.0.0.1"}}
told |= {{"smtp_host": "localhost:1", "outlook_smtp_host": "localhost:1"}}
told["data_storage"] = (
    "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=eA==;TableEndpoint=http://127.0.0.1:1/a;"
    "QueueEndpoint=http://127.0.0.1:1/a;BlobEndpoint=http://127.0.0.1:1/a"
)
rooms = Services(Settings(**{{name: told[name] for name in (field.name for field in fields(Settings))}}))
rooms.{room}
"""


@pytest.mark.parametrize("room", ["delivery", "keep_alive", "retention", "key_upkeep"])
def test_work_without_a_person_needs_no_web(room: str) -> None:
    """Even with its rooms built, a door that serves nobody imports no web framework and no templates."""
    assert of(WEB, imported(WORK.format(room=room))) == set()


FIRST = """
import asyncio
from functions.doors import application
app = application({door!r}, lambda: rooms)
async def ask():
    told = []
    async def receive():
        return {{"type": "http.request", "body": b"", "more_body": False}}
    async def send(message):
        told.append(message)
    await app(dict(type="http", asgi={{"version": "3.0"}}, http_version="1.1", method="GET", scheme="http",
                   path={path!r}, raw_path={path!r}.encode(), query_string=b"", root_path="",
                   headers=[(b"host", b"localhost")], server=("localhost", 80), client=("127.0.0.1", 1)), receive, send)
    assert told[0]["status"] == 200, told
asyncio.run(ask())
"""


@pytest.mark.parametrize(
    ("door", "path"), [("me", "/me"), ("sign_in", "/s"), ("consent", "/consent"), ("device_api", "/api/v1/nonce")]
)
def test_a_first_request_that_needs_no_storage_imports_no_sdk(door: str, path: str) -> None:
    """Who opens a page while nothing is known of him waits for neither tables nor an HTTP client."""
    modules = imported(WORK.format(room="settings") + FIRST.format(door=door, path=path))
    assert of(SDKS | HTTP_CLIENT, modules) == set()


def test_an_import_is_seen() -> None:
    """The tests above can fail."""
    assert of(SDKS | HTTP_CLIENT, imported("import msal, requests")) >= {"msal", "requests"}
