"""Everything through the console alone: from nothing to the first scan, and what an administrator does afterwards."""

from typing import Any

from tests.console.conftest import Desk, desk
from to_my_email import Api

__all__ = ["desk"]


def test_from_nothing_to_the_first_scan(world: Any, desk: Desk) -> None:
    """An administrator who starts with nothing gets the first scan into a mailbox by the console alone.

    He consents, makes a code for the panel, approves the printer by its four words; a person signs in and scans. Every
    step ticks itself off, the scan and all that he did are on their pages, and no step needs a command line.
    """
    admin = desk.open()
    assert "Agree for your organisation" in admin.page.text
    assert admin.page.text.count("Done") == 0

    desk.go(admin, "/console/consent")
    admin.press("consent", range="send")
    desk.through(admin)
    assert "contoso.example" in desk.go(admin, "/console").text
    assert admin.page.text.count("Done") == 2

    desk.go(admin, "/console/printers")
    ticket = admin.press("enrol", group="office", location="2nd floor", count="1", kind="code")
    code = next(word for word in ticket.text.split() if "-" in word and word.isupper())
    printer = Api(world.url, world.directory / "printer", sleep=lambda _: None)
    world.closing.callback(printer.close)
    enrolled = printer.enrol(code, model="Virtual", serial="S1", name="Printer 2F")

    assert "A printer waits to be let in" in desk.go(admin, "/console").text
    admin.visit(admin.page.links["A printer waits to be let in"])
    assert admin.press("approve", words="four words of another").status == 409
    assert "The printer is in" in admin.press("approve", words=enrolled.words).text

    world.sign_in(printer)
    document = world.pdf()
    accepted = printer.submit(world.manifest(document), document)
    assert world.deliver() == 1
    assert printer.scan(accepted.id).state == "sent"
    assert len(world.mailbox()) == 1

    overview = desk.go(admin, "/console")
    assert "Set-up" not in overview.text
    assert "Everything works" in overview.text
    people = desk.go(admin, "/console/people")
    assert "a•••@contoso.example" in people.text
    jobs = desk.go(admin, "/console/jobs")
    assert "Sent" in jobs.text
    assert "Printer 2F" in jobs.text
    audit = desk.go(admin, "/console/audit").text
    for act in ("Signed in", "Began to change the consent", "Made a ticket", "Approved a printer"):
        assert act in audit, act
