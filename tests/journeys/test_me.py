"""The person's own page: what it shows, to whom, and how everything ends there."""

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from functions.me_session import COOKIE
from local.page import Page
from local.person import Person
from shared import faults
from shared.privacy import Session, SessionInvalid
from shared.services import Services
from tests.leftovers import everything

CONTOSO = "11111111-1111-4111-8111-111111111111"
FABRIKAM = "22222222-2222-4222-8222-222222222222"
MANY_PAGES = 6
OID = "33333333-3333-4333-8333-333333333333"
LONGEST_SHOWN = 120


def open_page(world: Any, account: str = "contoso/adele", person: Person | None = None) -> Person:
    """Somebody signs in to his own page; he stands where that led him."""
    person = person or world.person()
    person.visit(f"{world.url}/me")
    person.press("sign-in")
    mark = account.replace("/", "-")
    for _ in range(MANY_PAGES):
        button = next((b for b in (f"account-{mark}", f"pick-{mark}", "accept", "return") if person.page.button(b)), "")
        if not button:
            break
        person.press(button)
    return person


def end(person: Person) -> Page:
    """He ends his sign-in: the link, then the button on the second page."""
    person.visit(person.page.links["end"])
    return person.press("end")


def cookie(person: Person) -> str:
    """The cookie of the page."""
    return next(str(one.value) for one in person._http.cookies if one.name == COOKIE)


def get(world: Any, path: str, value: str | None = None) -> requests.Response:
    """Ask for a page with a cookie of one's own making."""
    headers = {"Cookie": f"{COOKIE}={value}"} if value is not None else {}
    return requests.get(f"{world.url}{path}", headers=headers, timeout=20, allow_redirects=False)


def post(world: Any, path: str, value: str | None, **headers: str) -> requests.Response:
    """Post a form with a cookie of one's own making, as a browser would from our own page unless ``headers`` differ."""
    sent = {"Origin": world.url, "Sec-Fetch-Site": "same-origin", **headers}
    if value is not None:
        sent["Cookie"] = f"{COOKIE}={value}"
    sent = {name: text for name, text in sent.items() if text}
    return requests.post(f"{world.url}{path}", data={}, headers=sent, timeout=20, allow_redirects=False)


@pytest.fixture
def printer(world: Any) -> Any:
    """A printer in an organisation that has consented, with Adele signed in."""
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    return printer


def scan(world: Any, printer: Any, user: str = "adele", **changes: Any) -> Any:
    """Hand over a scan."""
    document = world.pdf()
    return printer.submit(world.manifest(document, user, **changes), document)


def test_a_person_sees_what_is_stored_and_ends_it(world: Any, printer: Any) -> None:
    """I04, H06: printers, scans with state, one button on a second page; then nothing is there, and it says so."""
    second = world.printer(name="Printer 3F")
    scan(world, printer, title="Sent long ago")
    scan(world, second, title="Sent just now")
    assert world.deliver() == 2
    waiting = scan(world, printer, title="Not yet sent")
    person = open_page(world)
    for part in ("Printer 2F", "Printer 3F", "2nd floor", "group office", "Adele Vance", "Signed in since"):
        assert part in person.page.text, part
    newest_first = [person.page.text.index(title) for title in ("Not yet sent", "Sent just now", "Sent long ago")]
    assert newest_first == sorted(newest_first)
    assert "Accepted, about to be sent" in person.page.text
    ended = end(person)
    assert ended.status == 200
    assert "your data are deleted" in ended.text
    assert "Scans cancelled 1" in ended.text
    assert world.deliver() == 1
    assert printer.scan(waiting.id).state == "cancelled"
    assert len(world.mailbox()) == 2
    assert printer.user("adele").status == "sign_in_required"
    assert "You are not signed in at any printer" in open_page(world, person=person).page.text


def test_he_may_come_back(world: Any, printer: Any) -> None:
    """R19: who signs in at a printer again scans as before, and the last step of the erasure leaves him alone."""
    person = open_page(world)
    end(person)
    world.sign_in(printer)
    world.clock.advance(minutes=20)
    world.rooms.erasure.settle()
    accepted = scan(world, printer)
    world.deliver()
    assert printer.scan(accepted.id).state == "sent"
    assert "Printer 2F" in open_page(world, person=person).page.text


def test_the_sign_in_asks_for_nothing_but_who_it_is(world: Any) -> None:
    """C05: any organisation's authority, form_post, PKCE, nonce; no permission, no refresh token; nothing is stored."""
    begun = post(world, "/me", None)
    assert begun.status_code == 303
    assert "/organizations/oauth2/v2.0/authorize?" in begun.headers["Location"]
    query = dict(parse_qsl(urlsplit(begun.headers["Location"]).query))
    assert set(query["scope"].split()) == {"openid", "profile"}
    assert query["response_mode"] == "form_post"
    assert query["code_challenge_method"] == "S256"
    assert query["prompt"] == "select_account"
    assert {"nonce", "state"} <= set(query)
    open_page(world)
    assert world.cloud.state.refresh_tokens == {}
    [used] = [row for row in world.rows("authorizations") if row["status"] == "used"]
    assert {"flow", "response"}.isdisjoint(used)
    where = {where.partition(",")[0] for where, _ in everything(world.rooms.settings.data_storage)}
    assert where == {"table authorizations", "table keys"}


def test_an_organisation_that_never_consented_may_look(world: Any) -> None:
    """A person of any tenant can see that nothing is stored about him."""
    person = open_page(world, "fabrikam/ben")
    assert "ben@fabrikam.example" in person.page.text
    assert "You are not signed in at any printer" in person.page.text


def test_who_is_nowhere_is_offered_no_end(world: Any) -> None:
    """Where nothing is stored there is nothing to end; the page says that he is signed in nowhere, and can be left."""
    person = open_page(world, "fabrikam/ben")
    assert "end" not in person.page.links
    assert person.page.button("sign-out")


def test_who_consented_sees_it_and_may_end_it(world: Any) -> None:
    """I04: an administrator whose account proved the consent finds that on his page, and there alone; then it goes."""
    world.consent()
    person = open_page(world, "contoso/admin")
    assert "Agreed for the organisation contoso.example" in person.page.text
    assert "Agreed for the organisation" not in open_page(world).page.text
    end(person)
    assert "Agreed for the organisation" not in open_page(world, "contoso/admin", person).page.text


def test_a_personal_account_gets_a_clear_page(world: Any) -> None:
    """A13: the sign-in ends on our page, which says why, and no session is made."""
    person = open_page(world, "personal/pat")
    assert person.page.url.startswith(world.url)
    assert person.page.status == 403
    assert "Your sign-in" in person.page.title
    assert person.page.button("sign-in")
    assert not [one for one in person._http.cookies if one.name == COOKIE]


def test_nobody_sees_another(world: Any, printer: Any) -> None:
    """I05: Ben's page shows nothing of Adele's, whatever he adds to the address, and his end leaves her alone."""
    world.sign_in(printer, "ben", "ben.okoye@contoso.example")
    scan(world, printer, title="Of Adele alone")
    theirs = scan(world, printer, "ben", title="Of Ben alone")
    adele = world.cloud.account("contoso/adele").oid
    person = open_page(world, "contoso/ben")
    for query in ("", f"?oid={adele}", f"?tid={CONTOSO}&oid={adele}"):
        page = person.visit(f"{world.url}/me{query}")
        assert "Of Ben alone" in page.text
        assert "Adele" not in page.text
    person.visit(f"{world.url}/me/end")
    answer = post(world, f"/me/end?oid={adele}", cookie(person))
    assert answer.status_code == 200
    assert printer.user("ben").status == "sign_in_required"
    assert printer.user("adele").status == "ready"
    assert printer.scan(theirs.id).state == "cancelled"
    world.deliver()
    assert [message["subject"] for message in world.mailbox()] == ["Of Adele alone"]


def test_the_same_object_id_in_another_tenant_is_somebody_else(world: Any, printer: Any) -> None:
    """A01, A12: a session of another tenant with Adele's object id sees and ends nothing of hers."""
    adele = world.cloud.account("contoso/adele")
    until = world.clock() + timedelta(minutes=5)
    value = world.rooms.sessions.write(Session(FABRIKAM, adele.oid, "Adele", adele.upn, until))
    assert "You are not signed in at any printer" in get(world, "/me", value).text
    assert post(world, "/me/end", value).status_code == 200
    assert printer.user("adele").status == "ready"


def forgeries(value: str) -> dict[str, str]:
    """Cookies that prove nothing, made from one that does."""
    said, mac = value.split(".")
    held = json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))

    def sealed(changes: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps({**held, **changes}).encode()).decode().rstrip("=")

    return {
        "empty": "",
        "no signature": said,
        "empty signature": f"{said}.",
        "of another person": f"{sealed({'oid': '33333333-3333-4333-8333-333333333333'})}.{mac}",
        "of another tenant": f"{sealed({'tid': FABRIKAM})}.{mac}",
        "for longer": f"{sealed({'until': held['until'] + 3600})}.{mac}",
        "short signature": f"{said}.{mac[:20]}",
        "another signature": f"{said}.{mac[::-1]}",
        "three parts": f"{value}.{mac}",
        "not base64": "!!.??",
        "long": f"{said}.{mac}{'A' * 4000}",
    }


def test_a_forged_or_old_cookie_opens_nothing(world: Any, printer: Any) -> None:
    """H01, H05, H06: only our signature opens the page, for fifteen minutes; the rest is sent to sign in."""
    value = cookie(open_page(world))
    assert "Signed in since" in get(world, "/me", value).text
    for name, forged in forgeries(value).items():
        assert "Signed in since" not in get(world, "/me", forged).text, name
        answer = post(world, "/me/end", forged)
        assert answer.status_code == 403, name
        assert "Nothing has been ended or deleted" in answer.text, name
    world.clock.advance(minutes=14)
    assert "Signed in since" in get(world, "/me", value).text
    world.clock.advance(minutes=1, seconds=1)
    assert "Signed in since" not in get(world, "/me", value).text
    assert get(world, "/me/end", value).headers["Location"] == "/me"
    late = post(world, "/me/end", value)
    assert late.status_code == 403
    assert "Nothing has been ended or deleted" in late.text
    assert printer.user("adele").status == "ready"


@pytest.mark.parametrize("letter", ["a", "я", "😀", "\ud800", '"', "\\"])
def test_a_long_name_opens_the_page_too(rooms: Services, letter: str) -> None:
    """Whatever letters the longest name has, the cookie is small enough for a browser, and opens the page."""
    long = letter * LONGEST_SHOWN
    session = Session(CONTOSO, OID, long, long, rooms.clock().replace(microsecond=0) + timedelta(minutes=5))
    value = rooms.sessions.write(session)
    assert len(value) < 2048
    read = rooms.sessions.read(value)
    shown = long if letter != "\ud800" else "?" * LONGEST_SHOWN
    assert (read.tid, read.oid, read.name, read.username) == (CONTOSO, OID, shown, shown)


def test_the_cookie_of_one_service_opens_no_other(world: Any) -> None:
    """H05: the signature is by the service's own key; with another key it is nothing."""
    from shared.privacy import Sessions

    session = Session(CONTOSO, "33333333-3333-4333-8333-333333333333", "", "", world.clock() + timedelta(minutes=5))
    other = Sessions(lambda: world.rooms.authorizations, b"another key of thirty-two bytes!", world.clock)
    with pytest.raises(SessionInvalid):
        world.rooms.sessions.read(other.write(session))


@pytest.mark.parametrize("path", ["/me", "/me/end", "/me/sign-out"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": ""},
    ],
)
def test_a_form_of_another_site_is_refused(world: Any, path: str, headers: dict[str, str]) -> None:
    """H02: no other site's page can begin, end or leave anything, with a good cookie or without."""
    until = world.clock() + timedelta(minutes=5)
    value = world.rooms.sessions.write(Session(CONTOSO, "33333333-3333-4333-8333-333333333333", "", "", until))
    for sent in (value, None):
        answer = post(world, path, sent, **headers)
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
    assert list(everything(world.rooms.settings.data_storage)) == []


def test_opening_a_page_changes_nothing(world: Any, printer: Any) -> None:
    """B03, B15, I03: GET asks and shows; with junk for a cookie it does not even look into storage."""
    value = cookie(open_page(world))
    before = sorted(everything(world.rooms.settings.data_storage))
    for path in ("/me", "/me/end", "/me/sign-out"):
        get(world, path, value)
        get(world, path, "junk.junk")
        get(world, path)
    assert sorted(everything(world.rooms.settings.data_storage)) == before
    assert get(world, "/me/sign-out", value).status_code == 405


def test_the_cookie_is_fenced_in(world: Any) -> None:
    """H01, H08: host-only, secure, out of reach of scripts and other sites' forms, gone in time; nothing is cached."""
    person = open_page(world)
    value = cookie(person)
    [jar] = [one for one in person._http.cookies if one.name == COOKIE]
    assert (jar.secure, jar.path, jar.domain_specified) == (True, "/", False)
    assert jar.has_nonstandard_attr("HttpOnly")
    assert jar.get_nonstandard_attr("SameSite") == "lax"
    assert jar.expires is not None
    assert jar.expires <= world.clock().timestamp() + 901
    ended = post(world, "/me/sign-out", value)
    for flag in ("__Host-me=", "Path=/", "Secure", "HttpOnly", "SameSite=lax", "Max-Age=0"):
        assert flag in ended.headers["Set-Cookie"], flag
    assert "Domain" not in ended.headers["Set-Cookie"]
    for path in ("/me", "/me/end"):
        answer = get(world, path, value)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "script" not in answer.text


def test_the_page_can_be_left(world: Any, printer: Any) -> None:
    """Leaving forgets the session in this browser and ends nothing else."""
    person = open_page(world)
    assert person.press("sign-out").button("sign-in")
    assert "Signed in since" not in person.visit(f"{world.url}/me").text
    assert printer.user("adele").status == "ready"


def test_twice_is_once(world: Any, printer: Any) -> None:
    """A double click, or the same form once more, finds nothing left and says the same."""
    scan(world, printer)
    value = cookie(open_page(world))
    first, second = post(world, "/me/end", value), post(world, "/me/end", value)
    assert (first.status_code, second.status_code) == (200, 200)
    assert "deleted" in second.text
    assert printer.user("adele").status == "sign_in_required"


def test_an_answer_of_entra_counts_once_and_in_one_browser(world: Any) -> None:
    """B04, B05: the address that finishes the sign-in opens no page in another browser, and none a second time."""
    person = open_page(world)
    [row] = world.rows("authorizations")
    finish = f"{world.url}/auth/finish?tx={row['PartitionKey']}"
    for again in (person, world.person()):
        page = again.visit(finish)
        assert page.status in {400, 403}
    assert "Signed in since" not in world.person().visit(f"{world.url}/me").text


def test_the_page_speaks_the_persons_language(world: Any, printer: Any) -> None:
    """The page and its end are in the browser's language."""
    person = open_page(world, person=world.person("de"))
    assert "Wo sie genutzt wird" in person.page.text
    assert "gelöscht" in end(person).text


def test_what_has_ended_says_why(world: Any, printer: Any) -> None:
    """A sign-in that Microsoft ended shows its reason and what to do; the scans that met it show their code."""
    world.cloud.revoke_refresh_tokens("contoso/adele")
    world.cloud.expire_access_tokens("contoso/adele")
    scan(world, printer, title="Too late")
    world.clock.advance(hours=2)
    world.deliver()
    person = open_page(world)
    assert faults.SignInRevoked.title in person.page.text
    assert "Kept until you sign in (370)" in person.page.text
    assert "Ends" not in person.page.text
