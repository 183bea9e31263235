"""What the app signs to prove itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography import x509

from shared.identity.client_assertion import ClientAssertion

CLIENT = "aaaaaaaa-0000-4000-8000-000000000001"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.mark.parametrize("host", ["login.microsoftonline.com", "login.evil.example"])
def test_a_proof_is_for_one_endpoint(machine_environment: dict[str, str], host: str) -> None:
    """C14: one audience, a text and no list: the endpoint that it goes to. Another server cannot use it here.

    MSAL names the endpoint of the one authority that is configured; no answer and no request changes it.
    """
    pem = Path(machine_environment["CLIENT_CERTIFICATE_FILE"]).read_text(encoding="utf-8")
    endpoint = f"https://{host}/contoso/oauth2/v2.0/token"
    made = ClientAssertion(CLIENT, pem, lambda: NOW)({"token_endpoint": endpoint})
    public = x509.load_pem_x509_certificate(pem.encode()).public_key()
    claims = jwt.decode(made, public, ["PS256"], audience=endpoint, options={"strict_aud": True})  # type: ignore[arg-type]
    assert claims["aud"] == endpoint
    assert claims["iss"] == claims["sub"] == CLIENT
    assert timedelta(seconds=claims["exp"] - claims["iat"]) <= timedelta(minutes=10)
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(made, public, ["PS256"], audience="https://login.microsoftonline.com/fabrikam/oauth2/v2.0/token")  # type: ignore[arg-type]
