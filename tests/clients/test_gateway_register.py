"""The gateway's printers, people, settings and program."""

import hashlib
import itertools
import json
import re
import shlex
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.clients.gateway import ADELE, add_printer, configure, serving
from tests.clients.wire import TICKET, DeviceApi
from to_my_email_gateway import cli
from to_my_email_gateway.people import People
from to_my_email_gateway.printers import Printers, PrintersError
from to_my_email_gateway.settings import FILE, TEMPLATE, SettingsError, read

PACKAGE = Path(__file__).resolve().parents[2] / "clients" / "smtp-gateway"


def test_a_secret_is_kept_hashed_and_is_one_printers(tmp_path: Path) -> None:
    """Only the scrypt hash is on the disk, under a salt of its own, readable by the owner alone."""
    printers = Printers(tmp_path)
    first, second = printers.add("first"), printers.add("second")
    assert first
    assert second
    assert len(first) == 24
    file = tmp_path / "printers.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert first not in text
    assert hashlib.sha256(first.encode()).hexdigest() not in text
    kept = json.loads(text)
    assert kept["first"]["secret"]["salt"] != kept["second"]["secret"]["salt"]
    assert kept["first"]["secret"]["n"] >= 1 << 14
    found = printers.verified("first", first)
    assert found
    assert found.name == "first"
    assert printers.verified("first", second) is None
    assert printers.verified("third", first) is None
    assert printers.verified("first", "") is None


def test_removed_printers_are_out_at_once(tmp_path: Path) -> None:
    """Another process's change counts at the next question."""
    printers = Printers(tmp_path)
    secret = printers.add("first") or ""
    printers.add("second", ["192.0.2.7", "2001:db8::7"])
    Printers(tmp_path).remove("first")
    assert printers.verified("first", secret) is None
    assert printers.at("192.0.2.7")
    assert printers.at("::ffff:192.0.2.7"), "as a socket for IPv4 and IPv6 tells it"
    assert printers.at("2001:0db8::0007")
    assert printers.at("192.0.2.8") is None
    assert printers.at("") is None


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a b", "../x", "a/b", "a" * 41, "a\n"])
def test_names_are_plain(tmp_path: Path, name: str) -> None:
    """A name is a folder's as well; nothing else gets there."""
    with pytest.raises(PrintersError):
        Printers(tmp_path).add(name)


def test_two_printers_have_neither_name_nor_address_in_common(tmp_path: Path) -> None:
    """The second one is refused, and the first stays as it was."""
    printers = Printers(tmp_path)
    printers.add("first", ["192.0.2.7"])
    for name, addresses in (("first", []), ("second", ["::ffff:192.0.2.7"]), ("second", ["192.0.2.0/24"])):
        with pytest.raises(PrintersError):
            printers.add(name, addresses)
    assert [each.name for each in printers.all()] == ["first"]


def test_a_damaged_register_lets_nobody_in(tmp_path: Path) -> None:
    """It is named, not taken for an empty one."""
    for text in ("{", "[]", '{"first": {}}', '{"first": 1}', '{"first": {"secret": null, "addresses": ["x"]}}'):
        (tmp_path / "printers.json").write_text(text)
        with pytest.raises(PrintersError, match="damaged"):
            Printers(tmp_path).at("192.0.2.7")


@pytest.mark.parametrize(
    ("address", "user"),
    [
        ("Adele.Vance@Contoso.example", "adele"),
        (" adele.vance@contoso.example ", "adele"),
        ("ben@contoso.example", "ben"),
        ("BEN@contoso.example.", "ben"),
        ("r\u00e4ume@b\u00fcro.example", "room"),
        ("ra\u0308ume@xn--bro-hoa.example", "room"),
        ("ben@sub.contoso.example", None),
        ("ben@contoso.example.evil.example", None),
        ("ben+tag@contoso.example", None),
        ("b\u00e9n@contoso.example", None),
        ("@contoso.example", None),
        ("contoso.example", None),
        ("ben@x@contoso.example", None),
        ("<>", None),
        ("", None),
    ],
)
def test_addresses_and_people(address: str, user: str | None) -> None:
    """Case, composition and IDNA do not matter; what is nearly an address of the domain is nobody's."""
    rules = People("recipient", ["Contoso.example"], {ADELE: "adele", "r\u00e4ume@b\u00fcro.example": "room"})
    assert rules.mistakes() == []
    assert rules.find(address) == user


def test_settings_tell_all_mistakes_at_once(tmp_path: Path) -> None:
    """Every mistake by name, no value of it: addresses are people's."""
    (tmp_path / FILE).write_text(
        'service = "http://scan.example"\nservise = 1\n[smtp]\nport = 70_000\ncertificate = "x.pem"\n'
        'require_tls = "yes"\nhost = "a b"\n[limits]\nmail = 1\n[people]\nby = "subject"\ndomains = ["x"]\n'
        f'[people.addresses]\n"{ADELE}" = "no user"\n'
    )
    with pytest.raises(SettingsError) as told:
        read(tmp_path)
    named = {"service", "servise", "smtp.port", "smtp.certificate", "smtp.require_tls", "smtp.host", "limits.mail"}
    named |= {"people.by", "people.domains", "people.addresses"}
    assert {re.split(r"[: ]", mistake)[0] for mistake in told.value.mistakes} == named
    assert ADELE not in str(told.value)


@pytest.mark.parametrize("text", [None, "service = ", "\xff", 'service = "https://x.example"\nsmtp = 1\n'])
def test_a_file_that_is_none(tmp_path: Path, text: str | None) -> None:
    """Missing, broken, in another character set, of another shape: said as it is."""
    if text is not None:
        (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError):
        read(tmp_path)


def test_init_writes_a_file_that_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What init writes is complete, and is never written over."""
    make = ["--directory", str(tmp_path / "new"), "init", "--service", "https://scan.example/", "--domain"]
    assert cli.main([*make, "contoso.example"]) == 0
    told = read(tmp_path / "new")
    assert (told.service, told.port, told.mail) == ("https://scan.example", 2525, 36_000_000)
    assert told.people.find("ben@contoso.example") == "ben"
    assert cli.main([*make, "other.example"]) == 1
    assert read(tmp_path / "new").people.find("ben@contoso.example") == "ben"
    for service, domain in (("http://scan.example", "x.example"), ("https://scan.example", 'x".example')):
        assert cli.main(["--directory", str(tmp_path), "init", "--service", service, "--domain", domain]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_refused_ticket_adds_no_printer(
    service: DeviceApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No printer without a device; the right ticket afterwards adds it, and the list shows it."""
    configure(tmp_path, service.url)
    ask = ["--directory", str(tmp_path), "printer"]
    assert cli.main([*ask, "add", "first", "--ticket", "wrong"]) == 1
    assert Printers(tmp_path).all() == []
    assert add_printer(tmp_path, TICKET, capsys, "first")
    assert cli.main([*ask, "list"]) == 0
    assert re.fullmatch(r"first +secret +enrolled\n", capsys.readouterr().out)
    assert cli.main([*ask, "remove", "first"]) == 0
    assert cli.main([*ask, "remove", "first"]) == 1


def test_one_gateway_serves_a_directory(service: DeviceApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second one would clear away what the first is handing over: it says so and ends."""
    configure(tmp_path, service.url)
    with serving(tmp_path):
        assert cli.main(["--directory", str(tmp_path), "run"]) == 1
    assert "Another program" in capsys.readouterr().err


# The documents


def _commands() -> list[str]:
    texts = "".join(path.read_text() for path in (PACKAGE / "README.md", *(PACKAGE / "docs").glob("*")))
    return re.findall(
        r"^ *(?:\S+=)?(?:\S*/)?to-my-email-gateway ((?:-|init|printer|run|check).*)$", texts, re.MULTILINE
    )


def test_commands_of_the_documents_exist() -> None:
    """Every command line of README and docs is one that the program takes."""
    lines = _commands()
    assert len(lines) >= 5
    for line in lines:
        cli._parser().parse_args(shlex.split(line, comments=True))  # a wrong one exits


def test_every_setting_is_in_the_file_and_in_the_readme() -> None:
    """What init writes names every setting, commented out or not, and the README explains each table."""
    from to_my_email_gateway.settings import _TABLES

    written = re.sub(
        r"^# (?=\w+ = |\")", "", TEMPLATE.format(service="https://x.example", domains=""), flags=re.MULTILINE
    )
    tables: dict[str, Any] = tomllib.loads(written)
    for table, names in _TABLES.items():
        assert set(tables[table] if table else tables) == names
    readme = (PACKAGE / "README.md").read_text()
    for name in itertools.chain.from_iterable(_TABLES.values()):
        assert f"`{name}`" in readme, name
