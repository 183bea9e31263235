"""Authorizations under way: answered once, finished once, in the browser that began."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared import faults
from shared.identity import Authorizations
from shared.services import Services
from tests.identity.test_entra import SCOPES, TID, asked

BROWSER = "the secret in a cookie"


@pytest.fixture
def authorizations(rooms: Services) -> Authorizations:
    """The authorizations of the service."""
    return rooms.authorizations


def begin(authorizations: Authorizations) -> str:
    """Begin a first login and return its state."""
    return asked(authorizations.begin("sign_in", "a-handoff", tid=TID, scopes=SCOPES, browser=BROWSER))["state"]


def rows(rooms: Services, table: str) -> list[dict[str, Any]]:
    """Read a table as it lies in storage."""
    from azure.data.tables import TableClient

    with TableClient.from_connection_string(rooms.settings.data_storage, table) as client:
        return [dict(entity) for entity in client.list_entities()]


def outcomes(call: Callable[[], Any], times: int = 24) -> list[str]:
    """Call it in many threads at once, and tell how each call ended."""

    def one(_: int) -> str:
        try:
            call()
        except faults.Fault as fault:
            return fault.reason
        return "won"

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_an_answer_reaches_the_browser_that_began(authorizations: Authorizations) -> None:
    """C09: answered without a cookie, finished with it: what it was for comes back."""
    handle = authorizations.answered({"state": begin(authorizations), "code": "a-code"})
    finished = authorizations.finish(handle, browser=BROWSER)
    assert (finished.purpose, finished.subject, finished.tid, finished.refused) == ("sign_in", "a-handoff", TID, False)


def test_an_error_is_known_as_the_browsers_word(authorizations: Authorizations) -> None:
    """An error answer is told apart: nobody signed it."""
    handle = authorizations.answered({"state": begin(authorizations), "error": "consent_required"})
    assert authorizations.finish(handle, browser=BROWSER).refused


@pytest.mark.parametrize("browser", [None, "", "another", BROWSER.upper(), "ÿ"])
def test_another_browser_cannot_finish_and_spoils_nothing(authorizations: Authorizations, browser: str | None) -> None:
    """B04: no cookie, or another one, is refused; the right browser can still finish."""
    handle = authorizations.answered({"state": begin(authorizations), "code": "a-code"})
    with pytest.raises(faults.OtherBrowser):
        authorizations.finish(handle, browser=browser)
    assert authorizations.finish(handle, browser=BROWSER).subject == "a-handoff"


def test_of_many_answers_to_one_state_one_counts(authorizations: Authorizations) -> None:
    """B05: a race of replayed callbacks has exactly one winner."""
    state = begin(authorizations)
    ended = outcomes(lambda: authorizations.answered({"state": state, "code": "a-code"}))
    assert ended.count("won") == 1
    assert set(ended) <= {"won", "response_not_expected", "storage_unavailable"}


def test_of_many_finishes_one_counts(authorizations: Authorizations) -> None:
    """B05, B18: a race of finishing tabs has exactly one winner, so a code is redeemed once."""
    handle = authorizations.answered({"state": begin(authorizations), "code": "a-code"})
    ended = outcomes(lambda: authorizations.finish(handle, browser=BROWSER))
    assert ended.count("won") == 1
    assert set(ended) <= {"won", "response_not_expected", "storage_unavailable"}


def test_of_many_expected_answers_one_counts(authorizations: Authorizations) -> None:
    """B05, C03: the state of an admin consent is used once."""
    state = authorizations.expect("consent", "a-consent", browser=BROWSER)
    ended = outcomes(lambda: authorizations.take(state, purpose="consent", browser=BROWSER))
    assert ended.count("won") == 1


def test_an_answer_comes_within_ten_minutes(authorizations: Authorizations, clock: Any) -> None:
    """A state that nobody answers in time is over."""
    state = begin(authorizations)
    clock.advance(minutes=10)
    with pytest.raises(faults.ResponseNotExpected):
        authorizations.answered({"state": state, "code": "a-code"})


def test_an_answer_is_finished_within_ten_minutes(authorizations: Authorizations, clock: Any) -> None:
    """An answer that nobody finishes in time is over, too."""
    handle = authorizations.answered({"state": begin(authorizations), "code": "a-code"})
    clock.advance(minutes=10)
    with pytest.raises(faults.ResponseNotExpected):
        authorizations.finish(handle, browser=BROWSER)


def test_just_before_that_it_is_good(authorizations: Authorizations, clock: Any) -> None:
    """Ten minutes are ten minutes."""
    handle = authorizations.answered({"state": begin(authorizations), "code": "a-code"})
    clock.advance(minutes=9, seconds=50)
    assert authorizations.finish(handle, browser=BROWSER).subject == "a-handoff"


@pytest.mark.parametrize("state", ["", "unknown", "a/b", "x" * 8192, "\x00", "ü", "\ud800"])
def test_an_unknown_state_is_refused(authorizations: Authorizations, state: str) -> None:
    """B05, C03: a made-up state, in whatever letters, meets one answer."""
    with pytest.raises(faults.ResponseNotExpected):
        authorizations.answered({"state": state, "code": "a-code"})
    with pytest.raises(faults.ResponseNotExpected):
        authorizations.take(state, purpose="consent", browser=BROWSER)
    with pytest.raises(faults.ResponseNotExpected):
        authorizations.finish(state, browser=BROWSER)


def test_an_answer_without_a_state_is_refused(authorizations: Authorizations) -> None:
    """C03: a form without a state belongs to nobody."""
    with pytest.raises(faults.ResponseNotExpected):
        authorizations.answered({"code": "a-code"})


@pytest.mark.parametrize("name", ["code", "error", "error_description", "state"])
def test_an_answer_has_a_size(authorizations: Authorizations, name: str) -> None:
    """A row holds a bounded answer."""
    with pytest.raises(faults.ResponseNotExpected):
        authorizations.answered({"state": begin(authorizations), "code": "x", name: "x" * 8193})


def test_it_cannot_be_finished_unanswered(authorizations: Authorizations) -> None:
    """The handle alone is of no use: without an answer there is nothing to finish."""
    handle = hashlib.sha256(begin(authorizations).encode()).hexdigest()
    with pytest.raises(faults.ResponseNotExpected):
        authorizations.finish(handle, browser=BROWSER)


def test_a_first_login_is_no_consent(authorizations: Authorizations) -> None:
    """The state of one purpose is refused for another, in both directions, and cannot be tried again."""
    first_login = begin(authorizations)
    consent = authorizations.expect("consent", "a-consent", browser=BROWSER)
    with pytest.raises(faults.ResponseNotExpected):
        authorizations.take(first_login, purpose="consent", browser=BROWSER)
    with pytest.raises(faults.ResponseNotExpected):
        authorizations.answered({"state": consent, "code": "a-code"})
    assert authorizations.take(consent, purpose="consent", browser=BROWSER) == "a-consent"


def test_nothing_secret_lies_in_the_table(rooms: Services, authorizations: Authorizations) -> None:
    """G01, C08: neither state, cookie, code, verifier nor nonce stands in any stored byte."""
    url = authorizations.begin("sign_in", "a-handoff", tid=TID, scopes=SCOPES, browser=BROWSER)
    state, nonce = asked(url)["state"], asked(url)["nonce"]
    authorizations.answered({"state": state, "code": "canary-code", "error_description": "canary-text"})
    [row] = rows(rooms, "authorizations")
    place = ("authorizations", row["PartitionKey"], "authorization", "flow")
    opened = json.loads(rooms.sealer.open("", row["flow"], *place))
    stored = b"|".join(value if isinstance(value, bytes) else str(value).encode() for value in row.values())
    secrets = [state, nonce, BROWSER, "canary-code", "canary-text", opened["code_verifier"], opened["nonce"]]
    assert [secret for secret in secrets if secret.encode() in stored] == []


def test_a_response_moved_to_another_row_does_not_open(rooms: Services, authorizations: Authorizations) -> None:
    """G02, C06: whoever can write the table cannot give one person's answer to another's authorization."""
    from azure.data.tables import TableClient, UpdateMode

    mine = authorizations.answered({"state": begin(authorizations), "code": "mine"})
    theirs = authorizations.answered({"state": begin(authorizations), "code": "theirs"})
    with TableClient.from_connection_string(rooms.settings.data_storage, "authorizations") as client:
        row = client.get_entity(mine, "authorization")
        row["response"] = client.get_entity(theirs, "authorization")["response"]
        client.update_entity(row, mode=UpdateMode.REPLACE)
    with pytest.raises(faults.ResponseNotExpected):
        authorizations.finish(mine, browser=BROWSER)
