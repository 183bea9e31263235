"""The records that the emulated cloud keeps: app registrations, grants, codes, tokens."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from .directory import Account, Tenant, accounts, tenants
from .permissions import CATALOGUE


@dataclass(frozen=True)
class FederatedCredential:
    """A federated identity credential: whose token stands for the app's own proof.

    https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity:
    all three are compared letter by letter.
    """

    issuer: str
    subject: str
    audience: str = "api://AzureADTokenExchange"


@dataclass(frozen=True)
class Application:
    """An app registration.

    ``certificates`` are PEM texts, ``audience`` is the manifest's ``signInAudience``, ``permissions``
    the statically registered ones, ``roles_in_tokens`` is ``groupMembershipClaims: DirectoryRole``,
    ``federated`` whose tokens are taken for a proof, ``public`` is "Allow public client flows": it proves nothing.
    """

    client_id: str
    redirect_uris: tuple[str, ...]
    name: str = "To My Email"
    certificates: tuple[str, ...] = ()
    client_secrets: tuple[str, ...] = ()
    federated: tuple[FederatedCredential, ...] = ()
    audience: str = "AzureADMultipleOrgs"
    permissions: tuple[str, ...] = tuple(CATALOGUE)
    roles_in_tokens: bool = True
    public: bool = False


@dataclass(frozen=True)
class Authority:
    """The first path segment of an endpoint: an alias, or a tenant (then ``tid`` is set)."""

    alias: str
    tid: str | None


@dataclass
class Grant:
    """An oAuth2PermissionGrant: ``principal`` None is consentType AllPrincipals, else a user's oid."""

    tid: str
    client_id: str
    principal: str | None
    scopes: frozenset[str]


@dataclass
class Code:
    """An authorization code and what it is bound to; ``account`` is the key of the signed-in account."""

    value: str
    client_id: str
    account: str
    authority: Authority
    redirect_uri: str
    scope: str
    nonce: str | None
    challenge: str | None
    challenge_method: str | None
    issued: datetime
    session: str
    authenticated: datetime | None = None
    """When somebody typed the account's password in this browser session."""
    redeemed: bool = False


@dataclass
class DeviceCode:
    """A device code (RFC 8628): ``account`` is the key of who signed in, ``refusal`` the AADSTS number of why not.

    ``unchecked`` lets an account redeem it that Entra would not: to see whether the app looks for itself.
    """

    value: str
    user_code: str
    client_id: str
    authority: Authority
    scope: str
    issued: datetime
    lifetime: int
    interval: int
    polled: datetime | None = None
    account: str | None = None
    refusal: int | None = None
    redeemed: bool = False
    unchecked: bool = False


@dataclass
class RefreshToken:
    """A refresh token: bound to account and client, not to a resource or tenant.

    ``by_device_code`` follows it through every renewal (Conditional Access, "protocol tracking").
    """

    value: str
    client_id: str
    account: str
    family: str
    generation: int
    issued: datetime
    used: datetime
    revoked: bool = False
    by_device_code: bool = False


@dataclass
class AccessToken:
    """What an issued access token stands for; ``account`` is None for an app-only one."""

    value: str
    client_id: str
    account: str | None
    tid: str
    resource: str
    scopes: frozenset[str]
    expires: datetime


class ManagedIdentities:
    """The user-assigned identities of the app; ``header`` is what IDENTITY_HEADER must be."""

    def __init__(self) -> None:
        self.header = secrets.token_hex(16)
        self._assigned: dict[str, str] = {}

    def assign(self, client_id: str, principal: str = "bbbbbbbb-0000-4000-8000-00000000000f") -> None:
        """Assign an identity to the app; ``principal`` is the object id of its service principal."""
        self._assigned[client_id] = principal

    def has(self, client_id: str | None) -> bool:
        """Tell whether an identity is assigned."""
        return client_id in self._assigned

    def principal(self, client_id: str) -> str:
        """Answer the object id of an assigned identity."""
        return self._assigned[client_id]


@dataclass
class State:
    """All that outlives a request."""

    tenants: dict[str, Tenant] = field(default_factory=tenants)
    accounts: dict[str, Account] = field(default_factory=accounts)
    grants: list[Grant] = field(default_factory=list)
    principals: set[tuple[str, str]] = field(default_factory=set)
    codes: dict[str, Code] = field(default_factory=dict)
    device_codes: dict[str, DeviceCode] = field(default_factory=dict)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict)
    access_tokens: dict[str, AccessToken] = field(default_factory=dict)
    sessions: dict[str, list[str]] = field(default_factory=dict)
    authenticated: dict[str, dict[str, datetime]] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
