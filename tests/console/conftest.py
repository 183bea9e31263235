"""An administrator's browser at the console, with cookies of any kind."""

from dataclasses import dataclass
from typing import Any

import pytest
import requests

from functions.console_session import COOKIE
from local.page import Page
from local.person import Person

MANY_PAGES = 6


@dataclass
class Desk:
    """The console of one world."""

    world: Any

    def open(self, account: str = "contoso/admin", person: Person | None = None) -> Person:
        """Somebody signs in to the console; he stands where that led him."""
        person = person or self.world.person()
        person.visit(f"{self.world.url}/console")
        person.press("sign-in")
        return self.through(person, account)

    def through(self, person: Person, account: str = "contoso/admin") -> Person:
        """He goes through the emulated Microsoft's pages, back to ours."""
        mark = account.replace("/", "-")
        for _ in range(MANY_PAGES):
            wanted = (f"account-{mark}", f"pick-{mark}", "accept", "return")
            button = next((each for each in wanted if person.page.button(each)), "")
            if not button:
                break
            person.press(button)
        return person

    def go(self, person: Person, path: str) -> Page:
        """He types an address of the console."""
        return person.visit(f"{self.world.url}{path}")

    @staticmethod
    def cookie(person: Person) -> str:
        """The cookie of his session, or nothing."""
        return next((str(one.value) for one in person._http.cookies if one.name == COOKIE), "")

    def get(self, path: str, cookie: str = "") -> requests.Response:
        """Ask for a page with a cookie of one's own making."""
        headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
        return requests.get(f"{self.world.url}{path}", headers=headers, timeout=20, allow_redirects=False)

    def post(self, path: str, cookie: str = "", data: Any = None, **headers: str) -> requests.Response:
        """Post a form as a browser would from our own page, unless ``headers`` differ (an empty one is left out)."""
        sent = {"Origin": self.world.url, "Sec-Fetch-Site": "same-origin", **headers}
        if cookie:
            sent["Cookie"] = f"{COOKIE}={cookie}"
        sent = {name: text for name, text in sent.items() if text}
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return requests.post(
            f"{self.world.url}{path}", data=data or {}, headers=sent, timeout=20, allow_redirects=False
        )


@pytest.fixture
def desk(world: Any) -> Desk:
    """The console."""
    return Desk(world)
