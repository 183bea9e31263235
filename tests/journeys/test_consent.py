"""Admin consent, over HTTP: proven by the administrator's own tokens, or not at all."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from shared import faults
from shared.organisations import RANGES
from tests.journeys.test_first_login import start

CONTOSO, FABRIKAM = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def status(world: Any, tid: str = CONTOSO) -> str:
    """What the service holds for the organisation's consent."""
    return str(world.rooms.organisations.get(tid).consent)


def nothing_happened(world: Any) -> None:
    """No organisation is written down."""
    assert world.rows("organisations") == []


def callback(world: Any, query: dict[str, str], browser: Any = None) -> Any:
    """Open the consent callback as a browser does that somebody sent there."""
    return (browser or world.person()).visit(f"{world.url}/consent/callback?{urlencode(query)}")


def underway(world: Any, link: str | None = None) -> tuple[Any, str]:
    """Bring an administrator's browser to Microsoft, and return it with the state it carries."""
    person = world.person()
    person.visit(link or f"{world.url}/consent")
    sent: list[str] = []
    go = person._go

    def note(method: str, url: str, given: Any, *, initiator: str | None) -> Any:
        answer = go(method, url, given, initiator=initiator)
        sent.append(answer.url)
        return answer

    person._go = note
    person.press_the_button()
    [state] = parse_qs(urlsplit(sent[-1]).query)["state"]
    return person, state


def test_consent_from_a_browser(world: Any) -> None:
    """C02, C04: the administrator's own verified token names the organisation; nobody has confirmed it yet."""
    page = world.consent()
    assert page.status == 200
    assert "contoso.example" in page.text
    found = world.rooms.organisations.get(CONTOSO)
    assert (found.consent, found.confirmed, found.proven_by) == ("consented", False, "alex.admin@contoso.example")
    assert found.range == RANGES["send"]


@pytest.mark.parametrize("chosen", RANGES)
def test_consent_from_the_panel(world: Any, chosen: str) -> None:
    """Each range, from panel to panel: Microsoft is asked for exactly its scopes, and the panel shows who agreed."""
    panel = world.printer()
    begun = panel.consents.start({"range": chosen})
    page = world.person().walk(begun.verification_uri_complete, "contoso/cloudadmin")
    assert page.url == begun.verification_uri_complete
    seen = panel.consents.look(begun.id)
    assert (seen.status, seen.account_hint) == ("confirm", "c•••@contoso.example")
    assert panel.consents.confirm(begun.id).status == "active"
    assert panel.about().consent == {"status": "consented", "range": chosen}
    [grant] = world.cloud.grants("contoso")
    short = {scope.rpartition("/")[2] for scope in RANGES[chosen].scopes}
    assert grant.scopes == short | {"openid", "profile", "offline_access"}
    assert grant.principal is None


def test_declined(world: Any) -> None:
    """The administrator presses Cancel at Microsoft: the panel hears it, nothing is written down."""
    panel = world.printer()
    begun = panel.consents.start({"range": "send"})
    person = world.person()
    person.visit(begun.verification_uri_complete)
    person.press_the_button()
    person.press("account-contoso-admin")
    page = person.press("cancel")
    assert faults.ConsentDeclined.title in page.text
    seen = panel.consents.look(begun.id)
    assert (seen.status, seen.reason, seen.who) == ("denied", "consent_declined", "admin")
    nothing_happened(world)


@pytest.mark.parametrize("account", ["contoso/adele", "contoso/ben"])
def test_an_ordinary_person_cannot_consent(world: Any, account: str) -> None:
    """C02: Microsoft refuses him, and so do we."""
    panel = world.printer()
    begun = panel.consents.start({"range": "send"})
    page = world.person().walk(begun.verification_uri_complete, account)
    assert faults.ConsentRoleMissing.title in page.text
    assert panel.consents.look(begun.id).reason == "consent_role_missing"
    nothing_happened(world)


def test_a_success_without_the_role_is_none(world: Any) -> None:
    """C01, C02: the callback says yes and the organisation has consented, but this account has no role."""
    world.cloud.grant("contoso", world.rooms.settings.client_id, _granted("send"))
    person, state = underway(world)
    person.press("account-contoso-adele")
    page = callback(world, {"admin_consent": "True", "tenant": CONTOSO, "state": state}, person)
    assert faults.ConsentRoleMissing.title in page.text
    nothing_happened(world)


def test_a_success_without_the_consent_is_none(world: Any) -> None:
    """C01: an administrator forges his own callback: without the grant the proof fails."""
    person, state = underway(world)
    world.cloud.grant("contoso", world.rooms.settings.client_id, ["User.Read", "openid", "profile", "offline_access"])
    _signed_in(world, person, "contoso/admin")
    page = callback(world, {"admin_consent": "True", "tenant": CONTOSO, "state": state}, person)
    assert faults.ConsentNotProven.title in page.text
    nothing_happened(world)


FORGED: list[dict[str, str]] = [
    {"admin_consent": "True", "tenant": CONTOSO},
    {"admin_consent": "True", "tenant": CONTOSO, "state": ""},
    {"admin_consent": "True", "tenant": CONTOSO, "state": "made-up"},
    {"admin_consent": "True", "tenant": CONTOSO, "state": "x" * 3000},
    {"code": "x", "state": "made-up"},
    {"error": "access_denied", "error_description": "<script>alert(1)</script>", "state": "made-up"},
    {},
]


def test_a_forged_callback_changes_nothing(world: Any) -> None:
    """C01, C03, C17: without a state of ours there is one answer, and it repeats nothing."""
    for query in FORGED:
        answer = requests.get(f"{world.url}/consent/callback", params=query, timeout=10, allow_redirects=False)
        assert answer.status_code == 400, query
        assert "alert(1)" not in answer.text
    nothing_happened(world)
    assert world.switchboard.journal() == []


def test_a_callback_in_another_browser(world: Any) -> None:
    """C03: an attacker's consent link ends in the administrator's browser: refused, and his state is not used up."""
    person, state = underway(world)
    page = callback(world, {"admin_consent": "True", "tenant": CONTOSO, "state": state})
    assert (page.status, faults.OtherBrowser.title in page.text) == (403, True)
    nothing_happened(world)
    page = callback(world, {"error": "access_denied", "state": state}, person)
    assert faults.ConsentDeclined.title in page.text


def test_a_callback_again(world: Any) -> None:
    """C03, B05: a state is used once."""
    person, state = underway(world)
    callback(world, {"error": "server_error", "state": state}, person)
    page = callback(world, {"admin_consent": "True", "tenant": CONTOSO, "state": state}, person)
    assert (page.status, faults.ResponseNotExpected.title in page.text) == (400, True)
    nothing_happened(world)


@pytest.mark.parametrize(
    "tenant", [FABRIKAM, FABRIKAM.upper(), "", "organizations", "33333333-3333-4333-8333-333333333333"]
)
def test_the_panels_tenant_is_the_only_one(world: Any, tenant: str) -> None:
    """C03, C04: at a printer of one tenant, a callback that names another is refused before anybody is asked."""
    panel = world.printer()
    begun = panel.consents.start({"range": "send"})
    person, state = underway(world, begun.verification_uri_complete)
    asked = world.switchboard.count("authorize")
    page = callback(world, {"admin_consent": "True", "tenant": tenant, "state": state}, person)
    assert faults.OtherOrganisation.title in page.text
    assert world.switchboard.count("authorize") == asked
    assert panel.consents.look(begun.id).reason == "other_organisation"
    nothing_happened(world)


def test_another_tenants_administrator_proves_only_his_own(world: Any) -> None:
    """C04: the administrator of one tenant names another in the callback: no token of that tenant, no consent."""
    world.cloud.grant("contoso", world.rooms.settings.client_id, _granted("send"))
    person, state = underway(world)
    _signed_in(world, person, "fabrikam/admin")
    page = callback(world, {"admin_consent": "True", "tenant": CONTOSO, "state": state}, person)
    for _ in range(3):
        for button in ("pick-fabrikam-admin", "return"):
            if page.button(button):
                page = person.press(button)
    assert page.status >= 400
    assert page.url.startswith(world.url)
    nothing_happened(world)


@pytest.mark.parametrize("tenant", ["", "common", "../x", "33333333-3333-4333-8333-333333333333", "contoso.example"])
def test_a_hint_that_names_no_tenant(world: Any, tenant: str) -> None:
    """C01: in a browser any tenant may be named, but it must be one."""
    person, state = underway(world)
    page = callback(world, {"admin_consent": "True", "tenant": tenant, "state": state}, person)
    assert (page.status, faults.ResponseNotExpected.title in page.text) == (400, True)
    nothing_happened(world)


@pytest.mark.parametrize(
    "answer",
    [{"code": "a-code", "tenant": CONTOSO}, {"tenant": CONTOSO}, {"admin_consent": "False", "tenant": CONTOSO}],
)
def test_the_box_was_not_ticked(world: Any, answer: dict[str, str]) -> None:
    """C02: a callback that does not say admin_consent=True is a consent for one person at most."""
    person, state = underway(world)
    page = callback(world, {**answer, "state": state}, person)
    assert faults.ConsentNotForOrganisation.title in page.text
    nothing_happened(world)


@pytest.mark.parametrize("other", ["contoso/ben", "fabrikam/admin"])
def test_who_is_asked_where_several_are_signed_in(world: Any, other: str) -> None:
    """Microsoft cannot choose silently between accounts (16000): he says once who he is, and it is proven for him."""
    person = world.person()
    _signed_in(world, person, other)
    person.visit(f"{world.url}/consent")
    person.press_the_button()
    for button in ("other-account", "account-contoso-admin", "accept"):
        person.press(button)
    page = person.press("pick-contoso-admin")
    assert page.status == 200
    assert world.rooms.organisations.get(CONTOSO).proven_by == "alex.admin@contoso.example"


def test_who_is_asked_where_nobody_is_signed_in(world: Any) -> None:
    """Microsoft forgot the browser between consent and proof: he signs in once more, and it is proven for him."""
    world.cloud.grant("contoso", world.rooms.settings.client_id, _granted("send"))
    person, state = underway(world)
    callback(world, {"admin_consent": "True", "tenant": CONTOSO, "state": state}, person)
    page = person.press("account-contoso-admin")
    assert page.status == 200
    assert world.rooms.organisations.get(CONTOSO).proven_by == "alex.admin@contoso.example"


def test_asked_who_an_ordinary_person_proves_nothing(world: Any) -> None:
    """C02: at the question who he is, an account without a role answers."""
    world.cloud.grant("contoso", world.rooms.settings.client_id, _granted("send"))
    person, state = underway(world)
    callback(world, {"admin_consent": "True", "tenant": CONTOSO, "state": state}, person)
    page = person.press("account-contoso-ben")
    assert faults.ConsentRoleMissing.title in page.text
    nothing_happened(world)


def test_the_question_who_asks_for_no_permission(world: Any) -> None:
    """C05: asked with the range's scopes he could consent for himself, and that would prove nothing."""
    person, state = underway(world)
    sent: list[str] = []
    person.visit(f"{world.url}/")
    send = person._http.send

    def note(request: Any, **options: Any) -> Any:
        sent.append(request.url)
        return send(request, **options)

    person._http.send = note
    callback(world, {"admin_consent": "True", "tenant": CONTOSO, "state": state}, person)
    queries = [parse_qs(urlsplit(url).query) for url in sent if "/authorize?" in url]
    assert [query["prompt"] for query in queries] == [["none"], ["select_account"]]
    assert "Mail.Send" in queries[0]["scope"][0]
    assert set(queries[1]["scope"][0].split()) == {"openid", "profile"}


def test_an_ordinary_first_login_confirms(world: Any) -> None:
    """The administrator's proof is for his account; the first success of somebody else is for all."""
    world.consent()
    panel = world.printer()
    world.sign_in(panel, "alex", "alex.admin@contoso.example", "contoso/admin")
    assert not world.rooms.organisations.get(CONTOSO).confirmed
    world.sign_in(panel)
    assert world.rooms.organisations.get(CONTOSO).confirmed


@pytest.mark.parametrize(("minutes", "after"), [(9, "consented"), (11, "withdrawn")])
def test_a_consent_is_withdrawn_once_it_had_time_to_settle(world: Any, minutes: int, after: str) -> None:
    """65001 by Entra itself at an ordinary person's login: before ten minutes it is propagation, then it is true."""
    world.consent()
    panel = world.printer()
    world.clock.advance(minutes=minutes)
    world.switchboard.add("token", "oauth", number=65001)
    begun = start(panel)
    page = world.person().walk(begun.verification_uri_complete, "contoso/adele")
    assert faults.ConsentWithdrawn.title in page.text
    assert panel.sign_ins.look(begun.id).reason == "consent_withdrawn"
    assert status(world) == after
    user = panel.user("adele")
    assert (user.status, user.reason) == (
        ("blocked", "consent_withdrawn") if after == "withdrawn" else ("sign_in_required", "sign_in_required")
    )


def test_a_withdrawn_consent_can_be_given_again(world: Any) -> None:
    """The administrator connects again, and people go on where they were."""
    world.consent()
    panel = world.printer()
    world.sign_in(panel)
    world.clock.advance(minutes=11)
    world.rooms.organisations.withdraw(CONTOSO)
    assert panel.user("adele").status == "blocked"
    world.consent()
    assert panel.user("adele").status == "ready"


def test_a_range_that_is_none(world: Any) -> None:
    """H09: a made-up range begins nothing and writes nothing."""
    answer = requests.post(
        f"{world.url}/consent",
        data={"range": "everything"},
        headers={"Origin": world.url, "Sec-Fetch-Site": "same-origin"},
        timeout=10,
    )
    assert answer.status_code == faults.InvalidRequest.status
    assert world.rows("handoffs") == []


def _granted(chosen: str) -> list[str]:
    return [*(scope.rpartition("/")[2] for scope in RANGES[chosen].scopes), "openid", "profile", "offline_access"]


def _signed_in(world: Any, person: Any, account: str) -> None:
    """Sign an account in to Microsoft in this browser, by the way of another consent that goes nowhere."""
    here = person.page
    person.visit(f"{world.url}/consent")
    person.press_the_button()
    if not person.page.button(f"account-{account.replace('/', '-')}"):
        person.press("other-account")
    person.press(f"account-{account.replace('/', '-')}")
    person.page = here


def test_the_page_says_what_can_be_sent(world: Any) -> None:
    """Each range states the size that really is accepted with it, and the permissions it asks for."""
    page = world.person().visit(f"{world.url}/consent")
    assert page.text.count("Scans up to 3 MB.") == 1
    assert page.text.count("Scans up to 25 MB.") == 2
    assert page.text.count("Mail.Send") == 3
