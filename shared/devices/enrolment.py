"""Enrolment: whoever proves a key and brings a ticket becomes a device of the ticket's organisation and group."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from shared import faults
from shared.devices.devices import Device, Devices
from shared.devices.keys import public_jwk, thumbprint
from shared.devices.nonces import Nonces
from shared.devices.serials import NOT_ALLOWED, Refusal, Serials
from shared.devices.signatures import SignatureInvalid, signed_claims
from shared.devices.tickets import Tickets

PROOF_TYPE = "enrolment-proof+jwt"


class Enrolments:
    """Enrols devices.

    Args:
        devices: the rows.
        tickets: says to whom a new device belongs.
        serials: says which serial numbers an organisation lets in.
        nonces: recognises a fresh nonce.
        audience: our origin; a proof for anybody else is none.
        clock: the time now.
    """

    def __init__(
        self,
        devices: Devices,
        tickets: Tickets,
        serials: Serials,
        nonces: Nonces,
        audience: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._devices = devices
        self._tickets = tickets
        self._serials = serials
        self._nonces = nonces
        self._audience = audience
        self._clock = clock

    def enrol(
        self,
        *,
        ticket: str,
        jwk: Mapping[str, Any],
        proof: str,
        model: str,
        serial: str,
        name: str,
        locale: str,
        address: str,
    ) -> Device:
        """Enrol a device that proves possession of its key. The same ticket and key again: the same device.

        A revoked device, and one whose key is lost, needs a new ticket, and is then a new device.

        Args:
            ticket: pasted or typed.
            jwk: the device's public key.
            proof: a JWS by that key over nonce, thumbprint and audience.
            model: what the device says of itself; so with ``serial``, ``name`` and ``locale``.
            serial: its serial number.
            name: what people call it.
            locale: the language of its panel.
            address: where the request comes from, for the limit on guesses.

        Raises:
            ProofInvalid: the key, or the proof of possessing it. The ticket was not looked at.
            TicketInvalid: the ticket, or (for the administrator alone) the serial number.
            TooManyRequests: too many wrong codes.
        """
        own = public_jwk(jwk)
        print_ = thumbprint(own)
        self._prove(own, print_, proof)
        found = self._tickets.find(ticket, print_, address)
        at = self._clock()
        if not self._serials.may_enrol(found.tid, serial):
            refusal = Refusal(at, NOT_ALLOWED, found.group, found.location, name, model, serial)
            self._serials.refuse(found.tid, found.id, refusal)
            raise faults.TicketInvalid(NOT_ALLOWED)
        self._tickets.use(found, print_)
        # The id follows from ticket and key, so that a printer whose answer was lost gets the same one.
        named = hashlib.sha256(f"{found.id} {print_}".encode()).digest()
        device = self._devices.insert(
            Device(
                id=str(uuid.UUID(bytes=named[:16], version=4)),
                tid=found.tid,
                group=found.group,
                location=found.location,
                name=name,
                model=model,
                serial=serial,
                locale=locale,
                status="pending" if found.approval else "active",
                jwk=own,
                enrolled_at=at,
                replaces=found.replaces,
            )
        )
        if device.status == "revoked":
            raise faults.TicketInvalid("revoked meanwhile")
        self._devices.take_place(device)
        return device

    def _prove(self, jwk: Mapping[str, str], print_: str, proof: str) -> None:
        """Check the proof of possession (threat D05)."""
        try:
            claims = signed_claims(
                proof, jwk, typ=PROOF_TYPE, audience=self._audience, required=["aud", "nonce", "jkt"]
            )
        except SignatureInvalid as error:
            raise faults.ProofInvalid(str(error)) from error
        if claims["jkt"] != print_ or not self._nonces.fresh(claims["nonce"]):
            raise faults.ProofInvalid("claims")
