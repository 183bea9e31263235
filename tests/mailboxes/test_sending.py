"""Mail and fax in a printer's own name: from whom, to whom, by which way, and what it is shown as."""

import hashlib
import io
from typing import Any

import pytest

from shared import faults
from shared.organisations import Policy
from tests.mailboxes.conftest import DOCUMENT

LARGE = b"%PDF-1.7 " + bytes(4_000_000) + b"%%EOF"


def test_the_printer_sends_from_its_own_mailbox(desk: Any) -> None:
    """G3: the mail is from the mailbox that was signed in and goes to whom the device said, with exactly the scan."""
    desk.ready()
    job = desk.scan(to=("olga@contoso.example", "adele.vance@contoso.example"))
    assert (job.state, job.reason) == ("sent", None)
    [mail] = desk.inbox("contoso/olga")
    assert mail in desk.inbox("contoso/adele")
    assert mail.sender == "ben.okoye@contoso.example"
    assert mail.recipients["to"] == ("olga@contoso.example", "adele.vance@contoso.example")
    assert (mail.recipients["cc"], mail.recipients["bcc"]) == ((), ())
    assert hashlib.sha256(mail.attachments[0].content).digest() == hashlib.sha256(DOCUMENT).digest()
    assert desk.inbox("contoso/ben") == []


def test_what_graph_does_not_take_goes_by_smtp(desk: Any) -> None:
    """Over 3 MB the same mailbox sends by SMTP, to every recipient of the envelope and of the header."""
    desk.ready()
    job = desk.scan(LARGE, to=("olga@contoso.example", "adele.vance@contoso.example"))
    assert (job.state, job.reason) == ("sent", None)
    [mail] = desk.inbox("contoso/adele")
    assert mail.recipients["to"] == ("olga@contoso.example", "adele.vance@contoso.example")
    assert mail in desk.inbox("contoso/olga")
    assert desk.microsoft.switchboard.count("sendMail") == 0
    assert desk.microsoft.switchboard.count("smtp_dot") == 1


def test_a_size_that_its_mailbox_refused_is_refused_before_the_upload(desk: Any) -> None:
    """F12: the limit is remembered of the printer's mailbox for a week; people's scans and small mail go on."""
    desk.ready()
    desk.microsoft.switchboard.add("smtp_mail", "reply", message="552 5.3.4 Message size exceeds")
    job = desk.scan(LARGE)
    assert (job.state, job.reason) == ("failed", "too_large")
    with pytest.raises(faults.TooLarge):
        desk.scan(LARGE)
    assert desk.scan().state == "sent"
    assert desk.rooms.organisations.get(desk.device.tid).policy == Policy()
    desk.clock.advance(days=7)
    assert desk.scan(LARGE).state == "sent"


@pytest.mark.parametrize("document", [DOCUMENT, LARGE], ids=["graph", "smtp"])
def test_outlook_com_sends_both_ways(desk: Any, document: bytes) -> None:
    """The second service: Graph for what fits, Outlook.com's submission for the rest; refreshed at consumers."""
    desk.ready("personal/pat", "outlook_com")
    desk.clock.advance(hours=3)
    job = desk.scan(document, to=("pat@outlook.example",))
    assert (job.state, job.reason) == ("sent", None)
    assert len(desk.inbox("personal/pat")) == 1


def test_without_a_sign_in_the_guides_message_is_given(desk: Any) -> None:
    """370, for the administrator; and once it is signed in, that OK is missing."""
    with pytest.raises(faults.MailboxNotSignedIn) as none:
        desk.scan()
    desk.sign_in()
    with pytest.raises(faults.MailboxNotDelivered) as undelivered:
        desk.scan()
    assert (none.value.code, undelivered.value.code) == (370, 370)
    assert list(desk.rooms.storage.table("jobs").every()) == []


def test_a_new_sign_in_must_be_delivered_again(desk: Any) -> None:
    """What the printer was told is another account's: an old acknowledgement counts for nothing."""
    earlier = desk.ready("contoso/ben")
    desk.sign_in("contoso/olga")
    assert desk.status().fault is faults.MailboxNotDelivered
    with pytest.raises(faults.WrongState):
        desk.rooms.mailbox_accounts.acknowledge(desk.device, "email", earlier.id)


def test_a_device_uses_its_own_account_before_its_groups(desk: Any) -> None:
    """The group's serves every printer of it; a printer that has one of its own uses that."""
    shared = desk.sign_in("contoso/olga", group=True)
    for device in (desk.device, desk.sibling):
        assert desk.status(device).account.sender == "olga@contoso.example"
        assert not desk.status(device).delivered
        desk.rooms.mailbox_accounts.acknowledge(device, "email", shared.id)
    desk.ready("contoso/ben")
    assert desk.status(desk.device).account.sender == "ben.okoye@contoso.example"
    assert desk.status(desk.sibling).account.sender == "olga@contoso.example"
    assert desk.status(desk.sibling).delivered


def test_tokens_that_lay_idle_too_long_are_named(desk: Any) -> None:
    """After ninety days without use and without keep-alive: 361, expired, and the administrator must act."""
    desk.ready()
    desk.clock.advance(days=91)
    job = desk.scan()
    assert (job.state, job.fault, job.fault.code) == ("failed", faults.MailboxSignInExpired, 361)
    status = desk.status()
    assert (status.status, status.fault, status.activity.reason) == (
        "expired",
        faults.MailboxSignInExpired,
        "mailbox_sign_in_expired",
    )
    with pytest.raises(faults.MailboxSignInExpired):
        desk.scan()


def test_the_keep_alive_keeps_them_from_it(desk: Any) -> None:
    """G13, better: a printer that is not used for a year still sends."""
    desk.ready()
    for _ in range(40):
        desk.clock.advance(days=9)
        desk.rooms.mailbox_keep_alive.run()
    assert desk.status().fault is None
    assert desk.scan().state == "sent"


def test_the_keep_alive_drops_tokens_that_are_no_accounts(desk: Any) -> None:
    """Cut off between the tokens and the account: what nobody uses is not kept alive."""
    found = desk.sign_in()
    desk.rooms.storage.table("mailboxes").delete(desk.owner().partition, "email")
    desk.clock.advance(days=40)
    desk.rooms.mailbox_keep_alive.run()
    assert desk.rooms.mailbox_grants.get(desk.device.tid, found.id) is None
    assert list(desk.rooms.storage.table("mailboxgrants").every()) == []


def test_revoked_is_not_expired(desk: Any) -> None:
    """An administrator ended the account's sessions: 370, signed out, the person in charge is named."""
    desk.ready()
    desk.microsoft.cloud.revoke_refresh_tokens("contoso/ben")
    desk.clock.advance(hours=3)
    job = desk.scan()
    assert (job.fault, job.fault.code) == (faults.MailboxSignInEnded, 370)
    assert desk.status().status == "not_signed_in"


def test_a_mailboxes_missing_consent_is_not_the_organisations(desk: Any) -> None:
    """65001 on the mailbox's registration says nothing of what people may do."""
    desk.policy()
    desk.clock.advance(days=1)
    desk.ready()
    desk.microsoft.switchboard.add("token", "oauth", number=65001)
    desk.clock.advance(hours=3)
    assert desk.scan().reason == "mailbox_consent_missing"
    assert desk.rooms.organisations.get(desk.device.tid).consent == "consented"


def test_a_service_that_cannot_be_reached_is_waited_for(desk: Any) -> None:
    """360: the job waits, the status says what went wrong last and when something last went well."""
    desk.ready()
    desk.scan()
    desk.microsoft.switchboard.add("sendMail", "unavailable")
    job = desk.scan()
    assert (job.state, job.fault.code) == ("waiting", 360)
    activity = desk.status().activity
    assert activity.reason == job.reason
    assert activity.last_success < activity.last_error


def test_what_was_allowed_at_acceptance_must_be_at_delivery(desk: Any) -> None:
    """Signed out, or shut out, between the two: nothing leaves."""
    desk.ready()
    job = desk.rooms.acceptance.accept(desk.device, desk.manifest(), io.BytesIO(DOCUMENT))
    desk.rooms.mailbox_accounts.remove(desk.owner(), "email")
    desk.rooms.delivery.deliver(f"{job.device_id}/{job.manifest.id}")
    ended = desk.rooms.jobs.get(job.device_id, job.manifest.id)
    assert (ended.state, ended.reason) == ("failed", "mailbox_not_signed_in")
    assert desk.inbox("contoso/olga") == []


def test_an_outcome_that_nobody_knows_is_told(desk: Any) -> None:
    """The same states as a person's scan: perhaps sent, never again blindly."""
    desk.ready()
    desk.microsoft.switchboard.add("sendMail", "reset_after_applying")
    job = desk.scan()
    assert (job.state, job.reason) == ("uncertain", "outcome_unknown")


def test_a_fax_is_a_mail_to_the_provider(desk: Any) -> None:
    """G7: from the fax account, which is signed in on its own, to the number in the policy's template."""
    desk.policy(fax_address="{number}@fax.example.com", fax_country="+375", fax_cover="For Olga")
    desk.ready("contoso/olga", use="fax")
    job = desk.scan(kind="fax", to=(), fax_number="017 200-11-22")
    assert (job.state, job.reason) == ("sent", None)
    assert desk.microsoft.cloud.mailboxes.external == ["375172001122@fax.example.com"]
    [mail] = desk.microsoft.cloud.mailboxes.sent("contoso/olga")
    assert mail.body.strip() == "For Olga"
    assert desk.status(use="email").status == "not_signed_in"
    assert desk.status(use="fax").activity.last_success


def test_a_fax_needs_its_own_account(desk: Any) -> None:
    """The mail server's account does not serve for fax, nor the other way round."""
    desk.policy(fax_address="{number}@fax.example.com")
    desk.ready()
    with pytest.raises(faults.MailboxNotSignedIn):
        desk.scan(kind="fax", to=(), fax_number="+375172001122")


def test_a_key_rotation_takes_the_printers_tokens_along(desk: Any) -> None:
    """An old data key is destroyed only when no mailbox's tokens lie under it either."""
    desk.ready()
    desk.rooms.key_upkeep.rotate(desk.device.tid)
    desk.clock.advance(days=60)
    desk.rooms.key_upkeep.run()
    assert "destroyed" in {state.state for state in desk.rooms.key_upkeep.states()}
    assert desk.scan().state == "sent"


def test_a_tenant_that_goes_leaves_no_mailbox(desk: Any) -> None:
    """Every account of a tenant is signed out, and nothing of its tokens is left."""
    desk.ready()
    desk.sign_in("contoso/olga", use="fax", group=True)
    assert desk.rooms.mailbox_accounts.remove_all(desk.device.tid) == 2
    assert list(desk.rooms.storage.table("mailboxgrants").every()) == []
    assert desk.status().status == desk.status(use="fax").status == "not_signed_in"
