"""The rows of devices, and enrolment."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import faults
from shared.devices.keys import public_jwk, thumbprint, words
from shared.devices.nonces import Nonces
from shared.devices.tickets import Tickets
from shared.storage import AlreadyThere, Row, Table, Value, key

ROW = "device"
PROOF_TYPE = "enrolment-proof+jwt"


@dataclass(frozen=True)
class Device:
    """An enrolled printer. ``group`` is the set of printers that share one user registry."""

    id: str
    tid: str
    group: str
    location: str
    name: str
    model: str
    serial: str
    locale: str
    status: str
    """active, pending or revoked."""
    jwk: Mapping[str, str]

    @property
    def words(self) -> str:
        """Four words of the key's thumbprint, the same on panel and console (threat D04)."""
        return words(self.jwk)


class Devices:
    """All devices, in the table ``devices`` (partition: device id).

    Args:
        table: the table ``devices``.
        tickets: says to whom a new device belongs.
        nonces: recognises a fresh nonce.
        audience: our origin; a proof for anybody else is none.
        clock: the time now.
    """

    def __init__(
        self, table: Table, tickets: Tickets, nonces: Nonces, audience: str, clock: Callable[[], datetime]
    ) -> None:
        self._table = table
        self._tickets = tickets
        self._nonces = nonces
        self._audience = audience
        self._clock = clock

    def get(self, device_id: str) -> Device | None:
        """Return the device, or None."""
        row = self._table.get(key(device_id), ROW)
        return _read(device_id, row) if row else None

    def enrol(
        self, *, ticket: str, jwk: Mapping[str, Any], proof: str, model: str, serial: str, name: str, locale: str
    ) -> Device:
        """Enrol a device that proves possession of its key. The same ticket and key again: the same device.

        A revoked device needs a new ticket, and is then a new device.

        Raises:
            ProofInvalid: the key, or the proof of possessing it.
            TicketInvalid: the ticket.
        """
        own = public_jwk(jwk)
        print_ = thumbprint(own)
        self._prove(own, print_, proof)
        used = self._tickets.use(ticket, print_)
        # The id follows from ticket and key, so that a printer whose answer was lost gets the same one.
        device_id = str(uuid.UUID(bytes=hashlib.sha256(f"{used.id} {print_}".encode()).digest()[:16], version=4))
        values: dict[str, Value | None] = {
            "tid": used.tid,
            "group": used.group,
            "location": used.location,
            "jwk": json.dumps(own),
            "model": model,
            "serial": serial,
            "name": name,
            "locale": locale,
            "status": "active",
            "enrolled": self._clock(),
        }
        try:
            row = self._table.insert(key(device_id), ROW, values)
        except AlreadyThere:
            found = self.get(device_id)
            if found is None or found.status == "revoked":
                raise faults.TicketInvalid("removed or revoked meanwhile") from None
            return found
        return _read(device_id, row)

    def revoke(self, device_id: str) -> None:
        """Shut a device out; its tokens are worth nothing from its next request on.

        Raises:
            Gone: there is no such device.
        """
        self._table.change(key(device_id), ROW, lambda _: {"status": "revoked"})

    def _prove(self, jwk: Mapping[str, str], print_: str, proof: str) -> None:
        """Check the proof of possession: a JWS by the new key over nonce, thumbprint and audience (D05)."""
        import jwt

        try:
            header = jwt.get_unverified_header(proof)
            claims = jwt.decode(
                proof,
                key=jwt.PyJWK(dict(jwk), algorithm="ES256").key,
                algorithms=["ES256"],
                audience=self._audience,
                # The nonce says when; the device's clock, by which PyJWT would judge, is not asked (D08).
                options={
                    "require": ["aud", "nonce", "jkt"],
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise faults.ProofInvalid(type(error).__name__) from error
        if header.get("typ") != PROOF_TYPE or claims["jkt"] != print_ or not self._nonces.fresh(claims["nonce"]):
            raise faults.ProofInvalid("claims")


def _read(device_id: str, row: Row) -> Device:
    return Device(
        id=device_id,
        tid=row["tid"],
        group=row["group"],
        location=row["location"],
        name=row["name"],
        model=row["model"],
        serial=row["serial"],
        locale=row["locale"],
        status=row["status"],
        jwk=json.loads(row["jwk"]),
    )
