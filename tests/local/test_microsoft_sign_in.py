"""Unchanged MSAL against the emulated Entra ID: code with PKCE, sessions, and what is refused."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from local.microsoft.directory import GLOBAL_ADMINISTRATOR, ORDINARY_MEMBER, PERSONAL_TENANT

from .conftest import CALLBACK, CLIENT_ID, CONTOSO, FABRIKAM, MAIL_SEND, USER_READ, Microsoft


@pytest.mark.parametrize("response_mode", ["form_post", "query"])
@pytest.mark.filterwarnings("ignore::UserWarning:msal")
def test_msal_signs_a_person_in(microsoft: Microsoft, response_mode: str) -> None:
    """MSAL, unchanged, signs in by code and PKCE in both response modes and gets all tokens."""
    microsoft.consented("Mail.Send", "User.Read")
    app = microsoft.app()
    flow = app.initiate_auth_code_flow([MAIL_SEND, USER_READ], CALLBACK, response_mode=response_mode)
    with microsoft.person() as person:
        assert person.open(flow["auth_uri"]) is None
        answer = person.sign_in("contoso/adele")
    assert answer is not None
    assert answer.posted is (response_mode == "form_post")
    result = app.acquire_token_by_auth_code_flow(flow, answer.parameters)
    claims = result["id_token_claims"]
    assert claims["iss"] == f"{microsoft.base}/{CONTOSO}/v2.0"
    assert claims["aud"] == CLIENT_ID
    assert (claims["tid"], claims["oid"]) == (CONTOSO, microsoft.cloud.account("contoso/adele").oid)
    assert claims["preferred_username"] == "adele@contoso.onmicrosoft.com"
    assert claims["wids"] == [ORDINARY_MEMBER]
    assert set(result["scope"].split()) == {"openid", "profile", MAIL_SEND, USER_READ}
    assert 3600 <= result["expires_in"] <= 5400
    assert result["refresh_token"]


@pytest.mark.parametrize("authority", ["organizations", "contoso.example", "contoso.onmicrosoft.com", "common"])
def test_every_name_of_an_authority_serves(microsoft: Microsoft, authority: str) -> None:
    """Aliases and domains lead to tokens of the account's own tenant."""
    microsoft.consented("Mail.Send", "User.Read")
    result = microsoft.sign_in("contoso/olga", authority)
    assert result["id_token_claims"]["tid"] == CONTOSO
    assert result["id_token_claims"]["name"] == "Вольга Кавальчук"


def test_administrators_carry_their_role(microsoft: Microsoft) -> None:
    """The roles of an administrator are in ``wids``, beside what every member carries."""
    microsoft.consented("Mail.Send", "User.Read")
    claims = microsoft.sign_in("contoso/admin")["id_token_claims"]
    assert claims["wids"] == [GLOBAL_ADMINISTRATOR, ORDINARY_MEMBER]


@pytest.mark.parametrize("authority", [CONTOSO, "organizations"])
def test_an_id_token_verifies_by_the_published_keys(microsoft: Microsoft, authority: str) -> None:
    """The JWKS holds the signing key, and its issuer, a template where the authority is an alias, fits."""
    microsoft.consented("Mail.Send", "User.Read")
    token = microsoft.sign_in("contoso/ben", authority)["id_token"]
    with microsoft.cloud.lock:
        microsoft.cloud.keys.roll()
        microsoft.cloud.keys.add_junk(50)
    metadata = microsoft.get(f"/{authority}/v2.0/.well-known/openid-configuration").json()
    keys = microsoft.get(urlsplit(metadata["jwks_uri"]).path).json()["keys"]
    kid = jwt.get_unverified_header(token)["kid"]
    found = next(key for key in keys if key["kid"] == kid)
    claims = jwt.decode(token, jwt.PyJWK(found, "RS256"), algorithms=["RS256"], audience=CLIENT_ID)
    assert claims["iss"] == found["issuer"].replace("{tenantid}", claims["tid"])
    assert metadata["issuer"] == found["issuer"]
    assert len(keys) >= 52


def test_an_emergency_roll_withdraws_the_old_key(microsoft: Microsoft) -> None:
    """After a roll that keeps nothing, the old key is not published any more."""
    microsoft.consented("Mail.Send", "User.Read")
    token = microsoft.sign_in("contoso/ben")["id_token"]
    with microsoft.cloud.lock:
        fresh = microsoft.cloud.keys.roll(keep_old=False)
    kids = [key["kid"] for key in microsoft.get(f"/{CONTOSO}/discovery/v2.0/keys").json()["keys"]]
    assert kids == [fresh]
    assert jwt.get_unverified_header(token)["kid"] not in kids


def _code(microsoft: Microsoft, **parameters: str) -> str:
    with microsoft.person() as person:
        person.open(microsoft.authorize(**parameters))
        answer = person.sign_in("contoso/ben")
    assert answer is not None
    return answer.parameters["code"]


def _redeem(microsoft: Microsoft, code: str, tenant: str = CONTOSO, **form: str) -> dict[str, object]:
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK} | form
    return dict(microsoft.token(tenant, **asked).json())


def test_a_code_is_redeemed_once(microsoft: Microsoft) -> None:
    """The second redemption of a code is refused with 54005, in Entra's error JSON."""
    microsoft.consented("Mail.Send", "User.Read")
    code = _code(microsoft)
    assert "access_token" in _redeem(microsoft, code)
    error = _redeem(microsoft, code)
    assert (error["error"], error["error_codes"]) == ("invalid_grant", [54005])
    assert str(error["error_description"]).startswith("AADSTS54005: ")
    assert {"timestamp", "trace_id", "correlation_id", "error_uri"} <= set(error)


@pytest.mark.parametrize(
    ("change", "error", "number"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant", 501481),
        ({"code_verifier": ""}, "invalid_grant", 501481),
        ({"redirect_uri": "http://127.0.0.1:7071/consent/callback"}, "invalid_client", 500112),
        ({"tenant": "organizations"}, "invalid_grant", 700005),
        ({"tenant": FABRIKAM}, "invalid_grant", 700005),
        ({"code": "1.Aanything"}, "invalid_grant", 70000),
        ({"client_secret": "wrong"}, "invalid_client", 7000215),
        ({"client_secret": ""}, "invalid_client", 7000218),
        ({"grant_type": "password"}, "unsupported_grant_type", 70003),
        ({"scope": "https://graph.microsoft.com/Mail.Delete"}, "invalid_client", 650053),
        ({"scope": "https://graph.microsoft.com/Mail.ReadWrite"}, "invalid_grant", 65001),
    ],
)
def test_a_wrong_redemption_is_refused(microsoft: Microsoft, change: dict[str, str], error: str, number: int) -> None:
    """Every binding of a code holds: verifier, redirect URI, authority, client, scope."""
    microsoft.consented("Mail.Send", "User.Read")
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 appendix B
    code = _code(microsoft, code_challenge=challenge, code_challenge_method="S256")
    form = {"code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"} | change
    answer = _redeem(microsoft, form.pop("code", code), form.pop("tenant", CONTOSO), **form)
    assert (answer["error"], answer["error_codes"]) == (error, [number])


def test_a_code_lives_ten_minutes(microsoft: Microsoft) -> None:
    """A code older than ten minutes is refused with 70008."""
    microsoft.consented("Mail.Send", "User.Read")
    code = _code(microsoft)
    microsoft.clock.advance(minutes=10, seconds=1)
    assert _redeem(microsoft, code)["error_codes"] == [70008]


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"redirect_uri": "http://127.0.0.1:7071/elsewhere"}, "50011"),
        ({"client_id": "11111111-2222-4333-8444-555555555555"}, "700016"),
        ({"tenant": "nobody.example"}, "90002"),
        ({"tenant": "consumers"}, "9002332"),
    ],
)
def test_an_untrusted_request_ends_on_a_page(microsoft: Microsoft, change: dict[str, str], number: str) -> None:
    """Nothing is sent to a redirect URI that is not known to be the client's."""
    answer = microsoft.get(microsoft.authorize(**change).removeprefix(microsoft.base), allow_redirects=False)
    assert answer.status_code == 400
    assert f"AADSTS{number}" in answer.text
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "okay"}, "unsupported_response_mode"),
        ({"prompt": "maybe"}, "invalid_request"),
        ({"scope": "https://graph.example/.default"}, "invalid_resource"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
    ],
)
def test_a_bad_request_is_told_to_the_client(microsoft: Microsoft, change: dict[str, str], error: str) -> None:
    """A request of a known client that is wrong comes back as an error with its state."""
    with microsoft.person() as person:
        answer = person.open(microsoft.authorize(**change))
    assert answer is not None
    assert (answer.parameters["error"], answer.parameters["state"]) == (error, "the state")


def test_a_person_types_an_address_and_any_password(microsoft: Microsoft) -> None:
    """The sign-in page takes an address with any password, and says so when one is unknown or missing."""
    microsoft.consented("Mail.Send", "User.Read")
    with microsoft.person() as person:
        person.open(microsoft.authorize(login_hint="ben.okoye@contoso.example"))
        assert 'value="ben.okoye@contoso.example"' in person.text
        assert person.press("sign-in", username="nobody@contoso.example", password="x") is None
        assert "may be incorrect" in person.text
        assert person.press("sign-in", username="ben.okoye@contoso.example", password="") is None
        assert "enter a password" in person.text
        answer = person.press("sign-in", username="ben.okoye@contoso.example", password="x")
    assert answer is not None
    assert "code" in answer.parameters


def test_silent_sign_in_needs_a_session_and_no_choice(microsoft: Microsoft) -> None:
    """prompt=none answers login_required, a code, or 16000 with two accounts and no hint."""
    microsoft.consented("Mail.Send", "User.Read")
    with microsoft.person() as person:
        answer = person.open(microsoft.authorize(prompt="none"))
        assert answer is not None
        assert answer.parameters["error"] == "login_required"
        assert "AADSTS50058" in answer.parameters["error_description"]
        person.open(microsoft.authorize())
        person.sign_in("contoso/ben")
        answer = person.open(microsoft.authorize(prompt="none"))
        assert answer is not None
        assert "code" in answer.parameters
        person.open(microsoft.authorize(prompt="login"))
        person.sign_in("contoso/olga")
        answer = person.open(microsoft.authorize(prompt="none"))
        assert answer is not None
        assert answer.parameters["error"] == "interaction_required"
        assert "AADSTS16000" in answer.parameters["error_description"]
        answer = person.open(microsoft.authorize(prompt="none", login_hint="olga@contoso.example"))
        assert answer is not None
        assert "code" in answer.parameters
        answer = person.open(microsoft.authorize(prompt="none", login_hint="adele@contoso.onmicrosoft.com"))
        assert answer is not None
        assert answer.parameters["error"] == "login_required"


def test_silent_sign_in_without_consent_says_so(microsoft: Microsoft) -> None:
    """prompt=none answers consent_required, 65001, when the scopes are not granted."""
    microsoft.consented("User.Read")
    with microsoft.person() as person:
        person.open(microsoft.authorize(scope="openid"))
        person.sign_in("contoso/ben")
        answer = person.open(microsoft.authorize(prompt="none"))
    assert answer is not None
    assert answer.parameters["error"] == "consent_required"
    assert "AADSTS65001" in answer.parameters["error_description"]


def test_the_picker_offers_who_is_signed_in(microsoft: Microsoft) -> None:
    """With two accounts signed in the person picks one or uses another."""
    microsoft.consented("Mail.Send", "User.Read")
    with microsoft.person() as person:
        person.open(microsoft.authorize())
        person.sign_in("contoso/ben")
        assert person.open(microsoft.authorize(prompt="select_account")) is None
        assert person.press("other-account") is None
        person.sign_in("contoso/olga")
        assert person.open(microsoft.authorize()) is None
        answer = person.press("pick-contoso-ben")
    assert answer is not None
    token = _redeem(microsoft, answer.parameters["code"])
    claims = jwt.decode(str(token["id_token"]), options={"verify_signature": False})
    assert claims["preferred_username"] == "ben.okoye@contoso.example"


def test_signing_out_ends_the_session(microsoft: Microsoft) -> None:
    """After the logout endpoint a silent sign-in finds nobody."""
    microsoft.consented("Mail.Send", "User.Read")
    with microsoft.person() as person:
        person.open(microsoft.authorize())
        person.sign_in("contoso/ben")
        person.open(f"{microsoft.base}/common/oauth2/v2.0/logout")
        assert "You signed out" in person.text
        answer = person.open(microsoft.authorize(prompt="none"))
    assert answer is not None
    assert answer.parameters["error"] == "login_required"


@pytest.mark.parametrize(
    ("account", "authority", "number"),
    [
        ("fabrikam/ben", CONTOSO, 50020),
        ("personal/pat", CONTOSO, 50020),
        ("personal/pat", "organizations", 50020),
        ("contoso/blocked", CONTOSO, 53003),
        ("contoso/disabled", CONTOSO, 50057),
    ],
)
def test_an_account_that_may_not_sees_why_and_can_go_back(
    microsoft: Microsoft, account: str, authority: str, number: int
) -> None:
    """A foreign, blocked or disabled account gets a page, and returning answers access_denied."""
    microsoft.consented("Mail.Send", "User.Read")
    with microsoft.person() as person:
        person.open(microsoft.authorize(authority))
        assert person.sign_in(account) is None
        assert f"AADSTS{number}" in person.text
        answer = person.press("return")
    assert answer is not None
    assert answer.parameters["error"] == "access_denied"
    assert answer.parameters["error_description"].startswith(f"AADSTS{number}: ")
    assert answer.parameters["state"] == "the state"


def test_a_refused_person_can_use_another_account(microsoft: Microsoft) -> None:
    """From the page of a refusal one can go on with an account that may."""
    microsoft.consented("Mail.Send", "User.Read")
    with microsoft.person() as person:
        person.open(microsoft.authorize())
        person.sign_in("fabrikam/ben")
        assert person.press("other-account") is None
        answer = person.sign_in("contoso/ben")
    assert answer is not None
    assert "code" in answer.parameters


def test_a_guest_is_somebody_else_in_each_tenant(microsoft: Microsoft) -> None:
    """Through the tenant's authority a guest is that tenant's object, through /organizations at home."""
    microsoft.consented("Mail.Send", "User.Read")
    microsoft.consented("Mail.Send", "User.Read", tenant="fabrikam")
    there = microsoft.sign_in("fabrikam/gina", CONTOSO)["id_token_claims"]
    home = microsoft.sign_in("fabrikam/gina", "organizations")["id_token_claims"]
    assert (there["tid"], home["tid"]) == (CONTOSO, FABRIKAM)
    assert there["oid"] != home["oid"]
    assert (there["acct"], home["acct"]) == (1, 0)
    assert there["idp"] == f"https://sts.windows.net/{FABRIKAM}/"
    assert "idp" not in home


def test_personal_accounts_use_their_own_tenant_where_the_app_takes_them(microsoft: Microsoft) -> None:
    """A registration for personal accounts, too, signs one in at consumers, by a key of that issuer."""
    application = microsoft.cloud.application(CLIENT_ID)
    microsoft.cloud.register(replace(application, audience="AzureADandPersonalMicrosoftAccount"))
    microsoft.cloud.grant("personal", CLIENT_ID, ("openid", "profile", "offline_access", "Mail.Send", "User.Read"))
    result = microsoft.sign_in("personal/pat", "consumers")
    claims = result["id_token_claims"]
    assert claims["tid"] == PERSONAL_TENANT
    assert "wids" not in claims
    keys = microsoft.get("/consumers/discovery/v2.0/keys").json()["keys"]
    assert [key["issuer"] for key in keys] == [claims["iss"]]
    assert result["access_token"].startswith("EwB")


def test_a_foreign_form_cannot_move_a_sign_in(microsoft: Microsoft) -> None:
    """A form that another site posts is not taken, whatever it holds."""
    microsoft.consented("Mail.Send", "User.Read")
    with microsoft.person() as person:
        person.open(microsoft.authorize())
        person.session.headers["Sec-Fetch-Site"] = "cross-site"
        assert person.sign_in("contoso/ben") is None
        assert person.status == 400


def test_the_form_post_page_works_without_script(microsoft: Microsoft) -> None:
    """form_post is a form with a visible button; its script is a file, so no policy stops it."""
    microsoft.consented("Mail.Send", "User.Read")
    with microsoft.person() as person:
        person.open(microsoft.authorize())
        person.sign_in("contoso/ben")
        path = microsoft.authorize(response_mode="form_post", prompt="none").removeprefix(microsoft.base)
        text = microsoft.get(path, cookies=person.session.cookies.get_dict()).text
    assert f'action="{CALLBACK}"' in text
    assert 'id="continue"' in text
    assert '<script src="/-/submit.js"></script>' in text
    assert parse_qs(urlsplit(path).query)["prompt"] == ["none"]


def test_msal_reports_a_decline(microsoft: Microsoft) -> None:
    """Cancelling the consent page reaches the app through MSAL as access_denied, 65004."""
    app = microsoft.app()
    flow = app.initiate_auth_code_flow([MAIL_SEND, USER_READ], CALLBACK, response_mode="form_post")
    with microsoft.person() as person:
        person.open(flow["auth_uri"])
        assert person.sign_in("contoso/ben") is None
        answer = person.press("cancel")
    assert answer is not None
    result = app.acquire_token_by_auth_code_flow(flow, answer.parameters)
    assert result["error"] == "access_denied"
    assert result["error_description"].startswith("AADSTS65004: ")
