"""How long somebody is at the console, and what ends it."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from functions.console_session import COOKIE
from local.microsoft.directory import GLOBAL_ADMINISTRATOR
from shared import faults
from shared.administrators.sessions import _hash
from shared.identity import Account, Finished, Redeemed
from tests.console.conftest import Desk

CONTOSO = "11111111-1111-4111-8111-111111111111"
ADMIN, CLOUD = "contoso/admin", "contoso/cloudadmin"


def is_in(desk: Desk, cookie: str) -> bool:
    """Whether a cookie still opens the console."""
    answer = desk.get("/console/audit", cookie)
    return answer.status_code == 200 and 'id="sign-out"' in answer.text


def test_the_sign_in_asks_for_nothing_but_who_it_is(world: Any, desk: Desk) -> None:
    """C05: code, PKCE, nonce, form_post; no permission; neither a token nor a name in clear in the cookie."""
    begun = desk.post("/console/sign-in")
    query = dict(parse_qsl(urlsplit(begun.headers["Location"]).query))
    assert set(query["scope"].split()) == {"openid", "profile"}
    assert (query["response_mode"], query["code_challenge_method"]) == ("form_post", "S256")
    assert {"nonce", "state"} <= set(query)
    cookie = desk.cookie(desk.open())
    assert "alex" not in cookie
    assert world.cloud.state.refresh_tokens == {}
    [row] = world.rows("sessions")
    assert cookie.rpartition(".")[2] not in str(row)
    assert not {column for column in row if "token" in column}


def test_an_idle_session_ends_and_a_used_one_does_not(world: Any, desk: Desk) -> None:
    """H06: thirty minutes without a request end it, for good; a request in between keeps it."""
    cookie = desk.cookie(desk.open())
    world.clock.advance(minutes=20)
    assert is_in(desk, cookie)
    person = desk.open()
    world.clock.advance(minutes=30)
    # Not the way to Entra, which asks for roles: nobody is there any more.
    for gone in (cookie, desk.cookie(person)):
        answer = desk.get("/console/audit", gone)
        assert answer.status_code == 200
        assert 'id="sign-in"' in answer.text


def test_no_session_is_longer_than_eight_hours(world: Any, desk: Desk) -> None:
    """H06: however much it is used, and though its role is checked again all the time."""
    person = desk.open()
    for _ in range(19):
        world.clock.advance(minutes=25)
        assert "Audit" in desk.go(person, "/console/audit").text
    assert is_in(desk, desk.cookie(person))
    world.clock.advance(minutes=10)
    assert not is_in(desk, desk.cookie(person))


def test_a_role_that_is_gone_ends_the_session_within_the_hour(world: Any, desk: Desk) -> None:
    """A16: roles are asked for again without a word; who lost his is out, a form is not carried out in the meantime."""
    person = desk.open()
    cookie = desk.cookie(person)
    for _ in range(2):
        world.clock.advance(minutes=20)
        assert is_in(desk, cookie)
    world.cloud.state.accounts[ADMIN].roles = ()
    world.clock.advance(minutes=6)
    asked = desk.get("/console/audit", cookie)
    assert asked.status_code == 303
    query = dict(parse_qsl(urlsplit(asked.headers["Location"]).query))
    assert query["prompt"] == "none"
    assert f"/{CONTOSO}/" in asked.headers["Location"]
    world.clock.advance(minutes=15)
    assert desk.post("/console/audit/csv", cookie).status_code == 403
    assert "Your role does not allow this" in desk.go(person, "/console/audit").text
    assert desk.cookie(person) == ""
    assert world.rows("sessions") == []
    assert desk.post("/console/audit/csv", cookie).status_code == 403


def test_a_new_role_is_taken_over(world: Any, desk: Desk) -> None:
    """Who may only look by now may only look after the check, in the same session, on the page he asked for."""
    person = desk.open()
    cookie = desk.cookie(person)
    world.cloud.state.accounts[ADMIN].roles = ("f2ef992c-3afb-46b9-b7cf-a126ee74c451",)
    world.clock.advance(minutes=25)
    assert "Let printers in" in desk.go(person, "/console/printers").text
    world.clock.advance(minutes=25)
    page = desk.go(person, "/console/printers")
    assert page.url.endswith("/console/printers")
    assert "Let printers in" not in page.text
    assert desk.cookie(person) == cookie
    assert desk.post("/console/printers", cookie, {"group": "a", "count": "1", "kind": "code"}).status_code == 403


def test_signing_out_ends_the_session_itself(world: Any, desk: Desk) -> None:
    """H05: a copy of the cookie is worth nothing after a sign-out."""
    person = desk.open()
    cookie = desk.cookie(person)
    assert "Sign in with Microsoft" in person.press("sign-out").text
    assert desk.cookie(person) == ""
    assert not is_in(desk, cookie)


def test_a_sign_in_never_takes_over_a_cookie(world: Any, desk: Desk) -> None:
    """H05: a cookie that was there before (an old one, somebody else's, a made-up one) is replaced by a new secret."""
    tid, oid, _ = desk.cookie(desk.open()).split(".")
    planted = f"{tid}.{oid}.{'0' * 64}"
    person = world.person()
    person._http.cookies.set(COOKIE, planted, domain="127.0.0.1", path="/", secure=True)
    taken = desk.cookie(desk.open(ADMIN, person))
    assert is_in(desk, taken)
    assert not is_in(desk, planted)


def test_a_made_up_cookie_opens_nothing(world: Any, desk: Desk) -> None:
    """H05: neither half a cookie, nor another secret, nor another person's id with a good secret."""
    cookie = desk.cookie(desk.open())
    tid, oid, secret = cookie.split(".")
    stranger = world.cloud.account(CLOUD).oid
    spoilt = ("", "x", "a.b.c", f"{tid}.{oid}.", f"{tid}.{oid}.{'0' * 64}", f"{tid}.{stranger}.{secret}", f"{cookie}.x")
    for each in spoilt:
        assert not is_in(desk, each), each
    assert is_in(desk, cookie)


def test_what_cannot_be_undone_needs_a_fresh_sign_in(world: Any, desk: Desk) -> None:
    """H06: ten minutes after the sign-in erasing asks for another one, and only a real one counts.

    Entra is asked with prompt=login; where somebody takes that out of the address, its ``auth_time`` tells.
    """
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    adele = world.cloud.account("contoso/adele").oid
    person = desk.open()
    world.clock.advance(minutes=11)
    page = desk.go(person, f"/console/people/{adele}")
    assert page.button("end") is None
    refused = desk.post(f"/console/people/{adele}/end", desk.cookie(person))
    assert refused.status_code == 403
    assert "Sign in once more" in refused.text
    assert world.rooms.grants.get(CONTOSO, adele) is not None

    begun = desk.post("/console/again", desk.cookie(person), {"back": f"/console/people/{adele}"})
    assert dict(parse_qsl(urlsplit(begun.headers["Location"]).query))["prompt"] == "login"
    for one in begun.cookies:
        person._http.cookies.set(one.name, one.value, domain="127.0.0.1", path="/", secure=True)
    person.visit(begun.headers["Location"].replace("prompt=login", "prompt="))
    assert "This needs a fresh sign-in" in desk.through(person).page.text
    assert desk.post(f"/console/people/{adele}/end", desk.cookie(person)).status_code == 403

    desk.go(person, f"/console/people/{adele}")
    person.press("again")
    page = desk.through(person).page
    assert page.url.endswith(f"/console/people/{adele}")
    assert "data are deleted" in person.press("end").text
    assert printer.user("adele").status == "sign_in_required"
    assert "Ended a sign-in" in desk.go(person, "/console/audit").text


def test_another_account_cannot_make_a_session_fresh(world: Any, desk: Desk) -> None:
    """H06: who signs in anew must be who is signed in; another account ends the session, and gets none."""
    person = desk.open()
    cookie = desk.cookie(person)
    world.clock.advance(minutes=11)
    world.cloud.state.accounts["contoso/ben"].roles = (GLOBAL_ADMINISTRATOR,)
    begun = desk.post("/console/again", cookie, {"back": "/console/audit"})
    for one in begun.cookies:
        person._http.cookies.set(one.name, one.value, domain="127.0.0.1", path="/", secure=True)
    person.visit(begun.headers["Location"])
    person = desk.through(person, "contoso/ben")
    assert "console" in person.page.text.lower()
    assert not is_in(desk, cookie)
    assert not is_in(desk, desk.cookie(person))


def test_the_way_back_stays_in_the_console(world: Any, desk: Desk) -> None:
    """B05: a path from a form is no open redirect."""
    person = desk.open()
    for back in (
        "https://evil.example/",
        "//evil.example",
        "/console/../me",
        "/\\evil",
        "/me",
        "/consoles",
        "/console?x",
    ):
        begun = desk.post("/console/again", desk.cookie(person), {"back": back})
        for one in begun.cookies:
            person._http.cookies.set(one.name, one.value, domain="127.0.0.1", path="/", secure=True)
        person.visit(begun.headers["Location"])
        assert desk.through(person).page.url == f"{world.url}/console", back


def test_who_is_erased_is_out(world: Any, desk: Desk) -> None:
    """I04: erasing an administrator ends his sessions, which say his name."""
    cookie = desk.cookie(desk.open())
    world.rooms.erasure.erase(CONTOSO, world.cloud.account(ADMIN).oid)
    assert not is_in(desk, cookie)
    assert world.rows("sessions") == []


def answered(step: str, cookie: str, *, guest: bool = False) -> Finished:
    """Entra's answer for the administrator of a session, whatever it was asked for."""
    oid = cookie.split(".")[1] if cookie else "an-oid"
    account = Account(
        CONTOSO,
        oid,
        "Alex",
        "alex@contoso.example",
        frozenset({GLOBAL_ADMINISTRATOR}),
        guest=guest,
        issued=datetime.now(UTC),
    )
    subject = json.dumps({"step": step, "back": "/console", "session": _hash(cookie) if cookie else ""})
    return Finished("console", subject, CONTOSO, False, lambda: Redeemed(account, frozenset(), "", ""))


@pytest.mark.parametrize("step", ["sign-in", "check"])
def test_a_guest_is_nobody_here(world: Any, desk: Desk, step: str) -> None:
    """A11: a guest does not get in with any role, and who has become one is out."""
    cookie = desk.cookie(desk.open()) if step == "check" else ""
    with pytest.raises(faults.GuestNotAllowed):
        world.rooms.console_sessions.finish(answered(step, cookie, guest=True), cookie)
    assert world.rows("sessions") == []


def test_an_answer_that_comes_after_the_end_opens_nothing(world: Any, desk: Desk) -> None:
    """H05: he signs out in one window while another one is at Entra: that one does not bring the session back."""
    cookie = desk.cookie(desk.open())
    world.rooms.console_sessions.end(cookie)
    with pytest.raises(faults.SignInExpired):
        world.rooms.console_sessions.finish(answered("check", cookie), cookie)
    assert world.rows("sessions") == []


@pytest.mark.parametrize("step", ["check", "anew"])
def test_an_answer_is_for_the_session_that_asked(world: Any, desk: Desk, step: str) -> None:
    """H06: of two sessions of one administrator, what was asked for one changes nothing in the other, and ends none."""
    asking, other = desk.cookie(desk.open()), desk.cookie(desk.open())
    before = world.rows("sessions")
    with pytest.raises(faults.WrongAccount):
        world.rooms.console_sessions.finish(answered(step, asking), other)
    assert world.rows("sessions") == before


@pytest.mark.parametrize("place", ["jobs?person=nobody", "jobs/x", "printers?after=x", "people?after=x"])
def test_an_id_that_cannot_be_one_is_not_found(desk: Desk, place: str) -> None:
    """What is no id gets the page that says so."""
    assert desk.get(f"/console/{place}", desk.cookie(desk.open())).status_code == 404
