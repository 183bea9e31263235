"""The first login, over HTTP: who may sign in, who is refused, and what is left behind."""

import re
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from functions import HTTP_DOORS
from shared import faults
from shared.organisations import RANGES
from shared.storage import TABLES

ADELE = "adele.vance@contoso.example"
COOKIE = "__Host-browser"
GRANTED = ["Mail.Send", "User.Read", "openid", "profile", "offline_access"]
# A code or a refresh token of Entra's, a JWT: long enough that no random key or sealed byte looks like one.
SECRETS = re.compile(rb"1\.A[\w-]{100}|eyJ[\w-]{20,}\.|refresh_token|adele\.vance")


@pytest.fixture
def panel(world: Any) -> Any:
    """A printer of an organisation that has consented."""
    admin = world.cloud.account("contoso/admin")
    world.cloud.grant("contoso", world.rooms.settings.client_id, GRANTED)
    world.rooms.organisations.consented(
        admin.tid, name="contoso.example", consented_range=RANGES["send"], proven_by=admin.upn, oid=admin.oid
    )
    return world.printer()


def start(panel: Any, user: str = "adele", email: str = ADELE) -> Any:
    """Begin a first login at the panel."""
    return panel.sign_ins.start({"user": {"id": user, "email": email, "name": user.title()}})


def nothing_stored(world: Any) -> None:
    """No grant and no pin is there, and no table holds a token in clear."""
    assert world.rows("grants") == []
    assert world.rows("people") == []
    nothing_readable(world)


def nothing_readable(world: Any) -> None:
    """No byte of any table shows a token or the person's address."""
    for table in TABLES:
        for row in world.rows(table):
            for column, value in row.items():
                content = value if isinstance(value, bytes) else str(value).encode()
                assert not SECRETS.search(content), (table, column)


def refused(world: Any, panel: Any, begun: Any, page: Any, leaf: type[faults.Fault]) -> None:
    """The person reads why; the panel sees reason, code and who; nothing is stored; no scan is possible."""
    assert page.status == leaf.status
    assert leaf.title in page.text
    seen = panel.sign_ins.look(begun.id)
    assert (seen.status, seen.reason, seen.code, seen.who) == ("denied", leaf.reason, leaf.code, leaf.who)
    assert seen.message
    nothing_stored(world)
    assert panel.user("adele").status == "sign_in_required"


def test_the_way_of_a_first_login(world: Any, panel: Any) -> None:
    """Panel, phone, Microsoft, phone, panel: pending, confirm, active; the pin is the account, the grant is sealed."""
    begun = start(panel)
    page = world.person().walk(begun.verification_uri_complete, "contoso/adele")
    assert page.url == begun.verification_uri_complete
    assert page.status == 200
    waiting = panel.sign_ins.look(begun.id)
    assert (waiting.status, waiting.account_hint) == ("confirm", "a•••@contoso.example")
    nothing_stored(world)  # before the OK
    assert panel.sign_ins.confirm(begun.id).status == "active"
    assert panel.sign_ins.confirm(begun.id).status == "active"
    [pin], [grant] = world.rows("people"), world.rows("grants")
    assert pin["oid"] == world.cloud.account("contoso/adele").oid
    assert (grant["PartitionKey"], grant["RowKey"]) == (pin["tid"], pin["oid"])
    nothing_readable(world)
    assert panel.user("adele").status == "ready"


def test_a_code_typed_leads_the_same_way(world: Any, panel: Any) -> None:
    """B08: without a camera: the address and eight letters."""
    begun = start(panel)
    person = world.person()
    person.visit(begun.verification_uri)
    page = person.press_the_button(code=begun.user_code.lower())
    assert page.url == begun.verification_uri_complete
    person.walk(page.url, "contoso/adele")
    assert panel.sign_ins.look(begun.id).status == "confirm"


REFUSED: dict[str, tuple[str, type[faults.Fault]]] = {
    "a colleague (B01)": ("contoso/ben", faults.WrongAccount),
    "an account of another tenant (A02)": ("fabrikam/ben", faults.OtherOrganisation),
    "a guest (A11)": ("fabrikam/gina", faults.GuestNotAllowed),
    "a personal account (A13)": ("personal/pat", faults.OtherOrganisation),
}


@pytest.mark.parametrize("who", REFUSED)
def test_another_account_is_refused(world: Any, panel: Any, who: str) -> None:
    """A01, A02, A11, A13, B01, B02: only the account registered at the printer may answer; the rest leaves no trace."""
    account, leaf = REFUSED[who]
    begun = start(panel)
    page = world.person().walk(begun.verification_uri_complete, account)
    refused(world, panel, begun, page, leaf)


@pytest.mark.parametrize(
    ("account", "email", "leaf"),
    [
        ("contoso/nomailbox", "nora.null@contoso.example", faults.NoMailbox),
        ("contoso/blocked", "carla.block@contoso.example", faults.BlockedByPolicy),
        ("contoso/disabled", "dan.gone@contoso.example", faults.AccountDisabled),
    ],
)
def test_an_account_that_cannot_send_is_refused(
    world: Any, panel: Any, account: str, email: str, leaf: type[faults.Fault]
) -> None:
    """No mailbox, Conditional Access, disabled: the administrator must act, and the panel says so."""
    begun = start(panel, email=email)
    page = world.person().walk(begun.verification_uri_complete, account)
    refused(world, panel, begun, page, leaf)


def test_declined_at_microsoft(world: Any, panel: Any) -> None:
    """The person presses Cancel on Microsoft's consent page."""
    world.cloud.withdraw_consent("contoso")
    begun = start(panel)
    person = world.person()
    person.visit(begun.verification_uri_complete)
    person.press_the_button()
    person.press("account-contoso-adele")
    refused(world, panel, begun, person.press("cancel"), faults.SignInDeclined)


def test_the_time_is_over(world: Any, panel: Any) -> None:
    """Five minutes pass on Microsoft's pages."""
    begun = start(panel)
    person = world.person()
    person.visit(begun.verification_uri_complete)
    person.press_the_button()
    world.clock.advance(minutes=6)
    page = person.press("account-contoso-adele")
    assert (page.status, faults.SignInTimedOut.title in page.text) == (410, True)
    assert panel.sign_ins.look(begun.id).status == "expired"
    nothing_stored(world)


def test_cancelled_at_the_panel_meanwhile(world: Any, panel: Any) -> None:
    """B11: the person is still at Microsoft when somebody cancels at the panel: his code is not even redeemed."""
    begun = start(panel)
    person = world.person()
    person.visit(begun.verification_uri_complete)
    person.press_the_button()
    asked = world.switchboard.count("token")
    panel.sign_ins.cancel(begun.id)
    page = person.press("account-contoso-adele")
    assert faults.SignInDeclined.title in page.text
    assert world.switchboard.count("token") == asked
    assert panel.sign_ins.look(begun.id).status == "denied"
    nothing_stored(world)


def test_the_pin_counts_and_nothing_else(world: Any, panel: Any) -> None:
    """B01, B02, A12: once pinned, a changed address changes nothing, and a colleague with the old one is refused."""
    world.sign_in(panel)
    world.cloud.change_account("contoso/adele", mail="adele.married@contoso.example")
    world.cloud.change_account("contoso/ben", mail=ADELE)
    before = world.rows("people"), world.rows("grants")
    begun = start(panel)
    page = world.person().walk(begun.verification_uri_complete, "contoso/ben")
    assert faults.WrongAccount.title in page.text
    assert panel.sign_ins.look(begun.id).reason == "wrong_account"
    assert (world.rows("people"), world.rows("grants")) == before
    world.sign_in(panel)
    assert world.rows("people") == before[0]
    assert panel.user("adele").status == "ready"


def test_two_accounts_race_for_one_user(world: Any, panel: Any) -> None:
    """B01, B18: two first logins for one user by two accounts that fit: the first OK pins, the second is refused."""
    first, second = start(panel), start(panel, email="ben.okoye@contoso.example")
    world.person().walk(first.verification_uri_complete, "contoso/adele")
    world.person().walk(second.verification_uri_complete, "contoso/ben")
    panel.sign_ins.confirm(first.id)
    with pytest.raises(Exception, match="wrong_account"):
        panel.sign_ins.confirm(second.id)
    assert panel.sign_ins.look(second.id).reason == "wrong_account"
    assert len(world.rows("people")) == len(world.rows("grants")) == 1


def at_microsoft(world: Any, begun: Any) -> tuple[Any, dict[str, str]]:
    """Bring a person up to Microsoft's last page, and return him with the answer it is about to post."""
    person = world.person()
    person.visit(begun.verification_uri_complete)
    person.press_the_button()
    posted: dict[str, str] = {}
    submit = person._submit

    def hold(form: Any, button: Any, fill: Any) -> Any:
        if form.action.endswith("/auth/callback"):
            posted.update(form.fields)
            return person.page
        return submit(form, button, fill)

    person._submit = hold
    person.press("account-contoso-adele")
    person._submit = submit
    return person, posted


def post(world: Any, answer: dict[str, str]) -> requests.Response:
    """Post an answer to the callback as Microsoft's page does: cross-site, without any cookie."""
    return requests.post(
        f"{world.url}/auth/callback",
        data=answer,
        headers={"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        timeout=10,
        allow_redirects=False,
    )


def test_the_callback_in_another_browser(world: Any, panel: Any) -> None:
    """B04, C09: without the cookie of the browser that began, the code is not redeemed, and that browser can go on."""
    begun = start(panel)
    person, answer = at_microsoft(world, begun)
    asked = world.switchboard.count("token")
    onward = post(world, answer)
    assert onward.status_code == 303
    finish = f"{world.url}{onward.headers['Location']}"
    stranger = world.person().visit(finish)
    assert (stranger.status, faults.OtherBrowser.title in stranger.text) == (403, True)
    assert world.switchboard.count("token") == asked
    assert panel.sign_ins.look(begun.id).status == "pending"
    assert person.visit(finish).status == 200
    assert world.switchboard.count("token") == asked + 1


def test_the_callback_again(world: Any, panel: Any) -> None:
    """B05: posting the same answer again, or finishing again, is refused; one token request in all."""
    begun = start(panel)
    person, answer = at_microsoft(world, begun)
    asked = world.switchboard.count("token")
    finish = f"{world.url}{post(world, answer).headers['Location']}"
    assert post(world, answer).status_code == 400
    assert person.visit(finish).status == 200
    again = person.visit(finish)
    assert (again.status, faults.ResponseNotExpected.title in again.text) == (400, True)
    assert post(world, answer).status_code == 400
    assert world.switchboard.count("token") == asked + 1
    assert panel.sign_ins.look(begun.id).status == "confirm"


def test_an_answer_to_another_persons_login(world: Any, panel: Any) -> None:
    """C06: a code under somebody else's state fails at PKCE, and nothing is stored."""
    mine, theirs = start(panel), start(panel)
    person, my_answer = at_microsoft(world, mine)
    _, their_answer = at_microsoft(world, theirs)
    crossed = {**my_answer, "code": their_answer["code"]}
    page = person.visit(f"{world.url}{post(world, crossed).headers['Location']}")
    assert page.status == faults.SignInRevoked.status
    nothing_stored(world)


@pytest.mark.parametrize(
    "form",
    [
        {"state": "unknown", "code": "x"},
        {"state": "unknown", "error": "access_denied", "error_description": "<script>alert(1)</script>"},
        {"code": "x"},
    ],
)
def test_an_answer_to_nothing(world: Any, form: dict[str, str]) -> None:
    """C03, C17: a form with an unknown state ends in one page, which repeats nothing of it."""
    answer = post(world, form)
    assert answer.status_code == 400
    assert faults.ResponseNotExpected.title in answer.text
    assert "alert(1)" not in answer.text


def test_microsofts_words_are_never_shown(world: Any, panel: Any) -> None:
    """C17, G13: error texts of the callback reach neither a page nor the panel."""
    begun = start(panel)
    person, answer = at_microsoft(world, begun)
    told = {"state": answer["state"], "error": "<b>x</b>", "error_description": "<script>alert(1)</script> AADSTS50057"}
    page = person.visit(f"{world.url}{post(world, told).headers['Location']}")
    assert faults.AccountDisabled.title in page.text
    seen = panel.sign_ins.look(begun.id)
    assert seen.reason == "account_disabled"
    for text in (page.text, str(seen)):
        assert "alert" not in text
        assert "AADSTS" not in text


def test_a_made_up_answer_does_not_end_the_consent(world: Any, panel: Any) -> None:
    """Anybody with a sign-in link can post an error to the callback: it ends his own sign-in and nothing else."""
    world.clock.advance(hours=1)
    begun = start(panel)
    person, answer = at_microsoft(world, begun)
    told = {"state": answer["state"], "error": "consent_required", "error_description": "AADSTS65001: made up"}
    person.visit(f"{world.url}{post(world, told).headers['Location']}")
    assert panel.sign_ins.look(begun.id).reason == "consent_withdrawn"
    assert panel.about().consent["status"] == "consented"
    assert panel.user("adele").reason == "sign_in_required"


def test_a_scope_is_missing(world: Any, panel: Any) -> None:
    """B17: the token holds less than the range: refused, not stored, and told."""
    [row] = world.rows("organisations")
    from azure.data.tables import TableClient, UpdateMode

    begun = start(panel)
    person, answer = at_microsoft(world, begun)
    with TableClient.from_connection_string(world.rooms.settings.data_storage, "organisations") as client:
        client.update_entity({**row, "range": "send-verified"}, mode=UpdateMode.REPLACE)
    page = person.visit(f"{world.url}{post(world, answer).headers['Location']}")
    refused(world, panel, begun, page, faults.PermissionMissing)


def test_graph_fails_and_the_person_tries_again(world: Any, panel: Any) -> None:
    """R24: what passes by itself does not end the first login: the same link works a moment later."""
    begun = start(panel)
    world.switchboard.add("me", "unavailable")
    person = world.person()
    assert person.walk(begun.verification_uri_complete, "contoso/adele").status == 503
    nothing_stored(world)
    person.walk(begun.verification_uri_complete, "contoso/adele")
    assert panel.sign_ins.look(begun.id).status == "confirm"


# ------------------------------------------------------------- the wire


def own_form(world: Any, link: str, **headers: str) -> requests.Response:
    """Press the page's button, with headers of the test's choice."""
    usual = {"Origin": world.url, "Sec-Fetch-Site": "same-origin"}
    sent = {name: value for name, value in {**usual, **headers}.items() if value}
    return requests.post(link, data={}, headers=sent, timeout=10, allow_redirects=False)


LIES: list[dict[str, str]] = [
    {"Host": "evil.example"},
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example:443", "X-Forwarded-Port": "1"},
    {"Forwarded": "host=evil.example;proto=http"},
    {"X-Original-URL": "/evil", "X-Rewrite-URL": "/evil", "X-Original-Host": "evil.example"},
]


def test_our_address_comes_from_the_settings(world: Any, panel: Any) -> None:
    """B16, C11, C12: whatever the request says of its host, the way to Microsoft is 303 to the one authority."""
    link = start(panel).verification_uri_complete
    for headers in LIES:
        answer = own_form(world, link, **headers)
        assert answer.status_code == 303
        onward = urlsplit(answer.headers["Location"])
        assert f"{onward.scheme}://{onward.netloc}" == world.microsoft_url
        assert parse_qs(onward.query)["redirect_uri"] == [f"{world.url}/auth/callback"]
        assert "evil" not in answer.headers["Location"]
        # No address travels in an address.
        assert "adele" not in answer.headers["Location"]


FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": ""},
    {"Origin": "null", "Sec-Fetch-Site": ""},
    {"Origin": "null"},
    {"Origin": "", "Sec-Fetch-Site": "same-site"},
    {"Origin": "", "Sec-Fetch-Site": "none"},
    {"Origin": "", "Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site"},
]


FROM_MICROSOFT = {"/auth/callback", "/auth/mailbox"}
"""Forms that Entra posts through the browser: sealed under their state, and finished in the browser that began."""


def every_form() -> list[str]:
    """The path of every form of every door for people; one that is added later is among them."""

    def nothing() -> Any:
        raise AssertionError

    doors = {import_module(f"functions.{module}") for module in HTTP_DOORS.values() if module != "device_api"}
    paths = {path for door in doors for path, item in door.build(nothing).openapi()["paths"].items() if "post" in item}
    assert paths > FROM_MICROSOFT
    assert len(paths) > 20
    return sorted(paths - FROM_MICROSOFT)


def test_another_sites_form_is_refused(world: Any, panel: Any) -> None:
    """H02: every form of ours must come from our own page; another sets no cookie and begins nothing, at any route."""
    begun, consent = start(panel), panel.consents.start({"range": "send"})
    before = world.rows("handoffs")
    for path in every_form():
        given = consent if path.startswith("/consent") else begun
        link = given.verification_uri_complete.rpartition("/")[2]
        form = world.url + re.sub(r"\{[a-z_]+\}", link, path)
        for headers in FOREIGN:
            answer = own_form(world, form, **headers)
            assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False), (form, headers)
            assert "came from another site" in answer.text, (form, headers)
    assert world.rows("authorizations") == []
    assert world.rows("handoffs") == before


def test_the_cookie_is_as_narrow_as_a_cookie_can_be(world: Any, panel: Any) -> None:
    """H01, B13: __Host-, Secure, HttpOnly, Lax, short; and it is taken back at the end."""
    begun = start(panel)
    written = own_form(world, begun.verification_uri_complete).headers["Set-Cookie"]
    name, *rest = [part.strip().lower() for part in written.split(";")]
    assert name.startswith(f"{COOKIE.lower()}=")
    assert len(name) > 64
    assert sorted(rest) == ["httponly", "max-age=900", "path=/", "samesite=lax", "secure"]
    person, answer = at_microsoft(world, begun)
    person.visit(f"{world.url}{post(world, answer).headers['Location']}")
    assert [cookie.name for cookie in person._http.cookies if cookie.name == COOKIE] == []


def test_opening_the_link_does_nothing(world: Any, panel: Any) -> None:
    """B03, B15: GETs by scanners and strangers set no cookie and write no row; only a press of the button does."""
    begun = start(panel)
    before = world.rows("handoffs")
    for _ in range(20):
        answer = requests.get(begun.verification_uri_complete, timeout=10)
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (200, False)
    assert world.rows("handoffs") == before
    assert world.rows("authorizations") == []


def test_another_printer_sees_no_login_of_this_one(world: Any, panel: Any) -> None:
    """B09, E01: poll, OK and cancel of another printer answer 404, as for an id that never was."""
    begun = start(panel)
    world.person().walk(begun.verification_uri_complete, "contoso/adele")
    other = world.printer(tenant="22222222-2222-4222-8222-222222222222", group="theirs")
    for call in (other.sign_ins.look, other.sign_ins.confirm, other.sign_ins.cancel, other.consents.look):
        with pytest.raises(Exception, match="not_found"):
            call(begun.id)
    nothing_stored(world)
    assert panel.sign_ins.look(begun.id).status == "confirm"
