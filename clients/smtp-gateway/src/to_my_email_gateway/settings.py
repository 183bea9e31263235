"""``gateway.toml``: the only file that a person writes. Read once, and every mistake told at once, by name."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from to_my_email.wire import origin
from to_my_email_gateway.people import People

FILE = "gateway.toml"

TEMPLATE = """\
# The gateway for printers that only speak SMTP. After a change: restart the gateway.

# The address of the To My Email service.
service = "{service}"
# The language of the service's texts, and of the mails where the person has chosen none (BCP 47).
language = "en"

[smtp]
# An address of the office network, never of the internet.
host = "127.0.0.1"
port = 2525
# With a certificate the gateway offers STARTTLS; require_tls then refuses printers that do not use it.
# certificate = "/etc/to-my-email-gateway/certificate.pem"
# key = "/etc/to-my-email-gateway/key.pem"
# require_tls = true

[limits]
# Bytes of one mail, as it comes; a document grows by 37 % in it.
mail = 36_000_000
# Connections at once, and of one printer's address.
connections = 40
connections_of_one = 8

[people]
# Whom a scan belongs to is told by the "recipient" of the mail (the usual way), or by its "sender".
by = "recipient"
# Every address of these domains is a person: what stands before the @ is the service's user id.
domains = [{domains}]

# Or address by address; these come first.
[people.addresses]
# "adele.vance@contoso.example" = "adele"
"""

_MAIL_BYTES = (100_000, 220_000_000)
_TABLES: Mapping[str, frozenset[str]] = {
    "": frozenset({"service", "language", "smtp", "limits", "people"}),
    "smtp": frozenset({"host", "port", "certificate", "key", "require_tls"}),
    "limits": frozenset({"mail", "connections", "connections_of_one"}),
    "people": frozenset({"by", "domains", "addresses"}),
}


class SettingsError(Exception):
    """gateway.toml cannot be used; ``mistakes`` has one line for each thing to correct."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(mistakes))


@dataclass(frozen=True)
class Settings:
    """What gateway.toml says. Sizes are bytes."""

    service: str
    people: People
    language: str = "en"
    host: str = "127.0.0.1"
    port: int = 2525
    certificate: Path | None = None
    key: Path | None = None
    require_tls: bool = False
    mail: int = 36_000_000
    connections: int = 40
    connections_of_one: int = 8


def read(directory: Path) -> Settings:
    """Read ``gateway.toml`` in ``directory``.

    Raises:
        SettingsError: it is missing, no TOML, or says something that cannot be.
    """
    try:
        told = tomllib.loads((directory / FILE).read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError([f"{FILE} is missing: to-my-email-gateway init makes one"]) from None
    except (OSError, UnicodeDecodeError):
        raise SettingsError([f"{FILE} cannot be read"]) from None
    except tomllib.TOMLDecodeError as wrong:
        raise SettingsError([f"{FILE} is no TOML: {wrong}"]) from None
    return _Reader(told, directory).settings()


class _Reader:
    """Reads the tables, and collects what is wrong with them."""

    def __init__(self, told: dict[str, Any], directory: Path) -> None:
        self._tables: dict[str, dict[str, Any]] = {"": told}
        self._directory = directory
        self._mistakes: list[str] = []
        for name in ("smtp", "limits", "people"):
            table = told.get(name, {})
            self._tables[name] = table if isinstance(table, dict) else {}
            if table is not self._tables[name]:
                self._mistakes.append(f"{name} must be a table: [{name}]")
        for table_name, known in _TABLES.items():
            where = f"{table_name}." if table_name else ""
            self._mistakes += [f"{where}{name} is unknown" for name in sorted(self._tables[table_name].keys() - known)]

    def settings(self) -> Settings:
        """Return the settings, or raise all mistakes."""
        certificate, key = self._file("certificate"), self._file("key")
        if (certificate is None) != (key is None):
            self._mistakes.append("smtp.certificate and smtp.key belong together")
        require_tls = self._value("smtp", "require_tls", bool, default=False)
        if require_tls and certificate is None:
            self._mistakes.append("smtp.require_tls needs smtp.certificate")
        made = Settings(
            service=self._service(),
            people=self._people(),
            language=self._value("", "language", str, default="en"),
            host=self._host(),
            port=self._number("smtp", "port", 2525, 0, 65_535),
            certificate=certificate,
            key=key,
            require_tls=require_tls,
            mail=self._number("limits", "mail", 36_000_000, *_MAIL_BYTES),
            connections=self._number("limits", "connections", 40, 1, 1000),
            connections_of_one=self._number("limits", "connections_of_one", 8, 1, 1000),
        )
        if self._mistakes:
            raise SettingsError(self._mistakes)
        return made

    def _value(self, table: str, name: str, kind: type, *, default: Any) -> Any:
        value = self._tables[table].get(name, default)
        if type(value) is kind:
            return value
        where = f"{table}.{name}" if table else name
        self._mistakes.append(f"{where} must be {'true or false' if kind is bool else f'a {kind.__name__}'}")
        return default

    def _number(self, table: str, name: str, default: int, least: int, most: int) -> int:
        value: int = self._value(table, name, int, default=default)
        if not least <= value <= most:
            self._mistakes.append(f"{table}.{name} must be from {least} to {most}")
        return value

    def _file(self, name: str) -> Path | None:
        value = self._value("smtp", name, str, default="")
        if not value:
            return None
        path: Path = self._directory / value  # an absolute one stays what it is
        if not path.is_file():
            self._mistakes.append(f"smtp.{name}: there is no such file")
        return path

    def _service(self) -> str:
        value = self._value("", "service", str, default="")
        try:
            return origin(value)
        except ValueError as wrong:
            self._mistakes.append(f"service: {wrong}")
            return ""

    def _host(self) -> str:
        value: str = self._value("smtp", "host", str, default="127.0.0.1")
        try:
            ipaddress.ip_address(value)
        except ValueError:
            if not re.fullmatch(r"[A-Za-z0-9.-]{1,253}", value):
                self._mistakes.append("smtp.host must be an IP address or a host name")
        return value

    def _people(self) -> People:
        table = self._tables["people"]
        domains, addresses = table.get("domains", []), table.get("addresses", {})
        if not isinstance(domains, list) or not all(isinstance(each, str) for each in domains):
            self._mistakes.append("people.domains must be a list of texts")
            domains = []
        if not isinstance(addresses, dict):
            self._mistakes.append("people.addresses must be a table: [people.addresses]")
            addresses = {}
        people = People(self._value("people", "by", str, default="recipient"), domains, addresses)
        self._mistakes += people.mistakes()
        return people
