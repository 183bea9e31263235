"""The main job, from the panel to the mailbox, over HTTP."""

import hashlib
from typing import Any


def test_a_scan_lands_in_the_own_mailbox_sent_by_oneself(world: Any) -> None:
    """Consent once, sign in once, then one press: the mail is from and to the person, with exactly the scan."""
    assert "connected" in world.consent().text
    printer = world.printer()
    assert printer.user("adele").code == 370
    world.sign_in(printer)
    assert printer.user("adele").status == "ready"
    document = world.pdf()
    scan = printer.submit(world.manifest(document, title="Lease"), document)
    assert scan.state == "accepted"
    assert world.deliver() == 1
    assert printer.scan(scan.id).state == "sent"
    [message] = world.mailbox()
    assert message["from"] == "adele.vance@contoso.example"
    assert message["to"] == ["adele.vance@contoso.example"]
    assert message["cc"] == []
    assert message["subject"] == "Lease"
    [attachment] = message["attachments"]
    assert attachment["sha256"] == hashlib.sha256(document).hexdigest()
    assert attachment["name"] == "scan.pdf"


def test_the_second_scan_needs_nothing(world: Any) -> None:
    """After the first login a scan is one request: no sign-in, and no call to the authorize endpoint."""
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    asked = world.switchboard.count("authorize")
    for _ in range(2):
        document = world.pdf()
        scan = printer.submit(world.manifest(document), document)
        world.deliver()
        assert printer.scan(scan.id).state == "sent"
    assert world.switchboard.count("authorize") == asked
    assert len(world.mailbox()) == 2


def test_one_sign_in_serves_every_printer_of_the_group_and_no_other(world: Any) -> None:
    """The group shares a user registry: its printers need no second sign-in, another group's do (B19)."""
    world.consent()
    first, second = world.printer(), world.printer()
    elsewhere = world.printer(group="warehouse")
    world.sign_in(first)
    assert second.user("adele").status == "ready"
    assert elsewhere.user("adele").status == "sign_in_required"


def test_the_mail_speaks_the_language_of_the_person(world: Any) -> None:
    """The scan's locale decides the language of subject and body."""
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    document = world.pdf()
    printer.submit(world.manifest(document, locale="de-AT"), document)
    world.deliver()
    [message] = world.mailbox()
    assert message["subject"] == "Scan von Printer 2F"
