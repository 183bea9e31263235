"""What an administrator sees of scans, and what he may do with one."""

import re
from typing import Any

from tests.console.conftest import Desk

CONTOSO = "11111111-1111-4111-8111-111111111111"
MARK = re.compile(r'href="(/console/jobs/[0-9a-f-]+/[0-9a-f-]+)"')


def listed(desk: Desk, cookie: str, query: str = "") -> list[str]:
    """Ids of the scans on a page of the list and on those after it."""
    path, found = f"/console/jobs{query}", list[str]()
    while path:
        page = desk.get(path, cookie)
        assert page.status_code == 200, path
        found += [one.rpartition("/")[2] for one in MARK.findall(page.text)]
        more = re.search(r'id="more" href="([^"]*)"', page.text)
        path = more[1].replace("&amp;", "&") if more else ""
    return found


def test_scans_are_found_and_dealt_with(world: Any, desk: Desk) -> None:
    """By state, code, printer and person; each attempt is told; what waits is sent, let go or cancelled.

    Adele has a scan that was sent, one that waits, and one that was perhaps sent; Ben, who never signed in, one that
    is held. Whatever is not possible says so and changes nothing.
    """
    world.consent()
    printer, other = world.printer(), world.printer(name="Printer 3F")
    world.sign_in(printer)
    adele = world.cloud.account("contoso/adele").oid

    def scan(device: Any = printer, user: str = "adele") -> str:
        document = world.pdf()
        accepted = device.submit(world.manifest(document, user=user), document)
        world.deliver()
        return str(accepted.id)

    sent, held = scan(other), scan(user="ben")
    world.switchboard.add("sendMail", "reset_after_applying")
    perhaps = scan()
    world.switchboard.add("sendMail", "graph", status=503)
    waiting = scan()
    world.switchboard.add("sendMail", "graph", status=503)
    cancelled = scan()
    cookie = desk.cookie(desk.open())
    printers = {device.name: device.id for device in world.rooms.devices.of(CONTOSO)}

    def at(job: str, device: str = "Printer 2F") -> str:
        return f"/console/jobs/{printers[device]}/{job}"

    def act(job: str, what: str, device: str = "Printer 2F") -> str:
        answer = desk.post(f"{at(job, device)}/{what}", cookie)
        assert answer.status_code == 303
        return answer.headers["Location"].rpartition("?")[2]

    assert listed(desk, cookie) == [cancelled, waiting, perhaps, held, sent]
    for query, expected in {
        "?state=sent": [sent],
        "?state=waiting": [cancelled, waiting],
        "?code=360": [cancelled, waiting, perhaps],
        "?code=370": [held],
        "?code=361": [],
        f"?printer={printers['Printer 3F']}": [sent],
        f"?person={adele}": [cancelled, waiting, perhaps, sent],
        f"?person={adele}&printer={printers['Printer 2F']}&state=uncertain": [perhaps],
    }.items():
        assert listed(desk, cookie, query) == expected, query
    for query in ("?state=lost", "?code=999", "?printer=x", "?person=x", "?cursor=x"):
        assert desk.get(f"/console/jobs{query}", cookie).status_code in {404, 422}, query

    page = desk.get(at(waiting), cookie).text
    assert re.search(
        r"1\. Will be tried again</strong> <span[^>]*>360</span> The mail service does not answer properly<br>", page
    )
    assert page.count("next attempt") == 1
    assert "1. Sent</strong><br>" in desk.get(at(sent, "Printer 3F"), cookie).text

    assert act(sent, "retry", "Printer 3F") == "not=wrong_state"
    assert act(sent, "cancel", "Printer 3F") == "not=wrong_state"
    assert act(held, "retry") == "not=wrong_state"
    assert act(held, "release") == "not=sign_in_required"
    assert act(cancelled, "cancel") == "done=cancelled"
    assert act(waiting, "retry") == "done=retried"
    assert act(perhaps, "retry") == "done=retried"
    assert world.deliver() == 2
    assert printer.scan(waiting).state == printer.scan(perhaps).state == "sent"
    assert printer.scan(cancelled).state == "cancelled"
    assert "2. Sent" in desk.get(at(perhaps), cookie).text
    assert len(world.mailbox()) == 4
    world.sign_in(printer, "ben", "ben.okoye@contoso.example")
    assert act(held, "release") == "not=wrong_state"
    assert world.deliver() == 1
    assert listed(desk, cookie, "?state=held") == []

    audit = desk.get("/console/audit", cookie).text
    # Two that were done, and two that were not: these have a row before and one after.
    assert audit.count("Sent a scan again") == 6
    assert audit.count("Failed</span>") == 5


def test_lists_page(world: Any, desk: Desk) -> None:
    """Forty-five scans on three pages, each once, newest first; the same with a filter."""
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    document = world.pdf()
    made = [printer.submit(world.manifest(document), document).id for _ in range(45)]
    cookie = desk.cookie(desk.open())
    assert listed(desk, cookie) == listed(desk, cookie, "?state=accepted") == made[::-1]
