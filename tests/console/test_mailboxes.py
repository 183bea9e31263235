"""The console's pages of printers' mailboxes and fax accounts: sign in by code and by link, test, sign out, agree."""

import re
from dataclasses import replace
from typing import Any

import pytest

from local.person import Person
from shared.organisations.policy import Policy
from tests.console.conftest import Desk
from tests.console.test_safety import GLOBAL_READER, device_of

CONTOSO = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def office(world: Any) -> Any:
    """Contoso with two printers of one group."""
    world.consent()
    policy = replace(Policy(), fax_address="{number}@fax.example.com")
    world.rooms.organisations.set_policy(CONTOSO, policy)
    world.one, world.two = device_of(world, CONTOSO, name="Printer 2F"), device_of(world, CONTOSO, name="Printer 3F")
    return world


def begin(office: Any, desk: Desk, admin: Person, use: str = "email", **form: str) -> str:
    """Begin a sign-in on the page of the first printer; returns the address of its own page."""
    desk.go(admin, f"/console/mail/{office.one.id}")
    return admin.press(f"sign-in-{use}", **{"service": "exchange_online", **form}).url


def confirm(office: Any, admin: Person, account: str) -> None:
    """Somebody types the code of the page at Microsoft."""
    [code] = re.findall(r"\b[A-Z0-9]{9}\b", admin.page.text)
    office.person().walk(f"{office.microsoft_url}/devicelogin?user_code={code}", account)
    office.clock.advance(seconds=6)


def test_from_nothing_to_a_test_mail_and_back(office: Any, desk: Desk) -> None:
    """G3, G4: a code with its live state, signed in for the whole group, a test mail, the end; each is written down.

    The page loads itself again by a header (no script may run), and one may stop that. A reader sees neither code nor
    form. No page holds the whole address, and the audit holds none.
    """
    admin = desk.open()
    address = begin(office, desk, admin, service="exchange_online", whose="group")
    path = address.removeprefix(office.url)
    cookie = desk.cookie(admin)
    waiting = desk.get(path, cookie)
    assert "Waiting for the sign-in" in waiting.text
    assert int(waiting.headers["refresh"]) >= 5
    assert "refresh" not in desk.get(f"{path}?still=1", cookie).headers
    office.cloud.state.accounts["contoso/olga"].roles = (GLOBAL_READER,)
    reader = desk.get(path, desk.cookie(desk.open("contoso/olga")))
    assert re.search(r"\b[A-Z0-9]{9}\b", reader.text) is None
    assert "Waiting for the sign-in" in reader.text
    admin.visit(address)
    confirm(office, admin, "contoso/ben")
    done = admin.visit(address)
    assert "Now press OK at the printer" in done.text
    assert "Signed in, but not delivered: press OK at the printer" in done.text
    assert "All printers of the group office" in done.text
    assert desk.go(admin, "/console/mail").text.count("b•••@contoso.example") == 2
    desk.go(admin, f"/console/mail/{office.two.id}")
    assert "The test mail is sent" in admin.press("test-email").text
    assert [mail["from"] for mail in office.mailbox("ben.okoye@contoso.example")] == ["ben.okoye@contoso.example"]
    assert "may not send mail to this recipient" in admin.press("test-email", to="eve@evil.example").text
    assert office.cloud.mailboxes.external == []
    assert "The account is signed out" in admin.press("end-email").text
    assert "b•••" not in desk.go(admin, "/console/mail").text
    assert office.rows("mailboxgrants") == []
    audit = desk.go(admin, "/console/audit").text
    for act in ("Began to sign in a printer's mailbox", "Sent a test mail", "Signed a printer's mailbox out"):
        assert act in audit, act
    assert "email, exchange_online, group" in audit
    assert "ben.okoye" not in audit


def test_where_codes_are_blocked_the_same_page_offers_the_link(office: Any, desk: Desk) -> None:
    """Conditional Access: named with 370 and its remedy, and the sign-in goes on through the app that is agreed to.

    Where Microsoft tells the person and never the poll, he opens the way himself; Outlook.com goes by PKCE.
    """
    admin = desk.open()
    office.cloud.block_device_code("contoso")
    address = begin(office, desk, admin)
    confirm(office, admin, "contoso/ben")
    blocked = admin.visit(address)
    assert "370: Your organisation does not allow signing in by code" in blocked.text
    page = office.person().walk(blocked.links["link"], "contoso/ben")
    assert "Now press OK on the printer" in page.text
    assert "b•••@contoso.example" in admin.visit(address).text
    address = begin(office, desk, admin, service="outlook_com")
    offered = admin.press("offer-link")
    assert offered.url == address
    office.person().walk(offered.links["link"], "personal/pat")
    assert "p•••@outlook.example" in admin.visit(address).text
    assert "Went on by a link" in desk.go(admin, "/console/audit").text


def test_a_test_fax_is_asked_for_first(office: Any, desk: Desk) -> None:
    """It costs money: without the tick nothing is sent, nor to what is no number."""
    admin = desk.open()
    address = begin(office, desk, admin, "fax")
    confirm(office, admin, "contoso/olga")
    admin.visit(address)
    path = f"/console/mail/{office.one.id}/fax/test"
    for form in ({"number": "+375172001122"}, {"sure": "yes"}, {"number": "+375172001122", "sure": "no"}):
        assert desk.post(path, desk.cookie(admin), form).status_code == 422
    assert "This is not a fax number" in admin.press("test-fax", number="CALL ME", sure="yes").text
    assert office.cloud.mailboxes.external == []
    assert "on its way to the fax provider" in admin.press("test-fax", number="+375 17 200-11-22", sure="yes").text
    assert office.cloud.mailboxes.external == ["375172001122@fax.example.com"]
    assert "Sent a test fax" in desk.go(admin, "/console/audit").text


def test_a_cancelled_sign_in_is_over(office: Any, desk: Desk) -> None:
    """B11: whoever types the code afterwards signs in for nothing. One printer's sign-in is not on another's page."""
    admin = desk.open()
    address = begin(office, desk, admin)
    other = device_of(office, CONTOSO)
    office.rooms.devices.revoke(CONTOSO, other.id)
    elsewhere = address.replace(office.one.id, other.id)
    assert admin.visit(elsewhere).status == 404
    page = admin.visit(address)
    admin.press("cancel")
    admin.page = page
    confirm(office, admin, "contoso/ben")
    assert "Not signed in" in admin.visit(address).text
    assert office.rows("mailboxgrants") == []


def test_the_mailboxes_app_has_a_consent_link_of_its_own(office: Any, desk: Desk) -> None:
    """An administrator agrees to the printers' app at Microsoft, or declines, and comes back to a page that says so."""
    admin = desk.open()
    desk.go(admin, "/console/mail")
    admin.press("mailbox-consent")
    assert "To My Email Mailbox" in admin.page.text
    desk.through(admin)
    assert "Microsoft says that it is agreed" in admin.page.text
    assert "Went to agree to the printers' mailbox app" in desk.go(admin, "/console/audit").text
    desk.go(admin, "/console/mail")
    admin.press("mailbox-consent")
    admin.press("pick-contoso-admin")
    admin.press("cancel")
    assert "Consent was not given" in admin.page.text
