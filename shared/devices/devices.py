"""The rows of devices: who there is, what state he is in, and what an administrator may do about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from shared import faults
from shared.devices.keys import words
from shared.devices.serials import serial_hash
from shared.storage import AlreadyThere, Gone, Row, Table, Value, key

ROW = "device"


class WordsDiffer(Exception):
    """The words that the administrator read at the panel are not those of this device's key (threat D04)."""


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
    next_jwk: Mapping[str, str] | None = None
    """A key that was announced and never used yet; see :mod:`shared.devices.rollover`."""
    former_jwk: Mapping[str, str] | None = None
    """The key before this one, kept to recognise whoever still uses it."""
    rolled_at: datetime | None = None
    former_key_used_at: datetime | None = None
    """When somebody first used the former key after it was replaced: one of two holders is a thief (threat D11)."""
    enrolled_at: datetime | None = None
    replaces: bool = False
    """Whether it takes the place of those with its serial number, as soon as it is active."""

    @property
    def words(self) -> str:
        """Four words of the key's thumbprint, the same on panel and console (threat D04)."""
        return words(self.jwk)


class Devices:
    """All devices, in the table ``devices`` (partition: device id).

    Two indexes say what to look at, and never what is true: the ids of an organisation, and the ids with a serial
    number. An id is there before its device, so no device is ever missing in them.

    Args:
        table: the table ``devices``.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, device_id: str) -> Device | None:
        """Return the device, or None."""
        row = self._table.get(key(device_id), ROW)
        return read(device_id, row) if row else None

    def owned(self, tid: str, device_id: str) -> Device:
        """Return the device of an organisation.

        Raises:
            NotFound: unknown, or another organisation's: the same for both (threat D03).
        """
        device = self.get(device_id)
        if device is None or device.tid != tid:
            raise faults.NotFound("device")
        return device

    def of(self, tid: str, *, after: str = "", limit: int | None = None) -> Iterator[Device]:
        """Yield the devices of an organisation by id, those with ids beyond ``after``, ``limit`` ids at most."""
        for row in self._table.query(key("organisation", tid), after=key(after), limit=limit):
            if device := self.get(row.row):
                yield device

    def insert(self, device: Device) -> Device:
        """Write a new device and return it; one with this id that is there already stays and is returned."""
        for index in (key("organisation", device.tid), _same_serial(device)):
            with suppress(AlreadyThere):
                self._table.insert(index, key(device.id), {})
        values: dict[str, Value | None] = {
            "tid": device.tid,
            "group": device.group,
            "location": device.location,
            "jwk": json.dumps(dict(device.jwk)),
            "model": device.model,
            "serial": device.serial,
            "name": device.name,
            "locale": device.locale,
            "status": device.status,
            "enrolled_at": device.enrolled_at,
            "replaces": device.replaces,
        }
        try:
            return read(device.id, self._table.insert(key(device.id), ROW, values))
        except AlreadyThere:
            return self.owned(device.tid, device.id)

    def approve(self, tid: str, device_id: str, spoken: str) -> Device:
        """Let a pending device in; approving it twice is fine.

        Args:
            tid: the administrator's organisation.
            device_id: which device.
            spoken: the four words that the panel shows, as the administrator read them there.

        Raises:
            NotFound: the organisation has no such device.
            WordsDiffer: they are another key's.
            WrongState: it is revoked.
        """

        def approve(row: Row) -> Mapping[str, Value | None] | None:
            device = read(device_id, row)
            if device.tid != tid:
                raise faults.NotFound("device")
            if spoken.casefold().split() != device.words.split():
                raise WordsDiffer
            if device.status == "revoked":
                raise faults.WrongState("revoked")
            return {"status": "active"} if device.status == "pending" else None

        approved = self._change(device_id, approve)
        self.take_place(approved)
        return approved

    def revoke(self, tid: str, device_id: str) -> None:
        """Shut a device out; its tokens are worth nothing from its next request on, and its history stays.

        Raises:
            NotFound: the organisation has no such device.
        """

        def revoke(row: Row) -> Mapping[str, Value | None] | None:
            if row["tid"] != tid:
                raise faults.NotFound("device")
            return None if row["status"] == "revoked" else {"status": "revoked"}

        self._change(device_id, revoke)

    def take_place(self, device: Device) -> None:
        """Revoke the earlier devices with the serial number and group of one that replaces them and is active.

        Doing it again does no harm: what enrolled later is never revoked by it.
        """
        if device.status != "active" or not device.replaces or not device.serial.strip() or not device.enrolled_at:
            return
        for row in self._table.query(_same_serial(device)):
            other = self.get(row.row)
            if other and other.status != "revoked" and other.enrolled_at and other.enrolled_at < device.enrolled_at:
                self.revoke(device.tid, other.id)

    def _change(self, device_id: str, decide: Callable[[Row], Mapping[str, Value | None] | None]) -> Device:
        try:
            return read(device_id, self._table.change(key(device_id), ROW, decide))
        except Gone as error:
            raise faults.NotFound("device") from error


def read(device_id: str, row: Row) -> Device:
    """Return the device that a row holds."""
    keys = {name: json.loads(row[name]) if row.get(name) else None for name in ("next_jwk", "former_jwk")}
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
        next_jwk=keys["next_jwk"],
        former_jwk=keys["former_jwk"],
        rolled_at=row.get("rolled_at"),
        former_key_used_at=row.get("former_key_used_at"),
        enrolled_at=row["enrolled_at"],
        replaces=row["replaces"],
    )


def _same_serial(device: Device) -> str:
    return key("serial", device.tid, device.group, serial_hash(device.serial))
