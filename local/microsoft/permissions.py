"""Delegated permissions: what a scope means, how it is written, and who may consent to it.

Graph's permissions are kept by short name (``Mail.Send``). SMTP.Send is one permission: it is consented
as Graph's and redeemed as ``https://outlook.office.com/SMTP.Send``
(https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from .refusals import Refusal

GRAPH = "https://graph.microsoft.com"
OUTLOOK = "https://outlook.office.com"
OPENID = frozenset({"openid", "profile", "email", "offline_access"})


@dataclass(frozen=True)
class Permission:
    """A permission as the consent page shows it.

    ``admin`` is whether Microsoft's managed consent policy leaves it to administrators
    (https://learn.microsoft.com/entra/identity/enterprise-apps/manage-app-consent-policies).
    """

    name: str
    title: str
    explanation: str
    admin: bool = False


CATALOGUE = {
    permission.name: permission
    for permission in (
        Permission("openid", "Sign you in", "The app can see that it is you."),
        Permission("profile", "View your basic profile", "The app can see your name and picture."),
        Permission("email", "View your email address", "The app can see your primary address."),
        Permission(
            "offline_access",
            "Maintain access to data you have given it access to",
            "The app keeps this access while you are not using it.",
        ),
        Permission("User.Read", "Sign you in and read your profile", "The app can read your profile."),
        Permission("Mail.Send", "Send mail as you", "The app can send mail in your name."),
        Permission("SMTP.Send", "Send emails from your mailbox using SMTP AUTH", "The app can send mail in your name."),
        Permission(
            "Mail.ReadWrite", "Read and write access to your mail", "The app can read and change mail.", admin=True
        ),
        Permission("Mail.Read", "Read your mail", "The app can read your mail.", admin=True),
    )
}
_OUTLOOK_NAMES = frozenset({"SMTP.Send"})


@dataclass(frozen=True)
class Scopes:
    """What a request's ``scope`` asks for.

    ``names`` are permissions by short name; ``resources`` are the resources in the order asked, without
    the OpenID scopes; ``static`` is whether ``.default`` was asked for.
    """

    names: frozenset[str]
    resources: tuple[str, ...]
    static: bool

    @property
    def resource(self) -> str:
        """The resource a token is for: that of the first scope, Graph if there is none."""
        return self.resources[0] if self.resources else GRAPH

    def of_first_resource(self) -> frozenset[str]:
        """Answer what must be granted for a token: the OpenID scopes and the first resource's."""
        return frozenset(name for name in self.names if name in OPENID or belongs(name, self.resource))


def belongs(name: str, resource: str) -> bool:
    """Tell whether ``resource`` has the permission (not an OpenID scope)."""
    return name in _OUTLOOK_NAMES if resource == OUTLOOK else name not in OPENID


def parse(text: str, registered: Iterable[str]) -> Scopes:
    """Read a space-separated scope list; ``.default`` stands for the ``registered`` permissions.

    Raises:
        Refusal: 70011 for nothing, 500011 for an unknown resource, 650053 for an unknown permission.
    """
    names: set[str] = set()
    resources: list[str] = []
    static = False
    words = text.split()
    if not words:
        raise Refusal(70011, "The scope is empty.")
    for word in words:
        if word in OPENID:
            names.add(word)
            continue
        resource, _, name = word.rpartition("/")
        resource = resource.rstrip("/") or GRAPH
        if resource not in (GRAPH, OUTLOOK):
            raise Refusal(500011, f"The resource principal named {resource} was not found.")
        if name == ".default":
            static = True
            # Consent to everything that is registered, for all resources (scopes-oidc, "The .default scope").
            names.update(registered)
        elif name in CATALOGUE and belongs(name, resource):
            names.add(name)
        else:
            raise Refusal(650053, f"Scope '{name}' does not exist on the resource '{resource}'.")
        if resource not in resources:
            resources.append(resource)
    if static and len([word for word in words if word not in OPENID]) > len(resources):
        raise Refusal(70011, "'.default' can't be combined with resource-specific scopes.")
    return Scopes(frozenset(names), tuple(resources), static)


def written(granted: Iterable[str], resource: str) -> str:
    """Answer the ``scope`` of a token response: full URLs, and for Graph the OpenID scopes in front."""
    granted = sorted(granted)
    openid = [name for name in granted if name in OPENID - {"offline_access"}] if resource == GRAPH else []
    return " ".join([*openid, *(f"{resource}/{name}" for name in granted if belongs(name, resource))])
