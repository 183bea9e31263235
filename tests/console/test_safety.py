"""Who may do what in the console: every route, every role, every tenant."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from functions.console import build
from functions.console_session import COOKIE
from shared.audit import Entry, as_csv, as_json
from shared.devices import Device
from shared.mailboxes import Owner
from tests.console.conftest import Desk

CONTOSO = "11111111-1111-4111-8111-111111111111"
FABRIKAM = "22222222-2222-4222-8222-222222222222"
GLOBAL_READER = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
PUBLIC = {("POST", "/console/sign-in"), ("POST", "/console/sign-out")}
FOR_READERS = {("POST", "/console/audit/{form}"), ("POST", "/console/doctor")}
HOSTILE = "</a><script>alert(1)</script><svg/onload=alert(2)>\"'><img src=x onerror=alert(3)>{{7*7}}"


def routes() -> list[tuple[str, str]]:
    """Every method and path of the door."""

    def nothing() -> Any:
        raise AssertionError

    paths = build(nothing).openapi()["paths"]
    found = [(method.upper(), path) for path, item in paths.items() for method in item]
    assert len(found) > 20
    return sorted(found)


def filled(path: str, device: str, job: str, oid: str, sign_in: str) -> str:
    """A path with ids in it."""
    told = {"device_id": device, "job_id": job, "oid": oid, "form": "csv", "sign_in": sign_in, "use": "email"}
    for name, value in told.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path
    return path


def fields(path: str, words: str = "") -> dict[str, str]:
    """A form that each route takes."""
    if path.endswith("/printers"):
        return {"group": "office", "location": "", "count": "1", "kind": "ticket"}
    if path.endswith("/policy"):
        numbers = {"hold_hours": "24", "largest_document": "25", "sign_in_days": ""}
        none = dict.fromkeys(("subject", "text", "allowed_domains", "fax_address", "fax_country", "fax_cover"), "")
        choices = {"unknown_outcome": "leave", "failure_notices": "yes", "panel_browser": "no"}
        return {**none, **numbers, **choices}
    if path.endswith("/sign-in"):
        return {"service": "exchange_online", "whose": "printer"}
    return {"range": "send", "words": words, "back": "/console"}


def device_of(world: Any, tid: str, **texts: str) -> Device:
    """An active printer of an organisation."""
    jwk = {"kty": "EC", "crv": "P-256", "x": uuid.uuid4().hex, "y": uuid.uuid4().hex}
    told = {"location": "2nd floor", "name": "Printer", "model": "M", "serial": uuid.uuid4().hex, **texts}
    status = told.pop("status", "active")
    return world.rooms.devices.insert(  # type: ignore[no-any-return]
        Device(
            id=str(uuid.uuid4()),
            tid=tid,
            group="office",
            locale="en",
            status=status,
            jwk=jwk,
            enrolled_at=world.clock(),
            **told,
        )
    )


@pytest.fixture
def office(world: Any) -> Any:
    """Contoso, with a printer, a person and a scan that waits to be sent."""
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    document = world.pdf()
    world.scan = printer.submit(world.manifest(document), document)
    [world.device] = world.rooms.devices.of(CONTOSO)
    world.adele = world.cloud.account("contoso/adele").oid
    owner = Owner(CONTOSO, world.device.group, world.device.id)
    world.mailbox_sign_in = world.rooms.mailbox_sign_ins.start(owner, "email", "exchange_online").id
    return world


def test_roles_and_routes(office: Any, desk: Desk) -> None:
    """Nobody gets nothing, a reader looks at every page and changes nothing, an administrator does everything.

    Every route of the door is asked as nobody, as a member without a role, as reader and as administrator; a route that
    is added later is asked too.
    """
    ids = office.device.id, office.scan.id, office.adele, office.mailbox_sign_in
    office.cloud.state.accounts["contoso/olga"].roles = (GLOBAL_READER,)
    member = desk.open("contoso/ben")
    assert member.page.status == 403
    assert "Your role does not allow this" in member.page.text
    assert desk.cookie(member) == ""
    reader, admin = desk.cookie(desk.open("contoso/olga")), desk.cookie(desk.open())
    for method, route in routes():
        if (method, route) in PUBLIC:
            continue
        path = filled(route, *ids)
        if method == "GET":
            nobody = desk.get(path)
            assert nobody.status_code == 200, route
            assert "sign-in" in nobody.text, route
            assert "Printer 2F" not in nobody.text + nobody.headers.get("location", ""), route
            assert desk.get(path, reader).status_code == 200, route
            page = desk.get(path, reader).text
            forms = set(re.findall(r'method="post" action="([^"]*)"', page))
            exports = {"/console/audit/csv", "/console/audit/json"}
            assert forms <= {"/console/sign-out", "/console/policy", "/console/doctor", *exports}, route
            assert 'id="save"' not in page
        else:
            assert desk.post(path, data=fields(path)).status_code == 403, route
            expected = 200 if (method, route) in FOR_READERS else 403
            assert desk.post(path, reader, fields(path)).status_code == expected, route
    assert office.rooms.devices.get(office.device.id).status == "active"
    assert office.rooms.grants.get(CONTOSO, office.adele) is not None
    for method, route in sorted(routes(), key=lambda each: ("/end" in each[1], "revoke" in each[1])):
        if (method, route) not in PUBLIC:
            path = filled(route, *ids)
            answer = desk.get(path, admin) if method == "GET" else desk.post(path, admin, fields(path))
            assert answer.status_code in {200, 303, 409}, (route, answer.status_code)
    assert office.rooms.devices.get(office.device.id).status == "revoked"
    assert office.rooms.grants.get(CONTOSO, office.adele) is None


def test_what_cannot_be_written_down_is_not_done(office: Any, desk: Desk) -> None:
    """I08: the audit's row comes before the act; where it cannot be written, the printer stays as it is."""
    from azure.data.tables import TableServiceClient

    admin = desk.cookie(desk.open())
    with TableServiceClient.from_connection_string(office.rooms.settings.data_storage) as service:
        service.delete_table("audit")
    for method, route in routes():
        if method == "POST" and "{device_id}" in route:
            path = filled(route, office.device.id, office.scan.id, office.adele, office.mailbox_sign_in)
            answer = desk.post(path, admin, fields(path))
            refused = answer.headers.get("Location", "").endswith("?not=storage_unavailable")
            assert answer.status_code >= 500 or refused, route
    assert office.rooms.devices.get(office.device.id) == office.device


def test_an_app_role_opens_the_console(office: Any, desk: Desk) -> None:
    """Whoever looks after printers needs no role in the directory: ToMyEmail.Admin acts, ToMyEmail.Reader looks."""
    for role, expected in (("ToMyEmail.Reader", 403), ("ToMyEmail.Admin", 303), ("ToMyEmail.Other", 403)):
        office.cloud.state.accounts["contoso/ben"].app_roles = (role,)
        cookie = desk.cookie(desk.open("contoso/ben"))
        assert desk.post(f"/console/printers/{office.device.id}/group", cookie, {}).status_code == expected, role


def test_another_tenants_things_are_not_there(office: Any, desk: Desk) -> None:
    """D03, A02: to an administrator of Fabrikam every id of Contoso's is an unknown id, at every route, and is safe.

    The lists show nothing of the other tenant, with its ids as filter, as cursor, or without.
    """
    ours, theirs = desk.cookie(desk.open("fabrikam/admin")), device_of(office, FABRIKAM)
    ids = office.device.id, office.scan.id, office.adele, office.mailbox_sign_in
    asked = 0
    for method, route in routes():
        if "_id}" not in route and "{oid}" not in route:
            continue
        asked += 1
        words = office.device.words
        for path in (filled(route, *ids), filled(route, theirs.id, *ids[1:])):
            if theirs.id in path and "{job_id}" not in route and "{sign_in}" not in route:
                continue
            answer = desk.get(path, ours) if method == "GET" else desk.post(path, ours, fields(path, words))
            assert answer.status_code == 404, (method, path)
            unknown = filled(route, *(str(uuid.uuid4()) for _ in range(4)))
            other = desk.get(unknown, ours) if method == "GET" else desk.post(unknown, ours, fields(unknown, words))
            assert re.sub("[0-9a-f]{12}", "", other.text) == re.sub("[0-9a-f]{12}", "", answer.text), route
    assert asked >= 10
    assert office.rooms.devices.get(office.device.id).status == "active"
    assert office.rooms.grants.get(CONTOSO, office.adele) is not None
    for path in (
        "/console",
        "/console/printers",
        "/console/mail",
        "/console/people",
        "/console/jobs",
        "/console/audit",
    ):
        page = desk.get(path, ours).text
        for name in (office.device.id, office.scan.id, office.adele, "Printer 2F", "contoso"):
            assert name not in page, (path, name)
    assert desk.get(f"/console/jobs?printer={office.device.id}", ours).status_code == 404
    assert office.scan.id not in desk.get(f"/console/jobs?person={office.adele}", ours).text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "", "Sec-Fetch-Site": ""},
    ],
    ids=["other origin", "null", "cross-site", "same-site", "silent"],
)
def test_every_form_must_be_ours(office: Any, desk: Desk, headers: dict[str, str]) -> None:
    """H02: a form that another site posts with the administrator's cookie does nothing, at any route."""
    admin = desk.cookie(desk.open())
    for method, route in routes():
        if method == "POST":
            path = filled(route, office.device.id, office.scan.id, office.adele, office.mailbox_sign_in)
            answer = desk.post(path, admin, fields(path), **headers)
            assert answer.status_code == 403, route
            assert "came from another site" in answer.text, route
    assert office.rooms.devices.get(office.device.id).status == "active"
    assert desk.get("/console/printers", admin).text.count(office.device.id) > 0


def test_headers_of_every_page(office: Any, desk: Desk) -> None:
    """H01, H04, H08: no page is stored, framed or lets a script in; the cookie is the host's own and unreadable."""
    person = desk.open()
    admin = desk.cookie(person)
    for method, route in routes():
        if method == "GET":
            answer = desk.get(
                filled(route, office.device.id, office.scan.id, office.adele, office.mailbox_sign_in), admin
            )
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "script-src" not in policy
            assert answer.headers["cache-control"] == "no-store"
            assert office.adele not in answer.headers.get("set-cookie", "")
    export = desk.post("/console/audit/csv", admin)
    assert export.headers["cache-control"] == "no-store"
    assert export.headers["content-disposition"].startswith("attachment")
    [cookie] = [one for one in person._http.cookies if one.name == COOKIE]
    assert (cookie.secure, cookie.domain_specified, cookie.path) == (True, False, "/")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"


def test_no_text_of_a_device_or_person_becomes_markup(world: Any, desk: Desk) -> None:
    """H03: names, models, serial numbers, places, titles, users: markup in any of them is text on every page."""
    world.consent()
    printer = world.printer(name=HOSTILE[:60])
    world.sign_in(printer)
    document = world.pdf()
    scan = printer.submit(world.manifest(document, title=HOSTILE), document)
    [device] = world.rooms.devices.of(CONTOSO)
    world.cloud.state.accounts["contoso/admin"].name = HOSTILE
    hostile = device_of(world, CONTOSO, name=HOSTILE, model=HOSTILE, serial=HOSTILE, location=HOSTILE, status="pending")
    cookie = desk.cookie(desk.open())
    adele = world.cloud.account("contoso/adele").oid
    shown = 0
    begun = {
        one.id: world.rooms.mailbox_sign_ins.start(Owner(CONTOSO, one.group, one.id), "email", "exchange_online").id
        for one in (device, hostile)
    }
    for method, route in routes():
        for one in (device.id, hostile.id) if "{device_id}" in route else (device.id,):
            if method == "GET" and not ("{job_id}" in route and one == hostile.id):
                page = desk.get(filled(route, one, scan.id, adele, begun[one]), cookie).text
                assert not re.search(r"<(script|svg/|img src=x)|[^{]49[^0-9]*</h1>", page), route
                shown += "&lt;script&gt;" in page
    assert shown >= 4


def test_what_an_address_says_stays_text(office: Any, desk: Desk) -> None:
    """H03: no part of an address comes back as markup, and no made-up slug as words."""
    cookie = desk.cookie(desk.open())
    for query in (
        f"?done={HOSTILE}",
        f"?not={HOSTILE}",
        f"?cursor={HOSTILE}",
        f"?after={HOSTILE}",
        f"?state={HOSTILE}",
    ):
        for path in ("/console", "/console/printers", "/console/people", "/console/jobs", "/console/audit"):
            answer = desk.get(path + query, cookie)
            assert answer.status_code in {200, 404, 422}
            assert "<script" not in answer.text


def entries(text: str) -> Iterator[Entry]:
    """An act whose every text is ``text``."""
    from datetime import UTC, datetime

    yield Entry(datetime(2026, 1, 2, tzinfo=UTC), text, text, text, text, text, text)


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://evil")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "\uff1d1"]
)
def test_a_spreadsheet_runs_nothing_of_the_export(text: str) -> None:
    """H07: what could be a formula begins with an apostrophe in CSV, and is as it was in JSON."""
    import csv
    import io
    import json

    [_, row] = csv.reader(io.StringIO(as_csv(entries(text)).decode("utf-8-sig"), newline=""))
    assert row[1:] == ["'" + text] * 6
    [told] = json.loads(as_json(entries(text)))
    assert told["account"] == text
