"""Consent: the page at sign-in, the admin consent endpoint, and how consent goes away."""

from urllib.parse import urlencode

import pytest

from local.microsoft.person import Answer, Person

from .conftest import CLIENT_ID, CONSENT_CALLBACK, CONTOSO, FABRIKAM, MAIL_SEND, USER_READ, Microsoft


def _admin_consent(microsoft: Microsoft, tenant: str = "organizations", **parameters: str) -> str:
    asked = {
        "client_id": CLIENT_ID,
        "redirect_uri": CONSENT_CALLBACK,
        "scope": f"openid profile offline_access {MAIL_SEND} User.Read https://graph.microsoft.com/SMTP.Send",
        "state": "the state",
    } | parameters
    return f"{microsoft.base}/{tenant}/v2.0/adminconsent?{urlencode(asked)}"


@pytest.mark.parametrize("account", ["contoso/admin", "contoso/cloudadmin"])
@pytest.mark.parametrize("tenant", ["organizations", CONTOSO])
def test_an_administrator_consents_for_the_tenant(microsoft: Microsoft, account: str, tenant: str) -> None:
    """Admin consent by a role that may answers success, and then everybody can sign in unasked."""
    with microsoft.person() as person:
        person.open(_admin_consent(microsoft, tenant))
        assert person.sign_in(account) is None
        assert "for every user in Contoso" in person.text
        assert "Send mail as you" in person.text
        answer = person.press("accept")
    assert answer is not None
    assert answer.parameters["admin_consent"] == "True"
    assert answer.parameters["tenant"] == CONTOSO
    assert answer.parameters["state"] == "the state"
    assert MAIL_SEND in answer.parameters["scope"].split()
    (grant,) = microsoft.cloud.grants("contoso")
    assert grant.principal is None
    assert {"Mail.Send", "User.Read", "SMTP.Send", "offline_access"} <= grant.scopes
    assert microsoft.sign_in("contoso/ben")["refresh_token"]


def test_a_declined_admin_consent_names_no_tenant(microsoft: Microsoft) -> None:
    """Cancelling answers access_denied, 65004, with admin_consent and without a tenant."""
    with microsoft.person() as person:
        person.open(_admin_consent(microsoft))
        person.sign_in("contoso/admin")
        answer = person.press("cancel")
    assert answer is not None
    assert (answer.parameters["error"], answer.parameters["admin_consent"]) == ("access_denied", "True")
    assert answer.parameters["error_description"].startswith("AADSTS65004: ")
    assert "tenant" not in answer.parameters
    assert microsoft.cloud.grants("contoso") == []


@pytest.mark.parametrize(("account", "number"), [("contoso/ben", 90094), ("personal/pat", 50020)])
def test_only_an_administrator_can_consent_for_the_tenant(microsoft: Microsoft, account: str, number: int) -> None:
    """Anybody else sees a page, may change the account, and returns with access_denied."""
    with microsoft.person() as person:
        person.open(_admin_consent(microsoft))
        assert person.sign_in(account) is None
        assert f"AADSTS{number}" in person.text
        answer = person.press("return")
        assert answer is not None
        assert answer.parameters["error"] == "access_denied"
        assert "tenant" not in answer.parameters
    assert microsoft.cloud.grants("contoso") == []


def test_need_admin_approval_leads_to_an_administrator(microsoft: Microsoft) -> None:
    """From "Need admin approval" one can sign in with an administrator's account and go on."""
    with microsoft.person() as person:
        person.open(_admin_consent(microsoft))
        person.sign_in("contoso/ben")
        assert "Need admin approval" in person.text
        person.press("other-account")
        person.sign_in("contoso/admin")
        answer = person.press("accept")
    assert answer is not None
    assert answer.parameters["tenant"] == CONTOSO


def test_admin_consent_lets_a_signed_in_administrator_pick(microsoft: Microsoft) -> None:
    """Admin consent shows the picker although one account is signed in."""
    with microsoft.person() as person:
        person.open(_admin_consent(microsoft))
        person.sign_in("contoso/admin")
        person.press("cancel")
        assert person.open(_admin_consent(microsoft)) is None
        assert "Pick an account" in person.text
        person.press("pick-contoso-admin")
        assert person.press("accept") is not None


@pytest.mark.parametrize(
    "change", [{"tenant": "common"}, {"redirect_uri": "http://evil.example/"}, {"client_id": "unknown"}]
)
def test_admin_consent_refuses_what_it_cannot_answer(microsoft: Microsoft, change: dict[str, str]) -> None:
    """``common``, a foreign redirect URI and an unknown client end on a page."""
    with microsoft.person() as person:
        assert person.open(_admin_consent(microsoft, **change)) is None
        assert person.status == 400


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        ("", "invalid_request"),
        ("https://graph.microsoft.com/Files.Read", "invalid_client"),
        ("https://graph.microsoft.com/.default User.Read", "invalid_scope"),
    ],
)
def test_admin_consent_refuses_wrong_scopes(microsoft: Microsoft, scope: str, error: str) -> None:
    """No scope, an unknown one, and ``.default`` mixed with others are answered as errors."""
    with microsoft.person() as person:
        answer = person.open(_admin_consent(microsoft, scope=scope))
    assert answer is not None
    assert answer.parameters["error"] == error


def test_the_default_scope_consents_to_all_that_is_registered(microsoft: Microsoft) -> None:
    """``.default`` and the v1 endpoint grant every registered permission, wanted or not."""
    for url in (
        _admin_consent(microsoft, scope="https://graph.microsoft.com/.default"),
        _admin_consent(microsoft, scope="").replace("/v2.0/adminconsent", "/adminconsent").replace("scope=&", ""),
    ):
        microsoft.cloud.withdraw_consent("contoso")
        with microsoft.person() as person:
            person.open(url)
            person.sign_in("contoso/admin")
            assert person.press("accept") is not None
        (grant,) = microsoft.cloud.grants("contoso")
        assert "Mail.ReadWrite" in grant.scopes


def _consent_page(microsoft: Microsoft, account: str, scope: str = "openid profile offline_access Mail.Send") -> Person:
    person = microsoft.person()
    person.open(microsoft.authorize(scope=scope))
    person.sign_in(account)
    return person


@pytest.mark.parametrize(("ticked", "principal_is_everybody"), [(True, True), (False, False)])
def test_the_checkbox_decides_for_whom_an_administrator_consents(
    microsoft: Microsoft, ticked: bool, principal_is_everybody: bool
) -> None:
    """A Global Administrator's consent at sign-in is for himself unless the box is ticked."""
    with _consent_page(microsoft, "contoso/admin") as person:
        assert 'name="organization"' in person.text
        assert "checked" not in person.text
        answer: Answer | None = person.press("accept", **({"organization": "1"} if ticked else {}))
    assert answer is not None
    assert "code" in answer.parameters
    (grant,) = microsoft.cloud.grants("contoso")
    assert (grant.principal is None) is principal_is_everybody
    # The callback is the same in both cases: only another account's sign-in shows the difference.
    with _consent_page(microsoft, "contoso/ben") as person:
        assert ("Permissions requested" in person.text) is not principal_is_everybody


@pytest.mark.parametrize("account", ["contoso/cloudadmin", "contoso/ben"])
def test_only_a_global_administrator_sees_the_checkbox(microsoft: Microsoft, account: str) -> None:
    """Nobody else is offered to consent for the organization, nor can he do it by sending the field."""
    with _consent_page(microsoft, account) as person:
        assert 'name="organization"' not in person.text
        assert person.press("accept", organization="1") is not None
    (grant,) = microsoft.cloud.grants("contoso")
    assert grant.principal == microsoft.cloud.account(account).oid


def test_prompt_consent_asks_again(microsoft: Microsoft) -> None:
    """prompt=consent shows the page although everything is granted."""
    microsoft.consented("Mail.Send", "User.Read")
    with microsoft.person() as person:
        person.open(microsoft.authorize(prompt="consent"))
        assert person.sign_in("contoso/ben") is None
        assert "Permissions requested" in person.text


def test_a_tenant_can_disable_user_consent(microsoft: Microsoft) -> None:
    """With user consent disabled a user meets "Need admin approval", an administrator the page."""
    microsoft.cloud.set_user_consent("contoso", "disabled")
    with _consent_page(microsoft, "contoso/ben") as person:
        assert "Need admin approval" in person.text
        answer = person.press("return")
    assert answer is not None
    assert answer.parameters["error"] == "access_denied"
    assert "AADSTS90094" in answer.parameters["error_description"]
    with _consent_page(microsoft, "contoso/admin") as person:
        assert "Permissions requested" in person.text


def test_reading_mail_needs_an_administrator_by_default(microsoft: Microsoft) -> None:
    """Mail.ReadWrite is not for users to grant under Microsoft's managed policy; Mail.Send is."""
    with _consent_page(microsoft, "contoso/ben", "openid Mail.ReadWrite") as person:
        assert "Need admin approval" in person.text
    with _consent_page(microsoft, "contoso/ben", "openid Mail.Send") as person:
        assert "Permissions requested" in person.text


def test_withdrawn_consent_ends_refreshing(microsoft: Microsoft) -> None:
    """After consent was withdrawn a refresh answers 65001, consent_required; other tenants are untouched."""
    microsoft.consented("Mail.Send", "User.Read")
    microsoft.consented("Mail.Send", "User.Read", tenant="fabrikam")
    ours, theirs = microsoft.sign_in("contoso/ben"), microsoft.sign_in("fabrikam/ben", FABRIKAM)
    microsoft.cloud.withdraw_consent("contoso")
    error = microsoft.refresh(ours["refresh_token"]).json()
    assert (error["error_codes"], error["suberror"]) == ([65001], "consent_required")
    assert microsoft.refresh(theirs["refresh_token"], FABRIKAM).ok


def test_a_token_lacks_what_was_not_granted(microsoft: Microsoft) -> None:
    """Consent to the profile alone gives a token that cannot send mail."""
    microsoft.consented("User.Read")
    token = microsoft.sign_in("contoso/ben", scopes=(USER_READ,))["access_token"]
    answer = microsoft.send(token, {"toRecipients": []})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "ErrorAccessDenied")
