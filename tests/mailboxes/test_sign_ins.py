"""Signing a printer's mailbox in, at the emulated Microsoft, on real storage."""

import threading
from typing import Any

import pytest

from shared import faults
from shared.texts import LANGUAGES, describe
from tests.conftest import CONTOSO
from tests.leftovers import found as leaks


def test_somebody_types_the_code_and_the_account_is_there(desk: Any) -> None:
    """G3, G4: pending, then active with the account as a hint; not delivered before the printer's OK."""
    assert desk.status().fault is faults.MailboxNotSignedIn
    begun = desk.start()
    assert desk.look(begun).status == "pending"
    page = desk.enter(begun)
    assert "You have signed in" in page.text
    found = desk.look(begun)
    assert (found.status, found.account_hint) == ("active", "b•••@contoso.example")
    status = desk.status()
    assert (status.status, status.delivered, status.fault) == ("signed_in", False, faults.MailboxNotDelivered)
    desk.rooms.mailbox_accounts.acknowledge(desk.device, "email", found.id)
    assert (desk.status().delivered, desk.status().fault) == (True, None)


def test_a_personal_account_signs_in_to_outlook_com(desk: Any) -> None:
    """G3: the second service, on the authority of personal accounts, with their issuer."""
    found = desk.sign_in("personal/pat", "outlook_com")
    assert found.status == "active"
    assert desk.status().account.sender == "pat@outlook.example"


def test_nobody_is_asked_faster_than_the_interval(desk: Any) -> None:
    """B10: however often it is looked at, Entra is polled once in an interval, over all who look at once."""
    begun = desk.start()
    desk.clock.advance(seconds=6)
    before = desk.microsoft.switchboard.count("token")
    look = desk.rooms.mailbox_sign_ins.look
    threads = [threading.Thread(target=look, args=(begun.id,), kwargs={"begun_by": desk.device.id}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.microsoft.switchboard.count("token") == before + 1


def test_slow_down_is_obeyed(desk: Any) -> None:
    """RFC 8628 section 3.5: five seconds more from then on, and no poll before they are over."""
    begun = desk.start()
    desk.microsoft.switchboard.add("token", "oauth", number=70016, error="slow_down")
    assert desk.look(begun).interval == begun.interval + 5
    asked = desk.microsoft.switchboard.count("token")
    assert desk.look(begun).status == "pending"
    assert desk.microsoft.switchboard.count("token") == asked
    desk.enter(begun)
    assert desk.look(begun, later=11).status == "active"


def test_a_confirmation_that_is_missing_is_waited_for(desk: Any) -> None:
    """50199: the person has not confirmed yet that it is he; the code goes on."""
    begun = desk.start()
    desk.microsoft.switchboard.add("token", "oauth", number=50199)
    assert desk.look(begun).status == "pending"
    desk.enter(begun)
    assert desk.look(begun).status == "active"


def test_a_code_runs_out(desk: Any) -> None:
    """Nobody comes for fifteen minutes: expired, by our clock, and what was polled with is forgotten."""
    begun = desk.start()
    found = desk.look(begun, later=begun.expires_in + 1)
    assert (found.status, found.reason) == ("expired", "sign_in_timed_out")


def test_entra_may_let_a_code_run_out_earlier(desk: Any) -> None:
    """expired_token at a poll ends it the same way."""
    begun = desk.start()
    desk.microsoft.switchboard.add("token", "oauth", number=70020)
    found = desk.look(begun)
    assert (found.status, found.reason) == ("expired", "sign_in_timed_out")


def test_somebody_declines(desk: Any) -> None:
    """Cancel at Microsoft's consent page: denied, with the reason, and nothing stored."""
    begun = desk.start()
    desk.person.visit(f"{begun.verification_uri}?user_code={begun.user_code}")
    desk.person.press("next")
    desk.person.press("account-contoso-ben")
    desk.person.press("cancel")
    found = desk.look(begun)
    assert (found.status, found.reason) == ("denied", "sign_in_declined")
    assert desk.status().status == "not_signed_in"


WRONG = [
    ("exchange_online", "personal/pat", "personal_account_not_allowed"),
    ("exchange_online", "fabrikam/ben", "other_organisation"),
    ("exchange_online", "contoso/guest", "guest_not_allowed"),
    ("outlook_com", "contoso/ben", "work_account_not_allowed"),
    ("exchange_online", "contoso/nomailbox", "no_mailbox"),
]


@pytest.mark.parametrize(("service", "account", "reason"), WRONG)
def test_the_wrong_kind_of_account_is_refused_by_name(desk: Any, service: str, account: str, reason: str) -> None:
    """B01, B02: even where Entra lets it through, it is refused, its tokens are nowhere, and nothing is signed in."""
    begun = desk.start(service)
    desk.microsoft.cloud.device_codes.approve(begun.user_code, desk.microsoft.cloud.account(account).key)
    found = desk.look(begun)
    assert (found.status, found.reason) == ("denied", reason)
    assert desk.status().account is None
    assert list(desk.rooms.storage.table("mailboxgrants").every()) == []


def test_a_scope_that_was_not_given_is_missed(desk: Any) -> None:
    """B17: an account that did not grant all of it is not taken."""
    begun = desk.start()
    cloud = desk.microsoft.cloud
    [code] = cloud.state.device_codes.values()
    code.scope = code.scope.replace("https://graph.microsoft.com/SMTP.Send", "")
    cloud.device_codes.approve(begun.user_code, "contoso/ben")
    assert desk.look(begun).reason == "permission_missing"


def test_conditional_access_that_blocks_codes_is_named(desk: Any) -> None:
    """The policy on authentication flows: blocked, with a reason of its own, not merely denied."""
    desk.microsoft.cloud.block_device_code("contoso")
    begun = desk.start()
    desk.enter(begun)
    found = desk.look(begun)
    assert (found.status, found.reason) == ("blocked", "device_code_blocked")


def test_a_policy_against_codes_that_comes_later_blocks_and_is_lifted(desk: Any) -> None:
    """530036: protocol tracking refuses the refresh; the tokens are kept, and work again when the policy is gone."""
    desk.ready()
    desk.microsoft.cloud.block_device_code("contoso")
    desk.clock.advance(hours=3)
    job = desk.scan()
    assert (job.state, job.reason) == ("failed", "device_code_blocked")
    assert desk.status().status == "blocked"
    desk.microsoft.cloud.block_device_code("contoso", blocked=False)
    assert desk.scan().state == "sent"
    assert desk.status().status == "signed_in"


def test_of_two_sign_ins_the_last_one_counts_and_the_other_ends(desk: Any) -> None:
    """Both are begun, both are confirmed: one account, one grant, and the first says that it was superseded."""
    first, second = desk.start(), desk.start()
    desk.enter(first, "contoso/ben")
    desk.enter(second, "contoso/olga")
    assert desk.look(second).status == "active"
    assert desk.look(first).status == "active"
    assert desk.look(second).reason == "mailbox_superseded"
    assert desk.status().account.sender == "ben.okoye@contoso.example"
    assert len(list(desk.rooms.mailbox_grants.of_tenant(desk.device.tid))) == 1


def test_two_confirmed_at_the_same_moment_leave_one_whole_account(desk: Any) -> None:
    """The account that counts and the tokens that are left are of the same sign-in, whoever was faster (B18)."""
    begun = [desk.start() for _ in range(4)]
    for each, account in zip(begun, ("ben", "olga", "adele", "admin"), strict=True):
        desk.enter(each, f"contoso/{account}")
    desk.clock.advance(seconds=6)
    look = desk.rooms.mailbox_sign_ins.look
    threads = [threading.Thread(target=look, args=(each.id,), kwargs={"begun_by": desk.device.id}) for each in begun]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    account = desk.status().account
    assert [grant.oid for grant in desk.rooms.mailbox_grants.of_tenant(desk.device.tid)] == [account.sign_in]
    states = [desk.look(each) for each in begun]
    assert [state.id for state in states if state.status == "active"] == [account.sign_in]


def test_a_sign_in_is_its_printers_alone(desk: Any) -> None:
    """B09: another printer, and another tenant's administrator, find nothing to look at or to cancel."""
    begun = desk.start()
    for stranger in ({"begun_by": desk.sibling.id}, {"tid": "22222222-2222-4222-8222-222222222222"}, {}):
        for act in (desk.rooms.mailbox_sign_ins.look, desk.rooms.mailbox_sign_ins.cancel):
            with pytest.raises(faults.NotFound):
                act(begun.id, **stranger)


def test_whoever_comes_after_cancel_signs_in_for_nothing(desk: Any) -> None:
    """B11: cancelled at the panel; the code is typed afterwards, and no token of it is kept."""
    begun = desk.start()
    desk.rooms.mailbox_sign_ins.cancel(begun.id, begun_by=desk.device.id)
    desk.enter(begun)
    assert desk.look(begun).status == "denied"
    assert list(desk.rooms.storage.table("mailboxgrants").every()) == []


def test_cancelled_while_entra_answers(desk: Any) -> None:
    """B11: Entra has given the tokens, and before they are kept somebody cancels at the panel: they are dropped."""
    begun = desk.start()
    desk.enter(begun)
    desk.clock.advance(seconds=6)
    desk.microsoft.switchboard.add("me", "slow_after_applying", seconds=1.5)
    looking = threading.Thread(target=desk.rooms.mailbox_sign_ins.look, args=(begun.id,), kwargs={"tid": CONTOSO})
    looking.start()
    while not desk.microsoft.switchboard.count("me"):
        threading.Event().wait(0.02)
    desk.rooms.mailbox_sign_ins.cancel(begun.id, begun_by=desk.device.id)
    looking.join()
    assert desk.look(begun).status == "denied"
    assert desk.status().account is None
    assert list(desk.rooms.mailbox_grants.of_tenant(CONTOSO)) == []


def test_entra_that_cannot_be_reached_ends_nothing(desk: Any) -> None:
    """360 is not an end: the sign-in is pending, and goes on when Entra answers."""
    begun = desk.start()
    desk.enter(begun)
    desk.microsoft.switchboard.add("token", "unavailable")
    assert desk.look(begun).status == "pending"
    assert desk.look(begun).status == "active"


def test_entra_that_cannot_be_reached_at_the_start_is_said(desk: Any) -> None:
    """360: no code, no row, and the next press works."""
    desk.microsoft.switchboard.add("devicecode", "unavailable")
    with pytest.raises(faults.MicrosoftUnavailable) as away:
        desk.start()
    assert away.value.code == 360
    assert list(desk.rooms.storage.table("handoffs").every()) == []
    desk.enter(begun := desk.start())
    assert desk.look(begun).status == "active"


def test_a_link_is_not_good_for_ever(desk: Any) -> None:
    """Where codes are blocked the link stands for fifteen minutes; then the sign-in is over, to panel and browser."""
    desk.microsoft.cloud.block_device_code("contoso")
    desk.enter(begun := desk.start())
    assert desk.look(begun).status == "blocked"
    desk.rooms.mailbox_sign_ins.by_link(begun.id)
    found = desk.look(begun, later=901)
    assert (found.status, found.reason) == ("expired", "sign_in_timed_out")
    with pytest.raises(faults.LinkUnknown):
        desk.rooms.mailbox_sign_ins.by_link(begun.id)


ENDS = {
    faults.SignInTimedOut: 370,
    faults.SignInDeclined: 370,
    faults.OtherOrganisation: 370,
    faults.GuestNotAllowed: 370,
    faults.PersonalAccountNotAllowed: 370,
    faults.WorkAccountNotAllowed: 370,
    faults.MailboxSuperseded: 370,
    faults.DeviceCodeBlocked: 370,
    faults.MicrosoftUnavailable: 360,
    faults.MailboxSignInExpired: 361,
    faults.MailboxSignInEnded: 370,
    faults.MailboxNotSignedIn: 370,
    faults.MailboxNotDelivered: 370,
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_end_has_a_text_and_a_code_of_its_own(language: str) -> None:
    """G12 to G14: what can become of a sign-in, each told from the others, with 360, 361 or 370 and what to do."""
    told = {leaf: describe(leaf, language) for leaf in ENDS}
    assert {leaf: leaf.code for leaf in ENDS} == ENDS
    assert len({said.title for said in told.values()}) == len(ENDS)
    assert len({said.detail for said in told.values()}) == len(ENDS)
    assert all(said.remedy for said in told.values())


def test_nothing_that_can_be_used_lies_readable(desk: Any) -> None:
    """G01: device codes, refresh tokens and access tokens are sealed or gone."""
    begun = desk.start()
    [waiting] = desk.microsoft.cloud.state.device_codes
    assert leaks(desk.rooms.settings.data_storage, [waiting]) == {}
    desk.enter(begun)
    desk.look(begun)
    state = desk.microsoft.cloud.state
    assert leaks(desk.rooms.settings.data_storage, [*state.refresh_tokens, *state.access_tokens, waiting]) == {}
