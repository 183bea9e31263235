"""Who may hand in mail: the printers, each with a secret of its own that only it knows, or by its address.

::

    printers.json   {"second-floor": {"secret": {"salt", "hash", "n", "r", "p"}, "addresses": [...]}}   (0600)
    devices/NAME/   the printer's device at the service: key and enrolment, the device client's own

A secret is made here for one printer, shown once, and kept as its scrypt hash (RFC 7914). It is nobody's
password and is never sent on. Each printer is a device of its own at the service, so that limits, history and
revocation are its own as well.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from to_my_email import Store
from to_my_email.store import locked, write

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
COST = {"n": 1 << 14, "r": 8, "p": 1}
"""16 MB and about 50 ms for a guess; secrets have 120 bits, so this is for the day when they are copied elsewhere."""
_MOST_MEMORY = 64 << 20
_SECRET_BYTES = 15
_LOCK_PATIENCE = 10.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class PrintersError(Exception):
    """The register cannot be changed or read as asked; the text says why."""


@dataclass(frozen=True)
class Printer:
    """One printer: its name, and where its device keeps key and enrolment."""

    name: str
    store: Path
    addresses: tuple[Address, ...] = ()
    secret: Mapping[str, Any] | None = None


class Printers:
    """The register in a directory. Read anew at each question, so that changes count at once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "printers.json"

    def all(self) -> list[Printer]:
        """Return all printers by name.

        Raises:
            PrintersError: the file is damaged.
        """
        try:
            return [
                Printer(
                    name,
                    self.store(name),
                    tuple(ipaddress.ip_address(each) for each in kept["addresses"]),
                    kept["secret"],
                )
                for name, kept in sorted(self._read().items())
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise PrintersError("printers.json is damaged") from None

    def store(self, name: str) -> Path:
        """Return the directory of a printer's device."""
        return self._directory / "devices" / name

    def add(self, name: str, addresses: Sequence[str] = ()) -> str | None:
        """Add a printer and return its secret, which is kept nowhere; None for one that is known by its address.

        Raises:
            PrintersError: the name is taken or is none; an address is none, or another printer's.
        """
        if not NAME.fullmatch(name):
            raise PrintersError("a name is 1 to 40 lower-case letters, digits and hyphens, such as second-floor")
        try:
            own = [str(_plain(each)) for each in addresses]
        except ValueError:
            raise PrintersError("an address must be an IP address, such as 192.0.2.15") from None
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self._directory / "printers.lock", _LOCK_PATIENCE):
            kept = self._read()
            if name in kept:
                raise PrintersError(f"there is a printer {name} already")
            taken = {str(address) for printer in self.all() for address in printer.addresses}
            if taken & set(own):
                raise PrintersError("another printer has this address")
            secret = None if own else base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode().lower()
            kept[name] = {"secret": _hashed(secret) if secret else None, "addresses": own}
            self._write(kept)
        return secret

    def remove(self, name: str) -> None:
        """Let a printer in no more. Its device's key stays until the administrator has removed that as well.

        Raises:
            PrintersError: there is none of this name.
        """
        with locked(self._directory / "printers.lock", _LOCK_PATIENCE):
            kept = self._read()
            if name not in kept:
                raise PrintersError(f"there is no printer {name}")
            del kept[name]
            self._write(kept)

    def at(self, address: str) -> Printer | None:
        """Return the printer that is known by this source address, or None."""
        try:
            wanted = _plain(address)
        except ValueError:
            return None
        return next((printer for printer in self.all() if wanted in printer.addresses), None)

    def verified(self, name: str, secret: str) -> Printer | None:
        """Return the printer whose name and secret these are, or None. Takes as long for a name that is unknown."""
        found = next((printer for printer in self.all() if printer.name == name.strip().lower()), None)
        kept = (found.secret if found else None) or _NOBODY
        mine = _hash(secret, base64.b64decode(kept["salt"]), {part: kept[part] for part in COST})
        same = hmac.compare_digest(mine, base64.b64decode(kept["hash"]))
        return found if same and found and found.secret else None

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            kept = None
        if not isinstance(kept, dict):
            raise PrintersError("printers.json is damaged")
        return kept

    def _write(self, kept: Mapping[str, Any]) -> None:
        write(self._file, json.dumps(kept, indent=2).encode())


def enrolled(printer: Printer, service: str) -> bool:
    """Say whether a printer's device is enrolled at the service."""
    return Store(printer.store).enrolment(service) is not None


def _plain(address: str) -> Address:
    """Read an address; IPv4 inside of IPv6, as a socket for both tells it, is the IPv4 one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def _hash(secret: str, salt: bytes, cost: Mapping[str, int]) -> bytes:
    return hashlib.scrypt(secret.strip().encode("utf-8", "replace"), salt=salt, maxmem=_MOST_MEMORY, dklen=32, **cost)


def _hashed(secret: str) -> dict[str, Any]:
    salt = secrets.token_bytes(16)
    digest = _hash(secret, salt, COST)
    return {**COST, "salt": base64.b64encode(salt).decode(), "hash": base64.b64encode(digest).decode()}


_NOBODY: Mapping[str, Any] = {**COST, "salt": base64.b64encode(bytes(16)).decode(), "hash": ""}
"""What an unknown name is compared with: no hash is that short."""
