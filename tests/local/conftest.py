"""A running emulated Microsoft cloud with the app registered, and people with browsers."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from local import tls
from local.microsoft.cloud import Cloud
from local.microsoft.keys import KeyRing
from local.microsoft.person import Person
from local.microsoft.records import Application
from local.microsoft.server import running
from local.microsoft.switchboard import Switchboard

CLIENT_ID = "7a1c9b52-4e0d-4c35-9c52-0d5f3c8e2b61"
SECRET = "a secret of these tests"
CALLBACK = "http://127.0.0.1:7071/auth/callback"
CONSENT_CALLBACK = "http://127.0.0.1:7071/consent/callback"
CONTOSO = "11111111-1111-4111-8111-111111111111"
FABRIKAM = "22222222-2222-4222-8222-222222222222"
GRAPH = "https://graph.microsoft.com"
MAIL_SEND = f"{GRAPH}/Mail.Send"
USER_READ = f"{GRAPH}/User.Read"
SMTP_SEND = "https://outlook.office.com/SMTP.Send"
# What MSAL adds to every request of its own.
RESERVED = ("openid", "profile", "offline_access")


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        """Answer the time."""
        return self.now

    def advance(self, **amount: float) -> None:
        """Let time pass."""
        self.now += timedelta(**amount)


@dataclass(repr=False)
class Microsoft:
    """The running cloud as tests use it: over the wire, and its switches in process."""

    cloud: Cloud
    switchboard: Switchboard
    base: str
    tls: tls.Tls
    clock: Clock
    certificate: "AppCertificate"
    session: requests.Session

    def person(self) -> Person:
        """Answer somebody with a fresh browser."""
        return Person(self.tls.ca_file, (CALLBACK, CONSENT_CALLBACK))

    def app(self, tenant: str = CONTOSO, credential: Any = SECRET) -> Any:
        """Answer unchanged MSAL for an authority."""
        return msal.ConfidentialClientApplication(  # type: ignore[attr-defined, no-untyped-call]
            CLIENT_ID, client_credential=credential, authority=f"{self.base}/{tenant}", instance_discovery=False
        )

    def sign_in(
        self, account: str, tenant: str = CONTOSO, scopes: tuple[str, ...] = (MAIL_SEND, USER_READ)
    ) -> dict[str, Any]:
        """Sign somebody in through MSAL and answer the token response; consent must have been given."""
        app = self.app(tenant)
        flow = app.initiate_auth_code_flow(list(scopes), CALLBACK, response_mode="form_post")
        with self.person() as person:
            assert person.open(flow["auth_uri"]) is None
            answer = person.sign_in(account)
        assert answer is not None
        return dict(app.acquire_token_by_auth_code_flow(flow, answer.parameters))

    def consented(self, *names: str, tenant: str = CONTOSO) -> None:
        """Give a tenant's consent, in process."""
        self.cloud.grant(tenant, CLIENT_ID, (*RESERVED, *names))

    def authorize(self, tenant: str = CONTOSO, **parameters: str) -> str:
        """Write an authorization request without PKCE."""
        asked = {
            "client_id": CLIENT_ID,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": f"openid profile offline_access {MAIL_SEND} {USER_READ}",
            "state": "the state",
        } | parameters
        return f"{self.base}/{tenant}/oauth2/v2.0/authorize?{urlencode(asked)}"

    def token(self, tenant: str = CONTOSO, **form: str) -> requests.Response:
        """Ask the token endpoint, with the client's secret unless the form says otherwise."""
        asked = {"client_id": CLIENT_ID, "client_secret": SECRET} | form
        return self.post(f"/{tenant}/oauth2/v2.0/token", data={name: value for name, value in asked.items() if value})

    def refresh(self, refresh_token: str, tenant: str = CONTOSO, **form: str) -> requests.Response:
        """Redeem a refresh token for Graph."""
        asked = {"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": MAIL_SEND} | form
        return self.token(tenant, **asked)

    def get(self, path: str, **given: Any) -> requests.Response:
        """GET with a time limit."""
        return self.session.get(self.base + path, **({"timeout": 20} | given))

    def post(self, path: str, **given: Any) -> requests.Response:
        """POST with a time limit, which a test may shorten."""
        return self.session.post(self.base + path, **({"timeout": 20} | given))

    def delete(self, path: str) -> requests.Response:
        """DELETE with a time limit."""
        return self.session.delete(self.base + path, timeout=20)

    def send(self, token: str, message: dict[str, Any], **given: Any) -> requests.Response:
        """Send a message as JSON."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.post("/v1.0/me/sendMail", json={"message": message}, headers=headers, **given)


@dataclass(frozen=True)
class AppCertificate:
    """The app's key and certificate, as PEM, and what MSAL wants of them."""

    private_key: str
    certificate: str

    @classmethod
    def generate(cls) -> "AppCertificate":
        """Make one that is valid for a day."""
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(pem.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode())

    @property
    def credential(self) -> dict[str, str]:
        """MSAL's form of a certificate: it then signs with PS256 and names it by x5t#S256."""
        return {"private_key": self.private_key, "public_certificate": self.certificate}

    def assertion(self, **claims: Any) -> str:
        """Sign an assertion by hand; claims may be replaced to make it wrong."""
        now = int(datetime.now(UTC).timestamp())
        body = {"iss": CLIENT_ID, "sub": CLIENT_ID, "jti": "x", "iat": now, "nbf": now, "exp": now + 600} | claims
        parsed = x509.load_pem_x509_certificate(self.certificate.encode())
        digest = hashlib.sha256(parsed.public_bytes(serialization.Encoding.DER)).digest()
        thumbprint = jwt.utils.base64url_encode(digest).decode()
        return jwt.encode(body, self.private_key, algorithm="PS256", headers={"x5t#S256": thumbprint})


@pytest.fixture(scope="session")
def machine_tls(tmp_path_factory: pytest.TempPathFactory) -> tls.Tls:
    """The certificate authority of this test run."""
    return tls.prepare(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def app_certificate() -> AppCertificate:
    """The app's certificate in this test run."""
    return AppCertificate.generate()


@pytest.fixture(scope="session")
def make_keys() -> Callable[[], KeyRing]:
    """Key rings with the same keys: making RSA keys anew for every test would only cost time."""
    first = KeyRing()
    return lambda: KeyRing(first.work, first.personal)


@pytest.fixture
def microsoft(
    machine_tls: tls.Tls,
    app_certificate: AppCertificate,
    make_keys: Callable[[], KeyRing],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Microsoft]:
    """An emulated Microsoft cloud that serves for the time of one test."""
    # Our authority alone: reading certifi's hundred into every new TLS context takes most of a test's time.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(machine_tls.ca_file))
    clock = Clock()
    application = Application(
        client_id=CLIENT_ID,
        redirect_uris=(CALLBACK, CONSENT_CALLBACK),
        client_secrets=(SECRET,),
        certificates=(app_certificate.certificate,),
    )
    cloud = Cloud([application], clock=clock, keys=make_keys())
    switchboard = Switchboard(cloud)
    with running(cloud, machine_tls, switchboard=switchboard) as base, requests.Session() as session:
        session.trust_env = False
        session.verify = str(machine_tls.ca_file)
        yield Microsoft(cloud, switchboard, base, machine_tls, clock, app_certificate, session)
