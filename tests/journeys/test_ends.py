"""How a sign-in ends, seen from the panel: what the printer shows, who must act, and that it works again afterwards."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.microsoft.directory import Account
from local.page import Page
from tests.leaks import assert_nothing_leaked, found_in, logged, secrets_of
from tests.scans.conftest import CONTOSO, pin
from to_my_email import Api

ADELE = "contoso/adele"
NEEDS = '{"access_token": {"acrs": {"essential": true, "value": "c1"}}}'
TOO_OLD = '{"access_token": {"nbf": {"essential": true, "value": "1700000000"}}}'


@dataclass
class Office:
    """The world with Adele signed in at a printer, a while ago. ``told`` is what the panel and the browser saw."""

    world: Any
    printer: Api
    told: list[str] = field(default_factory=list)

    def sign_in(self) -> Page:
        """Adele signs in (again)."""
        page: Page = self.world.sign_in(self.printer)
        self.told += [page.url, *page.links.values(), *(form.action for form in page.forms)]
        return page

    def scan(self) -> Any:
        """Adele presses To My Email; the job as the printer sees it, which the history must show alike."""
        document = self.world.pdf()
        job = self.printer.submit(self.world.manifest(document), document)
        self.world.deliver()
        seen = self.printer.scan(job.id)
        [latest, *_], _ = self.printer.history()
        assert latest == seen
        self.told.append(repr(seen))
        return seen

    def user(self) -> Any:
        """What the panel shows before a scan."""
        seen = self.printer.user("adele")
        self.told.append(repr(seen))
        return seen

    def switch(self, where: str, kind: str, **more: Any) -> None:
        """Switch a fault on, for Adele."""
        self.world.switchboard.add(where, kind, account=ADELE, **more)

    def asked(self, where: str = "token") -> list[Any]:
        """What was asked of an endpoint."""
        return [entry for entry in self.world.switchboard.journal() if entry.where == where]


@pytest.fixture
def office(world: Any, caplog: pytest.LogCaptureFixture) -> Iterator[Office]:
    """The office; at the end nothing secret was shown, logged, queued or stored readable (G12, G13, B16)."""
    caplog.set_level(logging.DEBUG)
    world.consent()
    made = Office(world, world.printer())
    made.sign_in()
    world.clock.advance(hours=2)
    world.switchboard.forget()
    yield made
    assert_nothing_leaked(logged(caplog), world.cloud, world.rooms)
    paths = [f"{entry.method} {entry.path}" for entry in world.switchboard.journal()]
    assert made.told
    assert found_in("\n".join(made.told + paths), secrets_of(world.cloud, world.rooms)) == []


Switch = Callable[[Office], object]
NOTHING: Switch = lambda office: None  # noqa: E731


@dataclass(frozen=True)
class End:
    """An end: how it comes, what is shown, and how the cause is mended."""

    comes: Switch
    code: int
    reason: str
    who: str
    mended: Switch = NOTHING


def account(**changes: Any) -> Switch:
    """Change Adele's account."""
    return lambda office: office.world.cloud.change_account(ADELE, **changes)


def entra(number: int, **more: Any) -> Switch:
    """Let Entra refuse once."""
    return lambda office: office.switch("token", "oauth", number=number, **more)


PERSON = {
    "revoked sessions": End(
        lambda office: office.world.cloud.revoke_refresh_tokens(ADELE), 370, "sign_in_revoked", "user"
    ),
    "another factor": End(entra(50076), 370, "interaction_required", "user"),
    "password expired": End(entra(50055), 370, "interaction_required", "user"),
    "factor to be registered": End(entra(50079), 370, "interaction_required", "user"),
    "idle for 91 days": End(lambda office: office.world.clock.advance(days=91), 361, "sign_in_expired", "user"),
    "sign-in frequency": End(entra(70043), 361, "sign_in_expired", "user"),
    "unknown number, token_expired": End(entra(999999, suberror="token_expired"), 361, "sign_in_expired", "user"),
    "unknown number": End(entra(999999), 370, "sign_in_revoked", "user"),
    "unknown number, interaction": End(
        entra(999999, error="interaction_required"), 370, "interaction_required", "user"
    ),
}
ADMINISTRATOR = {
    "disabled": End(account(disabled=True), 370, "account_disabled", "admin", account(disabled=False)),
    "deleted": End(account(deleted=True), 370, "account_disabled", "admin", account(deleted=False)),
    "Conditional Access": End(account(blocked=True), 370, "blocked_by_policy", "admin", account(blocked=False)),
    "locked": End(entra(50053), 370, "account_disabled", "admin"),
    "device state": End(entra(53000), 370, "blocked_by_policy", "admin"),
    "not assigned": End(entra(50105), 370, "not_assigned", "admin"),
}


@pytest.mark.parametrize("end", PERSON.values(), ids=list(PERSON))
def test_the_person_must_sign_in_again(office: Office, end: End) -> None:
    """R22, R24: the scan is held, the code and who must act are shown; one call; a new sign-in mends all."""
    end.comes(office)
    job = office.scan()
    assert (job.state, job.code, job.reason, job.who) == ("held", end.code, end.reason, end.who)
    user = office.user()
    assert (user.status, user.code, user.reason) == ("sign_in_required", end.code, end.reason)
    assert user.account_hint
    assert len(office.asked()) == 1
    [row] = office.world.rows("grants")
    assert "sealed" not in row
    office.sign_in()
    assert office.user().status == "ready"
    assert office.scan().state == "sent"


@pytest.mark.parametrize("end", ADMINISTRATOR.values(), ids=list(ADMINISTRATOR))
def test_the_administrator_must_act(office: Office, end: End) -> None:
    """R24: shown as blocked with who must act; the sign-in is kept, and works as soon as the cause is mended."""
    end.comes(office)
    job = office.scan()
    assert (job.state, job.code, job.reason, job.who) == ("failed", end.code, end.reason, end.who)
    user = office.user()
    assert (user.status, user.code, user.reason) == ("blocked", end.code, end.reason)
    end.mended(office)
    assert office.scan().state == "sent"
    assert office.user().status == "ready"


def test_the_person_may_also_sign_in_again_after_a_block(office: Office) -> None:
    """A new sign-in replaces the blocked one, and its block."""
    office.world.cloud.change_account(ADELE, blocked=True)
    office.scan()
    office.world.cloud.change_account(ADELE, blocked=False)
    office.sign_in()
    assert office.user().status == "ready"
    assert office.scan().state == "sent"


def test_consent_withdrawn_pauses_the_organisation_once(office: Office) -> None:
    """R58: scans of 20 people wait when the consent is withdrawn: one call to Entra, and a new consent mends all."""
    cloud, rooms = office.world.cloud, office.world.rooms
    for number in range(20):
        name = f"worker{number:02d}"
        address = f"{name}@contoso.example"
        oid = f"aaaaaaaa-0000-4000-8000-{number:012d}"
        cloud.state.accounts[f"contoso/{name}"] = Account(
            f"contoso/{name}", CONTOSO, oid, f"Name Of {name}", address, address, ""
        )
        pin(rooms, cloud, name)
    office.world.clock.advance(hours=2)
    jobs = []
    for number in range(20):
        document = office.world.pdf()
        manifest = office.world.manifest(document, f"worker{number:02d}")
        jobs.append(office.printer.submit(manifest, document).id)
    cloud.withdraw_consent("contoso")
    office.world.switchboard.forget()
    assert office.world.deliver() == 20
    assert len(office.asked()) == 1
    seen = [office.printer.scan(job) for job in jobs]
    assert {(job.state, job.code, job.reason, job.who) for job in seen} == {
        ("failed", 370, "consent_withdrawn", "admin")
    }
    user = office.user()
    assert (user.status, user.code, user.reason) == ("blocked", 370, "consent_withdrawn")
    office.world.clock.advance(days=31)
    while rooms.keep_alive.run():
        pass
    assert len(office.asked()) == 1
    office.world.consent()
    assert office.user().status == "ready"
    assert office.scan().state == "sent"


def test_our_own_credential_is_nobodys_fault(office: Office) -> None:
    """R25, G15: the job waits with 360 and the operator must act; the user stays ready, and it goes out when mended."""
    registered = office.world.cloud.application(office.world.rooms.settings.client_id)
    office.world.cloud.register(replace(registered, certificates=()))
    job = office.scan()
    assert (job.state, job.code, job.reason, job.who) == ("waiting", 360, "service_credential_refused", "operator")
    assert office.user().status == "ready"
    office.world.cloud.register(registered)
    office.world.clock.advance(hours=1)
    office.world.rooms.sweep.run()
    office.world.deliver()
    assert office.printer.scan(job.id).state == "sent"


def test_a_throttled_login_service_is_asked_when_it_says(office: Office) -> None:
    """R26, R40: the job waits with 360 for as long as Entra's Retry-After says, asks nobody meanwhile, and goes out."""
    office.switch("token", "throttled", retry_after="77")
    job = office.scan()
    assert (job.state, job.code, job.reason, job.who) == ("waiting", 360, "throttled", "network")
    next_attempt = datetime.fromisoformat(job.next_attempt_at)
    assert next_attempt - office.world.clock() > timedelta(seconds=60)
    assert next_attempt - datetime.fromisoformat(job.updated_at) >= timedelta(seconds=76.9)
    office.world.clock.advance(seconds=50)
    office.world.rooms.delivery.deliver(f"{office.printer.enrolment.device_id}/{job.id}")
    assert len(office.asked()) == 1
    office.world.clock.advance(seconds=100)
    office.world.rooms.delivery.deliver(f"{office.printer.enrolment.device_id}/{job.id}")
    assert office.printer.scan(job.id).state == "sent"
    assert len(office.asked()) == 2


@pytest.mark.parametrize("where", ["me", "sendMail"])
def test_a_claims_challenge_is_answered_silently(office: Office, where: str) -> None:
    """R24: Graph wants another token (continuous access evaluation): it is fetched with the claims, the mail goes."""
    office.switch(where, "graph", status=401, code="InvalidAuthenticationToken", claims=TOO_OLD)
    assert office.scan().state == "sent"
    first, second = office.asked()
    assert "nbf" not in first.claims
    assert json.loads(second.claims)["access_token"]["nbf"] == json.loads(TOO_OLD)["access_token"]["nbf"]
    assert json.loads(second.claims)["access_token"]["xms_cc"] == {"values": ["CP1"]}
    assert len(office.world.mailbox()) == 1


def test_a_token_that_is_never_taken_ends_nothing(office: Office) -> None:
    """A 401 for every token is Microsoft's trouble: the job waits, and the sign-in stays."""
    office.switch("me", "graph", status=401, code="InvalidAuthenticationToken", times=2)
    job = office.scan()
    assert (job.state, job.code, job.reason) == ("waiting", 360, "microsoft_unavailable")
    assert office.user().status == "ready"
    assert len(office.asked()) == 2


@pytest.mark.parametrize("told", [NEEDS, None], ids=["by Entra", "by Graph alone"])
def test_a_claims_challenge_that_needs_the_person_is_asked_of_him(office: Office, told: str | None) -> None:
    """R24: what could not be answered silently is kept, and goes along with his next sign-in, and only with that."""
    office.switch(
        "me", "graph", status=401, code="InvalidAuthenticationToken", claims=NEEDS if told is None else TOO_OLD
    )
    office.world.clock.advance(hours=-2)  # the access token is good, so it is the challenge that leads to Entra
    office.switch("token", "oauth", number=50076, claims=told)
    job = office.scan()
    assert (job.state, job.code, job.reason, job.who) == ("held", 370, "interaction_required", "user")
    assert office.user().reason == "interaction_required"
    office.sign_in()
    [authorize] = office.asked("authorize")
    assert json.loads(authorize.claims)["access_token"]["acrs"] == json.loads(NEEDS)["access_token"]["acrs"]
    assert office.user().status == "ready"
    assert office.scan().state == "sent"
    office.sign_in()
    assert "acrs" not in office.asked("authorize")[-1].claims


def test_a_sign_in_ends_by_the_organisations_own_rule(office: Office) -> None:
    """The policy's last day: one mail before it, 361 after it, and signing in begins anew."""
    office.world.rooms.organisations.set_sign_in_days(CONTOSO, 30)
    office.sign_in()
    office.world.clock.advance(days=17)
    office.world.rooms.keep_alive.run()
    office.world.rooms.keep_alive.run()
    assert len(office.world.mailbox()) == 1
    assert office.scan().state == "sent"
    office.world.clock.advance(days=13)
    user = office.user()
    assert (user.status, user.code, user.reason) == ("sign_in_required", 361, "sign_in_expired")
    office.sign_in()
    assert office.user().status == "ready"
    assert office.scan().state == "sent"
