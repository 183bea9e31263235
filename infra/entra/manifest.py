"""What the app registrations must be, and how a registration deviates from it.

Sources: Microsoft Graph v1.0, "application resource type" and "federatedIdentityCredential resource type"; Microsoft,
"Microsoft Graph permissions reference" (ids of permissions); Microsoft, "Configure an application to trust a managed
identity".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GRAPH = "00000003-0000-0000-c000-000000000000"
"""appId of Microsoft Graph. SMTP.Send is registered as Graph's and redeemed at outlook.office.com."""
PERMISSIONS = {
    "openid": "37f7f235-527c-4136-accd-4a02d197296e",
    "profile": "14dad69e-099b-42c9-810b-d002981feec1",
    "offline_access": "7427e0e9-2fba-42fe-b0c0-848c9e6a8182",
    "User.Read": "e1fe6dd8-ba31-4d61-89e7-88639da4683d",
    "Mail.Send": "e383f46e-2787-4529-855e-0e479a3ffac0",
    "Mail.ReadWrite": "024d486e-b451-40bb-833d-3e66d98c5c73",
    "SMTP.Send": "258f6531-6087-4cc4-bb90-092c5fb3ed3f",
}
"""Delegated permissions of Microsoft Graph, by name."""
MAIN_PERMISSIONS = frozenset(PERMISSIONS)
"""Every range's: admin consent asks for a range's own, but can grant only what is registered."""
MAILBOX_PERMISSIONS = frozenset({"openid", "profile", "offline_access", "User.Read", "Mail.Send", "SMTP.Send"})
CALLBACKS = ("/auth/callback", "/consent/callback", "/auth/signed-out")
"""Where Microsoft may lead back: with the answer to a sign-in, to a consent, and after a sign-out at a panel."""
MAILBOX_CALLBACK = "/auth/mailbox"
"""Of the sign-in to Outlook.com by a link: authorization code and PKCE, as a public client."""
EXCHANGE = "api://AzureADTokenExchange"
CREDENTIAL_NAME = "to-my-email-managed-identity"
APP_ROLES = {
    "ToMyEmail.Admin": ("4c1c8f0e-6f0b-4b0e-9d57-2a4d0c3f5b01", "May use the console of To My Email."),
    "ToMyEmail.Reader": ("4c1c8f0e-6f0b-4b0e-9d57-2a4d0c3f5b02", "May look at the console of To My Email."),
}
"""Roles for people who are no administrators of the directory; ``shared/administrators`` reads them."""
NATIVE_CLIENT = "https://login.microsoftonline.com/common/oauth2/nativeclient"


@dataclass(frozen=True)
class Wanted:
    """What one installation needs of the main registration.

    Args:
        public_url: origin of the service, without a slash at its end; empty while it is not known.
        tenant: id of the home tenant, in which registration and identity are.
        identity: object (principal) id of the managed identity, as Azure spells it; empty while there is none.
        multi_tenant: other organisations may consent, too.
    """

    public_url: str
    tenant: str
    identity: str
    multi_tenant: bool = False


def main(wanted: Wanted) -> dict[str, Any]:
    """Return the main registration: a confidential web application, its identity proven by federation alone."""
    return {
        "displayName": "To My Email",
        "signInAudience": "AzureADMultipleOrgs" if wanted.multi_tenant else "AzureADMyOrg",
        "isFallbackPublicClient": False,
        # Roles come into ID tokens as `wids` by this alone: who consents must show that he is an administrator.
        "groupMembershipClaims": "DirectoryRole",
        # The console asks for a fresh sign-in before what cannot be undone, and believes it by `auth_time` alone.
        # `login_hint` spares a person at a panel the question which account to sign out.
        "optionalClaims": {"idToken": [{"name": name, "essential": False} for name in ("auth_time", "login_hint")]},
        "appRoles": _app_roles(),
        "web": {
            "redirectUris": [wanted.public_url + path for path in CALLBACKS] if wanted.public_url else [],
            "implicitGrantSettings": {"enableAccessTokenIssuance": False, "enableIdTokenIssuance": False},
        },
        "publicClient": {"redirectUris": []},
        "spa": {"redirectUris": []},
        "requiredResourceAccess": _required(MAIN_PERMISSIONS),
    }


def mailbox(public_url: str) -> dict[str, Any]:
    """Return the registration of printers' own mailboxes: a public client, for the device code flow and the link.

    ``public_url`` is the service's origin; empty while it is not known. It is a registration of its own because anybody
    can start a device code with a public client: on the main one a stranger's code would ride on the consent that an
    organisation gave (architecture.md, "Identity rules").
    """
    return {
        "displayName": "To My Email: printer mailboxes",
        "signInAudience": "AzureADandPersonalMicrosoftAccount",
        "isFallbackPublicClient": True,
        "groupMembershipClaims": None,
        "web": {
            "redirectUris": [],
            "implicitGrantSettings": {"enableAccessTokenIssuance": False, "enableIdTokenIssuance": False},
        },
        # The device code flow redirects nobody; Entra wants one address for personal accounts all the same. The other
        # one is where personal accounts come back to that sign in by a link.
        "publicClient": {"redirectUris": [NATIVE_CLIENT, *([public_url + MAILBOX_CALLBACK] if public_url else [])]},
        "spa": {"redirectUris": []},
        "requiredResourceAccess": _required(MAILBOX_PERMISSIONS),
        # Personal accounts need tokens of version 2.
        "api": {"requestedAccessTokenVersion": 2},
    }


def _app_roles() -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "value": value,
            "displayName": value,
            "description": told,
            "allowedMemberTypes": ["User"],
            "isEnabled": True,
        }
        for value, (number, told) in APP_ROLES.items()
    ]


def federated(wanted: Wanted) -> dict[str, Any]:
    """Return the one federated credential of the main registration."""
    return {
        "name": CREDENTIAL_NAME,
        "issuer": f"https://login.microsoftonline.com/{wanted.tenant}/v2.0",
        "subject": wanted.identity,
        "audiences": [EXCHANGE],
        "description": "The managed identity of the function app. No secret exists.",
    }


def main_deviations(
    found: Mapping[str, Any], credentials: Sequence[Mapping[str, Any]], wanted: Wanted
) -> Iterator[str]:
    """Yield how the main registration, as Graph gives it, deviates; ``credentials`` are its federated ones."""
    yield from _deviations(found, main(wanted))
    yield from _secrets(found)
    if wanted.multi_tenant and not (found.get("verifiedPublisher") or {}).get("verifiedPublisherId"):
        yield "verifiedPublisher: none, and other organisations' people are warned of an unverified application"
    ours = federated(wanted)
    matching = [
        one for one in credentials if all(one.get(name) == ours[name] for name in ("issuer", "subject", "audiences"))
    ]
    if not matching:
        whose = f"identity {wanted.identity} of tenant {wanted.tenant}"
        yield f"federatedIdentityCredentials: none for {whose} (compared letter by letter)"
    for other in credentials:
        if other not in matching:
            yield f"federatedIdentityCredentials: {other.get('name')} lets somebody else prove to be the app"


def mailbox_deviations(
    found: Mapping[str, Any], credentials: Sequence[Mapping[str, Any]], public_url: str
) -> Iterator[str]:
    """Yield how the mailbox registration deviates."""
    yield from _deviations(found, mailbox(public_url))
    yield from _secrets(found)
    for other in credentials:
        yield f"federatedIdentityCredentials: {other.get('name')} on a public client"


def _deviations(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name, value in wanted.items():
        if name == "displayName":
            continue  # people may call it what they like
        if name == "requiredResourceAccess":
            yield from _permissions(found.get(name) or [], value)
        elif name in {"optionalClaims", "appRoles"}:
            yield from _listed(name, _named(found.get(name)), _named(value))
        elif isinstance(value, Mapping):
            yield from _nested(name, found.get(name) or {}, value)
        elif _plain(found.get(name)) != _plain(value):
            yield f"{name}: {found.get(name)!r} in place of {value!r}"
    for unknown in ("appRoles", "identifierUris"):
        if found.get(unknown) and unknown not in wanted:
            yield f"{unknown}: there should be none"
    if (found.get("api") or {}).get("oauth2PermissionScopes"):
        yield "api.oauth2PermissionScopes: there should be none"


def _nested(name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for key, value in wanted.items():
        place, there = f"{name}.{key}", found.get(key)
        if isinstance(value, Mapping):
            yield from _nested(place, there or {}, value)
        elif isinstance(value, list):
            yield from _listed(place, there or [], value)
        elif _plain(there) != _plain(value):
            yield f"{place}: {there!r} in place of {value!r}"


def _named(listed: Any) -> list[str]:
    """Return the names of optional claims in ID tokens, or the values of the app roles that are enabled."""
    if isinstance(listed, Mapping):
        return [str(one["name"]) for one in listed.get("idToken") or []]
    return [str(role.get("value")) for role in listed or [] if role.get("isEnabled", True)]


def _listed(place: str, found: Sequence[str], wanted: Sequence[str]) -> Iterator[str]:
    for missing in sorted(set(wanted) - set(found)):
        yield f"{place}: {missing} is missing"
    for extra in sorted(set(found) - set(wanted)):
        yield f"{place}: {extra} should not be there"


def _permissions(found: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = {(GRAPH, "Scope", number): name for name, number in PERMISSIONS.items()}
    there, asked = _flat(found), _flat(wanted)
    for missing in sorted(asked - there):
        yield f"requiredResourceAccess: {names[missing]} is missing"
    for extra in sorted(there - asked):
        resource, kind, number = extra
        known = names.get(extra, f"{number} of {resource}")
        application = ", an application permission: it would work without any person" if kind == "Role" else ""
        yield f"requiredResourceAccess: {known} should not be there{application}"


def _secrets(found: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("passwordCredentials", "keyCredentials"):
        for one in found.get(kind) or []:
            yield f"{kind}: {one.get('keyId')}, until {one.get('endDateTime')}; the app needs none"


def _flat(access: Sequence[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    return {
        (str(resource["resourceAppId"]), str(one["type"]), str(one["id"]))
        for resource in access
        for one in resource["resourceAccess"]
    }


def _required(names: frozenset[str]) -> list[dict[str, Any]]:
    access = [{"id": PERMISSIONS[name], "type": "Scope"} for name in sorted(names)]
    return [{"resourceAppId": GRAPH, "resourceAccess": access}]


def _plain(value: Any) -> Any:
    # Graph leaves out, or gives null for, what was never set.
    return value if value not in (None, False, []) else None
