"""Targets that run on storage (Azurite), as they are served: the forms of the two callbacks, and queue messages.

Nothing listens where Microsoft would be, so whatever got as far as asking it would be found, too.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

from tests.fuzz.doors import CANARY, JOB
from tests.fuzz.grammar import hostile, near
from tests.fuzz.target import Check, Edit, Modules, Target

DEVICE = "33333333-0000-4000-8000-00000000000a"
STATUS_OF_TROUBLE = range(400, 500)


def _encoded(rng: Random, fields: list[tuple[str, str]]) -> str:
    """Return fields as a form or query, percent-encoded in one of many ways."""

    def written(text: str) -> str:
        text = text.encode("utf-8", "surrogatepass").decode("latin-1")
        way = rng.random()
        if way < 0.6:
            return quote_plus(text, encoding="latin-1")
        if way < 0.8:
            return "".join(f"%{ord(each):02x}" for each in text)
        return quote(text, safe="%<>\"' ;", encoding="latin-1") + rng.choice(["", "%", "%zz", "%00", "+", "%ff"])

    return rng.choice(["&"] * 9 + [";"]).join(f"{written(name)}={written(value)}" for name, value in fields)


def generate_callback(rng: Random) -> dict[str, Any]:
    """Return a request to one of the addresses that Entra sends browsers to; STATE stands for one under way."""
    state = rng.choice(["STATE", "STATE", "NEAR", "", hostile(rng, 2), "0" * 64])
    fields = [("code", rng.choice(["c", CANARY, hostile(rng, 2), "x" * 9000])), ("state", state)]
    fields += rng.sample([("error", "access_denied"), ("error_description", CANARY), ("session_state", "x"),
                          ("admin_consent", "True"), ("tenant", CANARY), ("iss", CANARY), ("state", "0"),
                          (hostile(rng, 1), CANARY)], rng.randint(0, 3))  # fmt: skip
    rng.shuffle(fields)
    if rng.random() < 0.1:
        fields = fields[:1]
    way = rng.choice(["callback", "callback", "consent", "finish"])
    clean = rng.random() < 0.3
    if clean and way == "callback":  # one that is right, or there is nothing to finish
        fields = [("code", "c"), ("state", "STATE"), *fields[2:3]]
    kind = rng.choice(
        ["application/x-www-form-urlencoded"] * 6 + ["multipart/form-data; boundary=x", "application/json", ""]
    )
    cookie = rng.choice(["", f"__Host-browser={hostile(rng, 1)}", "__Host-browser=other"])
    kind = "application/x-www-form-urlencoded" if clean else kind
    return {
        "way": way,
        "fields": fields,
        "clean": clean,
        "type": kind,
        "cookie": cookie,
        "number": rng.randrange(2**32),
    }


def _near_state(rng: Random, state: str) -> str:
    made = near(rng, state)
    return made if made != state else made[:-1]


@contextmanager
def served() -> Iterator[Any]:
    """Run Azurite and yield the services on it, with nobody where Microsoft would be."""
    from local import azurite
    from local.environment import Ports, app_environment
    from shared import settings
    from shared.services import Services
    from shared.storage import create_all

    with azurite.running() as connection, TemporaryDirectory() as folder:
        create_all(connection)
        told = app_environment(Path(folder), Ports())
        nobody = {"AUTHORITY_URL": "https://localhost:9", "GRAPH_URL": "https://localhost:9"}
        yield Services(settings.read({**told, "DataStorage": connection, **nobody}))


def targets(services: Any) -> tuple[Target, Target]:
    """Return the targets that need storage."""

    def build_callback(modules: Modules) -> Check:
        return _callbacks(services, modules)

    def build_queue(modules: Modules) -> Check:
        return _queue(services, modules)

    callback = Target(
        "callbacks",
        "an answer counts for the one state that is under way and in its own browser, and nothing of it is shown "
        "(B04, B05, C01, C03, C09, C10, C17)",
        500,
        generate_callback,
        build_callback,
        ("functions.forms", "shared.identity.authorizations", "functions.sign_in"),
        (
            (Edit("functions.forms", "    if len(form.multi_items()) != len(form):\n", "    if False:\n"),),
            (
                Edit(
                    "shared.identity.authorizations",
                    'browser is None or not hmac.compare_digest(_hash(browser), row["browser"])',
                    "False",
                ),
            ),
            (
                Edit(
                    "shared.identity.authorizations",
                    "if any(len(value) > _LONGEST_VALUE for value in kept.values()):",
                    "if False:",
                ),
            ),
            (
                Edit(
                    "shared.identity.authorizations",
                    "except (Gone, ValueError) as error:",
                    "except ValueError as error:",
                ),
            ),
        ),
    )
    queue = Target(
        "queue message",
        "a message names a job or is dropped; none raises, and none reaches into another row (E03, E14, R55)",
        2_500,
        generate_queue,
        build_queue,
        ("shared.scans.deliver",),
        (
            (
                Edit(
                    "shared.scans.deliver",
                    "device_id, job_id = str(uuid.UUID(device_id)), str(uuid.UUID(job_id))",
                    "uuid.UUID(device_id)",
                ),
            ),
            (
                Edit(
                    "shared.scans.deliver",
                    '        except ValueError:\n            log.warning("a queue',
                    '        except KeyError:\n            log.warning("a queue',
                ),
            ),
        ),
    )
    return callback, queue


def _callbacks(services: Any, modules: Modules) -> Check:
    from functions import answers, consent

    room = modules("shared.identity.authorizations")
    rooms = type(services)(services.settings)
    table = rooms.storage.table("authorizations")
    authorizations = room.Authorizations(
        table, rooms.sealer, rooms.entra,
        f"{rooms.settings.public_url}/auth/callback", rooms.clock, rooms.secret,
    )  # fmt: skip
    rooms.__dict__["authorizations"] = authorizations  # what services.py would build, of the given module
    answers.log.setLevel(logging.CRITICAL)

    sign_in = modules("functions.sign_in").build(lambda: rooms)
    doors = {"callback": sign_in, "finish": sign_in, "consent": consent.build(lambda: rooms)}
    under_way: list[str] = []
    answered = ["0" * 64]

    def state() -> str:
        """Let an authorization be under way, as ``begin`` does but for asking Microsoft where it is."""
        if not under_way:
            under_way.append(rooms.secret())
            handle = room._hash(under_way[0])
            sealed = authorizations._seal("", {"nonce": "n"}, handle, "flow")
            authorizations._insert(handle, "sign-in", "x", "own browser", {"tid": "", "owner": "", "flow": sealed})
        return under_way[0]

    def check(given: dict[str, Any]) -> None:
        rng, current, way = Random(given["number"]), state(), given["way"]
        known = {"STATE": current, "NEAR": _near_state(rng, current)}
        fields = [(name, known.get(value, value)) for name, value in given["fields"]]
        if way == "finish":
            fields.append(("tx", rng.choice([answered[0], room._hash(current), near(rng, answered[0])])))
        told = urlencode(fields, errors="surrogatepass") if given["clean"] else _encoded(rng, fields)
        method, path = {"callback": ("POST", "/auth/callback"), "consent": ("GET", "/consent/callback"),
                        "finish": ("GET", "/auth/finish")}[way]  # fmt: skip
        body = told if way == "callback" else ""
        headers = {"content-type": given["type"], "content-length": str(len(body)), "cookie": given["cookie"]}
        status, location, page = asyncio.run(
            _ask(doors[way], method, path, "" if body else told, headers, body.encode("latin-1"))
        )
        assert CANARY.encode() not in page, "the page shows what was sent"
        if status != 303:
            assert status in STATUS_OF_TROUBLE, f"status {status}"
            handle, status = (room._hash(current), "begun") if way == "consent" else (answered[0], "answered")
            row = None if way == "callback" else table.get(room.key(handle), room.ROW)
            assert row is None or row["status"] == status, "another browser used it up"
            return
        assert way == "callback", "an answer without its browser, or one that nobody expects, went on"
        assert location == f"/auth/finish?tx={room._hash(current)}", "it leads elsewhere"
        read = parse_qsl(told, keep_blank_values=True)
        assert [value for name, value in read if name == "state"] == [current], "another state, or two"
        longest = max((len(value) for name, value in read if name in {"code", "error_description"}), default=0)
        assert longest <= 8192, "too much is kept"
        answered[0] = room._hash(under_way.pop())

    return check


async def _ask(
    door: Any, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> tuple[int, str, bytes]:
    """Ask a door, as a server does; return status, Location and body."""
    answer: dict[str, Any] = {"body": b""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        answer["body"] += message.get("body", b"")
        answer.update({name: message[name] for name in ("status", "headers") if name in message})

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode("latin-1"), "root_path": "",
        "headers": [(name.encode(), text.encode("utf-8", "surrogatepass")) for name, text in headers.items() if text],
        "client": ("203.0.113.7", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await door(scope, receive, send)
    location = dict(answer["headers"]).get(b"location", b"").decode("latin-1")
    return answer["status"], location, answer["body"]


def generate_queue(rng: Random) -> str:
    """Return a queue message: two ids, or nearly, or anything."""
    ids = [rng.choice([DEVICE, JOB, near(rng, JOB), "", hostile(rng, 2), str(uuid.UUID(int=rng.getrandbits(128)))])
           for _ in range(rng.choice([1, 2, 2, 2, 3]))]  # fmt: skip
    return rng.choice(["/", "/", "/", "|", "\\", " "]).join(ids)


def _queue(services: Any, modules: Modules) -> Check:
    from shared.storage import key

    asked: list[tuple[str, str]] = []

    class Asked:
        """The rows of jobs, and who was asked for."""

        def get(self, device: str, job: str) -> Any:
            asked.append((device, job))
            return services.jobs.get(device, job)

    delivery = modules("shared.scans.deliver").Delivery.__new__(modules("shared.scans.deliver").Delivery)
    delivery._jobs = Asked()
    logging.getLogger("shared.scans.deliver").setLevel(logging.CRITICAL)
    modules("shared.scans.deliver").log.setLevel(logging.CRITICAL)

    def check(message: str) -> None:
        asked.clear()
        delivery.deliver(message)
        for device, job in asked:
            assert str(uuid.UUID(device)) == device, "no id of a device"
            assert str(uuid.UUID(job)) == job, "no id of a job"
            assert key(device, job) == f"{device}|{job}", "another row"

    return check
