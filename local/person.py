"""A person with a browser, without the browser: follows links, fills forms, presses buttons.

Knows pages only as HTML (forms by what they ask, buttons by id, value or words), so it walks the
app's pages and the emulated Microsoft's alike. As strict as a browser where a sign-in depends on it:
cookies keep their SameSite rule across sites, the loopback counts as secure, a form brings Origin and
Sec-Fetch-Site. It runs no script but the one that every form_post page has: submit the only form.
"""

from collections.abc import Callable, Mapping
from http.cookiejar import Cookie, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit
from urllib.request import Request as CookieRequest

import requests
from requests.cookies import RequestsCookieJar

from local.page import Button, Form, Page, read

TIMEOUT = (5.0, 60.0)
"""Seconds to connect and to wait for an answer."""
MANY_REDIRECTS = 20
MANY_PAGES = 15
_KEEP_METHOD = {307, 308}
_REDIRECTS = {301, 302, 303, *_KEEP_METHOD}
_CLIENT_ERROR = 400


class LostError(Exception):
    """The page does not have what the person is looking for; the message says what it has."""


class Person:
    """Somebody with a browser of his own (cookies of his own). Use it as a context manager, or close it.

    Args:
        trust: a PEM file of the certificate authorities to trust; None means the usual ones.
        language: the browser's language, BCP 47.
    """

    def __init__(self, trust: Path | None = None, language: str = "en") -> None:
        self._policy = _BrowserPolicy()
        self._http = requests.Session()
        # Neither a proxy nor REQUESTS_CA_BUNDLE from the environment: the person trusts what he was told to.
        self._http.trust_env = False
        self._http.verify = str(trust) if trust else True
        self._http.cookies = RequestsCookieJar(self._policy)
        self._headers = {"Accept": "text/html", "Accept-Language": language}
        self.page = Page("", 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def visit(self, url: str) -> Page:
        """Type an address, and follow it to a page."""
        return self._go("GET", url, None, initiator=None)

    def press(self, wanted: str, **fill: str) -> Page:
        """Press the button with this id, name, value or words, after filling its form's fields.

        Raises:
            LostError: there is no such button.
        """
        found = self.page.button(wanted)
        if found is None:
            raise LostError(f"no button {wanted!r} on {self._where()}")
        return self._submit(*found, fill)

    def press_the_button(self, **fill: str) -> Page:
        """Press the first button of the page's only form that changes something.

        Raises:
            LostError: there is none, or more than one such form.
        """
        forms = [form for form in self.page.forms if form.method == "POST" and form.buttons]
        if len(forms) != 1:
            raise LostError(f"{len(forms)} forms to choose from on {self._where()}")
        return self._submit(forms[0], forms[0].buttons[0], fill)

    def walk(self, start: str, account: str, *, seen: Callable[[Page], None] = lambda _: None) -> Page:
        """Go from ``start``, a page of the app, over the emulated Microsoft and back; returns the last page.

        On the app's pages he presses the one button there is; at Microsoft he chooses the account (a key
        such as ``contoso/adele``) and accepts what it asks. A page that says no is an end like any other:
        he goes back to the app where Microsoft offers it, and the caller looks at the page.

        Raises:
            LostError: the way has no end.
        """
        mark = account.replace("/", "-")
        here = self.visit(start)
        for _ in range(MANY_PAGES):
            seen(here)
            for wanted in (f"account-{mark}", f"pick-{mark}", "accept", "return"):
                if here.button(wanted):
                    here = self.press(wanted)
                    break
            else:
                if not any(form.method == "POST" and form.buttons for form in here.forms):
                    return here
                if here.status >= _CLIENT_ERROR:
                    return here
                here = self.press_the_button()
        raise LostError(f"still walking after {MANY_PAGES} pages, on {self._where()}")

    def _submit(self, form: Form, button: Button | None, fill: Mapping[str, str]) -> Page:
        sent = form.fields | dict(fill)
        if button and button.name:
            sent[button.name] = button.value
        return self._go(form.method, urljoin(self.page.url, form.action), sent, initiator=self.page.url)

    def _go(self, method: str, url: str, sent: Mapping[str, str] | None, *, initiator: str | None) -> Page:
        for _ in range(MANY_REDIRECTS):
            cross = initiator is not None and _site(initiator) != _site(url)
            self._policy.cross_site, self._policy.unsafe_method = cross, method == "POST"
            headers = {"Sec-Fetch-Site": _fetch_site(initiator, url), "Sec-Fetch-Mode": "navigate"}
            if method == "POST":
                headers["Origin"] = _origin_header(initiator, self.page.referrer_policy, url)
            request = requests.Request(
                method,
                url,
                headers={**self._headers, **headers},
                params=sent if method == "GET" else None,
                data=sent if method == "POST" else None,
                # Not the session's way of adding them: that copies them into a jar without our policy.
                cookies=self._http.cookies,
            )
            answer = self._http.send(request.prepare(), timeout=TIMEOUT, allow_redirects=False)
            if answer.status_code not in _REDIRECTS or "Location" not in answer.headers:
                break
            # The chain stays what it began as: a redirect through another site does not make it same-site.
            initiator = initiator if initiator is None or cross else url
            url = urljoin(url, answer.headers["Location"])
            if answer.status_code not in _KEEP_METHOD:
                method, sent = "GET", None
        else:
            raise LostError(f"more than {MANY_REDIRECTS} redirects, the last to {_origin(url)}")
        self.page = read(answer.url, answer.status_code, answer.text)
        self.page.referrer_policy = answer.headers.get("Referrer-Policy", "").rpartition(",")[2].strip()
        form_post = self._form_post()
        return self._submit(form_post, None, {}) if form_post else self.page

    def _form_post(self) -> Form | None:
        """Find the form that a script submits at once: the only one, nothing asked, to another site."""
        if len(self.page.forms) != 1 or not self.page.scripted:
            return None
        only = self.page.forms[0]
        away = _site(urljoin(self.page.url, only.action)) != _site(self.page.url)
        return only if away and only.method == "POST" and not only.asks else None

    def _where(self) -> str:
        buttons = [button.id or button.words for form in self.page.forms for button in form.buttons]
        return f"{self.page.url} ({self.page.status}, {self.page.title!r}, buttons {buttons}): {self.page.text[:300]}"


class _BrowserPolicy(DefaultCookiePolicy):
    """Which cookies go along: a browser's SameSite rule, and its view that the loopback is secure."""

    def __init__(self) -> None:
        super().__init__()
        self.cross_site = False
        self.unsafe_method = False

    def return_ok(self, cookie: Cookie, request: CookieRequest) -> bool:
        """Apply RFC 6265bis section 5.6.7.1; a cookie without SameSite is Lax, as in Chromium."""
        written = cookie.get_nonstandard_attr("SameSite") or cookie.get_nonstandard_attr("samesite")
        rule = str(written or "Lax").lower()
        if self.cross_site and (rule == "strict" or (rule == "lax" and self.unsafe_method)):
            return False
        return bool(super().return_ok(cookie, request))

    def return_ok_secure(self, cookie: Cookie, request: CookieRequest) -> bool:
        """Send Secure cookies over https, and over http to this machine itself."""
        loopback = _site(request.get_full_url()) in {"127.0.0.1", "localhost"}
        return not cookie.secure or request.type == "https" or loopback


def _site(url: str) -> str:
    """The site as far as it matters on one machine: the host; ports are the same site (HTML standard, "site")."""
    return urlsplit(url).hostname or ""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _origin_header(initiator: str | None, policy: str, url: str) -> str:
    """What a form's Origin says under the referrer policy of its page.

    A page under no-referrer does not even tell its own server where its form came from (Fetch standard,
    "append a request Origin header").
    """
    if initiator is None or policy == "no-referrer":
        return "null"
    if policy == "same-origin":
        return _origin(initiator) if _origin(initiator) == _origin(url) else "null"
    downgrade = initiator.startswith("https:") and not url.startswith("https:")
    careless = policy in {"origin", "origin-when-cross-origin", "unsafe-url"}
    return "null" if downgrade and not careless else _origin(initiator)


def _fetch_site(initiator: str | None, url: str) -> str:
    if initiator is None:
        return "none"
    if _origin(initiator) == _origin(url):
        return "same-origin"
    return "same-site" if _site(initiator) == _site(url) else "cross-site"
