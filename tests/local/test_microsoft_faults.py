"""The switchboard: every fault as a client meets it, and the journal that counts."""

import base64
from concurrent.futures import ThreadPoolExecutor, wait
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from local.microsoft.switchboard import KINDS

from .conftest import CONTOSO, FABRIKAM, MAIL_SEND, SMTP_SEND, Microsoft

_BEN = "ben.okoye@contoso.example"
_MESSAGE = {"subject": "Scan", "toRecipients": [{"emailAddress": {"address": _BEN}}]}


@pytest.fixture
def ben(microsoft: Microsoft) -> dict[str, Any]:
    """Ben's token response."""
    microsoft.consented("Mail.Send", "User.Read", "SMTP.Send")
    return microsoft.sign_in("contoso/ben")


def _arrived(microsoft: Microsoft) -> int:
    return len(microsoft.cloud.mailboxes.inbox("contoso/ben"))


@pytest.mark.parametrize(
    ("kind", "status", "arrived"),
    [
        ("throttled", 429, 0),
        ("server_error", 500, 0),
        ("unavailable", 503, 0),
        ("gateway_timeout", 504, 0),
        ("server_error_after_applying", 500, 1),
        ("unavailable_after_applying", 503, 1),
        ("gateway_timeout_after_applying", 504, 1),
        ("ok_without_applying", 200, 0),
        ("slow", 202, 1),
        ("slow_after_applying", 202, 1),
    ],
)
def test_what_is_answered_and_what_happened(
    microsoft: Microsoft, ben: dict[str, Any], kind: str, status: int, arrived: int
) -> None:
    """Each fault answers its status, and whether the mail was sent is as the table says; then it is over."""
    microsoft.switchboard.add("sendMail", kind, seconds=0.05)
    answer = microsoft.send(ben["access_token"], _MESSAGE)
    assert (answer.status_code, _arrived(microsoft)) == (status, arrived)
    if status >= 400:
        assert answer.json()["error"]["code"]
    assert microsoft.send(ben["access_token"], _MESSAGE).status_code == 202


@pytest.mark.parametrize(("kind", "arrived"), [("reset", 0), ("reset_after_applying", 1)])
def test_a_reset_gives_no_answer(microsoft: Microsoft, ben: dict[str, Any], kind: str, arrived: int) -> None:
    """The connection breaks without an answer, before or after the mail was sent."""
    microsoft.switchboard.add("sendMail", kind)
    with pytest.raises(requests.ConnectionError):
        microsoft.send(ben["access_token"], _MESSAGE)
    assert _arrived(microsoft) == arrived
    assert microsoft.switchboard.journal()[-1].status == 0


@pytest.mark.parametrize(("kind", "arrived"), [("slow", 0), ("slow_after_applying", 1)])
def test_who_does_not_wait_learns_nothing(microsoft: Microsoft, ben: dict[str, Any], kind: str, arrived: int) -> None:
    """A client that gives up sees a time-out; with slow_after_applying its mail was sent all the same."""
    microsoft.switchboard.add("sendMail", kind, seconds=30)
    with pytest.raises(requests.ReadTimeout):
        microsoft.send(ben["access_token"], _MESSAGE, timeout=0.5)
    assert _arrived(microsoft) == arrived


@pytest.mark.parametrize("retry_after", ["7", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_retry_after_is_sent_as_given(microsoft: Microsoft, ben: dict[str, Any], retry_after: str) -> None:
    """Seconds and an HTTP date both reach the client, from Graph and from the token endpoint."""
    for where in ("sendMail", "token"):
        microsoft.switchboard.add(where, "throttled", retry_after=retry_after)
    assert microsoft.send(ben["access_token"], _MESSAGE).headers["Retry-After"] == retry_after
    answer = microsoft.refresh(ben["refresh_token"])
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, retry_after)
    assert answer.json()["error"] == "temporarily_unavailable"


def test_an_oauth_error_comes_with_all_its_parts(microsoft: Microsoft, ben: dict[str, Any]) -> None:
    """Number, error, suberror and claims are as switched on; the number alone implies Entra's own."""
    claims = '{"access_token":{"capolids":{"essential":true}}}'
    microsoft.switchboard.add(
        "token", "oauth", number=50076, error="invalid_grant", suberror="basic_action", claims=claims
    )
    error = microsoft.refresh(ben["refresh_token"]).json()
    assert (error["error"], error["error_codes"], error["suberror"]) == ("invalid_grant", [50076], "basic_action")
    assert error["claims"] == claims
    microsoft.switchboard.add("token", "oauth", number=70043)
    error = microsoft.refresh(ben["refresh_token"]).json()
    assert (error["error"], error["suberror"]) == ("invalid_grant", "token_expired")
    microsoft.switchboard.add("token", "oauth", number=7000222)
    answer = microsoft.refresh(ben["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert microsoft.refresh(ben["refresh_token"]).ok


def test_an_oauth_error_at_authorize_goes_back_to_the_app(microsoft: Microsoft) -> None:
    """At authorize the error travels on the redirect, with the state."""
    microsoft.switchboard.add("authorize", "oauth", number=90033, error="temporarily_unavailable")
    with microsoft.person() as person:
        answer = person.open(microsoft.authorize())
    assert answer is not None
    assert (answer.parameters["error"], answer.parameters["state"]) == ("temporarily_unavailable", "the state")


def test_a_graph_error_can_be_any(microsoft: Microsoft, ben: dict[str, Any]) -> None:
    """Status, code and message of a Graph error are as switched on; claims make it a challenge."""
    microsoft.switchboard.add("sendMail", "graph", status=429, code="ErrorExceededMessageLimit", message="Limit.")
    error = microsoft.send(ben["access_token"], _MESSAGE).json()["error"]
    assert (error["code"], error["message"]) == ("ErrorExceededMessageLimit", "Limit.")
    microsoft.switchboard.add("me", "graph", status=401, code="InvalidAuthenticationToken", claims='{"a":1}')
    answer = microsoft.get("/v1.0/me", headers={"Authorization": f"Bearer {ben['access_token']}"})
    encoded = base64.b64encode(b'{"a":1}').decode()
    assert f'claims="{encoded}"' in answer.headers["WWW-Authenticate"]
    assert 'error="insufficient_claims"' in answer.headers["WWW-Authenticate"]


def test_a_lost_answer_of_the_token_endpoint_has_used_the_token(microsoft: Microsoft, ben: dict[str, Any]) -> None:
    """With strict rotation, a reset after applying leaves the client with a dead refresh token."""
    microsoft.cloud.refresh_tokens.rotation = "strict"
    microsoft.switchboard.add("token", "reset_after_applying")
    with pytest.raises(requests.ConnectionError):
        microsoft.refresh(ben["refresh_token"])
    assert microsoft.refresh(ben["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_fault_can_be_one_persons_or_one_tenants(microsoft: Microsoft, ben: dict[str, Any]) -> None:
    """A fault for an account or a tenant leaves everybody else alone, at Graph and at the token endpoint."""
    microsoft.consented("Mail.Send", "User.Read", tenant="fabrikam")
    other = microsoft.sign_in("fabrikam/ben", FABRIKAM)
    for where in ("sendMail", "token"):
        microsoft.switchboard.add(where, "unavailable", account="contoso/ben", times=None)
        microsoft.switchboard.add(where, "server_error", tenant="fabrikam", times=None)
    assert microsoft.send(ben["access_token"], _MESSAGE).status_code == 503
    assert microsoft.refresh(ben["refresh_token"]).status_code == 503
    assert microsoft.send(other["access_token"], _MESSAGE).status_code == 500
    assert microsoft.refresh(other["refresh_token"], FABRIKAM).status_code == 500
    microsoft.switchboard.remove()
    olga = microsoft.sign_in("contoso/olga")
    microsoft.switchboard.add("sendMail", "unavailable", account="ben", tenant="contoso", times=None)
    assert microsoft.send(olga["access_token"], _MESSAGE).status_code == 202
    assert microsoft.send(ben["access_token"], _MESSAGE).status_code == 503


def test_the_json_api_switches_and_shows(microsoft: Microsoft, ben: dict[str, Any]) -> None:
    """POST switches on, GET shows, DELETE switches off, and nonsense is refused."""
    made = microsoft.post("/-/faults", json={"where": "sendMail", "kind": "unavailable", "times": 2})
    assert made.status_code == 201
    assert microsoft.send(ben["access_token"], _MESSAGE).status_code == 503
    (fault,) = microsoft.get("/-/faults").json()["faults"]
    assert (fault["where"], fault["kind"], fault["taken"]) == ("sendMail", "unavailable", 1)
    assert microsoft.delete("/-/faults").json() == {"faults": []}
    assert microsoft.send(ben["access_token"], _MESSAGE).status_code == 202
    refused: tuple[Any, ...] = (
        {"where": "nowhere", "kind": "slow"},
        {"where": "me", "kind": "odd"},
        {"kind": "slow"},
        [],
    )
    for nonsense in refused:
        assert microsoft.post("/-/faults", json=nonsense).status_code == 400
    assert microsoft.post("/-/faults", data='{"where":"me","kind":"slow"}').status_code == 415


@pytest.mark.parametrize(
    ("action", "number"),
    [
        ({"action": "revoke_refresh_tokens", "account": "contoso/ben"}, 50173),
        ({"action": "disable_account", "account": "contoso/ben"}, 50057),
        ({"action": "block_account", "account": _BEN}, 53003),
        ({"action": "delete_account", "account": "contoso/ben"}, 500341),
        ({"action": "withdraw_consent", "tenant": "contoso"}, 65001),
    ],
)
def test_actions_change_the_cloud(
    microsoft: Microsoft, ben: dict[str, Any], action: dict[str, str], number: int
) -> None:
    """What the directory's switches do is seen at the next refresh."""
    assert microsoft.post("/-/actions", json=action).status_code == 201
    assert microsoft.refresh(ben["refresh_token"]).json()["error_codes"] == [number]


def test_more_actions(microsoft: Microsoft, ben: dict[str, Any]) -> None:
    """Access tokens can be expired, the signing key rolled, an account enabled again."""
    before = microsoft.get(f"/{CONTOSO}/discovery/v2.0/keys").json()["keys"]
    assert microsoft.post("/-/actions", json={"action": "roll_signing_key"}).status_code == 201
    assert len(microsoft.get(f"/{CONTOSO}/discovery/v2.0/keys").json()["keys"]) == len(before) + 1
    assert microsoft.post("/-/actions", json={"action": "expire_access_tokens"}).status_code == 201
    assert microsoft.send(ben["access_token"], _MESSAGE).status_code == 401
    microsoft.post("/-/actions", json={"action": "disable_account", "account": "contoso/ben"})
    microsoft.post("/-/actions", json={"action": "enable_account", "account": "contoso/ben"})
    assert microsoft.refresh(ben["refresh_token"]).ok
    assert microsoft.post("/-/actions", json={"action": "nothing"}).status_code == 400


def test_what_the_doctor_looks_for_can_be_switched(microsoft: Microsoft, ben: dict[str, Any]) -> None:
    """SMTP AUTH and security defaults by name, one permission less, another time, and a mailbox that is looked at."""
    for action, given, field, value in (
        ("turn_smtp_auth_off", {"tenant": "contoso"}, "smtp_auth_disabled", True),
        ("turn_smtp_auth_on", {"tenant": "contoso"}, "smtp_auth_disabled", False),
        ("turn_security_defaults_on", {"tenant": "contoso"}, "security_defaults", True),
        ("turn_security_defaults_off", {"tenant": "contoso"}, "security_defaults", False),
        ("turn_mailbox_smtp_auth_off", {"account": "contoso/ben"}, "smtp_auth_disabled", True),
        ("turn_mailbox_smtp_auth_on", {"account": "contoso/ben"}, "smtp_auth_disabled", False),
        ("leave_mailbox_smtp_auth", {"account": "contoso/ben"}, "smtp_auth_disabled", None),
    ):
        assert microsoft.post("/-/actions", json={"action": action, **given}).status_code == 201
        changed = microsoft.cloud.tenant("contoso") if "tenant" in given else microsoft.cloud.account("contoso/ben")
        assert getattr(changed, field) is value, action
    there = parsedate_to_datetime(microsoft.get(f"/{CONTOSO}/discovery/v2.0/keys").headers["Date"])
    microsoft.switchboard.add("jwks", "other_time", seconds=7200)
    later = parsedate_to_datetime(microsoft.get(f"/{CONTOSO}/discovery/v2.0/keys").headers["Date"])
    assert 7190 < (later - there).total_seconds() < 7300
    bearer = {"Authorization": f"Bearer {ben['access_token']}"}
    assert microsoft.get("/v1.0/me/mailFolders/drafts", headers=bearer).status_code == 403
    microsoft.cloud.withdraw_permission("contoso", "Mail.Send")
    assert microsoft.refresh(ben["refresh_token"]).json()["error_codes"] == [65001]


def test_the_page_switches_too(microsoft: Microsoft, ben: dict[str, Any]) -> None:
    """The page's forms do what the API does; another site's form does nothing."""
    form = {"do": "fault", "where": "sendMail", "kind": "gateway_timeout_after_applying", "times": "1"}
    foreign = microsoft.post("/faults", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert microsoft.switchboard.faults() == []
    assert "gateway_timeout_after_applying" in microsoft.post("/faults", data=form).text
    assert microsoft.send(ben["access_token"], _MESSAGE).status_code == 504
    microsoft.post("/faults", data={"do": "revoke_refresh_tokens", "account": "contoso/ben", "tenant": "contoso"})
    assert microsoft.refresh(ben["refresh_token"]).json()["error_codes"] == [50173]
    assert microsoft.post("/faults", data={"do": "nothing"}).status_code == 400
    assert all(kind in microsoft.get("/faults").text for kind in KINDS)


def test_the_journal_counts_and_keeps_no_secret(microsoft: Microsoft, ben: dict[str, Any]) -> None:
    """Requests are counted by endpoint and account; no token, code or address is in the journal."""
    microsoft.refresh(ben["refresh_token"], scope=SMTP_SEND)
    microsoft.send(ben["access_token"], _MESSAGE)
    assert microsoft.switchboard.count("token", "contoso/ben") == 2
    assert microsoft.switchboard.count("sendMail") == 1
    assert microsoft.switchboard.count("sendMail", "contoso/olga") == 0
    text = microsoft.get("/-/journal").text
    for secret in (ben["access_token"], ben["refresh_token"], _BEN):
        assert secret not in text
    assert MAIL_SEND not in text
    microsoft.switchboard.forget()
    assert microsoft.switchboard.journal() == []


def test_a_mailbox_takes_four_at_a_time(microsoft: Microsoft, ben: dict[str, Any]) -> None:
    """The fifth request that is under way for one mailbox is throttled, and the peak is on record."""
    microsoft.switchboard.add("sendMail", "slow", seconds=30, times=4)

    def send() -> int:
        try:
            return int(microsoft.send(ben["access_token"], _MESSAGE, timeout=2).status_code)
        except requests.Timeout:
            return 0

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(send) for _ in range(4)]
        while microsoft.switchboard.peak("contoso/ben") < 4:
            wait(futures, timeout=0.01)
        answer = microsoft.send(ben["access_token"], _MESSAGE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "ApplicationThrottled")
    assert [future.result() for future in futures] == [0, 0, 0, 0]
