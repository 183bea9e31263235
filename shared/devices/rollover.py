r"""A device's next key: announced under both keys, in force from its first use on.

::

    key A  --PUT: signed by A and B-->  A, and B in waiting  --B gets its first token-->  key B; A is known as former
                                            \--PUT: signed by A and C--> A, and C in waiting

Until the first use A works as before: a device that loses power, or the answer, anywhere on the way goes on with A
or asks again (threat D13). Afterwards A opens nothing, nor do tokens that A got. Who still signs with A, over a nonce
of ours that is younger than the change, is not the device that changed it, or the device that changed it is not the
printer: that is written into the row for the administrator (threat D11).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from shared import faults
from shared.devices.devices import ROW, Device, read
from shared.devices.keys import public_jwk, thumbprint
from shared.devices.nonces import Nonces
from shared.devices.signatures import SignatureInvalid, signed_claims
from shared.storage import Gone, Row, Table, Value, key

PROOF_TYPE = "key-rollover+jwt"

log = logging.getLogger(__name__)


class Rollover:
    """Replaces keys, by compare-and-swap on the device's row.

    Args:
        table: the table ``devices``.
        nonces: recognises a fresh nonce.
        audience: our origin.
        clock: the time now.
    """

    def __init__(self, table: Table, nonces: Nonces, audience: str, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._nonces = nonces
        self._audience = audience
        self._clock = clock

    def announce(self, device: Device, jwk: Mapping[str, Any], *, old_proof: str, new_proof: str) -> Device:
        """Put a key in waiting. The same key again is fine, and another one takes its place, until one is used.

        Args:
            device: that calls.
            jwk: its next public key.
            old_proof: a JWS by the key in force over nonce, audience, device and the new key's thumbprint. Where the
                new key is in force already (its announcement's answer was lost), by the former one.
            new_proof: the same by the new key.

        Raises:
            ProofInvalid: the key, or one of the proofs; or a key that was in force before.
            DeviceTokenInvalid: the device was revoked meanwhile.
        """
        new = public_jwk(jwk)
        print_ = thumbprint(new)
        self._prove(new_proof, new, device.id, print_)

        def announce(row: Row) -> Mapping[str, Value | None] | None:
            now = read(device.id, row)
            if now.status != "active":
                raise faults.DeviceTokenInvalid(now.status)
            if now.former_jwk and thumbprint(now.former_jwk) == print_:
                raise faults.ProofInvalid("a key of before")
            in_force = thumbprint(now.jwk) == print_
            signer = now.former_jwk if in_force else now.jwk
            if signer is None:
                raise faults.ProofInvalid("the key in force")
            self._prove(old_proof, signer, device.id, print_)
            return None if in_force or now.next_jwk == new else {"next_jwk": json.dumps(new)}

        try:
            return read(device.id, self._table.change(key(device.id), ROW, announce))
        except Gone as error:
            raise faults.DeviceTokenInvalid("gone") from error

    def first_use(self, device_id: str, print_: str) -> bool:
        """The key in waiting has signed: from now on it is the key. Say whether ``print_`` is the key in force."""

        def promote(row: Row) -> Mapping[str, Value | None] | None:
            now = read(device_id, row)
            if now.next_jwk is None or thumbprint(now.next_jwk) != print_:
                return None
            return {
                "jwk": row["next_jwk"],
                "next_jwk": None,
                "former_jwk": row["jwk"],
                "rolled_at": self._clock(),
                "former_key_used_at": None,
            }

        try:
            now = read(device_id, self._table.change(key(device_id), ROW, promote))
        except Gone:
            return False
        return now.status != "revoked" and thumbprint(now.jwk) == print_

    def former_key_used(self, device: Device, nonce_made: datetime) -> None:
        """Somebody has signed with the former key: write it down, if he did so after the change."""
        if device.rolled_at is None or nonce_made <= device.rolled_at:
            return  # the device's own, under way when its key changed
        log.warning("device %s: its former key was used again", device.id)

        def note(row: Row) -> Mapping[str, Value | None] | None:
            return None if row.get("former_key_used_at") else {"former_key_used_at": self._clock()}

        # The refusal matters more than the note.
        with suppress(Gone, faults.StorageUnavailable):
            self._table.change(key(device.id), ROW, note)

    def _prove(self, proof: str, jwk: Mapping[str, str], device_id: str, print_: str) -> None:
        try:
            claims = signed_claims(
                proof, jwk, typ=PROOF_TYPE, audience=self._audience, required=["aud", "nonce", "sub", "jkt"]
            )
        except SignatureInvalid as error:
            raise faults.ProofInvalid(str(error)) from error
        fresh = self._nonces.fresh(claims["nonce"])
        if claims["jkt"] != print_ or claims["sub"] != device_id or not fresh:
            raise faults.ProofInvalid("claims")
