"""Somebody with a browser, driven over HTTP: opens a page, presses buttons, follows redirects.

For journeys, tests and benches that need a sign-in and not a real browser. A page's form_post is
submitted as its script would do it. Cookies are kept per host, as a browser keeps them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

_TIMEOUT = 30.0
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass
class Form:
    """A form of a page: where it goes and what its hidden and pre-filled fields hold."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What reached the app: ``parameters`` from the query, or from the body where ``posted``."""

    url: str
    parameters: dict[str, str]
    posted: bool


class Person:
    """A browser with cookies. ``verify`` is the CA bundle; the addresses in ``stops`` are the app's.

    Opening or pressing answers an :class:`Answer` when the browser is sent to one of ``stops``, else
    leaves the person on a page (``text``).
    """

    def __init__(self, verify: str | Path, stops: tuple[str, ...]) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(verify)
        self._stops = stops
        self.url = ""
        self.text = ""
        self.status = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def open(self, url: str) -> Answer | None:
        """Go to an address."""
        return self._follow("GET", url, {})

    def press(self, button: str, **fields: str) -> Answer | None:
        """Press a button by its id, after filling in fields by name.

        Raises:
            LookupError: the page has no such button.
        """
        for form in _forms(self.text):
            if button in form.buttons:
                name, value = form.buttons[button]
                chosen = {name: value} if name else {}
                return self._follow("POST", urljoin(self.url, form.action), form.fields | fields | chosen)
        raise LookupError(f"no button {button!r} on {urlsplit(self.url).path}: {self.status} {_title(self.text)}")

    def sign_in(self, account: str) -> Answer | None:
        """Press an account's button on the sign-in page, by key (``contoso/adele``)."""
        return self.press(f"account-{account.replace('/', '-')}")

    def _follow(self, method: str, url: str, fields: Mapping[str, str]) -> Answer | None:
        while True:
            bare = url.partition("?")[0]
            if bare in self._stops:
                parameters = dict(fields) if method == "POST" else dict(parse_qsl(urlsplit(url).query))
                return Answer(bare, parameters, method == "POST")
            response = self.session.request(method, url, data=fields or None, timeout=_TIMEOUT, allow_redirects=False)
            if response.status_code in _REDIRECTS:
                method, url, fields = "GET", urljoin(url, response.headers["Location"]), {}
                continue
            self.url, self.text, self.status = url, response.text, response.status_code
            scripted = next((form for form in _forms(self.text) if "continue" in form.buttons), None)
            if scripted is None or "/-/submit.js" not in self.text:
                return None
            method, url, fields = "POST", scripted.action, scripted.fields


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag == "input" and self.forms and given.get("name") and given.get("type") != "checkbox":
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "button" and self.forms and given.get("id"):
            self.forms[-1].buttons[given["id"]] = (given.get("name", ""), given.get("value", ""))


def _forms(text: str) -> list[Form]:
    reader = _FormReader()
    reader.feed(text)
    return reader.forms


def _title(text: str) -> str:
    return text.partition("<title>")[2].partition("</title>")[0]
