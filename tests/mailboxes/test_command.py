"""The command for printers' mailboxes, from the line to what comes of it."""

import io
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from functions.mailbox_command import run
from local.person import Person
from tests.conftest import CONTOSO


def told(desk: Any, *line: str, **given: Any) -> tuple[int, str]:
    """Exit status and output of one line for Contoso."""
    out = io.StringIO()
    return run([*line, "--tenant", CONTOSO], desk.rooms, out, **given), out.getvalue()


def test_an_account_is_signed_in_tested_and_signed_out(desk: Any) -> None:
    """From the code to a mail that arrives, and back: the tokens are gone at once."""
    whose = ("--device", desk.device.id)

    def sleep(seconds: float) -> None:
        desk.clock.advance(seconds=seconds)
        for code in desk.microsoft.cloud.state.device_codes.values():
            if code.account is None:
                with Person(desk.trust) as person:
                    person.walk(f"{desk.microsoft.url}/devicelogin?user_code={code.user_code}", "contoso/ben")

    status, said = told(desk, "sign-in", *whose, sleep=sleep)
    assert (status, "signed in: b•••@contoso.example" in said) == (0, True)
    assert "not delivered" in told(desk, "status", *whose)[1]
    assert told(desk, "test", *whose) == (0, "sent\n")
    assert [mail.sender for mail in desk.inbox("contoso/ben")] == ["ben.okoye@contoso.example"]
    assert told(desk, "sign-out", *whose)[0] == 0
    assert desk.status().status == "not_signed_in"
    assert list(desk.rooms.storage.table("mailboxgrants").every()) == []


def test_a_test_mail_goes_to_nobody_who_is_not_allowed(desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The command has no more rights than a printer has."""
    desk.sign_in()
    assert told(desk, "test", "--device", desk.device.id, "--to", "eve@evil.example")[0] == 1
    assert "recipient_not_allowed" in capsys.readouterr().err
    assert desk.microsoft.cloud.mailboxes.external == []


def test_another_tenants_printer_is_not_found(desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """E01: a foreign id is an unknown one."""
    line = ["status", "--device", desk.device.id, "--tenant", "22222222-2222-4222-8222-222222222222"]
    assert run(line, desk.rooms, io.StringIO()) == 1
    assert "not_found" in capsys.readouterr().err


def test_the_policy_is_set_and_checked(desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Domains and the fax provider; a template with a hole is refused by name."""
    desk.policy()
    assert told(desk, "allow", "partner.example")[0] == 0
    assert told(desk, "fax", "--address", "{number}@fax.example.com", "--country", "+375")[0] == 0
    policy = desk.rooms.organisations.get(CONTOSO).policy
    assert (policy.allowed_domains, policy.fax_country) == (("partner.example",), "+375")
    for bad in (
        "fax@{number}.example.com",
        "{number}{number}@fax.example.com",
        "{number}@fax.example.com\r\nBcc: x@y.example",
    ):
        assert told(desk, "fax", "--address", bad)[0] == 2
    assert "fax_address" in capsys.readouterr().err


def test_a_test_fax_must_be_confirmed(desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It costs money: without --yes nothing is sent; with it, to the provider and to nobody else."""
    desk.policy(fax_address="{number}@fax.example.com")
    desk.sign_in("contoso/olga", use="fax")
    line = ("test", "--device", desk.device.id, "--use", "fax", "--fax-number", "+375 17 200-11-22")
    assert told(desk, *line) == (2, "")
    assert "--yes" in capsys.readouterr().err
    assert desk.microsoft.cloud.mailboxes.external == []
    assert told(desk, *line, "--yes") == (0, "sent\n")
    assert desk.microsoft.cloud.mailboxes.external == ["375172001122@fax.example.com"]


def test_the_consent_link_is_the_mailbox_apps(desk: Any) -> None:
    """Printed for an administrator: its client, its permissions and no more, his tenant, and an address of ours."""
    status, said = told(desk, "consent")
    assert status == 0
    address = urlsplit(said.strip())
    query = {name: value for name, [value] in parse_qs(address.query).items()}
    ours = desk.rooms.settings
    assert address.path == f"/{CONTOSO}/v2.0/adminconsent"
    assert query["client_id"] == ours.mailbox_client_id != ours.client_id
    assert query["redirect_uri"] == f"{ours.public_url}/auth/mailbox"
    names = {scope.rpartition("/")[2] for scope in query["scope"].split()}
    assert names == {"Mail.Send", "User.Read", "SMTP.Send", "openid", "profile", "offline_access"}
