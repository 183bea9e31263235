"""The doctor at work: an emulated tenant with each fault switched on in turn, in the console and as a command."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import requests

from functions.doctor_command import run
from shared.services import Services
from tests.certificates import make_certificate
from tests.conftest import CONTOSO
from tests.console.conftest import Desk, desk
from tests.leaks import found_in, logged, secrets_of

__all__ = ["desk"]

PATH = "/console/doctor"
ADELE = "contoso/adele"


@dataclass
class Clinic:
    """An organisation with a person who is signed in, and an administrator before the page."""

    world: Any
    microsoft: Any
    desk: Desk
    cookie: str
    printer: Any
    adele: str

    def ask(self, subject: str) -> dict[str, str]:
        """Press the button; every check by name, as it is shown."""
        # Ten runs in five minutes are what an organisation may have.
        self.world.clock.advance(seconds=31)
        answer = self.desk.post(PATH, self.cookie, {"subject": subject})
        assert answer.status_code == 200, answer.text
        return shown(answer)

    def person(self) -> dict[str, str]:
        """Ask with Adele."""
        return self.ask(f"person:{self.adele}")

    def fault(self, where: str, kind: str, **settings: Any) -> Callable[[], None]:
        """What switches a fault on until it is removed."""
        return lambda: self.world.switchboard.add(where, kind, times=None, **settings)

    def change(self, **changes: Any) -> Callable[[], None]:
        """What changes Adele's account at Microsoft."""
        return lambda: self.world.cloud.change_account(ADELE, **changes)

    def tenant(self, **changes: Any) -> Callable[[], None]:
        """What changes the tenant at Microsoft."""
        return lambda: self.world.cloud.change_tenant("contoso", **changes)


def shown(answer: requests.Response) -> dict[str, str]:
    """The checks of a page: name to what is said of it, its result in front."""
    parts = re.split(r'<li id="(\w+)" class="(\w+)">', answer.text)[1:]
    words = [unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part.partition("</li>")[0]))) for part in parts[2::3]]
    return {name: f"[{result}] {text}" for name, result, text in zip(parts[::3], parts[1::3], words, strict=True)}


def failing(checks: dict[str, str]) -> list[str]:
    """The names of what fails."""
    return [name for name, text in checks.items() if text.startswith("[fails]")]


@pytest.fixture
def clinic(world: Any, microsoft: Any, desk: Desk) -> Clinic:
    """Contoso has agreed to send large scans, and Adele has signed in."""
    admin = desk.open()
    desk.go(admin, "/console/consent")
    admin.press("consent", range="send-large")
    desk.through(admin)
    printer = world.printer()
    world.sign_in(printer)
    return Clinic(world, microsoft, desk, desk.cookie(admin), printer, world.cloud.account(ADELE).oid)


@dataclass
class Case:
    """A fault: how it comes and goes, the one check that must fail, and what its remedy must say."""

    on: Callable[[], Any]
    check: str
    remedy: str
    off: Callable[[], Any] = lambda: None
    again: bool = False
    """The sign-in has ended by it."""


def cases(clinic: Clinic) -> Iterator[tuple[str, Case]]:
    """Every fault of a person's way to his mail."""
    world, fault = clinic.world, clinic.fault

    def oauth(number: int, **settings: Any) -> Callable[[], None]:
        return fault("token", "oauth", number=number, account=ADELE, **settings)

    def grants(change: Callable[[], Any]) -> Case:
        state = world.cloud.state
        before = ([replace(grant) for grant in state.grants], set(state.principals))

        def back() -> None:
            state.grants, state.principals = before

        return Case(change, "", "Consent", back)

    yield "clock", Case(fault("discovery", "other_time", seconds=400), "clock", "clock (NTP)")
    yield "no entra", Case(fault("discovery", "unavailable"), "reach_entra", "port 443")
    yield (
        "no tokens now",
        Case(fault("token", "throttled", account=ADELE), "reach_entra", "as soon as Microsoft allows"),
    )
    yield "no graph", Case(fault("me", "unavailable"), "reach_graph", "port 443")
    yield "no exchange", Case(fault("smtp_connect", "cut"), "reach_smtp", "port 587")
    yield "no starttls", Case(fault("smtp_ehlo", "missing"), "reach_smtp", "port 587")
    yield "credential", Case(fault("token", "oauth", number=700027), "app_credential", "infra.entra.check")
    yield "no consent", replace(grants(lambda: world.cloud.withdraw_consent("contoso")), check="consent")
    narrower = grants(lambda: world.cloud.withdraw_permission("contoso", "SMTP.Send"))
    yield "less than the range", replace(narrower, check="range")
    enable = f"Update-MgUser -UserId {clinic.adele} -AccountEnabled:$true"
    yield "disabled", Case(clinic.change(disabled=True), "account", enable, clinic.change(disabled=False))
    yield "not assigned", Case(oauth(50105), "account", "Users and groups")
    policy = "Conditional Access Administrator"
    yield "blocked", Case(clinic.change(blocked=True), "conditional_access", policy, clinic.change(blocked=False))
    yield "device", Case(oauth(53000), "conditional_access", policy)
    yield "security defaults", Case(oauth(530035), "security_defaults", "Manage security defaults")
    yield "no mailbox", Case(clinic.change(mailbox=False), "mailbox", "Get-EXOMailbox", clinic.change(mailbox=True))
    address = world.cloud.account(ADELE).mail
    yield "no address", Case(clinic.change(mail=None), "mailbox", "License Administrator", clinic.change(mail=address))
    yield (
        "smtp off",
        Case(
            clinic.tenant(smtp_auth_disabled=True),
            "smtp_auth_organisation",
            "Set-TransportConfig -SmtpClientAuthenticationDisabled $false",
            clinic.tenant(smtp_auth_disabled=False),
        ),
    )
    mailbox = "Set-CASMailbox -Identity ADDRESS -SmtpClientAuthenticationDisabled $false"
    yield (
        "smtp off for the mailbox",
        Case(
            clinic.change(smtp_auth_disabled=True),
            "smtp_auth_mailbox",
            mailbox,
            clinic.change(smtp_auth_disabled=None),
        ),
    )
    silent = fault("smtp_auth", "reply", message="535 5.7.3 Authentication unsuccessful")
    yield "smtp off, without a reason", Case(silent, "smtp_auth_mailbox", mailbox)
    yield (
        "smtp under security defaults",
        Case(
            clinic.tenant(security_defaults=True),
            "smtp_rules",
            "Manage security defaults",
            clinic.tenant(security_defaults=False),
        ),
    )
    locked = fault("smtp_auth", "reply", message="535 5.7.139 Authentication unsuccessful, account locked.")
    yield "locked", Case(locked, "smtp_rules", "Sign-in logs")
    yield (
        "too large",
        Case(
            lambda: world.rooms.grants.refused(CONTOSO, clinic.adele, 20_000_000, world.clock() + timedelta(days=7)),
            "size_limits",
            "Set-Mailbox -Identity ADDRESS -MaxSendSize",
            again=True,
        ),
    )
    submission = clinic.microsoft.smtp.submission
    yield (
        "announced too small",
        Case(
            lambda: setattr(submission, "advertised_size", 10_000_000),
            "size_limits",
            "Set-Mailbox -Identity ADDRESS -MaxSendSize",
            lambda: setattr(submission, "advertised_size", 157_286_400),
        ),
    )
    again = "signs in"
    yield "revoked", Case(lambda: world.cloud.revoke_refresh_tokens(ADELE), "sign_in", "Sign in again", again=True)
    yield "expired", Case(oauth(700082), "sign_in", "Code 361", again=True)
    yield "second factor", Case(oauth(50076), "sign_in", again, again=True)


def test_each_fault_fails_its_own_check(clinic: Clinic, caplog: pytest.LogCaptureFixture) -> None:
    """Each fault, switched on alone, fails exactly its own check, with its own remedy; without it all is in order.

    No mail is sent, and neither page nor log holds a token, an address or a name.
    """
    caplog.set_level(logging.DEBUG)
    found: dict[str, Any] = {}
    pages = ""
    assert failing(clinic.person()) == []
    for name, case in cases(clinic):
        case.on()
        checks = clinic.person()
        pages += str(checks)
        case.off()
        clinic.world.switchboard.remove()
        if case.again:
            clinic.world.sign_in(clinic.printer)
        if failing(checks) != [case.check] or case.remedy not in checks[case.check]:
            found[name] = {check: checks[check] for check in {*failing(checks), case.check}}
    assert found == {}, json.dumps(found, indent=1)
    assert failing(clinic.person()) == []
    assert clinic.world.mailbox() == []
    assert found_in(pages + logged(caplog), secrets_of(clinic.world.cloud, clinic.world.rooms)) == []


def test_a_printers_mailbox_and_its_faults(clinic: Clinic) -> None:
    """Asked with a printer's own account, each fault fails its own check, with its own remedy.

    Not signed in, not delivered, in order, blocked, expired, and a fax account without a provider. What concerns people
    alone is not asked.
    """
    world, printer = clinic.world, clinic.printer
    [device] = world.rooms.devices.of(CONTOSO)
    mail, fax = f"printer:{device.id}", f"fax:{device.id}"
    found = clinic.ask(mail)
    assert failing(found) == ["sign_in"]
    assert "Code 370" in found["sign_in"]
    assert "press OK" in found["sign_in"]

    for server in (printer.email_server, printer.fax_server):
        begun = server.start("exchange_online")
        world.person().walk(f"{begun.verification_uri}?user_code={begun.user_code}", "contoso/ben")
        world.clock.advance(seconds=begun.interval + 1)
        assert server.look(begun.id).status == "active"
    found = clinic.ask(mail)
    assert failing(found) == ["delivered"]
    assert "consent_for_all" not in found
    for server in (printer.email_server, printer.fax_server):
        server.acknowledge(server.status().settings_version)
    assert failing(clinic.ask(mail)) == []
    found = clinic.ask(fax)
    assert failing(found) == ["fax"]
    assert "page Policy" in found["fax"]

    world.cloud.block_device_code("contoso")
    found = clinic.ask(mail)
    assert failing(found) == ["conditional_access"]
    assert "Authentication flows" in found["conditional_access"]
    world.cloud.block_device_code("contoso", blocked=False)
    world.switchboard.add("token", "oauth", number=700082, account="contoso/ben")
    found = clinic.ask(mail)
    assert failing(found) == ["sign_in"]
    assert "Code 361" in found["sign_in"]


def test_the_command_says_the_same_as_json(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
    """Every check is in the JSON with result, evidence and remedy; the exit status says whether something fails.

    An app whose certificate ends in ten days is told so, and Entra still takes it; one whose has ended is refused.
    """
    world = clinic.world
    line = ["--tenant", CONTOSO, "--person", clinic.adele]
    out = io.StringIO()
    assert run([*line, "--json"], world.rooms, out) == 0
    told = json.loads(out.getvalue())
    assert (told["failing"], told["account"]) == ([], "a•••@contoso.example")
    assert {check["result"] for check in told["checks"]} == {"ok", "not_asked", "unknown"}
    assert [check["name"] for check in told["checks"] if check["result"] == "unknown"] == ["size_limits"]
    assert [check["name"] for check in told["checks"] if check["result"] == "not_asked"] == ["reach_keys"]
    for check in told["checks"]:
        assert check["title"]
        assert check["asked"] if check["result"] in {"ok", "unknown"} else check["said"], check

    for days, wanted in ((10, ["app_credential_ends"]), (-1, ["app_credential", "app_credential_ends"])):
        pem = make_certificate(datetime.now(UTC) + timedelta(days=days))
        application = world.cloud.application(world.rooms.settings.client_id)
        world.cloud.register(replace(application, certificates=(*application.certificates, pem)))
        other = Services(replace(world.rooms.settings, client_certificate=pem), clock=world.clock)
        out = io.StringIO()
        assert run(line, other, out) == 1
        failed = [text.split("FAILS")[1].strip() for text in out.getvalue().splitlines() if "FAILS" in text]
        titles = {
            "app_credential": "Microsoft takes the app's credential",
            "app_credential_ends": "The credential lasts",
        }
        assert failed == [titles[name] for name in wanted]
        assert "upload it to the app registration" in out.getvalue()
    assert run(["--tenant", "nobody"], world.rooms, out) == 2
    assert run(["--tenant", CONTOSO, "--person", str(CONTOSO)], world.rooms, out) == 1
    assert "Not found" in capsys.readouterr().err


def test_who_may_ask_and_how_often(clinic: Clinic) -> None:
    """A reader may ask and a stranger may not; a foreign or made-up subject is unknown; the eleventh run is refused."""
    world, desk = clinic.world, clinic.desk
    world.cloud.change_account("contoso/ben", app_roles=("ToMyEmail.Reader",))
    reader = desk.open("contoso/ben")
    page = desk.go(reader, PATH)
    assert "a•••@contoso.example" in page.text
    assert "What was answered" not in page.text
    assert "What was answered" in reader.press("ask", subject="").text
    assert "Let the doctor ask" in desk.go(reader, "/console/audit").text

    person = f"person:{clinic.adele}"
    for subject, status in (("person:nobody", 404), (f"person:{CONTOSO}", 404), (f"cat:{CONTOSO}", 422)):
        assert desk.post(PATH, clinic.cookie, {"subject": subject}).status_code == status
    assert desk.post(PATH, "", {"subject": person}).status_code == 403
    assert desk.post(PATH, clinic.cookie, {"subject": person}, Origin="https://evil.example").status_code == 403
    fay = desk.cookie(desk.open("fabrikam/admin"))
    assert desk.post(PATH, fay, {"subject": person}).status_code == 404

    # From the beginning of a window, so that none ends within what is counted.
    world.clock.advance(seconds=300 - world.clock().timestamp() % 300)
    asked = [desk.post(PATH, clinic.cookie, {"subject": ""}).status_code for _ in range(11)]
    assert asked == [200] * 10 + [303]
    assert "Too many requests" in desk.get(f"{PATH}?not=too_many_requests", clinic.cookie).text
    assert world.mailbox() == []


def test_without_anybody_what_needs_nobody_is_asked(clinic: Clinic) -> None:
    """With no sign-in chosen the rest is still asked, and that Entra does not know the app here is the consent's."""
    found = clinic.ask("")
    assert failing(found) == []
    for name in ("sign_in", "mailbox", "smtp_auth_mailbox"):
        assert found[name].startswith("[not_asked]"), name
        assert "Nobody was chosen" in found[name]
    assert found["reach_smtp"].startswith("[ok]")
    clinic.world.cloud.withdraw_consent("contoso")
    assert failing(clinic.ask("")) == ["consent"]
