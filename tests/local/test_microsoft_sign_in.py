"""Unchanged MSAL against the emulated Entra ID: code with PKCE, refresh, and what is refused."""

import pytest

from local.microsoft.directory import ORDINARY_MEMBER

from .conftest import CALLBACK, CLIENT_ID, CONTOSO, MAIL_SEND, USER_READ, Microsoft


@pytest.mark.parametrize("response_mode", ["form_post", "query"])
@pytest.mark.filterwarnings("ignore:response_mode='form_post' is recommended:UserWarning")
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
