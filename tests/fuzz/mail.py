"""Targets that need the standard library alone, so that every Python can be asked: the mail, and a file name.

``python -m tests.fuzz.mail SEED INPUTS`` is how ``test_fuzz.py`` asks the Pythons that are not the tests' own.
"""

from __future__ import annotations

import email
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.header import decode_header
from email.message import EmailMessage
from email.utils import getaddresses
from random import Random
from typing import Any

from tests.fuzz.grammar import hostile, near
from tests.fuzz.target import Check, Edit, Modules, Target, run

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
JOB = "33333333-0000-4000-8000-000000000000"
OWN = "adele.o'vance+scan@contoso.example"
NAMES = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "x-to-my-email-job", "Auto-Submitted",
         "X-Auto-Response-Suppress", "Content-Type"]  # fmt: skip
"""Every header that a mail of ours has, in its order."""
TYPES = {"application/pdf": (".pdf",), "image/jpeg": (".jpg", ".jpeg"), "image/tiff": (".tif", ".tiff"),
         "image/png": (".png",)}  # fmt: skip
ADDRESSES = (OWN, "ben@fabrikam.example", "a=?b@c-d.example", "x!y@z.example")
VECTORS = ("=?utf-8?q?a=0ABcc:_evil@x.test?=", "=?utf-8?q?x@evil.com=2C?=", "=?utf-8?b?DQpCY2M6IGVAeA==?=",
           "=?utf-8?q?=0D=0ABcc:_evil@x.test?= =?utf-8?q?x?=")  # fmt: skip
"""CVE-2024-6923 and its kin: what Python's own generator made second headers and recipients of."""
FIRST_FORBIDDEN = set('<>:"/\\|?*;,=%')
DEVICE_NAMES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ .]*(\..*)?", re.IGNORECASE)


@dataclass
class Bytes:
    """A document."""

    content: bytes

    @property
    def size(self) -> int:
        """How many bytes."""
        return len(self.content)

    def chunks(self) -> Iterator[bytes]:
        """All of it."""
        yield self.content


def generate_message(rng: Random) -> dict[str, Any]:
    """Return what a device, a template and a directory may say of one mail."""
    bad = rng.random() < 0.15
    addresses = [rng.choice(ADDRESSES) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    if bad:
        at = rng.randrange(len(addresses))
        addresses[at] = rng.choice([hostile(rng, 2), near(rng, addresses[at]), f"{rng.choice(VECTORS)} <{OWN}>"])
    subject = rng.choice(VECTORS) if rng.random() < 0.05 else hostile(rng)
    return {
        "sender": OWN if len(addresses) > 1 or not bad else addresses[0],
        "recipients": addresses if len(addresses) > 1 else [],
        "subject": f"Scan from {hostile(rng, 2)}" if rng.random() < 0.2 else subject,
        "text": hostile(rng),
        "name": hostile(rng),
        "type": rng.choice(sorted(TYPES)),
        "content": rng.choice([b"x", rng.randbytes(rng.randint(1, 200)), b"\r\n--=_\r\n.\r\nMAIL FROM:<e@x>\r\n"]),
    }


def build_message(modules: Modules) -> Check:
    """Return the check of a whole mail: what is read back, by two readers and by eye, is what was meant."""
    mime, message = modules("shared.mail.mime"), modules("shared.mail.message")
    sender, unexpected = modules("shared.mail.transport").Sender, modules("shared.faults").Unexpected

    def check(given: dict[str, Any]) -> None:
        said = message.Message(
            JOB, given["subject"], given["text"], given["name"], given["type"], tuple(given["recipients"])
        )
        wanted = given["recipients"] or [given["sender"]]
        try:
            mail = mime.Mime(sender("oid", given["sender"]), said, Bytes(given["content"]), "scan.example.com", NOW)
        except unexpected:
            assert any(not _plain_address(each) for each in (*wanted, given["sender"])), "what is right was refused"
            return
        raw = b"".join(mail.chunks())
        assert len(raw) == mail.size, "another size than announced"
        _assert_reads_as_meant(raw, given, wanted, list(mail.recipients))

    return check


def _plain_address(text: str) -> bool:
    """Say by rules of this test's own whether an address needs no quoting anywhere."""
    local, at, domain = text.rpartition("@")
    letters = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    labels = domain.split(".")
    return (
        bool(at and local)
        and len(local) <= 64
        and 3 <= len(text) <= 254
        and all(word and set(word) <= letters | set("_!#$%&'*+/=?^`{|}~-") for word in local.split("."))
        and all(label and len(label) <= 63 and set(label) <= letters | {"-"} for label in labels)
        and not any(label.startswith("-") or label.endswith("-") for label in labels)
    )


def _assert_reads_as_meant(raw: bytes, given: dict[str, Any], wanted: list[str], envelope: list[str]) -> None:
    # By eye: whole ASCII lines, and a head of exactly our headers.
    assert raw.isascii(), "not ASCII"
    assert raw.endswith(b"\r\n"), "no last line end"
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\x00", raw), "bare line ends"
    head = raw.partition(b"\r\n\r\n")[0].decode()
    assert [line.partition(":")[0] for line in head.split("\r\n") if line[:1] not in {" ", "\t"}] == NAMES, "headers"
    assert envelope == wanted, "envelope"
    # By Python's old reader, and for what a device can bend by the new one, too: they differ.
    parsed = email.message_from_bytes(raw)
    assert parsed.keys() == NAMES, "headers"
    for name, meant in (("To", wanted), ("From", [given["sender"]])):
        assert getaddresses([parsed[name]]) == [("", each) for each in meant], name
        said = [(each.display_name, each.addr_spec) for each in _read_newly(parsed, name).addresses]
        assert said == [("", each) for each in meant], name
    subject = str(_read_newly(parsed, "Subject"))
    words = decode_header(re.sub(r"\r?\n[ \t]", " ", parsed["Subject"]))
    assert subject == "".join(w.decode(c or "ascii") if isinstance(w, bytes) else w for w, c in words), "two subjects"
    _assert_plain(subject, given["subject"], 200)
    parts = parsed.get_payload()
    assert isinstance(parts, list)
    assert [part.get_content_type() for part in parts] == ["text/plain", given["type"]], "parts"
    assert parts[1].keys() == ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"], "part's headers"
    disposition = _read_newly(parts[1], "Content-Disposition")
    assert disposition.params.keys() == {"filename"}, "parameters"
    name = parts[1].get_filename()
    assert disposition.params["filename"] == name, "two names"
    _assert_safe_name(str(name), given["type"])
    assert parts[1].get_payload(decode=True) == given["content"], "content"
    assert not any(part.defects for part in (parsed, *parts)), "defects"


def _read_newly(part: Any, name: str) -> Any:
    header = policy.default.header_fetch_parse(name, part[name])
    assert not header.defects, f"defects of {name}"
    return header


def _assert_plain(said: str, told: str, longest: int) -> None:
    """Assert that a text is one line of what can be seen, and the beginning of what was told."""
    assert len(said) <= longest, "too long"
    assert said == " ".join(said.split()), "space"
    assert "=?" not in said, "an encoded-word that a second reading would decode"
    assert not {unicodedata.category(each) for each in said} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}, "not visible"
    letters = _letters(said)
    assert letters == _letters(told)[: len(letters)], "another text"


def _letters(text: str) -> list[str]:
    return [each for each in unicodedata.normalize("NFD", text) if each.isascii() and each.isalnum()]


def _assert_safe_name(name: str, kind: str) -> None:
    assert name.endswith(TYPES[kind]), "another ending"
    stem = name.rpartition(".")[0]
    assert stem, "no name"
    assert stem == stem.strip(" ."), "edges"
    assert not set(name) & FIRST_FORBIDDEN, "not a name on every system"
    assert not DEVICE_NAMES.fullmatch(stem), "a device of Windows"
    assert len(name) <= 105, "too long"
    _assert_plain(name, name, 105)


def generate_name(rng: Random) -> tuple[str, str]:
    """Return a file name and a type."""
    return hostile(rng), rng.choice(sorted(TYPES))


def build_name(modules: Modules) -> Check:
    """Return the check of a file name."""
    message = modules("shared.mail.message")

    def check(given: tuple[str, str]) -> None:
        made = message.file_name(*given, "scan")
        _assert_safe_name(made, given[1])
        assert message.file_name(made, given[1], "scan") == made, "another name the second time"

    return check


MAIL = ("shared.mail.headers", "shared.mail.message", "shared.mail.readback", "shared.mail.mime")
_NOT_READ_BACK = Edit("shared.mail.mime", "        require_read_as(meant, self._head + self._tail)\n", "")
_WRITTEN_AS_IS = Edit(
    "shared.mail.headers", ' and "=?" not in text and _PLAIN_TEXT.fullmatch(text)', " and text.isascii()"
)
MESSAGE = Target(
    "message",
    "the mail has our headers, the recipients and the two parts that were meant, whatever anybody says (F01 to F18)",
    1_200,
    generate_message,
    build_message,
    MAIL,
    (
        # Cleaning, encoding and reading back guard the same thing: a fault is all three.
        (Edit("shared.mail.message", '.replace("=?", "= ?")', ""), _WRITTEN_AS_IS, _NOT_READ_BACK),
        (
            Edit("shared.mail.message", 'elif kind[0] != "C":', "else:"),
            Edit("shared.mail.message", '"Cc", "Zl", "Zp", "Zs"', '"Zl", "Zp"'),
            Edit("shared.mail.message", '" ".join(line.replace("=?", "= ?").split())', 'line.replace("=?", "= ?")'),
            _WRITTEN_AS_IS,
            _NOT_READ_BACK,
        ),
        (
            Edit("shared.mail.headers", "return _ADDRESS.fullmatch(text) is not None", 'return "@" in text'),
            _NOT_READ_BACK,
        ),
        (
            Edit("shared.mail.headers", "len(name) <= _SHORT and _PLAIN_NAME.fullmatch(name)", "name.isascii()"),
            Edit("shared.mail.message", """    stem = re.sub(r'[<>:"|?*;,=%]', "_", stem)\n""", ""),
            _NOT_READ_BACK,
        ),
        # The reader itself refuses what is right.
        (Edit("shared.mail.readback", "(meant.attachment[0], b", "(meant.attachment[0].lower(), b"),),
    ),
)
NAME = Target(
    "file name",
    "a name without path, quote, control or reserved word, that ends in what the document is (F04 to F06)",
    30_000,
    generate_name,
    build_name,
    ("shared.mail.message",),
    (
        (Edit("shared.mail.message", " or _WINDOWS_DEVICES.fullmatch(stem)", ""),),
        (Edit("shared.mail.message", '.replace("\\\\", "/").rpartition("/")[2]', ""),),
        (Edit("shared.mail.message", 'elif kind[0] != "C":', "else:"),),
    ),
)
TARGETS = (MESSAGE, NAME)


def fooled(subject: str) -> bool:
    """Say whether Python's own header code makes more of a subject than one header: what we do not rely upon."""
    mail = EmailMessage()
    mail["Subject"] = subject
    try:
        return len(email.message_from_bytes(mail.as_bytes()).keys()) != 1
    except Exception:  # noqa: BLE001  (later Pythons refuse to write it)
        return False


def main(seed: str, inputs: int) -> int:
    """Try both targets on this Python, and say whether its own header code could be talked into a second header."""
    spent = 0.0
    for target in TARGETS:
        outcome = run(target, seed, inputs)
        spent += outcome.seconds
        if outcome.finding:
            print(f"{outcome.finding.error}\nseed {seed!r}, input {outcome.finding.number}: {outcome.finding.given!r}")
            return 1
    print(
        f"{sys.version.split()[0]}: {2 * inputs} inputs, {spent:.1f} s, "
        f"own generator fooled: {any(map(fooled, VECTORS))}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
