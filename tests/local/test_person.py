"""The person without a browser, against pages on the wire."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from local.page import read
from local.person import LostError, Person
from tests.clients.wire import served

SIGN_IN = """<title>Sign in</title><form method="post" action="/-/sign-in"><input type="hidden" name="flow" value="7">
<input name="username"><button id="sign-in">Sign in</button></form><form method="post" action="/-/sign-in">
<input type="hidden" name="flow" value="7"><button name="account" value="contoso/adele" id="account-contoso-adele">
Adele <small>Vance</small></button></form>"""


class Sites:
    """An app on 127.0.0.1 and an identity provider on localhost: two sites, as in production."""

    def __init__(self) -> None:
        self.app = ""
        self.idp = ""
        self.referrer_policy = "same-origin"
        self.heard: dict[str, dict[str, str]] = {}

    async def start(self, _: Request) -> Response:
        """Show the app's first page: one button, two cookies."""
        page = HTMLResponse('<form method="post" action="/go"><button>Sign in with Microsoft</button></form>')
        page.headers["Referrer-Policy"] = self.referrer_policy
        page.set_cookie("lax", "1", samesite="lax", secure=True)
        page.set_cookie("none", "1", samesite="none", secure=True)
        return page

    async def go(self, request: Request) -> Response:
        """Send the person to the identity provider."""
        self.heard["go"] = {**request.headers, "cookies": " ".join(sorted(request.cookies))}
        return RedirectResponse(f"{self.idp}/authorize", 303)

    async def authorize(self, request: Request) -> Response:
        """Ask who he is."""
        self.heard["authorize"] = dict(request.headers)
        return HTMLResponse(SIGN_IN)

    async def sign_in(self, request: Request) -> Response:
        """Answer the app by form_post."""
        async with request.form() as form:
            self.heard["sign-in"] = {name: str(value) for name, value in form.items()}
        return HTMLResponse(
            f'<form method="post" action="{self.app}/callback"><input type="hidden" name="code" value="c&amp;d">'
            '<button id="continue">Continue</button></form><script src="/submit.js"></script>'
        )

    async def callback(self, request: Request) -> Response:
        """Take the code from another site, and go on in the own one."""
        async with request.form() as form:
            code = str(form["code"])
        self.heard["callback"] = {**request.headers, "cookies": " ".join(sorted(request.cookies)), "code": code}
        return RedirectResponse("/finish", 303)

    async def finish(self, request: Request) -> Response:
        """Say that it is done."""
        self.heard["finish"] = {"cookies": " ".join(sorted(request.cookies))}
        return HTMLResponse('<title>Done</title><p>You may go back.</p><a href="/me" id="mine">My sign-ins</a>')


@pytest.fixture
def sites() -> Iterator[Sites]:
    """Both on one server: the two names of the loopback are two sites."""
    both = Sites()
    routes = [
        Route("/start", both.start),
        Route("/go", both.go, methods=["POST"]),
        Route("/authorize", both.authorize),
        Route("/-/sign-in", both.sign_in, methods=["POST"]),
        Route("/callback", both.callback, methods=["POST"]),
        Route("/finish", both.finish),
    ]
    with served(Starlette(routes=routes)) as both.app:
        both.idp = both.app.replace("127.0.0.1", "localhost")
        yield both


@pytest.fixture
def person() -> Iterator[Person]:
    """Somebody with a fresh browser."""
    with Person() as somebody:
        yield somebody


def test_walks_from_the_app_over_the_sign_in_and_back(sites: Sites, person: Person) -> None:
    """One call follows the button, the account, the form_post and the redirects, and ends on the app's last page."""
    pages: list[str] = []
    end = person.walk(f"{sites.app}/start", "contoso/adele", seen=lambda page: pages.append(page.url))
    assert (end.url, end.title, end.text) == (f"{sites.app}/finish", "Done", "You may go back. My sign-ins")
    assert sites.heard["sign-in"] == {"flow": "7", "account": "contoso/adele"}
    assert sites.heard["callback"]["code"] == "c&d"
    assert pages == [f"{sites.app}/start", f"{sites.idp}/authorize", f"{sites.app}/finish"]


def test_cookies_keep_the_rule_of_the_site(sites: Sites, person: Person) -> None:
    """A Lax cookie stays at home when another site posts, as in a browser; so does what needs it."""
    person.walk(f"{sites.app}/start", "contoso/adele")
    assert sites.heard["go"]["cookies"] == "lax none"
    assert sites.heard["callback"]["cookies"] == "none"
    assert sites.heard["finish"]["cookies"] == "lax none"


def test_forms_say_where_they_come_from(sites: Sites, person: Person) -> None:
    """What an app checks against forged forms is there: Origin and Sec-Fetch-Site, honestly."""
    person.walk(f"{sites.app}/start", "contoso/adele")
    assert (sites.heard["go"]["origin"], sites.heard["go"]["sec-fetch-site"]) == (sites.app, "same-origin")
    assert sites.heard["authorize"]["sec-fetch-site"] == "cross-site"
    heard = sites.heard["callback"]
    assert (heard["origin"], heard["sec-fetch-site"]) == (sites.idp, "cross-site")


def test_page_without_referrer_sends_no_origin(sites: Sites, person: Person) -> None:
    """A form on a page under no-referrer says Origin null even to its own site, as in every browser."""
    sites.referrer_policy = "no-referrer"
    person.visit(f"{sites.app}/start")
    person.press_the_button()
    assert (sites.heard["go"]["origin"], sites.heard["go"]["sec-fetch-site"]) == ("null", "same-origin")


def test_missing_button_says_what_is_there(sites: Sites, person: Person) -> None:
    """Who is lost reads in the error which page he is on and what it offers."""
    person.visit(f"{sites.idp}/authorize")
    with pytest.raises(LostError, match=r"no button 'accept'.*Sign in.*sign-in.*account-contoso-adele"):
        person.press("accept")


def test_two_forms_are_no_obvious_button(sites: Sites, person: Person) -> None:
    """He does not guess which of two forms is meant."""
    person.visit(f"{sites.idp}/authorize")
    with pytest.raises(LostError, match="2 forms"):
        person.press_the_button()


def test_reads_what_a_form_would_send() -> None:
    """Ticked boxes, chosen radios and prefilled fields are sent; unticked ones and buttons are not."""
    page = read(
        "http://127.0.0.1/consent",
        200,
        """<form method="post"><input type="radio" name="range" value="send" checked><input type="radio" name="range"
        value="send-large"><input type="checkbox" name="all"><input name="q" value="x"><button name="b">Go</button>""",
    )
    assert page.forms[0].fields == {"range": "send", "q": "x"}
    assert page.button("Go") == (page.forms[0], page.forms[0].buttons[0])


def test_trusts_only_what_he_was_given(tmp_path: Path, sites: Sites) -> None:
    """A person told to trust a file that is not there reaches no site over TLS."""
    with Person(tmp_path / "none.pem") as careful, pytest.raises(OSError, match=r"none\.pem"):
        careful.visit(sites.app.replace("http:", "https:"))
