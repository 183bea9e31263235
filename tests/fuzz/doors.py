"""Targets at the doors: the scan's manifest, the forms of the two callbacks, queue messages, and Microsoft's replies.

The callbacks and the queue run on storage (Azurite), through the doors as they are served; nothing listens where
Microsoft would be, so whatever got as far as asking it would be found, too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import requests

from tests.fuzz.grammar import bent, dumped, hostile, near
from tests.fuzz.target import Check, Edit, Modules, Target

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CANARY = "<canary7f3a>"
DEVICE, JOB = "33333333-0000-4000-8000-00000000000a", "44444444-0000-4000-8000-00000000000b"
STATUS_OF_TROUBLE = range(400, 500)


# ---- the manifest


def _manifest(rng: Random) -> dict[str, Any]:
    kind = rng.choice(["to_my_email", "to_my_email", "email", "fax"])
    recipient = {"to_my_email": ("user", "adele"), "email": ("to", ["ben@x.example"]), "fax": ("fax_number", "+4912")}
    name, value = recipient[kind]
    return {"id": JOB, "kind": kind, name: value, "title": hostile(rng, 2), "locale": rng.choice(["de-AT", "", "en"]),
            "document": {"name": hostile(rng, 2), "type": "application/pdf", "size": 100, "sha256": "a" * 64}}  # fmt: skip


def generate_manifest(rng: Random) -> dict[str, Any]:
    """Return a manifest, mostly bent, and how it is written."""
    told = _manifest(rng)
    if rng.random() < 0.15:  # another kind's recipient beside the right one
        told[rng.choice(["user", "to", "fax_number"])] = rng.choice(["adele", ["e@x.example"], "+1", None])
    return {
        "told": bent(rng, told, 3) if rng.random() < 0.7 else told,
        "written": rng.choice(["json"] * 8 + ["utf-16", "twice", "cut"]),
    }


def build_manifest(modules: Modules) -> Check:
    """Return the check: what is taken is a whole manifest with one recipient of its kind, and nothing beside it."""
    door, faults = modules("functions.device_api.scans"), modules("shared.faults")
    device = type("Device", (), {"locale": "be"})()

    def check(given: dict[str, Any]) -> None:
        told = given["told"]
        body = dumped(told)
        if given["written"] == "utf-16":
            body = body.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass")
        elif given["written"] == "twice":
            body = body[:-1] + b',"kind":"fax","fax_number":"+1"}'
        elif given["written"] == "cut":
            body = body[:-1]
        try:
            manifest, _ = door._manifest(body, device)
        except faults.InvalidRequest:
            assert given["written"] != "json" or not _is_manifest(told), "a good one was refused"
            return
        if given["written"] == "json":
            assert _is_manifest(told), "what is no manifest was taken"
        own = {"to_my_email": manifest.user, "email": manifest.to, "fax": manifest.fax_number}
        others = [value for kind, value in own.items() if kind != manifest.kind]
        assert not any(others), "a recipient that its kind has not"
        assert re.fullmatch(r"[0-9a-f-]{36}", manifest.id), "an id that is none"
        assert manifest.kind != "to_my_email" or re.fullmatch(r"[A-Za-z0-9._-]{1,128}", manifest.user), "no user id"
        assert re.fullmatch(r"[0-9a-f]{64}", manifest.sha256), "no hash"
        assert isinstance(manifest.size, int) and manifest.size >= 1, "no size"
        (manifest.title + manifest.name).encode()  # no lone surrogates

    return check


def _is_manifest(told: Any) -> bool:
    def text(value: Any, longest: int = 200) -> bool:
        return isinstance(value, str) and len(value) <= longest and not re.search(r"[\ud800-\udfff]", value)

    recipients = {"user": "to_my_email", "to": "email", "fax_number": "fax"}
    if not isinstance(told, dict) or not isinstance(told.get("document"), dict):
        return False
    document = told["document"]
    given = [name for name in recipients if told.get(name) is not None]
    kinds = {"user": lambda v: text(v, 128) and re.fullmatch(r"[A-Za-z0-9._-]{1,128}", v),
             "to": lambda v: isinstance(v, list) and len(v) <= 50 and all(text(e, 10**6) for e in v),
             "fax_number": text}  # fmt: skip
    return bool(
        set(told) <= {"id", "kind", "title", "locale", "document", "upload", *recipients}
        and set(document) == {"name", "type", "size", "sha256"}
        and text(told.get("id"), 36)
        and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", told["id"])
        and len(given) == 1
        and told.get("kind") == recipients[given[0]]
        and kinds[given[0]](told[given[0]])
        and text(told.get("title", ""))
        and text(told.get("locale", ""), 35)
        and re.fullmatch(r"[A-Za-z0-9-]*", told.get("locale", ""))
        and text(document["name"])
        and document["type"] in ("application/pdf", "image/jpeg", "image/tiff", "image/png")
        and type(document["size"]) is int
        and document["size"] >= 1
        and text(document["sha256"], 64)
        and re.fullmatch(r"[0-9a-f]{64}", document["sha256"])
        and (told.get("upload") is None or _is_wish(told["upload"]))
    )


def _is_wish(told: Any) -> bool:
    return isinstance(told, dict) and set(told) <= {"blocks"} and isinstance(told.get("blocks", False), bool)


_BODIES = "functions.device_api.bodies"
MANIFEST = Target(
    "manifest",
    "what is taken is whole, of one kind, and has that kind's recipient alone (E03, E16, F18, H09)",
    20_000,
    generate_manifest,
    build_manifest,
    (_BODIES, "functions.device_api.scans"),
    (
        (Edit("functions.device_api.scans", "    if given != {_RECIPIENT[told.kind]}:\n", "    if not given:\n"),),
        (
            Edit(
                _BODIES,
                'model_config = ConfigDict(extra="forbid", strict=True)',
                "model_config = ConfigDict(strict=True)",
            ),
        ),
        (
            Edit(
                _BODIES,
                'model_config = ConfigDict(extra="forbid", strict=True)',
                'model_config = ConfigDict(extra="forbid")',
            ),
        ),
        (Edit(_BODIES, 'pattern=r"^[A-Za-z0-9._-]{1,128}$"', 'pattern=r"[A-Za-z0-9._-]{1,128}"'),),
    ),
)


# ---- Microsoft's replies


def generate_reply(rng: Random) -> dict[str, Any]:
    """Return a refusal as Graph or Exchange might write it, or nobody would."""
    if rng.random() < 0.5:
        words = ["5.7.139", "5.2.2", "4.3.2", "5.7.60", "5.1.10", "4.7.500", "5.3.4", "Authentication unsuccessful",
                 "SmtpClientAuthentication is disabled for the Tenant", "SubmissionQuota Exceeded", CANARY,
                 "adele@contoso.example", hostile(rng, 2)]  # fmt: skip
        text = " ".join(rng.choice(words) for _ in range(rng.randint(0, 3)))
        return {"smtp": True, "code": rng.choice([421, 432, 450, 500, 535, 550, 552, 554, 0, 299, 599]), "text": text}
    error = {"code": rng.choice(["ErrorSendAsDenied", "ErrorQuotaExceeded", CANARY, "ErrorMessageSizeExceeded", "x"]),
             "message": CANARY, "innerError": {"code": "ErrorAccountSuspend", "innerError": {"code": CANARY}}}  # fmt: skip
    claims = rng.choice(["eyJ4IjoxfQ", "eyJ4IjoxfQ==", "e30", "WzFd", "!", "////", ""])
    headers = {"Retry-After": rng.choice(["5", "0", "-1", "1e9", "99999999", "Mon, 23 Nov 2026 12:00:30 GMT", "soon",
                                          "１", "Mon, 23 Nov 9999999 12:00:30 GMT", "",
                                          "Sun, 23 Nov 2025 12:00:30 GMT", "Sat, 23 Nov 2099 12:00:30 GMT"])}  # fmt: skip
    if rng.random() < 0.3:
        headers["WWW-Authenticate"] = f'Bearer error="insufficient_claims", claims="{claims}"'
    body = rng.choice(
        [dumped({"error": bent(rng, error)}), dumped(bent(rng, {"error": error})), b"[" * 2000, b"", b"\xff"]
    )
    return {
        "smtp": False,
        "code": rng.choice([200, 302, 400, 401, 403, 404, 413, 429, 500, 503]),
        "headers": headers,
        "body": body,
    }


def build_reply(modules: Modules) -> Check:
    """Return the check: every refusal is one of our faults, waits a sane time, and repeats nothing of what was said."""
    smtp, graph = modules("shared.mail.replies"), modules("shared.mail.graph.refusals")
    faults, rejected = modules("shared.faults"), modules("shared.mail.transport").TokenRejected

    def check(given: dict[str, Any]) -> None:
        try:
            if given["smtp"]:
                fault = smtp.refusal("data", given["code"], given["text"].encode("utf-8", "surrogatepass"), limit=7)
            else:
                answer = requests.Response()
                answer.status_code, answer._content = given["code"], given["body"]
                answer.headers.update(given["headers"])
                fault = graph.refusal(answer, NOW, 8)
        except rejected as again:
            assert again.claims is None or isinstance(json.loads(again.claims), dict), "no claims"
            assert again.claims is None or "claims=" in given["headers"]["WWW-Authenticate"], "claims from nowhere"
            return
        assert isinstance(fault, faults.Fault), "no fault of ours"
        assert fault.retry_after is None or 0 <= fault.retry_after <= 24 * 3600, "a wait that is none"
        assert re.fullmatch(r"[A-Za-z0-9_. -]{0,400}", fault.note), "the note quotes what was said"

    return check


REPLY = Target(
    "replies of Graph and Exchange",
    "every refusal is one of our faults with a sane wait, and nothing of its text goes on (G11, G13, G14)",
    6_500,
    generate_reply,
    build_reply,
    ("shared.mail.transport", "shared.mail.replies", "shared.mail.graph.refusals"),
    (
        (Edit("shared.mail.graph.refusals", ' and code.isascii() and code.replace("_", "").isalnum()', ""),),
        (Edit("shared.mail.graph.refusals", "return min(max(wait, 0.0), LONGEST_WAIT)", "return wait"),),
        (Edit("shared.mail.graph.refusals", "claims if isinstance(json.loads(claims), dict) else None", "claims"),),
        (
            Edit(
                "shared.mail.replies", 'note = f"smtp {step} {code} {enhanced}"', 'note = f"smtp {step} {code} {said}"'
            ),
        ),
    ),
)
TARGETS = (MANIFEST, REPLY)


# ---- on storage


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
    return {"way": way, "fields": fields, "clean": clean, "type": kind, "cookie": cookie, "number": rng.randrange(2**32)}


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


def stored(services: Any) -> tuple[Target, Target]:
    """Return the targets that need storage."""

    def build_callback(modules: Modules) -> Check:
        return _callbacks(services, modules)

    def build_queue(modules: Modules) -> Check:
        return _queue(services, modules)

    callback = Target(
        "callbacks",
        "an answer counts for the one state that is under way and in its own browser, and nothing of it is shown "
        "(B04, B05, C01, C03, C09, C10, C17)",
        1_000,
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
        2_000,
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
        "headers": [(name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in headers.items() if value],
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
