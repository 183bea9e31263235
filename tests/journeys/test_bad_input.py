"""I14, I11: whatever comes in at any door, a documented answer goes out, in words, and never a 5xx."""

import http.client
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import requests

from shared.faults import BY_REASON
from shared.mail.graph.body import LARGEST_DOCUMENT

CANARY = "canary7f3a"
FAR = datetime(2100, 1, 1, tzinfo=UTC)
CONTOSO = "11111111-1111-4111-8111-111111111111"
MEMBERS = {"type", "title", "status", "detail", "reason", "who", "remedy", "reference"}
WEB = ("/", "/healthz", "/readyz", "/s", "/s/x", "/consent", "/consent/callback", "/consent/x", "/auth/callback",
       "/auth/finish", "/assets/x", "/api/docs", "/favicon.ico", "/console", "/nothing")  # fmt: skip
OPEN = {"/api/v1/nonce", "/api/v1/token", "/api/v1/enrolments"}
"""Paths of the device API that need no token."""


def routes(world: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation of the OpenAPI document: method, path, and what it says of it."""
    document = requests.get(f"{world.url}/api/v1/openapi.json", timeout=10).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def ask(world: Any, method: str, path: str, **given: Any) -> requests.Response:
    """One request, without redirects."""
    return requests.request(method, f"{world.url}{path}", timeout=30, allow_redirects=False, **given)


def token_of(printer: Any) -> dict[str, str]:
    """The printer's own header."""
    return {"Authorization": f"Bearer {printer.connection.tokens.token()[0]}"}


def problem(answer: requests.Response, *statuses: int) -> dict[str, Any]:
    """Assert that an answer is a whole problem+json that repeats nothing of the request; return it."""
    where = f"{answer.request.method} {answer.request.url!s:.120} {answer.status_code} {answer.text[:300]}"
    assert answer.status_code < 500, where
    assert not statuses or answer.status_code in statuses, where
    if urlsplit(str(answer.request.url)).path == "/api/v1/token" and "reason" not in answer.json():
        assert set(answer.json()) == {"error", "error_description"}, where  # RFC 6749 section 5.2
        return {}
    assert answer.headers["content-type"] == "application/problem+json", where
    assert answer.headers["cache-control"] == "no-store", where
    body: dict[str, Any] = answer.json()
    assert set(body) >= MEMBERS, where
    assert body["status"] == answer.status_code, where
    assert body["reason"] in BY_REASON, where
    assert CANARY not in answer.text, where
    assert body["title"], where
    return body


def filled(path: str, value: str) -> str:
    """The path with every parameter set."""
    return path.replace("{id}", value).replace("{user_id}", value)


def test_without_a_good_token_nobody_comes_in(world: Any) -> None:
    """D10, D17, A10: no token, junk, a forged one, another audience, an expired one: 401 at every route."""
    printer = world.printer()
    good = printer.connection.tokens.token()[0]
    claims = jwt.decode(good, options={"verify_signature": False})
    header = jwt.get_unverified_header(good)
    key = world.rooms.tokens._key

    def signed(with_key: Any = key, algorithm: str = "HS256", **changes: Any) -> str:
        changed = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return "Bearer " + jwt.encode(changed, with_key, algorithm, headers={"typ": header["typ"]})

    bad: list[str | None] = [
        None, "", "Bearer", "Bearer ", f"Basic {good}", f"Bearer {good}x", f"Bearer {good[:-8]}", "Bearer ..",
        "Bearer " + "a" * 6000, f"Bearer {CANARY}", "Bearer \xe9", signed(aud="https://other.example/api/v1"),
        signed(iss="https://other.example"), signed(with_key=b"k" * 32), signed(exp=None), signed(sub=None),
        signed(sub=str(uuid.uuid4())), signed(tid=str(uuid.uuid4())), signed(sub=7), signed(exp=1),
        signed(with_key=None, algorithm="none"), signed(sub="' or 1 eq 1"), signed(exp="soon"),
    ]  # fmt: skip
    # The test's own hand signs well: with nothing changed it is let in.
    assert ask(world, "GET", "/api/v1/device", headers={"Authorization": signed()}).status_code == 200
    for method, path, _ in routes(world):
        if path in OPEN:
            continue
        for authorization in bad if path == "/api/v1/device" else bad[:2] + bad[-13:-11]:
            headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
            answer = ask(world, method, filled(path, str(uuid.uuid4())), headers=headers, json={})
            body = problem(answer, 401)
            assert body["reason"] in {"device_token_invalid", "device_token_expired"}
            assert answer.headers["www-authenticate"].startswith("Bearer")


DEEP = "[" * 30_000 + "]" * 30_000
BODIES: list[bytes] = [
    b"", b"null", b"[]", b'"x"', b"1", b"{", b"\xff\xfe", b'{"a":1}', b'{"a":1,"a":2}', b"NaN", b'{"user":null}',
    DEEP.encode(), json.dumps({"user": {"id": "adele", "email": 7}}).encode(), b'{"locale":"' + b"x" * 60_000 + b'"}',
    b'{"user":{"id":"a","email":"\\ud800@x.example"}}', b'{"locale":"\\u0000"}',
    b'{"range":"' + CANARY.encode() + b'"}',
    b'{"range":1e400}', b'{"locale":' + b"9" * 5000 + b"}", b'{"user":{"id":"../x","email":"a@b.example"}}',
    b'{"user":{"id":"a","email":"a@b.example","admin":true}}', b'{"ticket":"' + CANARY.encode() + b'","jwk":{}}',
    '{"user":{"id":"ä","email":"a@b.example"}}'.encode("utf-16"), b'{"__proto__":{}}', b"\x00", b'{"locale":true}',
]  # fmt: skip


CONTENT_TYPES = (
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    'multipart/form-data; boundary="x"',
    "",
)


def test_a_body_that_is_wrong_is_named_and_not_repeated(world: Any) -> None:
    """F18, I14, H09: no JSON, wrong types, unknown fields, surrogates, NUL, deep, huge, doubled: 4xx, nothing kept."""
    world.consent()
    printer = world.printer()
    headers = token_of(printer)
    rows = {table: len(world.rows(table)) for table in ("jobs", "handoffs", "devices", "people")}
    for method, path, operation in routes(world):
        if "requestBody" not in operation:
            continue
        for content_type in CONTENT_TYPES:
            for body in BODIES if content_type == "application/json" else BODIES[:8]:
                if path == "/api/v1/consents" and body in {b"", b'{"a":1}'} and content_type != "application/json":
                    continue
                sent = {**headers, "Content-Type": content_type} if content_type else headers
                problem(ask(world, method, path, data=body, headers=sent), 400, 401, 403, 411, 413, 415, 422)
    assert {table: len(world.rows(table)) for table in rows} == rows


def raw(world: Any, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str, bytes]:
    """One request exactly as given; status, content type and body of the answer."""
    connection = http.client.HTTPConnection(urlsplit(world.url).netloc, timeout=30)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.getheader("content-type", ""), answer.read()
    finally:
        connection.close()


def test_a_body_needs_its_length_and_has_a_limit(world: Any) -> None:
    """E05: chunked without a length is 411, more than a door takes is 413 before a byte of it is read."""
    printer = world.printer()
    headers = token_of(printer)
    chunked = b"2\r\n{}\r\n0\r\n\r\n"
    posts = [(method, path) for method, path, operation in routes(world) if method == "POST"]
    for method, path in posts:
        place = filled(path, str(uuid.uuid4()))
        status, kind, body = raw(
            world,
            method,
            place,
            chunked,
            {**headers, "Transfer-Encoding": "chunked", "Content-Type": "application/json"},
        )
        assert (status, kind, json.loads(body)["reason"]) == (411, "application/problem+json", "length_required"), path
        limit = 11_000_000 if path == "/api/v1/scans" else 70_000
        status, kind, body = raw(world, method, place, None, {**headers, "Content-Length": str(limit)})
        assert (status, json.loads(body)["reason"]) == (413, "body_too_large"), path
    for path in ("/s", "/consent", "/auth/callback"):
        status, kind, _ = raw(world, "POST", path, None, {"Content-Length": "70000"})
        assert (status, kind) == (413, "text/html; charset=utf-8"), path
        status, kind, _ = raw(world, "POST", path, chunked, {"Transfer-Encoding": "chunked"})
        assert (status, kind) == (411, "text/html; charset=utf-8"), path


def test_methods_that_do_not_belong_are_refused_and_change_nothing(world: Any) -> None:
    """H10: every other method at every path, TRACE and invented ones too; an override header is not looked at."""
    printer = world.printer()
    headers = {**token_of(printer), "X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"}
    known: dict[str, set[str]] = {}
    for method, path, _ in routes(world):
        known.setdefault(path, set()).add(method)
    for path, methods in known.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "BREW"} - methods:
            answer = ask(world, method, filled(path, str(uuid.uuid4())), headers=headers, json={})
            assert problem(answer, 405)["reason"] == "method_not_allowed"
            assert set(answer.headers["Allow"].split(", ")) == methods  # RFC 9110 section 15.5.6
    assert "Allow" not in ask(world, "GET", "/api/v1/nowhere", headers=headers).headers
    document = world.pdf()
    world.consent()
    world.sign_in(printer)
    scan = printer.submit(world.manifest(document), document)
    answer = ask(world, "GET", f"/api/v1/scans/{scan.id}", headers=headers)
    assert answer.json()["state"] == "accepted"
    for path in WEB:
        for method in ("PUT", "PATCH", "DELETE", "TRACE", "BREW"):
            assert 400 <= ask(world, method, path).status_code < 500, (method, path)


QUERIES = (
    "?cursor=x", "?cursor=" + "9" * 40, "?cursor=%00", "?cursor=%F0%9F", "?cursor=999999999999999.x", "?wait=x",
    "?wait=-1", "?wait=" + "9" * 6000, "?since=%00&wait=0", "?" + "a=b&" * 500, "?%", "?=&=", "?state[]=1",
    "?code=" + CANARY,
    "?admin_consent=True&tenant=" + CANARY, "?error=access_denied&error_description=" + CANARY,
    "?tx=" + CANARY, "?v=../x",
)  # fmt: skip


def test_queries_and_paths_that_make_no_sense(world: Any) -> None:
    """I14: junk in queries at every route that is read is ignored or refused."""
    printer = world.printer()
    headers = token_of(printer)
    gets = [filled(path, str(uuid.uuid4())) for method, path, _ in routes(world) if method == "GET"]
    for path in gets:
        for query in QUERIES:
            answer = ask(world, "GET", path + query, headers=headers)
            if answer.status_code >= 400:
                problem(answer)


def test_pages_reflect_nothing_and_set_no_cookie_by_being_looked_at(world: Any) -> None:
    """B03, C10, C17, I11, I14: paths and queries of every odd kind, as a browser and as a program."""
    paths = [*WEB, "/" + "x" * 8000, "/s/" + "x" * 8000, "/%2e%2e/%2e%2e/etc/passwd", "//x", "/assets/..%2f..%2fx",
             "/s/%00", "/s/%F0%9F", "/consent/%0d%0aSet-Cookie:x", "/api", "/api/", "/api/v1", "/api/v1/scans/",
             "/api/v2/scans", "/API/V1/nonce", "/.well-known/x", "/s/" + CANARY, "/api/v1/" + CANARY]  # fmt: skip
    for path in paths:
        for query in ("", *QUERIES[-5:]):
            for accept in ("text/html", "*/*"):
                answer = ask(world, "GET", path + query, headers={"Accept": accept})
                assert answer.status_code < 500 or path == "/readyz", path
                assert CANARY not in answer.text, path
                assert "set-cookie" not in answer.headers, path
                if answer.status_code >= 400:
                    assert answer.headers["content-type"] in {"text/html; charset=utf-8", "application/problem+json"}, (
                        path
                    )


def test_a_form_is_a_form_and_says_everything_once(world: Any) -> None:
    """I14: another media type is not looked into, and of two values none is chosen: nothing begins."""
    started = world.rooms.storage.table("handoffs")
    before = {(row.partition, row.row) for row in started.expired(FAR)}
    for path, field in (("/s", "code"), ("/consent", "range")):
        for media_type in ("application/json", "multipart/form-data; boundary=b", "text/plain"):
            answer = ask(
                world,
                "POST",
                path,
                data=f"{field}=send",
                headers={"Origin": world.url, "Sec-Fetch-Site": "same-origin", "Content-Type": media_type},
            )
            assert answer.status_code == 415, (path, media_type)
        twice = ask(
            world,
            "POST",
            path,
            data=[(field, "send"), (field, "send-large")],
            headers={"Origin": world.url, "Sec-Fetch-Site": "same-origin"},
        )
        assert twice.status_code == 422, path
    assert {(row.partition, row.row) for row in started.expired(FAR)} == before


def test_forms_that_make_no_sense(world: Any) -> None:
    """C01, C17, I14: every form of the pages, with junk and with other content types."""
    for path in ("/s", "/s/x", "/consent", "/consent/x", "/auth/callback"):
        for body in ("", "code=" + CANARY, "user_code=" + "x" * 9000, "%", "a&b&c", "state=" + CANARY, "a=b&" * 60):
            for kind in ("application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x"):
                answer = ask(world, "POST", path, data=body, headers={"Content-Type": kind, "Origin": world.url})
                assert answer.status_code < 500, (path, body[:20], kind)
                assert CANARY not in answer.text, path


Part = tuple[str, tuple[str | None, Any, str]]


@pytest.fixture
def signed_in(world: Any) -> Any:
    """A printer where Adele may scan."""
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    return printer


def test_multipart_that_is_not_what_it_should_be(world: Any, signed_in: Any) -> None:
    """E05, E09, I14: parts that are missing, doubled, too many or in another order; a manifest as a file is fine."""
    headers = token_of(signed_in)
    document = world.pdf()

    def post(parts: list[Part]) -> requests.Response:
        return ask(world, "POST", "/api/v1/scans", headers=headers, files=parts)

    def manifest(name: str | None = None, **changes: Any) -> Part:
        return "manifest", (name, json.dumps(world.manifest(document) | changes), "application/json")

    def describes(**changes: Any) -> Part:
        return manifest(document=world.manifest(document)["document"] | changes)

    body: Part = ("document", ("a.pdf", document, "application/pdf"))
    for good in ([manifest(), body], [manifest("m.json"), body], [body, manifest()], [body, manifest("m.json")]):
        assert post(good).status_code == 202, good[0][0]
    text: Part = ("document", (None, "%PDF-1.7", "application/pdf"))
    bad: list[list[Part]] = [
        [manifest()], [body], [manifest(), text], [manifest(), body, body], [manifest(), manifest(), body],
        [manifest(), body, ("more", (None, "x", "text/plain"))],
        [manifest(), body, ("more", ("x", b"x", "text/plain"))],
        [("manifest", (None, "", "application/json")), body],
        [("manifest", ("m", b"\xff\xfe", "application/json")), body],
        [("manifest", (None, DEEP, "application/json")), body],
        [("manifest", (None, "x" * 70_000, "text/plain")), body],
        [("manifest", ("m", "x" * 70_000, "text/plain")), body], [manifest(id="x"), body], [manifest(id=7), body],
        [manifest(id=str(uuid.uuid4()).upper()), body], [manifest(kind="to_all"), body], [manifest(user=None), body],
        [manifest(to=["evil@x.example"]), body], [manifest(fax_number="1"), body], [manifest(title="x" * 201), body],
        [manifest(title="\ud800"), body], [manifest(title=7), body], [manifest(recipient=CANARY), body],
        [manifest(bcc=CANARY), body], [manifest(document={}), body], [manifest(document=None), body],
        [describes(size=-1), body],
        [describes(size=10**40), body],
        [describes(size="1"), body],
        [describes(sha256="A" * 64), body],
        [describes(type="text/html"), body],
        [describes(x=1), body],
        [manifest(), ("document", ("a.pdf", b"", "application/pdf"))],
        [manifest(), ("document", ("a.pdf", b"MZ", "application/pdf"))],
    ]  # fmt: skip
    jobs = len(world.rows("jobs"))
    for parts in bad:
        problem(post(parts), 400, 409, 413, 415, 422)
    doubled = json.dumps(world.manifest(document)).replace('"kind"', f'"kind": "{CANARY}", "kind"', 1)
    assert post([("manifest", (None, doubled, "application/json")), body]).status_code in {202, 422}
    # At most the doubled one was taken: its job, its place in the history, and the four rows that announced it.
    assert len(world.rows("jobs")) - jobs <= 6
    for broken in (b"", b"--x", b"--x\r\n", b"--x--\r\n",
                   b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--\r\n",
                   b'--x\r\nContent-Disposition: form-data; name="manifest"\r\n\r\n{}', b"\x00" * 100,
                   b'--x\r\nContent-Disposition: form-data; name="manifest"; filename*=utf-9\'\'%ff\r\n\r\n{}\r\n--x',
                   b"--x\r\n" + b"A: b\r\n" * 500 + b"\r\n"):  # fmt: skip
        for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "Multipart/Form-Data; boundary=x",
                     "multipart/form-data; boundary=" + "x" * 5000, "multipart/form-data; boundary=\xff",
                     "multipart/form-data; charset=utf-9; boundary=x"):  # fmt: skip
            sent = {**headers, "Content-Type": kind.encode("latin-1")}
            problem(ask(world, "POST", "/api/v1/scans", data=broken, headers=sent), 400, 411, 415, 422)


def test_a_document_over_the_limit_is_refused_and_not_stored(world: Any, signed_in: Any) -> None:
    """E05, F12: a declared size over the limit, a document that is longer than declared, and 10 MB and a little."""
    document = b"%PDF-" + bytes(LARGEST_DOCUMENT)
    made = world.manifest(document)
    files = {"manifest": (None, json.dumps(made), "application/json"), "document": ("a", document, "application/pdf")}
    body = problem(ask(world, "POST", "/api/v1/scans", headers=token_of(signed_in), files=files), 413)
    assert body["reason"] == "too_large"
    assert "3 MB" in body["detail"]
    declared = {**made, "document": {**made["document"], "size": 5}}
    files["manifest"] = (None, json.dumps(declared), "application/json")
    assert problem(ask(world, "POST", "/api/v1/scans", headers=token_of(signed_in), files=files), 422)["reason"] == (
        "document_mismatch"
    )
    files["document"] = ("a", bytes(10_100_000), "application/pdf")
    problem(ask(world, "POST", "/api/v1/scans", headers=token_of(signed_in), files=files), 413)
    assert world.rows("jobs") == []


def test_every_problem_speaks_the_language_of_the_request(world: Any) -> None:
    """Title, detail and remedy are German for who asks in German, and never empty for who asks in nonsense."""
    for wish, language in (
        ("de-AT", "de"),
        ("en", "en"),
        ("xx, *;q=0", "en"),
        ("\xff;q=9", "en"),
        ("de;q=x" * 400, ""),
    ):
        headers = {"Accept-Language": wish.encode("latin-1")}
        answer = ask(world, "GET", "/api/v1/device", headers=headers)
        problem(answer, 401)
        assert not language or answer.headers["content-language"] == language, wish
