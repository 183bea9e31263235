"""The token endpoint: refresh and its rotation, client authentication, permissions of a token."""

import base64
import time
from dataclasses import replace
from typing import Any

import jwt
import pytest

from local.microsoft.directory import GLOBAL_ADMINISTRATOR

from .conftest import CLIENT_ID, CONTOSO, FABRIKAM, MAIL_SEND, SECRET, SMTP_SEND, USER_READ, AppCertificate, Microsoft

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
def signed_in(microsoft: Microsoft) -> dict[str, Any]:
    """Ben's token response; the tenant has consented to mail and profile."""
    microsoft.consented("Mail.Send", "User.Read")
    return microsoft.sign_in("contoso/ben")


def test_msal_refreshes(microsoft: Microsoft, signed_in: dict[str, Any]) -> None:
    """MSAL redeems a refresh token for a new access token and a new refresh token."""
    result = microsoft.app().acquire_token_by_refresh_token(signed_in["refresh_token"], [MAIL_SEND])
    assert result["access_token"] != signed_in["access_token"]
    assert result["refresh_token"] != signed_in["refresh_token"]


def test_a_refresh_token_is_bound_to_no_resource(microsoft: Microsoft, signed_in: dict[str, Any]) -> None:
    """One refresh token serves Graph and Outlook; consent to Graph's SMTP.Send covers Outlook's."""
    refused = microsoft.refresh(signed_in["refresh_token"], scope=SMTP_SEND)
    assert refused.json()["error_codes"] == [65001]
    microsoft.consented("SMTP.Send")
    answer = microsoft.refresh(signed_in["refresh_token"], scope=SMTP_SEND).json()
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert (claims["aud"], claims["scp"]) == ("https://outlook.office.com", "SMTP.Send")
    assert answer["scope"] == SMTP_SEND


def test_an_outlook_token_is_not_taken_by_graph(microsoft: Microsoft, signed_in: dict[str, Any]) -> None:
    """Graph refuses a token for another audience."""
    microsoft.consented("SMTP.Send")
    token = microsoft.refresh(signed_in["refresh_token"], scope=SMTP_SEND).json()["access_token"]
    answer = microsoft.get("/v1.0/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert "Invalid audience" in answer.json()["error"]["message"]


def test_a_token_carries_all_granted_scopes(microsoft: Microsoft, signed_in: dict[str, Any]) -> None:
    """Asking for one scope answers every granted one of the resource."""
    answer = microsoft.refresh(signed_in["refresh_token"], scope=USER_READ).json()
    assert set(answer["scope"].split()) == {"openid", "profile", MAIL_SEND, USER_READ}


@pytest.mark.parametrize(
    ("rotation", "codes"),
    [("entra", [None, None, None]), ("grace", [None, None, 70000]), ("strict", [None, 70000, 50173])],
)
def test_rotation_decides_what_an_old_token_is_worth(
    microsoft: Microsoft, signed_in: dict[str, Any], rotation: str, codes: list[int | None]
) -> None:
    """The same old token three times: entra takes it always, grace once more, strict never again.

    Reuse ends the family, so after it the token counts as revoked.
    """
    microsoft.cloud.refresh_tokens.rotation = rotation
    assert [microsoft.refresh(signed_in["refresh_token"]).json().get("error_codes", [None])[0] for _ in codes] == codes


def test_grace_ends_when_the_new_token_is_used(microsoft: Microsoft, signed_in: dict[str, Any]) -> None:
    """With grace, the previous token is dead as soon as its successor was used."""
    microsoft.cloud.refresh_tokens.rotation = "grace"
    second = microsoft.refresh(signed_in["refresh_token"]).json()["refresh_token"]
    third = microsoft.refresh(second).json()
    assert "access_token" in third
    assert microsoft.refresh(signed_in["refresh_token"]).json()["error"] == "invalid_grant"


def test_reuse_under_strict_rotation_ends_the_family(microsoft: Microsoft, signed_in: dict[str, Any]) -> None:
    """With strict rotation, reuse of an old token revokes the new one too."""
    microsoft.cloud.refresh_tokens.rotation = "strict"
    second = microsoft.refresh(signed_in["refresh_token"]).json()["refresh_token"]
    assert microsoft.refresh(signed_in["refresh_token"]).json()["suberror"] == "bad_token"
    assert microsoft.refresh(second).json()["error_codes"] == [50173]


def test_ninety_idle_days_end_a_refresh_token(microsoft: Microsoft, signed_in: dict[str, Any]) -> None:
    """A use keeps a refresh token alive; 90 days without one end it with 700082."""
    microsoft.clock.advance(days=89)
    assert microsoft.refresh(signed_in["refresh_token"]).ok
    microsoft.clock.advance(days=89)
    assert microsoft.refresh(signed_in["refresh_token"]).ok
    microsoft.clock.advance(days=91)
    error = microsoft.refresh(signed_in["refresh_token"]).json()
    assert (error["error"], error["error_codes"]) == ("invalid_grant", [700082])


@pytest.mark.parametrize(
    ("change", "number", "suberror"),
    [
        ({"blocked": True}, 53003, "message_only"),
        ({"disabled": True}, 50057, None),
        ({"deleted": True}, 500341, None),
    ],
)
def test_a_refresh_asks_again_whether_the_account_may(
    microsoft: Microsoft, signed_in: dict[str, Any], change: dict[str, bool], number: int, suberror: str | None
) -> None:
    """An account that was blocked, disabled or deleted since is refused on refresh with its own number."""
    microsoft.cloud.change_account("contoso/ben", **change)
    answer = microsoft.refresh(signed_in["refresh_token"])
    error = answer.json()
    assert (answer.status_code, error["error"]) == (400, "invalid_grant")
    assert (error["error_codes"], error.get("suberror")) == ([number], suberror)


def test_revoked_tokens_answer_50173(microsoft: Microsoft, signed_in: dict[str, Any]) -> None:
    """After an administrator revoked them, refresh tokens are refused with 50173, bad_token."""
    assert microsoft.cloud.revoke_refresh_tokens("contoso/ben") == 1
    error = microsoft.refresh(signed_in["refresh_token"]).json()
    assert (error["error_codes"], error["suberror"]) == ([50173], "bad_token")


def test_a_refresh_token_does_not_work_in_a_foreign_tenant(microsoft: Microsoft, signed_in: dict[str, Any]) -> None:
    """An account without an object in the tenant is refused there with 50020."""
    assert microsoft.refresh(signed_in["refresh_token"], FABRIKAM).json()["error_codes"] == [50020]


def test_msal_proves_itself_by_certificate(microsoft: Microsoft) -> None:
    """MSAL's own PS256 assertion with x5t#S256 is accepted."""
    microsoft.consented("Mail.Send")
    app = microsoft.app(credential=microsoft.certificate.credential)
    result = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    assert result["token_type"] == "Bearer"


def test_an_app_only_probe_tells_whether_the_app_is_there(microsoft: Microsoft) -> None:
    """Client credentials fail with 7000229 until a tenant has consented, and need a tenant."""
    scope = "https://graph.microsoft.com/.default"
    form = {"grant_type": "client_credentials", "scope": scope}
    assert microsoft.token(**form).json()["error_codes"] == [7000229]
    microsoft.consented("Mail.Send")
    token = microsoft.token(**form).json()["access_token"]
    assert microsoft.token("organizations", **form).json()["error_codes"] == [50059]
    answer = microsoft.get("/v1.0/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"aud": "https://login.microsoftonline.com/common/oauth2/v2.0/token"}, 700023),
        ({"exp": int(time.time()) - 3600}, 700024),
        ({"nbf": int(time.time()) + 3600}, 700024),
        ({"sub": "somebody else"}, 700021),
        ({"iss": "somebody else"}, 700021),
    ],
)
def test_a_wrong_assertion_is_refused(microsoft: Microsoft, claims: dict[str, Any], number: int) -> None:
    """Audience, time, issuer and subject of an assertion are checked, each with its own number."""
    right = {"aud": f"{microsoft.base}/{CONTOSO}/oauth2/v2.0/token"}
    answer = _by_assertion(microsoft, microsoft.certificate.assertion(**(right | claims)))
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [number])


def test_an_assertion_by_a_foreign_key_is_refused(microsoft: Microsoft) -> None:
    """C18: neither an unregistered certificate nor a registered one's name over another key gets in."""
    audience = f"{microsoft.base}/{CONTOSO}/oauth2/v2.0/token"
    foreign = AppCertificate.generate()
    assert _by_assertion(microsoft, foreign.assertion(aud=audience))["error_codes"] == [700027]
    forged = AppCertificate(foreign.private_key, microsoft.certificate.certificate)
    assert _by_assertion(microsoft, forged.assertion(aud=audience))["error_codes"] == [700027]
    assert _by_assertion(microsoft, "not a jwt")["error_codes"] == [700027]


def _by_assertion(microsoft: Microsoft, assertion: str) -> dict[str, Any]:
    return dict(
        microsoft.token(
            grant_type="client_credentials",
            scope="https://graph.microsoft.com/.default",
            client_secret="",
            client_assertion_type=_ASSERTION_TYPE,
            client_assertion=assertion,
        ).json()
    )


def test_http_basic_proves_a_client(microsoft: Microsoft, signed_in: dict[str, Any]) -> None:
    """The secret may come by HTTP Basic; a wrong one is refused with status 401."""
    form = {"grant_type": "refresh_token", "refresh_token": signed_in["refresh_token"], "scope": MAIL_SEND}
    path = f"/{CONTOSO}/oauth2/v2.0/token"
    assert microsoft.post(path, data=form, auth=(CLIENT_ID, SECRET.replace(" ", "+"))).ok
    wrong = microsoft.post(path, data=form, auth=(CLIENT_ID, "wrong"))
    assert (wrong.status_code, wrong.json()["error_codes"]) == (401, [7000215])


def test_client_info_names_the_home_account(microsoft: Microsoft, signed_in: dict[str, Any]) -> None:
    """client_info=1 answers the account's home object and tenant, which MSAL builds its keys on."""
    answer = microsoft.refresh(signed_in["refresh_token"], client_info="1").json()
    info = base64.urlsafe_b64decode(answer["client_info"] + "==")
    assert microsoft.cloud.account("contoso/ben").oid.encode() in info
    assert CONTOSO.encode() in info


def test_an_unknown_tenant_is_refused_by_every_machine_endpoint(microsoft: Microsoft) -> None:
    """Metadata, keys and token of a tenant that nobody knows answer 90002."""
    nobody = "33333333-3333-4333-8333-333333333333"
    for path in (f"/{nobody}/v2.0/.well-known/openid-configuration", f"/{nobody}/discovery/v2.0/keys"):
        assert microsoft.get(path).json()["error_codes"] == [90002]
    assert microsoft.token(nobody, grant_type="client_credentials").json()["error"] == "invalid_tenant"


def test_roles_follow_the_registration(microsoft: Microsoft) -> None:
    """``wids`` is only there when the registration asks for directory roles."""
    microsoft.consented("Mail.Send", "User.Read")
    assert GLOBAL_ADMINISTRATOR in microsoft.sign_in("contoso/admin")["id_token_claims"]["wids"]
    microsoft.cloud.register(replace(microsoft.cloud.application(CLIENT_ID), roles_in_tokens=False))
    assert "wids" not in microsoft.sign_in("contoso/admin")["id_token_claims"]
