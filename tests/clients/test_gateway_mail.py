"""What the gateway makes of a mail: reading it up to its dot, and taking the scans out."""

import asyncio
import base64
import io
import itertools
import tempfile
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clients.gateway import attachment, scan_mail
from to_my_email_gateway.documents import MOST, Mail, take_apart
from to_my_email_gateway.reading import read_mail
from to_my_email_gateway.replies import RefusedMail, Reply

PDF = b"%PDF-1.7 \r\n\n\r\x00\xff end"
PNG = b"\x89PNG\r\n\x1a\n a picture"


def read(wire: bytes, *, limit: int = 10_000_000, line: int = 64) -> tuple[bytes, Reply | None, bytes]:
    """Read from a connection that brings ``wire``: the mail, why it was refused, and what is left of the wire."""

    async def reading() -> tuple[bytes, Reply | None, bytes]:
        reader, mail = asyncio.StreamReader(limit=line), io.BytesIO()
        reader.feed_data(wire)
        reader.feed_eof()
        refused = await read_mail(reader, mail, limit)
        return mail.getvalue(), refused, await reader.read()

    return asyncio.run(reading())


def apart(raw: bytes, folder: Path) -> Mail:
    """Take a mail apart."""
    return take_apart(io.BytesIO(raw), folder)


def refused(raw: bytes) -> Reply:
    """Why a mail is refused."""
    with tempfile.TemporaryDirectory() as folder, pytest.raises(RefusedMail) as why:
        apart(raw, Path(folder))
    return why.value.reply


# The dot


@settings(max_examples=200, deadline=None)
@given(lines=st.lists(st.binary(max_size=200).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b""))))
def test_every_mail_comes_out_as_it_was(lines: list[bytes]) -> None:
    """Whatever its lines, dots and length are, a mail is what the printer meant, and what follows is not read."""
    content = b"Subject: x\r\n" + b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in content.split(b"\r\n")[:-1])
    assert read(stuffed + b".\r\nQUIT\r\n") == (content, None, b"QUIT\r\n")


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\n.\n\n", b"\r\n\x00.\r\n"])
def test_a_mail_hides_no_second_one(end: bytes) -> None:
    """What is nearly an end is none, where the printer ends lines properly ("SMTP smuggling")."""
    hidden = b"MAIL FROM:<x@y.example>\r\nRCPT TO:<z@y.example>\r\nDATA\r\nhidden"
    content, _, left = read(b"Subject: x\r\n\r\nbody" + end + hidden + b"\r\n.\r\nQUIT\r\n")
    assert left == b"QUIT\r\n"
    assert b"hidden" in content


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\r\n"])
def test_bare_lf_from_a_printer_that_knows_nothing_else(end: bytes) -> None:
    """A mail whose lines end in bare LF from its first on ends with such a dot, too, and loses its stuffed dots."""
    content, _, left = read(b"Subject: x\n\nbody\n..dot" + end + b"QUIT\n")
    assert content.rstrip() == b"Subject: x\n\nbody\n.dot"
    assert left == b"QUIT\n"


def test_what_is_too_large_is_read_and_not_kept() -> None:
    """E: beyond the limit nothing more is kept; the end is still found, and the next command is read."""
    content, why, left = read(b"Subject: x\r\n" + b"a" * 5000 + b"\r\n.\r\nQUIT\r\n", limit=1000)
    assert why is not None
    assert str(why).startswith("552 5.3.4 ")
    assert len(content) <= 1000
    assert left == b"QUIT\r\n"


def test_a_line_that_never_ends_is_no_mail() -> None:
    """A connection that ends before the dot brings nothing."""
    with pytest.raises(asyncio.IncompleteReadError):
        read(b"Subject: x\r\n" + b"a" * 5000)


# The scans


@settings(max_examples=100, deadline=None)
@given(
    content=st.binary(max_size=3000), line=st.sampled_from([0, 1, 60, 76, 998]), ends=st.sampled_from(["\r\n", "\n"])
)
def test_every_document_comes_out_byte_by_byte(content: bytes, line: int, ends: str) -> None:
    """Whatever the bytes, the length of the base64 lines and their ends: the document is the one that went in."""
    document = b"%PDF-1.7" + content
    raw = attachment(document, line=line).replace(b"\r\n", ends.encode())
    with tempfile.TemporaryDirectory() as folder:
        (found,) = apart(raw, Path(folder)).documents
        assert (found.folder / "document").read_bytes() == document
        assert (found.media_type, found.size, found.name) == ("application/pdf", len(document), "scan.pdf")


def test_several_documents_are_several_scans(tmp_path: Path) -> None:
    """Each attachment is one; names come along, without any path."""
    mail = scan_mail(PDF, PNG, name="C:\\scans\\Räumung.pdf")
    found = apart(mail.as_bytes(), tmp_path)
    assert [(each.name, each.media_type) for each in found.documents] == [
        ("Räumung.pdf", "application/pdf"),
        ("Räumung.pdf", "image/png"),
    ]
    assert found.title == "Scan from second floor"


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        (b"=?iso-8859-1?Q?R=E4umung?=", "Räumung"),
        ("Räumung".encode(), "Räumung"),
        ("Räumung".encode("latin-1"), "Räumung"),
        (b"=?x-nothing?B?4pyT?=", "=?x-nothing?B?4pyT?="),
        (b"=?utf-8?B?4?=", "=?utf-8?B?4?="),
        (b"a\tb\x07c", "a b c"),
        (b"x" * 500, "x" * 200),
    ],
)
def test_subjects_as_printers_write_them(subject: bytes, title: str, tmp_path: Path) -> None:
    """Encoded-words, 8-bit in two character sets, broken ones, and control characters: one printable line."""
    assert apart(b"Subject: " + subject + b"\r\n" + attachment(PDF), tmp_path).title == title


def test_mail_without_any_header_of_its_own(tmp_path: Path) -> None:
    """No From, To, Date, Message-ID, Subject: the scan is there all the same."""
    found = apart(attachment(PDF), tmp_path)
    assert (found.title, found.marks, len(found.documents)) == ("", ("", ""), 1)


def test_base64_with_blanks_and_without_padding(tmp_path: Path) -> None:
    """Blanks within, zero bytes behind and no padding lose nothing."""
    raw = b"Content-Transfer-Encoding: BASE64\r\n\r\n " + base64.b64encode(PDF).rstrip(b"=") + b" \r\n\x00\r\n"
    (found,) = apart(raw, tmp_path).documents
    assert (found.folder / "document").read_bytes() == PDF


def test_uuencode_by_its_header(tmp_path: Path) -> None:
    """An old printer's Content-Transfer-Encoding: x-uuencode is read."""
    from binascii import b2a_uu

    body = b"begin 644 scan.pdf\n" + b2a_uu(PDF) + b"`\nend\n"
    (found,) = apart(b"Content-Transfer-Encoding: x-uuencode\r\n\r\n" + body, tmp_path).documents
    assert (found.folder / "document").read_bytes() == PDF


def test_a_logo_in_the_text_is_no_scan(tmp_path: Path) -> None:
    """A picture that an HTML text shows is left out beside a scan, and is the scan where there is no other."""
    mail = EmailMessage()
    mail.set_content("<img src='cid:logo'>", subtype="html")
    mail.add_related(PNG, "image", "png", cid="<logo>")
    for folder in "ab":
        (tmp_path / folder).mkdir()
    assert [each.media_type for each in apart(mail.as_bytes(), tmp_path / "a").documents] == ["image/png"]
    mail.add_attachment(PDF, maintype="application", subtype="pdf", filename="scan.pdf")
    assert [each.media_type for each in apart(mail.as_bytes(), tmp_path / "b").documents] == ["application/pdf"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"Subject: x\r\n\r\nonly text", "no_scan"),
        (b"", "no_scan"),
        (b"Content-Type: application/ms-tnef\r\n\r\nx", "tnef"),
        (b"Content-Type: application/octet-stream; name=winmail.dat\r\n\r\nx", "tnef"),
        (b"Content-Type: application/pkcs7-mime\r\n\r\nx", "encrypted"),
        (b"Content-Type: message/partial; id=1; number=1\r\n\r\nx", "partial"),
        (b"Subject: x\r\n\r\nbegin 644 scan.pdf\r\n#86)C\r\n`\r\nend\r\n", "uuencoded"),
        (b"Content-Type: application/pdf\r\n\r\n%PDF-1.7 as it is", "encoding"),
        (attachment(b"PK\x03\x04 a document of an office"), "unsupported_type"),
        (attachment(b""), "empty_document"),
        (attachment(PDF)[:-4] + b"=!!!", "damaged"),
        (attachment(PDF) + b"AAAA" + attachment(PDF), "damaged"),
        (scan_mail(PDF, b"not a scan").as_bytes(), "unsupported_type"),
        (scan_mail(*[PDF] * (MOST + 1)).as_bytes(), "documents"),
        (b"Content-Type: message/rfc822\r\n\r\n" * 200 + attachment(PDF), "unreadable"),
        (b"Content-Type: message/rfc822\r\n\r\n" * 20_000 + attachment(PDF), "unreadable"),
    ],
    ids=itertools.count(),
)
def test_what_is_no_scan_is_refused_by_name(raw: bytes, reason: str) -> None:
    """Nothing is dropped silently: whatever cannot be handed over whole is refused for good, with the reason."""
    reply = refused(raw)
    assert (reply.code, reply.reason) == (554, reason)
    assert len(str(reply)) < 510


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=600) | st.text("Content-type:; mulipar/xd\"=bo'y-\r\n0 ", max_size=600).map(str.encode))
def test_no_mail_is_a_fault(raw: bytes) -> None:
    """Whatever comes is a scan or is refused by name."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = len(apart(raw, Path(folder)).documents)
        except RefusedMail as why:
            made = why.reply.code
        assert made in {1, 2, 554}
