"""Targets at the doors that need nothing but the text: the scan's manifest, and Microsoft's replies."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from random import Random
from typing import Any

import requests

from tests.fuzz.grammar import bent, dumped, hostile
from tests.fuzz.target import Check, Edit, Modules, Target

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CANARY = "<canary7f3a>"
JOB = "44444444-0000-4000-8000-00000000000b"


# ---- the manifest


def _manifest(rng: Random) -> dict[str, Any]:
    kind = rng.choice(["to_my_email", "to_my_email", "email", "fax"])
    recipient = {"to_my_email": ("user", "adele"), "email": ("to", ["ben@x.example"]), "fax": ("fax_number", "+4912")}
    name, value = recipient[kind]
    return {"id": JOB, "kind": kind, name: value, "title": hostile(rng, 2), "locale": rng.choice(["de-AT", ""]),
            "document": {"name": hostile(rng, 2), "type": "image/png", "size": 9, "sha256": "a" * 64}}  # fmt: skip


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
        assert type(manifest.size) is int, "no size"
        assert manifest.size >= 1, "no byte"
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
             "message": CANARY, "innerError": {"code": "x", "innerError": {"code": CANARY}}}  # fmt: skip
    claims = rng.choice(["eyJ4IjoxfQ", "eyJ4IjoxfQ==", "e30", "WzFd", "!", "////", ""])
    headers = {"Retry-After": rng.choice(["5", "0", "-1", "1e9", "99999999", "Mon, 23 Nov 2026 12:00:30 GMT", "soon",
                                          "\uff11", "Mon, 23 Nov 9999999 12:00:30 GMT", "",
                                          "Sun, 23 Nov 2025 12:00 GMT", "Sat, 23 Nov 2099 12:00 GMT"])}  # fmt: skip
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
            _assert_claims(again.claims, given)
            return
        assert isinstance(fault, faults.Fault), "no fault of ours"
        assert fault.retry_after is None or 0 <= fault.retry_after <= 24 * 3600, "a wait that is none"
        assert re.fullmatch(r"[A-Za-z0-9_. -]{0,400}", fault.note), "the note quotes what was said"

    return check


def _assert_claims(claims: str | None, given: dict[str, Any]) -> None:
    if claims is not None:
        assert isinstance(json.loads(claims), dict), "no claims"
        assert "claims=" in given["headers"]["WWW-Authenticate"], "claims from nowhere"


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
