"""Each leaf of the tree of faults is a whole decision, is shown alike everywhere, and is written down."""

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import requests
from fastapi import FastAPI

from functions.answers import problem, trouble
from functions.doors import door
from local import app as local_app
from shared import settings
from shared.faults import (
    BY_REASON,
    Action,
    AdministratorMust,
    Fault,
    OperatorMust,
    Passing,
    PersonMust,
    Unknown,
    Who,
    leaves,
)
from shared.pages import Pages, Trouble
from shared.services import Services
from shared.texts import LANGUAGES, describe
from tests.clients.wire import served
from tests.pages.outline import Outline

ROOT = Path(__file__).parent.parent
DOC = ROOT / "docs" / "faults.md"
LEAVES = list(leaves())
EACH = pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.reason)
PARAMS = {"limit": 3_000_000, "range": "send-large", "largest": 25_000_000}
"""Every placeholder that a text may have, with a value."""
NO_CODE = {
    "mailbox_full",
    "no_mailbox",
    "organisation_restricted",
    "send_denied",
    "sender_restricted",
    "smtp_disabled_for_mailbox",
    "smtp_disabled_for_organisation",
}
"""Not a missing sign-in or consent, although a person or an administrator must act: a code would mislead."""


def table() -> list[str]:
    """The table of docs/faults.md, as the tree has it."""
    rows = [
        f"| `{leaf.reason}` | {leaf.code or ''} | {leaf.who} | {leaf.action} | {leaf.status} | {leaf.title} |"
        for leaf in LEAVES
    ]
    return ["| reason | code | who | action | HTTP | title |", "|---|---|---|---|---|---|", *rows]


def is_row(line: str) -> bool:
    """Whether a line of the page belongs to its table."""
    return line.startswith("|")


def test_the_page_has_the_tree() -> None:
    """Reasons, codes, actors, actions and statuses are promises: changing one changes the page, where it is seen."""
    assert list(filter(is_row, DOC.read_text("utf-8").splitlines())) == table()


@EACH
def test_a_leaf_is_a_whole_decision(leaf: type[Fault]) -> None:
    """A slug, one of the panel's codes or none, an actor, a status, an action, and three texts that say something."""
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", leaf.reason)
    assert leaf.code in {None, 360, 361, 370}
    assert isinstance(leaf.who, Who)
    assert isinstance(leaf.action, Action)
    assert leaf.status in {400, 401, 403, 404, 405, 409, 410, 411, 413, 415, 422, 429, 500, 502, 503}
    assert leaf.__doc__
    assert not leaf.title.endswith(".")
    for text in (leaf.detail, leaf.remedy):
        assert text.endswith(".")
    for text in (leaf.title, leaf.detail, leaf.remedy):
        assert text == text.strip() != ""
        assert {name for _, name, _, _ in Formatter().parse(text) if name is not None} <= PARAMS.keys()


def test_a_reason_names_one_leaf() -> None:
    """Rows store the slug alone: no two leaves share one, and each is found by its own."""
    assert len({leaf.reason for leaf in LEAVES}) == len(LEAVES) == len(BY_REASON)
    assert [BY_REASON[leaf.reason] for leaf in LEAVES] == LEAVES


def test_only_leaves_are_raised() -> None:
    """What has kin below it has no reason of its own, and so cannot be stored or shown."""
    branches = {base for leaf in LEAVES for base in leaf.__mro__[1:] if issubclass(base, Fault)}
    assert not any(hasattr(branch, "reason") for branch in branches)


def test_no_leaf_is_a_promise_that_nothing_keeps() -> None:
    """Each is named where the service works: what nobody can meet is not documented or translated either."""
    rooms = [path for room in ("shared", "functions") for path in (ROOT / room).rglob("*.py")]
    words = {word for path in rooms if path.name != "faults.py" for word in re.findall(r"\w+", path.read_text("utf-8"))}
    assert [leaf.__name__ for leaf in LEAVES if leaf.__name__ not in words] == []


@EACH
def test_the_panels_code_follows_the_rule(leaf: type[Fault]) -> None:
    """361 too old; 370 another sign-in or consent; 360 passing, unknown or our own fault; else none."""
    if leaf.reason in NO_CODE:
        expected = None
    elif leaf.reason in {"sign_in_expired", "device_token_expired", "mailbox_sign_in_expired"}:
        expected = 361
    elif issubclass(leaf, PersonMust | AdministratorMust):
        expected = 370
    elif issubclass(leaf, Passing | Unknown | OperatorMust) or leaf.who is Who.OPERATOR:
        expected = 360
    else:
        expected = None
    assert leaf.code == expected


@EACH
def test_the_action_fits_who_must_act(leaf: type[Fault]) -> None:
    """Only what passes by itself, or what we mend, is tried again; only a person's sign-in is waited for."""
    if leaf.action is Action.RETRY:
        assert issubclass(leaf, Passing | OperatorMust)
        assert leaf.who in {Who.NETWORK, Who.OPERATOR}
        assert leaf.status >= 500
    elif leaf.action is Action.HOLD:
        assert issubclass(leaf, PersonMust)
        assert leaf.who is Who.USER
        assert leaf.code in {361, 370}
    elif leaf.action is Action.UNCERTAIN:
        assert issubclass(leaf, Unknown)


@EACH
def test_an_answer_of_five_hundred_is_nobodys_mistake_at_the_printer(leaf: type[Fault]) -> None:
    """5xx says that the service or Microsoft failed; what the caller can change is 4xx (RFC 9110 section 15)."""
    assert (leaf.status >= 500) is issubclass(leaf, Passing | Unknown | OperatorMust)


@EACH
def test_a_raised_fault_says_its_reason_and_note_and_no_text(leaf: type[Fault]) -> None:
    """What a log gets: the slug and a technical remark; values meant for people stay out of it (G11)."""
    fault = leaf("status 418", retry_after=7, limit="canary")
    assert str(fault) == f"{leaf.reason}: status 418"
    assert str(leaf()) == leaf.reason
    assert fault.retry_after == 7
    assert "canary" not in repr(fault)


@EACH
@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_whole_in_every_language(leaf: type[Fault], language: str) -> None:
    """No placeholder is left open, and none is lost in translation."""
    said = describe(leaf, language, **PARAMS)
    for text in (said.title, said.detail, said.remedy):
        assert text
        assert "{" not in text
    wants_limit = "{limit}" in leaf.title + leaf.detail + leaf.remedy
    assert wants_limit is (describe(leaf, language, limit="canary") != said)


# ---- over HTTP, as device and person get them


def raising(show: Any) -> FastAPI:
    """A door whose every address raises the leaf of its name."""
    app = FastAPI()

    @app.get("/{reason}")
    def fail(reason: str) -> None:
        raise BY_REASON[reason]("note for the log", retry_after=7.4, **PARAMS)

    return door(app, show, largest=0)


@pytest.fixture(scope="module")
def rooms(machine_environment: dict[str, str]) -> Services:
    """The services, of which only the pages are asked for."""
    return Services(settings.read(machine_environment))


@pytest.fixture(scope="module")
def api(rooms: Services) -> Iterator[str]:
    """A door for devices."""
    with served(raising(problem)) as url:
        yield url


@pytest.fixture(scope="module")
def pages(rooms: Services) -> Iterator[str]:
    """A door for people."""
    with served(raising(trouble(lambda: rooms))) as url:
        yield url


@pytest.mark.parametrize("language", LANGUAGES)
def test_devices_get_every_fault_as_a_problem(api: str, language: str) -> None:
    """RFC 9457, with our reason, code, actor and remedy, in the language asked for; never the note."""
    with requests.Session() as session:
        for leaf in LEAVES:
            answer = session.get(f"{api}/{leaf.reason}", headers={"Accept-Language": language}, timeout=10)
            said = describe(leaf, language, **PARAMS)
            body = answer.json()
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.headers["Content-Language"] == language
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Retry-After"] == "7"
            assert body.pop("reference")
            assert body == {
                "type": f"/api/docs#{leaf.reason}",
                "title": said.title,
                "status": leaf.status,
                "detail": said.detail,
                "reason": leaf.reason,
                "who": leaf.who,
                "remedy": said.remedy,
                "retry_after": 7,
                **({"code": leaf.code} if leaf.code else {}),
            }
            assert answer.status_code == leaf.status
            assert ("WWW-Authenticate" in answer.headers) is (leaf.status == 401)


@pytest.mark.parametrize("language", LANGUAGES)
def test_people_get_every_fault_as_a_page(pages: str, language: str) -> None:
    """The same words on a page of our own, with its headers; never the note."""
    with requests.Session() as session:
        for leaf in LEAVES:
            answer = session.get(f"{pages}/{leaf.reason}", headers={"Accept-Language": language}, timeout=10)
            said = describe(leaf, language, **PARAMS)
            page = Outline(answer.text)
            assert (answer.status_code, answer.headers["Retry-After"]) == (leaf.status, "7")
            assert answer.headers["Content-Security-Policy"]
            assert page.one("html").attributes["lang"] == language
            assert page.one("h1").text == said.title
            for text in (said.detail, said.remedy, str(leaf.code or "")):
                assert text in page.one("main").text
            assert "note for the log" not in answer.text


def test_without_settings_a_person_gets_a_page_and_a_device_a_problem() -> None:
    """An app that is not set up says so in its own words, and not which settings are missing."""

    def provider() -> Services:
        return Services(settings.read({}))

    with served(local_app.Doors(provider)) as url:
        for path in ("/", "/s", "/consent"):
            answer = requests.get(f"{url}{path}", headers={"Accept": "text/html"}, timeout=10)
            assert answer.status_code == 503
            assert Outline(answer.text).one("h1").text == "The service is not set up correctly"
            assert "SERVICE_KEY" not in answer.text
        answer = requests.get(f"{url}/api/v1/nonce", timeout=10)
        assert (answer.status_code, answer.json()["reason"]) == (503, "service_misconfigured")
        assert requests.get(f"{url}/healthz", timeout=10).status_code == 200
        assert "SERVICE_KEY is missing" in requests.get(f"{url}/readyz", timeout=10).json()["missing"]


def test_pages_of_faults_need_no_form() -> None:
    """Which is why they can be shown without settings, and under a policy that names nobody."""
    for leaf in LEAVES:
        assert "<form" not in Pages([]).render(Trouble(leaf), language="en", reference=None).body.decode()


if __name__ == "__main__":
    prose = [line for line in DOC.read_text("utf-8").splitlines() if not is_row(line)]
    DOC.write_text("\n".join(prose).rstrip() + "\n\n" + "\n".join(table()) + "\n", "utf-8")
