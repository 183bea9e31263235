"""Whose scan it is: from an address in the mail's envelope to the service's id of a person."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

USER_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""The device API's user_id."""
BY = ("recipient", "sender")


class People:
    """The rules of gateway.toml.

    Args:
        by: ``recipient`` or ``sender``: which address of the envelope tells the person.
        domains: every address there is a person, named by what stands before the @, in lower case.
        addresses: address to user id; looked at first.
    """

    def __init__(self, by: str, domains: Sequence[str], addresses: Mapping[str, Any]) -> None:
        self.by = by
        self._domains = {_domain(each) for each in domains}
        self._addresses = {_normal(address): user for address, user in addresses.items()}
        self._given = (tuple(domains), dict(addresses))

    @property
    def user_ids(self) -> list[str]:
        """The ids that addresses are mapped to one by one."""
        return sorted(set(self._addresses.values()))

    def find(self, address: str) -> str | None:
        """Return the user id of an address, whatever its case, or None."""
        wanted = _normal(address)
        if wanted in self._addresses:
            return str(self._addresses[wanted])
        local, at, domain = wanted.rpartition("@")
        return local if at and domain in self._domains and USER_ID.fullmatch(local) else None

    def mistakes(self) -> list[str]:
        """Return what is wrong with the rules; addresses are told by their place, not by themselves."""
        domains, addresses = self._given
        wrong = [] if self.by in BY else ['people.by must be "recipient" or "sender"']
        wrong += [
            f"people.domains: number {place} is no domain"
            for place, each in enumerate(domains, 1)
            if "@" in each or "." not in each.strip(".")
        ]
        for place, (address, user) in enumerate(addresses.items(), 1):
            if "@" not in address:
                wrong.append(f"people.addresses: number {place} is no address")
            if not isinstance(user, str) or not USER_ID.fullmatch(user):
                wrong.append(f"people.addresses: number {place} has no user id (letters, digits, . _ -)")
        if len(self._addresses) < len(addresses):
            wrong.append("people.addresses: two differ in nothing but case")
        if not domains and not addresses:
            wrong.append("people: neither domains nor addresses, so every mail would be refused")
        return wrong


def _normal(address: str) -> str:
    local, _, domain = address.strip().rpartition("@")
    return f"{unicodedata.normalize('NFC', local).casefold()}@{_domain(domain)}"


def _domain(domain: str) -> str:
    """Return a domain as DNS has it, in ASCII where that can be (RFC 5890)."""
    lowered = unicodedata.normalize("NFC", domain).casefold().strip(".")
    try:
        return lowered.encode("idna").decode()
    except UnicodeError:
        return lowered
