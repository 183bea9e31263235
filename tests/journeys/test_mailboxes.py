"""The printer's own mailbox over HTTP: code, sign-in, OK, mail; for both services."""

import hashlib
import uuid
from typing import Any

import pytest
import requests

from to_my_email import Api


def sign_in(world: Any, server: Any, account: str, service: str = "exchange_online") -> Any:
    """Type the code that the panel shows, sign in, and look a little later."""
    begun = server.start(service)
    world.person().walk(f"{begun.verification_uri}?user_code={begun.user_code}", account)
    world.clock.advance(seconds=begun.interval + 1)
    return server.look(begun.id)


def send(world: Any, printer: Api, **changes: Any) -> Any:
    """Hand over a mail of the printer's own, deliver it, and return it as it stands."""
    document = world.pdf()
    manifest = world.manifest(document, kind="email", **changes)
    if "user" not in changes:
        del manifest["user"]
    scan = printer.submit(manifest, document)
    world.deliver()
    return printer.scan(scan.id), document


@pytest.mark.parametrize(
    ("service", "account", "address"),
    [
        ("exchange_online", "contoso/ben", "ben.okoye@contoso.example"),
        ("outlook_com", "personal/pat", "pat@outlook.example"),
    ],
)
def test_from_the_code_to_the_mail(world: Any, service: str, account: str, address: str) -> None:
    """G3, G4: no status, a code, signed in but not delivered, OK, and mail from the mailbox, with exactly the scan."""
    printer = world.printer()
    assert printer.email_server.status().status == "not_signed_in"
    assert printer.about().policy["kinds"] == ["to_my_email"]
    found = sign_in(world, printer.email_server, account, service)
    assert (found.status, found.account_hint[:4]) == ("active", f"{address[0]}•••")
    status = printer.email_server.status()
    assert (status.status, status.delivered, status.reason) == ("signed_in", False, "mailbox_not_delivered")
    assert status.settings["sender"] == address
    printer.email_server.acknowledge(status.settings_version)
    assert printer.email_server.status().delivered
    assert printer.about().policy["kinds"] == ["to_my_email", "email"]
    scan, document = send(world, printer, to=[address], title="Lease")
    assert scan.state == "sent"
    [mail] = world.mailbox(address)
    assert (mail["from"], mail["to"], mail["cc"], mail["subject"]) == (address, [address], [], "Lease")
    assert mail["attachments"][0]["sha256"] == hashlib.sha256(document).hexdigest()


def test_nobody_sees_a_token_or_anothers_sign_in(world: Any) -> None:
    """Neither status, settings nor sheet hold a token; another printer finds nothing under the id (B09)."""
    printer, other = world.printer(), world.printer()
    begun = printer.email_server.start()
    for act in (other.email_server.look, other.email_server.cancel, printer.fax_server.look):
        with pytest.raises(Exception, match=r"not_found|not_available"):
            act(begun.id)
    world.person().walk(f"{begun.verification_uri}?user_code={begun.user_code}", "contoso/ben")
    world.clock.advance(seconds=6)
    assert printer.email_server.look(begun.id).status == "active"
    told = repr(printer.email_server.status()) + repr(printer.status_facts())
    state = world.cloud.state
    assert not [secret for secret in (*state.refresh_tokens, *state.access_tokens) if secret in told]


def test_where_codes_are_blocked_the_panel_says_so_and_offers_a_link(world: Any) -> None:
    """Conditional Access is named, and the same sign-in goes on by a link, through the app that is consented to."""
    world.consent()
    world.cloud.block_device_code("contoso")
    printer = world.printer()
    begun = printer.email_server.start()
    world.person().walk(f"{begun.verification_uri}?user_code={begun.user_code}", "contoso/ben")
    world.clock.advance(seconds=begun.interval + 1)
    found = printer.email_server.look(begun.id)
    assert (found.status, found.reason, found.code) == ("blocked", "device_code_blocked", 370)
    [link] = [word for word in found.message.split() if word.startswith(world.url)]
    page = world.person().walk(link.rstrip("."), "contoso/ben")
    assert page.status == 200
    assert printer.email_server.look(begun.id).status == "active"
    status = printer.email_server.status()
    printer.email_server.acknowledge(status.settings_version)
    scan, _ = send(world, printer, to=["olga@contoso.example"])
    assert scan.state == "sent"
    assert [mail["from"] for mail in world.mailbox("olga@contoso.example")] == ["ben.okoye@contoso.example"]


def test_a_policy_that_comes_later_blocks_the_mail_server(world: Any) -> None:
    """530036: named on the panel, in the job, and on the sheet, with 370 and the remedy; lifted, it sends again."""
    printer = world.printer()
    sign_in(world, printer.email_server, "contoso/ben")
    printer.email_server.acknowledge(printer.email_server.status().settings_version)
    world.cloud.block_device_code("contoso")
    world.clock.advance(hours=3)
    scan, _ = send(world, printer, to=["olga@contoso.example"])
    assert (scan.state, scan.reason, scan.code, scan.who) == ("failed", "device_code_blocked", 370, "admin")
    status = printer.email_server.status()
    assert (status.status, status.reason, status.code) == ("blocked", "device_code_blocked", 370)
    assert "Sign in by a link instead" in status.message
    sheet = printer.status_facts()["email_server"]
    assert (sheet["status"], sheet["last_error_code"], sheet["last_error_reason"]) == (
        "blocked",
        370,
        "device_code_blocked",
    )
    world.cloud.block_device_code("contoso", blocked=False)
    scan, _ = send(world, printer, to=["olga@contoso.example"])
    assert (scan.state, printer.email_server.status().status) == ("sent", "signed_in")


def test_by_the_link_the_wrong_account_is_refused_too(world: Any) -> None:
    """The link is no way around: an account of another organisation signs nothing in."""
    world.consent()
    world.cloud.block_device_code("contoso")
    printer = world.printer()
    begun = printer.email_server.start()
    world.person().walk(f"{begun.verification_uri}?user_code={begun.user_code}", "contoso/ben")
    world.clock.advance(seconds=begun.interval + 1)
    found = printer.email_server.look(begun.id)
    [link] = [word for word in found.message.split() if word.startswith(world.url)]
    world.person().walk(link.rstrip("."), "fabrikam/ben")
    assert printer.email_server.status().status == "not_signed_in"


def test_outlook_com_by_the_link(world: Any) -> None:
    """Personal accounts are served by the link, too: PKCE, as a public client."""
    printer = world.printer()
    begun = printer.email_server.start("outlook_com")
    world.switchboard.add("token", "oauth", number=53003)
    world.clock.advance(seconds=begun.interval + 1)
    found = printer.email_server.look(begun.id)
    assert found.status == "blocked"
    [link] = [word for word in found.message.split() if word.startswith(world.url)]
    world.person().walk(link.rstrip("."), "personal/pat")
    assert printer.email_server.look(begun.id).status == "active"
    assert printer.email_server.status().settings["sender"] == "pat@outlook.example"


BAD = [
    ({"to": ["eve@evil.example"]}, 422, "recipient_not_allowed"),
    ({"to": ["a@contoso.example\r\nBcc: eve@evil.example"]}, 422, "recipient_invalid"),
    ({"to": []}, 422, "recipient_invalid"),
    ({"to": None}, 422, "invalid_request"),
    ({"to": ["olga@contoso.example"], "fax_number": "+375172001122"}, 422, "invalid_request"),
    ({"to": ["olga@contoso.example"], "user": "adele"}, 422, "invalid_request"),
]


def test_bad_recipients_are_refused_before_anything_is_stored(world: Any) -> None:
    """F03: injections, foreign domains, none, and two sorts of recipients at once, each by its reason."""
    printer = world.printer()
    sign_in(world, printer.email_server, "contoso/ben")
    printer.email_server.acknowledge(printer.email_server.status().settings_version)
    for changes, status, reason in BAD:
        with pytest.raises(Exception, match=reason) as refused:
            send(world, printer, **changes, id=str(uuid.uuid4()))
        assert refused.value.status == status
    assert world.rows("jobs") == []


def test_the_documents_of_the_api_name_the_servers(world: Any) -> None:
    """The OpenAPI document has every route of device-api.md's mail server and fax server."""
    paths = requests.get(f"{world.url}/api/v1/openapi.json", timeout=10).json()["paths"]
    for server in ("email-server", "fax-server"):
        wanted = {"", "/sign-ins", "/sign-ins/{id}", "/acknowledge"}
        assert {f"/api/v1/{server}{path}" for path in wanted} <= set(paths)
    assert "/api/v1/status-sheet" in paths
