"""The app registrations: made once, mended when run again, and every deviation is named."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.entra import manifest
from infra.entra.check import deviations
from infra.entra.graph import Applications, GraphError
from infra.entra.register import register_mailbox, register_main
from shared.identity.client_assertion import EXCHANGE
from shared.mailboxes.sign_in import RANGE
from shared.organisations import RANGES
from tests.infra import azure_cli

WANTED = manifest.Wanted(
    "https://scan.example.com", azure_cli.TENANT, "bbbbbbbb-0000-4000-8000-00000000000f", multi_tenant=False
)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the stand-in keeps its registrations."""
    monkeypatch.setenv("AZURE_CLI_STATE", str(tmp_path / "state.json"))
    return tmp_path / "state.json"


@pytest.fixture
def applications(state: Path) -> Applications:
    """App registrations behind a stand-in for the Azure CLI, in processes of its own."""
    return Applications([sys.executable, str(Path(azure_cli.__file__))])


def kept(state: Path) -> dict[str, Any]:
    """What the stand-in keeps."""
    read: dict[str, Any] = json.loads(state.read_text("utf-8"))
    return read


def without_journal(state: Path) -> dict[str, Any]:
    """The same, without what was asked."""
    return {name: value for name, value in kept(state).items() if name != "journal"}


def test_from_nothing_to_no_deviation(applications: Applications, state: Path) -> None:
    """As the hooks do it: a registration before there is an address, the rest once there is one; then the check."""
    client_id = register_main(applications, replace(WANTED, public_url="", identity=""), "")
    assert register_main(applications, WANTED, client_id) == client_id
    mailbox = register_mailbox(applications, "", "")
    assert any("/auth/mailbox is missing" in line for line in deviations(applications, client_id, WANTED, mailbox))
    assert register_mailbox(applications, WANTED.public_url, mailbox) == mailbox
    assert deviations(applications, client_id, WANTED, mailbox) == []
    assert kept(state)["principals"] == [client_id, mailbox]


def test_running_again_changes_nothing(applications: Applications, state: Path) -> None:
    """Every deployment runs it: nothing is made twice, and addresses stay when a run does not know them yet."""
    client_id = register_main(applications, WANTED, "")
    mailbox = register_mailbox(applications, WANTED.public_url, "")
    before = without_journal(state)
    register_main(applications, replace(WANTED, public_url="", identity=""), client_id)
    register_main(applications, WANTED, client_id)
    register_mailbox(applications, WANTED.public_url, mailbox)
    register_mailbox(applications, "", mailbox)
    assert without_journal(state) == before


def test_a_client_id_that_is_not_there_makes_nothing(applications: Applications, state: Path) -> None:
    """A wrong id is an error, not a second registration."""
    with pytest.raises(GraphError, match="no app registration"):
        register_main(applications, WANTED, "00000000-0000-4000-8000-000000000000")
    assert "applications" not in kept(state) or kept(state)["applications"] == {}
    assert deviations(applications, "00000000-0000-4000-8000-000000000000", WANTED, "") != []


def test_what_graph_refuses_is_said(applications: Applications) -> None:
    """The Azure CLI's own message reaches whoever runs it."""
    with pytest.raises(GraphError, match="Bad Request"):
        applications._rest("DELETE", "/applications/x")


def test_an_azure_cli_that_is_not_there_is_said() -> None:
    """No traceback where az is not installed."""
    with pytest.raises(GraphError, match="Azure CLI"):
        Applications(["/nowhere/az"]).tenant()


def test_the_registration_holds_what_the_ranges_ask_for() -> None:
    """C05: admin consent can grant only what is registered; nothing more is."""
    asked = {scope.rpartition("/")[2] for made in RANGES.values() for scope in made.scopes}
    assert asked | {"openid", "profile", "offline_access"} == manifest.MAIN_PERMISSIONS
    assert {scope.rpartition("/")[2] for scope in RANGE.scopes} | {"openid", "profile", "offline_access"} == (
        manifest.MAILBOX_PERMISSIONS
    )
    assert manifest.EXCHANGE == EXCHANGE


def set_(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change that sets one property."""

    def change(found: dict[str, Any]) -> None:
        *way, last = path
        for step in way:
            found = found[step]
        found[last] = to

    return change


def grant(number: str, kind: str) -> Callable[[dict[str, Any]], None]:
    """Return a change that adds a permission."""

    def change(found: dict[str, Any]) -> None:
        found["requiredResourceAccess"][0]["resourceAccess"].append({"id": number, "type": kind})

    return change


def drop(name: str) -> Callable[[dict[str, Any]], None]:
    """Return a change that takes a permission away."""

    def change(found: dict[str, Any]) -> None:
        [access] = found["requiredResourceAccess"]
        access["resourceAccess"] = [one for one in access["resourceAccess"] if one["id"] != manifest.PERMISSIONS[name]]

    return change


MAIN = [
    (set_("signInAudience", to="AzureADandPersonalMicrosoftAccount"), "signInAudience"),
    (set_("isFallbackPublicClient", to=True), "isFallbackPublicClient"),
    (set_("groupMembershipClaims", to=None), "groupMembershipClaims"),
    (set_("web", "redirectUris", to=["https://evil.example/auth/callback"]), "evil.example"),
    (set_("web", "redirectUris", to=[]), "/consent/callback is missing"),
    (set_("web", "implicitGrantSettings", "enableIdTokenIssuance", to=True), "enableIdTokenIssuance"),
    (set_("publicClient", "redirectUris", to=["http://localhost"]), "publicClient"),
    (set_("spa", "redirectUris", to=["https://scan.example.com"]), "spa"),
    (set_("passwordCredentials", to=[{"keyId": "k", "endDateTime": "2027-01-01"}]), "passwordCredentials"),
    (set_("keyCredentials", to=[{"keyId": "k", "endDateTime": "2027-01-01"}]), "keyCredentials"),
    (set_("appRoles", to=[{"id": "x"}]), "appRoles"),
    (set_("api", "oauth2PermissionScopes", to=[{"id": "x"}]), "oauth2PermissionScopes"),
    (grant("b633e1c5-b582-4048-a93e-9f11b44c7e96", "Role"), "application permission"),
    (grant("570282fd-fa5c-430d-a7fd-fc8dc98a9dca", "Scope"), "570282fd"),
    (drop("Mail.Send"), "Mail.Send is missing"),
]


def registered(registration: dict[str, Any]) -> dict[str, Any]:
    """A registration as Graph gives it back, a copy of its own."""
    copied: dict[str, Any] = json.loads(json.dumps({**azure_cli.NEVER_SET, **registration}))
    return copied


@pytest.mark.parametrize(("change", "word"), MAIN, ids=[word for _, word in MAIN])
def test_each_deviation_of_the_main_registration_is_named(change: Callable[[dict[str, Any]], None], word: str) -> None:
    """C05, C13, C15: public flows, other redirects, secrets, permissions beyond the ranges: each is named."""
    found = registered(manifest.main(WANTED))
    assert list(manifest.main_deviations(found, [manifest.federated(WANTED)], WANTED)) == []
    change(found)
    lines = list(manifest.main_deviations(found, [manifest.federated(WANTED)], WANTED))
    assert any(word in line for line in lines)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"subject": WANTED.identity.upper()}, ["none for identity", "lets somebody else"]),
        ({"issuer": "https://token.actions.githubusercontent.com"}, ["none for identity", "lets somebody else"]),
        ({"audiences": ["api://elsewhere"]}, ["none for identity", "lets somebody else"]),
    ],
)
def test_a_federated_credential_is_compared_letter_by_letter(change: dict[str, Any], words: list[str]) -> None:
    """Entra takes a wrong one in silence and fails at the exchange; whoever it names could prove to be the app."""
    credential = {**manifest.federated(WANTED), **change}
    lines = list(manifest.main_deviations(registered(manifest.main(WANTED)), [credential], WANTED))
    assert len(lines) == len(words)
    assert all(word in line for word, line in zip(words, lines, strict=True))


def test_many_organisations_need_a_verified_publisher() -> None:
    """The check says so; nobody but Microsoft can give it."""
    wanted = replace(WANTED, multi_tenant=True)
    found = registered(manifest.main(wanted))
    [line] = manifest.main_deviations(found, [manifest.federated(wanted)], wanted)
    assert "verifiedPublisher" in line
    found["verifiedPublisher"] = {"verifiedPublisherId": "12345"}
    assert list(manifest.main_deviations(found, [manifest.federated(wanted)], wanted)) == []


MAILBOX = [
    (set_("signInAudience", to="AzureADMyOrg"), "signInAudience"),
    (set_("isFallbackPublicClient", to=False), "isFallbackPublicClient"),
    (set_("web", "redirectUris", to=["https://scan.example.com/auth/callback"]), "redirectUris"),
    (set_("publicClient", "redirectUris", to=[manifest.NATIVE_CLIENT]), "/auth/mailbox is missing"),
    (set_("publicClient", "redirectUris", to=["https://evil.example/auth/mailbox"]), "evil.example"),
    (grant(manifest.PERMISSIONS["Mail.ReadWrite"], "Scope"), "Mail.ReadWrite should not be there"),
    (set_("passwordCredentials", to=[{"keyId": "k", "endDateTime": "2027-01-01"}]), "passwordCredentials"),
]


@pytest.mark.parametrize(("change", "word"), MAILBOX, ids=[word for _, word in MAILBOX])
def test_each_deviation_of_the_mailbox_registration_is_named(
    change: Callable[[dict[str, Any]], None], word: str
) -> None:
    """The public client comes back to the one address of the link, has no secret, and sends mail at most."""
    url = WANTED.public_url
    found = registered(manifest.mailbox(url))
    assert list(manifest.mailbox_deviations(found, [], url)) == []
    change(found)
    assert any(word in line for line in manifest.mailbox_deviations(found, [], url))
    [line] = manifest.mailbox_deviations(registered(manifest.mailbox(url)), [manifest.federated(WANTED)], url)
    assert "on a public client" in line
