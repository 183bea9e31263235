"""What is said to Entra through MSAL, and what its answers become."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from shared import faults
from shared.identity import Account, Redeemed
from shared.organisations import RANGES
from shared.services import Services

TID = "11111111-1111-4111-8111-111111111111"
NOBODY = "33333333-3333-4333-8333-333333333333"
SCOPES = RANGES["send"].scopes


def asked(url: str) -> dict[str, str]:
    """Read the query of an address at Entra."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query, strict_parsing=True).items()}


def begin(rooms: Services, tid: str = TID, prompt: str = "select_account") -> dict[str, Any]:
    """Begin an authorization."""
    callback = f"{rooms.settings.public_url}/auth/callback"
    return rooms.entra.begin(tid, SCOPES, callback, "a-state", prompt=prompt, login_hint=None)


def test_the_authorize_address_says_exactly_this(rooms: Services, microsoft: Any) -> None:
    """C05, C07, C08: the tenant's own authority, listed scopes and never .default, PKCE, nonce, state, form_post."""
    flow = begin(rooms)
    address = urlsplit(flow["auth_uri"])
    assert f"{address.scheme}://{address.netloc}" == microsoft.url
    assert address.path == f"/{TID}/oauth2/v2.0/authorize"
    query = asked(flow["auth_uri"])
    changing = {name: query.pop(name) for name in ("nonce", "code_challenge")}
    assert all(len(value) >= 43 for value in changing.values())
    assert sorted(query.pop("scope").split()) == sorted([*SCOPES, "openid", "profile", "offline_access"])
    # The capability of answering claims challenges (continuous access evaluation).
    assert json.loads(query.pop("claims")) == {"access_token": {"xms_cc": {"values": ["CP1"]}}}
    assert query == {
        "client_id": rooms.settings.client_id,
        "response_type": "code",
        "response_mode": "form_post",
        "redirect_uri": f"{rooms.settings.public_url}/auth/callback",
        "state": "a-state",
        "prompt": "select_account",
        "code_challenge_method": "S256",
        "client_info": "1",
    }


@pytest.mark.parametrize("chosen", RANGES.values(), ids=list(RANGES))
def test_the_consent_address_lists_the_range(rooms: Services, microsoft: Any, chosen: Any) -> None:
    """C05: what the administrator agreed to on our page is what Microsoft asks him for, letter by letter."""
    url = rooms.entra.admin_consent_url("organizations", chosen.scopes, "https://app.example/consent/callback", "st")
    assert url.startswith(f"{microsoft.url}/organizations/v2.0/adminconsent?")
    assert asked(url) == {
        "client_id": rooms.settings.client_id,
        "scope": " ".join([*chosen.scopes, "openid", "profile", "offline_access"]),
        "redirect_uri": "https://app.example/consent/callback",
        "state": "st",
    }
    assert ".default" not in url


def test_the_ranges_are_these(rooms: Services) -> None:
    """C05: no range grows a permission unseen."""
    graph = "https://graph.microsoft.com/"
    assert {slug: sorted(made.scopes) for slug, made in RANGES.items()} == {
        "send": [f"{graph}Mail.Send", f"{graph}User.Read"],
        "send-large": [f"{graph}Mail.Send", f"{graph}SMTP.Send", f"{graph}User.Read"],
        "send-verified": [f"{graph}Mail.ReadWrite", f"{graph}Mail.Send", f"{graph}User.Read"],
    }


@pytest.mark.parametrize("tid", [NOBODY, "", "common", "organizations", "../x", "https://evil.example", f"{TID}/x"])
def test_a_hint_that_is_no_tenant_leads_nowhere(rooms: Services, microsoft: Any, tid: str) -> None:
    """C01, C16: a forged tenant is refused, and nothing but the one authority was ever asked."""
    with pytest.raises(faults.ResponseNotExpected):
        begin(rooms, tid)
    assert {entry.path for entry in microsoft.switchboard.journal()} <= {
        f"/{NOBODY}/v2.0/.well-known/openid-configuration"
    }


def test_metadata_are_asked_once(rooms: Services, microsoft: Any) -> None:
    """Many authorizations in many threads cost one discovery per tenant."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: begin(rooms), range(24)))
    assert microsoft.switchboard.count("discovery") == 1


@pytest.mark.parametrize(
    ("kind", "leaf", "wait"),
    [
        ("throttled", faults.Throttled, 17),
        ("unavailable", faults.MicrosoftUnavailable, 17),
        ("server_error", faults.MicrosoftUnavailable, 17),
        ("reset", faults.NoConnection, 30),
    ],
)
@pytest.mark.parametrize("where", ["discovery", "token"])
def test_what_passes_says_when(
    rooms: Services, microsoft: Any, where: str, kind: str, leaf: type[faults.Fault], wait: int
) -> None:
    """R24: a failing login service passes, with its own Retry-After, and the next try reaches it again."""
    flow = begin(rooms) if where == "token" else {}
    microsoft.switchboard.add(where, kind, retry_after="17")
    answer = {"state": "a-state", "code": "no code of anybody's"}
    with pytest.raises(leaf) as raised:
        rooms.entra.redeem(TID, flow, answer) if flow else begin(rooms)
    assert raised.value.retry_after == wait
    if flow:
        with pytest.raises(faults.SignInRevoked):
            rooms.entra.redeem(TID, flow, answer)
    else:
        assert begin(rooms)["auth_uri"]


def test_an_answer_that_is_no_json_passes(rooms: Services, microsoft: Any) -> None:
    """R24: an empty 200 of some gateway is no word of Entra's about anybody."""
    flow = begin(rooms)
    microsoft.switchboard.add("token", "ok_without_applying")
    with pytest.raises(faults.MicrosoftUnavailable):
        rooms.entra.redeem(TID, flow, {"state": "a-state", "code": "x"})


def test_a_code_is_not_redeemed_for_another_state(rooms: Services, microsoft: Any) -> None:
    """C06, A15: an answer to another authorization never reaches the token endpoint."""
    with pytest.raises(faults.ResponseNotExpected):
        rooms.entra.redeem(TID, begin(rooms), {"state": "another", "code": "x"})
    assert microsoft.switchboard.count("token") == 0


def test_an_error_from_the_browser_asks_nobody(rooms: Services, microsoft: Any) -> None:
    """C17: an error answer is classified, not redeemed, even where a code stands beside it."""
    told = {"state": "a-state", "code": "x", "error": "access_denied", "error_description": "AADSTS65004: No."}
    with pytest.raises(faults.SignInDeclined):
        rooms.entra.redeem(TID, begin(rooms), told)
    assert microsoft.switchboard.count("token") == 0


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ("https://graph.microsoft.com/Mail.Send https://graph.microsoft.com/User.Read openid", True),
        ("HTTPS://GRAPH.MICROSOFT.COM/mail.send https://graph.microsoft.com/user.read", True),
        ("https://graph.microsoft.com/Mail.Send", False),
        ("https://graph.microsoft.com/Mail.Send.Shared https://graph.microsoft.com/User.Read", False),
        ("", False),
    ],
)
def test_scopes_are_compared_whole(scope: str, covered: bool) -> None:
    """B17: every scope of the range must be there; case and order do not matter."""
    account = Account(TID, NOBODY, "", "", frozenset(), guest=False, issued=datetime.now(UTC))
    redeemed = Redeemed(account, frozenset(scope.split()), "", "")
    assert redeemed.covers(SCOPES) is covered
    assert replace(redeemed, scopes=frozenset()).covers([])


def test_the_emulated_authority_would_refuse_a_redirect_elsewhere(rooms: Services, microsoft: Any) -> None:
    """C06: the fake is as strict as the real one, so that the journeys prove something."""
    url = begin(rooms)["auth_uri"].replace("%2Fauth%2Fcallback", "%2Felsewhere")
    answer = requests.get(url, timeout=5, allow_redirects=False)
    assert answer.status_code == 400
