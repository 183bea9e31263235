"""What the doctor asks, over the wire: who is asked, who is not, and what is left as it was."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from local.microsoft.key_vault import KEY_PATH
from local.microsoft.managed_identity import HOME
from local.microsoft.records import FederatedCredential
from shared import faults
from shared.doctor import Subject
from shared.identity import Entra
from shared.identity.client_assertion import FederatedAssertion
from shared.identity.managed_identity import ManagedIdentity
from shared.mail import Graph
from shared.mail.smtp import SCOPES as SMTP_SCOPES
from shared.storage import Storage
from shared.vault.key_vault import KeyVault
from tests.conftest import CONTOSO
from tests.doctor.conftest import ADELE, Ward, failing, results
from tests.leaks import found_in, logged, secrets_of
from tests.mailboxes.conftest import Desk, desk

__all__ = ["desk"]

NOWHERE = "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=eA==;" + ";".join(
    f"{kind}Endpoint=http://127.0.0.1:9/x" for kind in ("Table", "Blob", "Queue")
)
IDENTITY = "bbbbbbbb-0000-4000-8000-000000000002"
PRINCIPAL = "bbbbbbbb-0000-4000-8000-00000000000f"
SMTP = ("reach_smtp", "smtp_auth_organisation", "smtp_auth_mailbox", "smtp_rules")


@pytest.mark.parametrize(
    ("allowed", "mailbox", "smtp"),
    [("send", "unknown", "not_asked"), ("send-large", "ok", "ok"), ("send-verified", "ok", "not_asked")],
)
def test_each_range_is_asked_for_what_it_needs(ward: Ward, allowed: str, mailbox: str, smtp: str) -> None:
    """Nothing fails in a healthy organisation; SMTP is asked where scans leave by it, and no mail is sent in any."""
    ward.agree(allowed)
    report = ward.ask()
    assert failing(report) == []
    assert results(report, "mailbox") == {"mailbox": mailbox}
    assert results(report, *SMTP) == dict.fromkeys(SMTP, smtp)
    board, boxes = ward.microsoft.switchboard, ward.microsoft.cloud.mailboxes
    assert bool(board.count("smtp_auth")) is (smtp == "ok")
    assert board.count("smtp_mail") == board.count("messages") == 0
    assert (boxes.inbox(ADELE), boxes.sent(ADELE)) == ([], [])
    assert [entry.status for entry in board.journal() if entry.where == "sendMail"] in ([], [400])


def test_no_smtp_is_needed_where_none_is_used(ward: Ward) -> None:
    """G2: in the ranges that send by Graph, SMTP may be off, and security defaults on: nothing fails."""
    ward.agree("send")
    ward.microsoft.cloud.change_tenant("contoso", smtp_auth_disabled=True, security_defaults=True)
    ward.microsoft.switchboard.add("smtp_connect", "cut", times=None)
    assert failing(ward.ask()) == []


def test_entra_is_asked_though_a_token_is_held(ward: Ward) -> None:
    """A token that is good for an hour proves nothing of now: each run asks, and what it brings is kept."""
    ward.agree("send")
    board = ward.microsoft.switchboard
    board.forget()
    ward.ask()
    ward.ask()
    assert board.count("token", ADELE) == 2
    grant = ward.rooms.grants.get(CONTOSO, ward.adele.oid)
    assert grant is not None
    assert grant.version[1] == 2
    assert ward.rooms.grants.access_token(CONTOSO, ward.adele.oid, ward.rooms.transports._graph.scopes)
    assert board.count("token", ADELE) == 2


def test_what_entra_ends_is_ended_as_after_a_scan(ward: Ward) -> None:
    """A revoked sign-in is written down once; the next run knows it and asks Entra nothing for it."""
    ward.agree("send")
    ward.microsoft.cloud.revoke_refresh_tokens(ADELE)
    assert failing(ward.ask()) == ["sign_in"]
    grant = ward.rooms.grants.get(CONTOSO, ward.adele.oid)
    assert grant is not None
    assert grant.ended == "sign_in_revoked"
    ward.microsoft.switchboard.forget()
    again = ward.ask()
    assert failing(again) == ["sign_in"]
    assert again.check("sign_in").answer == "ended earlier"
    assert ward.microsoft.switchboard.count("token", ADELE) == 0


def test_a_claims_challenge_is_answered_once(ward: Ward) -> None:
    """Graph's challenge goes to Entra; where Entra gives a token for it all is in order, else the sign-in fails."""
    ward.agree("send")
    claims = '{"access_token":{"nbf":{"essential":true}}}'
    board = ward.microsoft.switchboard
    board.add("me", "graph", status=401, claims=claims, code="InvalidAuthenticationToken", account=ADELE)
    assert failing(ward.ask()) == []
    assert any(entry.claims and "nbf" in entry.claims for entry in board.journal())
    board.add("me", "graph", status=401, claims=claims, code="InvalidAuthenticationToken", account=ADELE)
    ward.clock.advance(seconds=31)

    real = ward.rooms.graph.me

    class Challenging(Graph):
        """Lets Entra refuse from the moment of the challenge on."""

        def me(self, token: str) -> Any:
            board.add("token", "oauth", number=50076, account=ADELE)
            return real(token)

    report = ward.ask(ward.with_(graph=Challenging(ward.rooms.settings.graph_url, ward.clock)))
    assert failing(report) == ["sign_in"]
    assert "claims challenge" in report.check("sign_in").asked


def test_who_does_not_answer_in_time_is_not_reached(ward: Ward) -> None:
    """The whole has a limit: the rest is reported, and what is late counts as not reached."""
    ward.agree("send")
    ward.microsoft.switchboard.add("discovery", "slow", seconds=30, times=None)
    report = ward.ask(ward.with_(longest=4.0))
    assert failing(report) == ["reach_entra"]
    assert report.check("reach_entra").answer == "no answer in time"
    assert results(report, "clock", "reach_graph") == {"clock": "unknown", "reach_graph": "ok"}


def test_without_storage_the_rest_is_asked(ward: Ward) -> None:
    """Where our own storage is down the doctor still says so, and what else it can."""
    ward.agree("send")
    doctor = ward.with_(storage=Storage(NOWHERE, new_id=lambda: "x"))
    report = ward.ask(doctor)
    assert failing(report) == ["reach_storage"]
    remedy = report.check("reach_storage").remedy
    assert remedy
    assert "storage account" in remedy.text
    assert results(report, "reach_entra", "reach_graph") == {"reach_entra": "ok", "reach_graph": "ok"}
    assert results(report, "sign_in", "mailbox") == {"sign_in": "not_asked", "mailbox": "not_asked"}


@pytest.fixture
def azure(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> Ward:
    """The app as in Azure: Key Vault, and a managed identity that proves the app."""
    cloud, client_id = ward.microsoft.cloud, ward.rooms.settings.client_id
    cloud.key_vault.rotate()
    cloud.key_vault.allow(IDENTITY)
    cloud.managed_identities.assign(IDENTITY, PRINCIPAL)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{ward.microsoft.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", cloud.managed_identities.header)
    trusted = FederatedCredential(f"{ward.microsoft.url}/{HOME}/v2.0", PRINCIPAL)
    cloud.register(replace(cloud.application(client_id), federated=(trusted,)))
    ward.agree("send")
    return ward


def in_azure(ward: Ward) -> Any:
    """A doctor of a fresh process there."""
    identity, told = ManagedIdentity(IDENTITY), ward.rooms.settings
    proof = FederatedAssertion(identity.token)
    keys = KeyVault(ward.microsoft.url + KEY_PATH, identity.token, ward.clock)
    entra = Entra(told.authority_url, told.client_id, proof, ward.clock)
    return ward.with_(keys=keys, proof=proof, entra=entra, key_file=False, federated=True)


def test_key_vault_and_the_identity_are_asked(azure: Ward) -> None:
    """In order; no role at the key; Key Vault down; no identity; no federated credential: each fails its own check."""
    cloud, board = azure.microsoft.cloud, azure.microsoft.switchboard
    report = azure.ask(in_azure(azure))
    assert failing(report) == []
    assert results(report, "reach_keys", "app_credential_ends") == {"reach_keys": "ok", "app_credential_ends": "ok"}
    assert "nothing that ends" in report.check("app_credential_ends").said

    cloud.key_vault.forbid(IDENTITY)
    report = azure.ask(in_azure(azure))
    assert failing(report) == ["reach_keys"]
    assert report.check("reach_keys").answer == "key vault: status 403"
    cloud.key_vault.allow(IDENTITY)

    board.add("key", "unavailable", times=None)
    assert failing(azure.ask(in_azure(azure))) == ["reach_keys"]
    board.remove()

    board.add("managed_identity", "unavailable", times=None)
    assert failing(azure.ask(in_azure(azure))) == ["reach_keys", "app_credential"]
    board.remove()

    application = cloud.application(azure.rooms.settings.client_id)
    cloud.register(replace(application, federated=()))
    report = azure.ask(in_azure(azure))
    assert failing(report) == ["app_credential"]
    assert "70021" in report.check("app_credential").answer


def test_a_personal_account_is_asked_for_no_organisations_rules(desk: Desk) -> None:
    """Outlook.com, as a printer's mailbox: in order by its own server, and no rule of an organisation is claimed."""
    desk.ready("personal/pat", "outlook_com")
    report = desk.rooms.doctor.examine(CONTOSO, Subject(desk.device.id, printer=True))
    assert failing(report) == []
    rules = ("account", "conditional_access", "security_defaults", "smtp_auth_organisation")
    assert results(report, *rules) == dict.fromkeys(rules, "not_asked")
    assert results(report, "smtp_auth_mailbox", "mailbox") == {"smtp_auth_mailbox": "ok", "mailbox": "ok"}
    paths = {entry.path for entry in desk.microsoft.switchboard.journal() if entry.where == "smtp_auth"}
    assert paths == {"/outlook"}


def test_a_printer_of_another_organisation_is_unknown(desk: Desk) -> None:
    """Neither its account nor that it exists is told."""
    with pytest.raises(faults.NotFound):
        desk.rooms.doctor.examine("22222222-2222-4222-8222-222222222222", Subject(desk.device.id, printer=True))


def test_a_server_is_asked_and_nothing_is_sent(ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    """EHLO, STARTTLS, AUTH, EHLO, QUIT: the steps of the dialogue, and no MAIL; what it announces is returned."""
    caplog.set_level(logging.DEBUG)
    ward.agree("send-large")
    smtp, board = ward.rooms.exchange_smtp, ward.microsoft.switchboard
    heard = smtp.ask()
    assert (heard.announced, heard.announced_to_owner, heard.refused) == (157_286_400, 0, None)
    token = ward.rooms.grants.access_token(CONTOSO, ward.adele.oid, SMTP_SCOPES)
    board.forget()
    heard = smtp.ask(token, "adele.vance@contoso.example")
    assert (heard.announced_to_owner, heard.refused) == (157_286_400, None)
    steps = [entry.where for entry in board.journal() if entry.method == "SMTP"]
    assert steps == [
        "smtp_connect",
        "smtp_ehlo",
        "smtp_starttls",
        "smtp_ehlo_tls",
        "smtp_auth",
        "smtp_ehlo_tls",
        "smtp_quit",
    ]
    wrong = smtp.ask("another", "adele.vance@contoso.example")
    assert isinstance(wrong.refused, faults.SmtpDisabledForMailbox)
    board.add("smtp_ehlo", "missing", times=None)
    with pytest.raises(faults.NoConnection):
        smtp.ask(token, "adele.vance@contoso.example")
    assert found_in(logged(caplog), secrets_of(ward.microsoft.cloud, ward.rooms)) == []


def test_entra_says_what_time_it_is_and_looks_at_the_app(ward: Ward) -> None:
    """The Date of an answer, and a token of the app itself that nobody keeps; unknown in a tenant that never agreed."""
    entra, board = ward.rooms.entra, ward.microsoft.switchboard
    with pytest.raises(faults.ConsentWithdrawn, match="7000229"):
        entra.ask_as_app(CONTOSO)
    ward.agree("send")
    entra.ask_as_app(CONTOSO)
    board.add("discovery", "other_time", seconds=-4000)
    assert -4010 < (entra.time(CONTOSO) - ward.clock()).total_seconds() < -3990
    assert abs((entra.time(CONTOSO) - ward.clock()).total_seconds()) < 10
