"""What the token endpoint issues: ID tokens, access tokens, and the response around them."""

import base64
import hashlib
import json
import secrets
import uuid
from datetime import datetime, timedelta

import jwt

from .cloud import Cloud
from .directory import ORDINARY_MEMBER, PERSONAL_TENANT, Account
from .permissions import GRAPH, OPENID, Scopes, belongs, written
from .records import AccessToken, Application
from .refusals import Refusal

ID_TOKEN_LIFETIME = timedelta(hours=1)
# Entra draws a lifetime between 60 and 90 minutes
# (https://learn.microsoft.com/entra/identity-platform/configurable-token-lifetimes).
_SHORTEST, _SPREAD = 3600, 1800


def response(
    cloud: Cloud,
    application: Application,
    account: Account,
    scopes: Scopes,
    base: str,
    *,
    nonce: str | None = None,
    session: str = "",
    authenticated: datetime | None = None,
    client_info: bool = False,
) -> dict[str, object]:
    """Issue for an account and answer the token response, without a refresh token.

    Raises:
        Refusal: 65001 (70000 for personal accounts) if a wanted permission is not granted.
    """
    granted = cloud.granted(account, application.client_id)
    wanted = scopes.of_first_resource() if not scopes.static else frozenset()
    if (wanted - granted) or not granted:
        if account.tid == PERSONAL_TENANT:
            raise Refusal(70000, "The user or administrator has not consented to use the application.")
        raise Refusal(
            65001,
            f"The user or administrator has not consented to use the application with ID "
            f"'{application.client_id}' named '{application.name}'. Send an interactive authorization request.",
        )
    lifetime = _SHORTEST + secrets.randbelow(_SPREAD)
    token = access_token(cloud, application, account, scopes.resource, granted=granted, lifetime=lifetime)
    body: dict[str, object] = {
        "token_type": "Bearer",
        "scope": written(granted, scopes.resource),
        "expires_in": lifetime,
        "ext_expires_in": lifetime,
        "access_token": token,
    }
    if "openid" in scopes.names:
        body["id_token"] = id_token(
            cloud, application, account, scopes, base, nonce=nonce, session=session, authenticated=authenticated
        )
    if client_info:
        home = home_of(cloud, account)
        body["client_info"] = _base64url(json.dumps({"uid": home.oid, "utid": home.tid}).encode())
    return body


def id_token(
    cloud: Cloud,
    application: Application,
    account: Account,
    scopes: Scopes,
    base: str,
    *,
    nonce: str | None,
    session: str,
    authenticated: datetime | None = None,
) -> str:
    """Issue an ID token (https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference)."""
    now = int(cloud.clock().timestamp())
    home = home_of(cloud, account)
    claims: dict[str, object] = {
        "ver": "2.0",
        "iss": f"{base}/{account.tid}/v2.0",
        "aud": application.client_id,
        "iat": now,
        "nbf": now,
        "exp": now + int(ID_TOKEN_LIFETIME.total_seconds()),
        "sub": _pairwise(account, application.client_id),
        "uti": secrets.token_urlsafe(16),
    }
    if session:
        claims["sid"] = session
    if nonce is not None:
        claims["nonce"] = nonce
    if "profile" in scopes.names:
        claims |= {
            "tid": account.tid,
            "oid": account.oid,
            "name": account.name,
            "preferred_username": home.upn,
            "login_hint": login_hint(home),
        }
    if account.mail and ("email" in scopes.names or account.home):
        claims["email"] = account.mail
    if account.tid != PERSONAL_TENANT:
        claims["acct"] = 1 if account.home else 0
        if application.roles_in_tokens:
            member = () if account.home else (ORDINARY_MEMBER,)
            claims["wids"] = [*account.roles, *member]
        if account.app_roles:
            claims["roles"] = list(account.app_roles)
    if authenticated is not None:
        # An optional claim, which the registration asks for.
        claims["auth_time"] = int(authenticated.timestamp())
    if account.home:
        claims["idp"] = f"https://sts.windows.net/{home.tid}/"
    return _signed(cloud, account.tid, claims)


def access_token(
    cloud: Cloud,
    application: Application,
    account: Account | None,
    resource: str,
    *,
    granted: frozenset[str] = frozenset(),
    lifetime: int = _SHORTEST,
    tid: str | None = None,
) -> str:
    """Issue an access token of ``lifetime`` seconds; ``account`` None with a ``tid`` is an app-only one.

    Work accounts get a JWT, personal ones an opaque string: apps must read neither.
    """
    tenant = account.tid if account else (tid or "")
    scopes = frozenset(name for name in granted if name not in OPENID and belongs(name, resource))
    now = cloud.clock()
    if tenant == PERSONAL_TENANT:
        value = f"EwB{secrets.token_urlsafe(600)}"
    else:
        claims: dict[str, object] = {
            "aud": resource,
            "iss": f"https://sts.windows.net/{tenant}/",
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int(now.timestamp()) + lifetime,
            "appid": application.client_id,
            "app_displayname": application.name,
            "tid": tenant,
            "ver": "1.0",
            "uti": secrets.token_urlsafe(16),
        }
        if account:
            claims |= {
                "idtyp": "user",
                "oid": account.oid,
                "name": account.name,
                "upn": account.upn,
                "scp": " ".join(sorted(scopes)),
                "sub": _pairwise(account, resource),
            }
        else:
            # The service principal in the tenant; storage writes it into the keys that it gives out.
            principal = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{tenant}/{application.client_id}"))
            claims |= {"idtyp": "app", "roles": [], "oid": principal, "sub": principal}
        value = _signed(cloud, tenant, claims)
    expires = now + timedelta(seconds=lifetime)
    key = account.key if account else None
    cloud.keep_access_token(AccessToken(value, application.client_id, key, tenant, resource, scopes, expires))
    return value


def app_only(cloud: Cloud, application: Application, tid: str) -> dict[str, object]:
    """Issue an app-only token for Graph and answer the response (client credentials grant).

    Raises:
        Refusal: 7000229 where the application has no service principal.
    """
    with cloud.lock:
        present = (tid, application.client_id) in cloud.state.principals
    if not present:
        raise Refusal(7000229, f"The client application {application.client_id} is missing in the tenant {tid}.")
    token = access_token(cloud, application, None, GRAPH, lifetime=_SHORTEST - 1, tid=tid)
    return {"token_type": "Bearer", "expires_in": _SHORTEST - 1, "ext_expires_in": _SHORTEST - 1, "access_token": token}


def exchange_token(cloud: Cloud, principal: str, tid: str, audience: str, base: str, *, lifetime: int) -> str:
    """Issue a managed identity's token for token exchange; its subject is the identity's object id.

    https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
    """
    now = int(cloud.clock().timestamp())
    claims: dict[str, object] = {
        "ver": "2.0",
        "iss": f"{base}/{tid}/v2.0",
        "aud": audience,
        "sub": principal,
        "oid": principal,
        "tid": tid,
        "idtyp": "app",
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
        "uti": secrets.token_urlsafe(16),
    }
    return _signed(cloud, tid, claims)


def login_hint(account: Account) -> str:
    """Answer the opaque ``login_hint`` claim, which finds the account's session again."""
    return f"O.{_base64url(account.key.encode())}"


def home_of(cloud: Cloud, account: Account) -> Account:
    """Answer the account somebody signs in with: another one only for guests."""
    return cloud.account(account.home) if account.home else account


def _signed(cloud: Cloud, tid: str, claims: dict[str, object]) -> str:
    with cloud.lock:
        key = cloud.keys.signer(tid)
    return jwt.encode(claims, key.private, algorithm="RS256", headers={"kid": key.kid})


def _pairwise(account: Account, client: str) -> str:
    """A subject that differs per client (OpenID Connect Core section 8.1)."""
    return _base64url(hashlib.sha256(f"{account.tid}/{account.oid}/{client}".encode()).digest())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
