"""Fax over HTTP: the fax account signs in like the mail server, and a number becomes a mail to the provider."""

from dataclasses import replace
from typing import Any

import pytest

from shared.organisations.policy import Policy
from tests.conftest import CONTOSO
from tests.journeys.test_mailboxes import sign_in


def fax(world: Any, printer: Any, number: str) -> Any:
    """Hand a fax over, deliver it, and return it as it stands."""
    document = world.pdf()
    manifest = world.manifest(document, kind="fax", fax_number=number)
    del manifest["user"]
    scan = printer.submit(manifest, document)
    world.deliver()
    return printer.scan(scan.id)


def test_a_fax_goes_to_the_provider_from_the_fax_account(world: Any) -> None:
    """G7: number checked, mapped by the organisation's template, sent from the account that was signed in for fax."""
    world.consent()
    policy = replace(Policy(), fax_address="{number}@fax.example.com", fax_cover="Page one follows")
    world.rooms.organisations.set_policy(CONTOSO, policy)
    printer = world.printer()
    assert sign_in(world, printer.fax_server, "contoso/olga").status == "active"
    printer.fax_server.acknowledge(printer.fax_server.status().settings_version)
    assert printer.email_server.status().status == "not_signed_in"
    assert fax(world, printer, "+375 17 200-11-22").state == "sent"
    assert world.cloud.mailboxes.external == ["375172001122@fax.example.com"]
    for bad in ("172001122", "+375CALLME", "+375172001122@evil.example"):
        with pytest.raises(Exception, match="fax_number_invalid"):
            fax(world, printer, bad)


def test_without_a_template_fax_is_not_set_up(world: Any) -> None:
    """Signed in, but nobody told where faxes go: the administrator is named, and nothing is sent anywhere."""
    printer = world.printer()
    sign_in(world, printer.fax_server, "contoso/olga")
    printer.fax_server.acknowledge(printer.fax_server.status().settings_version)
    with pytest.raises(Exception, match="fax_not_set_up") as refused:
        fax(world, printer, "+375172001122")
    assert refused.value.who == "admin"
    assert world.cloud.mailboxes.external == []
