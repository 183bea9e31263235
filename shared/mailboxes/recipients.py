"""Who may be written to in a printer's own name. What comes from a device is checked, and never repaired (F03, F08)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared import faults
from shared.mail.headers import is_address
from shared.organisations.policy import Policy

MOST = 50
NUMBER = "{number}"
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
"""ITU-T E.164: fifteen digits at most, the country's code among them."""
_COUNTRY = re.compile(r"\+[1-9][0-9]{0,2}")
_LONGEST_TYPED = 40
_BETWEEN_DIGITS = str.maketrans("", "", " -./()")


def recipients(to: Sequence[str], sender: str, policy: Policy, *, own_domain: bool) -> tuple[str, ...]:
    """Return recipients, each once, all of them allowed.

    Args:
        to: what the device says.
        sender: address of the printer's mailbox.
        policy: of the organisation; its ``allowed_domains`` are compared whole, so that no subdomain slips in.
        own_domain: whether the sender's domain is the organisation's, and so allowed. Outlook.com's is everybody's:
            there only the mailbox itself is.

    Raises:
        RecipientInvalid: none, too many, or one that is no plain address.
        RecipientNotAllowed: one is in no allowed domain.
    """
    if not to or len(to) > MOST or not all(is_address(each) for each in to):
        raise faults.RecipientInvalid
    own = _domain(sender)
    allowed = {domain.lower() for domain in policy.allowed_domains} | ({own} if own_domain else set())
    if any(_domain(each) not in allowed and each.lower() != sender.lower() for each in to):
        raise faults.RecipientNotAllowed
    once: dict[str, str] = {}
    for each in to:
        once.setdefault(each.lower(), each)
    return tuple(once.values())


def fax_address(number: str, policy: Policy) -> str:
    """Return the address at the fax provider for a number as it was typed.

    Raises:
        FaxNotSetUp: the policy has no template, or one that does not give an address.
        FaxNumberInvalid: it is no number.
    """
    before, mark, after = policy.fax_address.partition(NUMBER)
    # The number stands before the @, or it would choose whose server gets the fax.
    if not mark or NUMBER in after or "@" in before or after.count("@") != 1:
        raise faults.FaxNotSetUp
    address = before + e164(number, policy.fax_country)[1:] + after
    if not is_address(address):
        raise faults.FaxNotSetUp("no address")
    return address


def e164(number: str, country: str) -> str:
    """Return a number as E.164 has it: a plus, and digits.

    Args:
        number: as it was typed; spaces, hyphens, dots, slashes and brackets between digits are left out.
        country: to which a number with one leading 0 belongs, such as +375; empty: to none.

    Raises:
        FaxNumberInvalid: it is none.
        FaxNotSetUp: ``country`` is none.
    """
    if country and not _COUNTRY.fullmatch(country):
        raise faults.FaxNotSetUp("country")
    dialled = number.translate(_BETWEEN_DIGITS) if len(number) <= _LONGEST_TYPED else ""
    if country and dialled.startswith("00"):
        dialled = f"+{dialled[2:]}"
    elif country and dialled.startswith("0"):
        dialled = country + dialled[1:]
    if not _E164.fullmatch(dialled):
        raise faults.FaxNumberInvalid
    return dialled


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
