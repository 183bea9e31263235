"""A validated request that a person is answering, and the rules of what it still takes."""

import secrets
from dataclasses import dataclass, field

from .cloud import Cloud
from .directory import CONSENTING_ROLES, PERSONAL_TENANT, Account
from .permissions import CATALOGUE, Scopes
from .records import Application, Authority
from .refusals import Refusal
from .tokens import login_hint


@dataclass
class Interaction:
    """One validated request and how far the person has come; ``account`` is the signed-in account's key."""

    authority: Authority
    application: Application
    redirect_uri: str
    state: str | None
    scopes: Scopes
    scope: str
    base: str
    correlation_id: str
    for_organization: bool = False
    response_mode: str = "query"
    prompt: str = ""
    login_hint: str = ""
    nonce: str | None = None
    challenge: str | None = None
    challenge_method: str | None = None
    account: str | None = None
    accepted: bool = False
    refusal: Refusal | None = None
    device_code: str | None = None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))


def chosen(cloud: Cloud, interaction: Interaction, session: str | None) -> str | None:
    """Answer the account that needs no asking for, None if somebody must be asked."""
    signed_in = cloud.session(session)
    hint = interaction.login_hint.lower()
    if interaction.prompt in ("login", "select_account"):
        return None
    if hint:
        hinted = [
            account.key for account in signed_in if hint in account.addresses or hint == login_hint(account).lower()
        ]
        if not hinted and interaction.prompt == "none":
            raise Refusal(50058)
        return hinted[0] if hinted else None
    if interaction.prompt == "none":
        if not signed_in:
            raise Refusal(50058)
        if len(signed_in) > 1:
            raise Refusal(16000)
    # Admin consent lets the administrator pick even where one account is signed in.
    return signed_in[0].key if len(signed_in) == 1 and not interaction.for_organization else None


def missing_permissions(cloud: Cloud, interaction: Interaction, account: Account) -> frozenset[str]:
    """Answer the permissions that the person has to be asked for, by short name."""
    if interaction.accepted:
        return frozenset()
    if interaction.for_organization or interaction.prompt == "consent":
        return interaction.scopes.names
    return interaction.scopes.names - cloud.granted(account, interaction.application.client_id)


def require_consent_allowed(cloud: Cloud, interaction: Interaction, account: Account, missing: frozenset[str]) -> None:
    """Check that the account may grant what is missing.

    Raises:
        Refusal: 90094 if only an administrator may, 50020 for a personal account at admin consent.
    """
    if not missing or CONSENTING_ROLES.intersection(account.roles):
        return
    if account.tid == PERSONAL_TENANT:
        if interaction.for_organization:
            raise Refusal(50020, "A personal account cannot consent for an organization.")
        return
    disabled = cloud.tenant(account.tid).user_consent == "disabled"
    needs_admin = [name for name in missing if CATALOGUE[name].admin]
    granted = cloud.granted(account, interaction.application.client_id)
    if interaction.for_organization or disabled or not granted.issuperset(needs_admin):
        raise Refusal(
            90094,
            f"{interaction.application.name} needs permission to access resources in your organization that "
            "only an admin can grant.",
        )
