"""The errors of Entra ID: an OAuth ``error`` and an AADSTS number.

Numbers and their meaning: https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
The texts are our own short wording: an app must not react to them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

# number: (error, HTTP status at the token endpoint, text, suberror)
_KNOWN: dict[int, tuple[str, int, str, str | None]] = {
    16000: ("interaction_required", 400, "Either several accounts are signed in or the account is not known.", None),
    50011: ("invalid_request", 400, "The redirect URI in the request is not registered for the application.", None),
    50020: ("invalid_grant", 400, "The user account does not exist in the tenant and cannot use it.", None),
    50034: ("invalid_grant", 400, "The user account does not exist in the directory.", None),
    500341: ("invalid_grant", 400, "The user account has been deleted from the directory.", None),
    50057: ("invalid_grant", 400, "The user account is disabled.", None),
    50053: ("invalid_grant", 400, "The account is locked because of too many sign-in attempts.", None),
    50058: ("login_required", 400, "A silent sign-in was asked for but no user is signed in.", None),
    50059: ("invalid_request", 400, "No tenant-identifying information found in the request.", None),
    50076: ("interaction_required", 400, "Multi-factor authentication is required.", "basic_action"),
    50079: ("interaction_required", 400, "The user must enrol for multi-factor authentication.", "basic_action"),
    50105: ("invalid_grant", 400, "The signed in user is not assigned to a role for the application.", None),
    50199: ("interaction_required", 400, "For security reasons, user confirmation is required.", None),
    50173: ("invalid_grant", 400, "The grant has expired due to it being revoked.", "bad_token"),
    500011: ("invalid_resource", 400, "The resource principal was not found in the tenant.", None),
    50089: ("invalid_request", 400, "The flow token has expired.", None),
    500112: ("invalid_client", 401, "The reply address does not match the one of the authorization request.", None),
    500133: ("invalid_grant", 400, "The assertion is not within its valid time range.", None),
    500208: ("invalid_request", 400, "The domain is not a valid login domain for the account type.", None),
    501481: ("invalid_grant", 400, "The code_verifier does not match the code_challenge.", None),
    501491: ("invalid_request", 400, "The size of the code challenge or verifier is invalid.", None),
    53000: ("interaction_required", 400, "The device is not in the required state.", "message_only"),
    53003: ("invalid_grant", 400, "Access has been blocked by Conditional Access policies.", "message_only"),
    530032: ("invalid_grant", 400, "Blocked by the tenant's security policy.", "message_only"),
    530034: ("invalid_grant", 400, "A delegated administrator was blocked for suspicious activity.", "message_only"),
    530035: ("invalid_grant", 400, "Access has been blocked by security defaults.", "message_only"),
    530036: ("invalid_grant", 400, "The refresh token is invalid due to authentication flow checks.", "bad_token"),
    54005: ("invalid_grant", 400, "The authorization code was already redeemed.", None),
    65001: ("invalid_grant", 400, "Nobody has consented to use the application.", "consent_required"),
    65004: ("access_denied", 400, "User declined to consent to access the app.", None),
    650052: ("invalid_client", 401, "The organization has not enabled the service.", None),
    650053: ("invalid_client", 401, "The application asked for a scope that does not exist on the resource.", None),
    650057: ("invalid_resource", 400, "The resource is not listed in the application registration.", None),
    70000: ("invalid_grant", 400, "The provided grant is invalid or malformed.", None),
    70003: ("unsupported_grant_type", 400, "The app used an unsupported grant type.", None),
    700005: ("invalid_grant", 400, "The authorization code is intended to be used against another tenant.", None),
    70007: ("unsupported_response_mode", 400, "The response mode is not supported.", None),
    70008: ("invalid_grant", 400, "The authorization code or refresh token has expired.", None),
    700016: ("unauthorized_client", 400, "The application was not found in the directory.", None),
    700021: ("invalid_client", 401, "The client assertion's application identifier does not match 'client_id'.", None),
    700023: ("invalid_client", 401, "The client assertion's audience does not match the realm.", None),
    700024: ("invalid_client", 401, "The client assertion is not within its valid time range.", None),
    700027: ("invalid_client", 401, "The client assertion failed signature validation.", None),
    70043: ("invalid_grant", 400, "The refresh token is invalid due to sign-in frequency checks.", "token_expired"),
    70016: ("authorization_pending", 400, "OAuth 2.0 device flow error. Authorization is pending.", None),
    70018: ("bad_verification_code", 400, "The verification code is not valid.", None),
    70020: ("expired_token", 400, "The provided device code has expired.", None),
    700025: ("invalid_client", 401, "The client is public, so no client credential should be presented.", None),
    70021: ("invalid_client", 401, "No matching federated identity record found for the presented assertion.", None),
    700211: ("invalid_client", 401, "No matching federated identity record found for the assertion's issuer.", None),
    700212: ("invalid_client", 401, "No matching federated identity record found for the assertion's audience.", None),
    700213: ("invalid_client", 401, "No matching federated identity record found for the assertion's subject.", None),
    700054: ("unsupported_response_type", 400, "The response type is not enabled for the application.", None),
    700082: ("invalid_grant", 400, "The refresh token has expired due to inactivity.", None),
    7000112: ("unauthorized_client", 400, "The application is disabled.", None),
    70011: ("invalid_scope", 400, "The provided scope is not valid.", None),
    7000215: ("invalid_client", 401, "An invalid client secret was provided.", None),
    7000218: ("invalid_client", 401, "The request must contain 'client_assertion' or 'client_secret'.", None),
    7000222: ("invalid_client", 401, "The provided client secret keys are expired.", None),
    7000229: ("unauthorized_client", 400, "The application is missing its service principal in the tenant.", None),
    90002: ("invalid_tenant", 400, "The tenant was not found.", None),
    90014: ("invalid_request", 400, "A required field is missing from the credential.", None),
    90023: ("invalid_request", 400, "A parameter has an unsupported value.", None),
    90033: ("temporarily_unavailable", 503, "A transient error occurred. Please try again.", None),
    90055: ("temporarily_unavailable", 429, "There are too many requests from the tenant.", None),
    90094: ("access_denied", 400, "The grant requires admin permission.", None),
    900144: ("invalid_request", 400, "The request must contain a parameter that is missing.", None),
    9002313: ("invalid_request", 400, "The request is malformed or invalid.", None),
    9002332: ("invalid_request", 400, "The application is for work accounts only: do not use /consumers.", None),
}


@dataclass(eq=False)
class Refusal(Exception):
    """A refusal by Entra: becomes error JSON, an error page, or parameters of a redirect.

    ``error`` and ``suberror`` are taken from the number where they are not given; ``claims`` is the
    JSON text of a claims challenge.
    """

    number: int
    detail: str = ""
    error: str = ""
    suberror: str | None = None
    claims: str | None = None
    status: int = 0
    trace_id: str = field(default_factory=lambda: str(uuid4()))

    def __post_init__(self) -> None:
        """Fill in what the number implies."""
        error, status, text, suberror = _KNOWN.get(
            self.number, ("invalid_grant", 400, "The request was refused.", None)
        )
        self.suberror = self.suberror if self.suberror is not None or self.error else suberror
        self.error = self.error or error
        self.status = self.status or (401 if self.error == "invalid_client" else status)
        self.text = f"{text} {self.detail}".strip()
        super().__init__(f"AADSTS{self.number}: {self.text}")

    def described(self, now: datetime, correlation_id: str) -> str:
        """Answer the ``error_description`` as Entra writes it, identifiers and time included."""
        return (
            f"AADSTS{self.number}: {self.text} Trace ID: {self.trace_id} "
            f"Correlation ID: {correlation_id} Timestamp: {stamp(now)}"
        )

    def as_json(self, now: datetime, correlation_id: str, base: str) -> dict[str, object]:
        """Answer the error JSON of the token endpoint (RFC 6749 section 5.2 with Entra's extensions)."""
        body: dict[str, object] = {
            "error": self.error,
            "error_description": self.described(now, correlation_id),
            "error_codes": [self.number],
            "timestamp": stamp(now),
            "trace_id": self.trace_id,
            "correlation_id": correlation_id,
            "error_uri": f"{base}/error?code={self.number}",
        }
        if self.suberror:
            body["suberror"] = self.suberror
        if self.claims:
            body["claims"] = self.claims
        return body

    def as_redirect(self, now: datetime, correlation_id: str, base: str) -> dict[str, str]:
        """Answer the parameters that go back to the client (RFC 6749 section 4.1.2.1)."""
        return {
            "error": self.error,
            "error_description": self.described(now, correlation_id),
            "error_uri": f"{base}/error?code={self.number}",
        }


def stamp(now: datetime) -> str:
    """Answer the time as Entra prints it: ``2026-11-23 18:19:30Z``."""
    return now.strftime("%Y-%m-%d %H:%M:%SZ")
