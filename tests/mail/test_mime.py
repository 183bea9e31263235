"""The mail as a stream: what is read of it is what was meant, whatever a device says (F01 to F18)."""

import email
import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import faults
from shared.mail import Message, Sender, clean
from shared.mail.headers import attachment, is_address, unstructured
from shared.mail.message import ENDINGS, SUBJECT_LONGEST, file_name
from shared.mail.mime import Mime, base64_octets, largest_document
from shared.mail.readback import Meant, require_read_as
from shared.mail.smtp import stuffed
from tests.mail.test_smtp import JOB, Scan

SENDER = Sender("oid", "adele.o'vance+scan@contoso.example")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MESSAGE = Message(JOB, "Lease", "Your scan.", "lease.pdf", "application/pdf")
NAMES = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "x-to-my-email-job",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "Content-Type",
]
"""Every header that a mail of ours has."""

# What has talked mail programs into something, and what surrounds it.
CORE = st.sampled_from(
    [
        "=?utf-8?q?a=0ABcc:_e@x?=",
        "=?utf-8?q?x@evil.com=2C?=",
        "=?utf-8?b?DQpCY2M6IGVAeA==?=",
        "=?us-ascii?q?=0D=0A?=",
        "=?",
        "?=",
        "=?utf-8?q?",
        "=?x*en?q?a?=",
        "\r\nBcc: e@x",
        "\r",
        "\n",
        "\x00",
        "\x0b\x0c\x85\u2028\u2029",
        "\u202efdp.exe",
        "\u200b\u2066\ufeff",
        "\ue000",
        "\ud800",
        "\U0010ffff",
        '"; filename=b.exe',
        "';filename*=utf-8''b.exe",
        "\\",
        '"',
        "<e@x>",
        ",",
        ";",
        "%0d%0a",
        "+AGE-",
        "CON.pdf",
        "..\\x",
        "../x",
        " .",
        "a" * 300,
        "ä" * 300,
        "𝄞" * 120,
        "e\u0301",
        "--=_",
        ".\r\n",
    ]
)
HOSTILE = st.lists(CORE | st.text(max_size=8), max_size=6).map("".join)
TYPES = st.sampled_from(sorted(ENDINGS))


def mime(message: Message = MESSAGE, document: Scan | None = None, **given: Any) -> Mime:
    """A mail of Adele's."""
    return Mime(given.get("sender", SENDER), message, document or Scan(), "scan.example.com", NOW)


def raw(mail: Mime) -> bytes:
    """All of it."""
    return b"".join(mail.chunks())


def read(mail: Mime) -> EmailMessage:
    """What Python's parser reads."""
    return email.message_from_bytes(raw(mail), policy=policy.default)


@given(subject=HOSTILE, name=HOSTILE, text=HOSTILE, kind=TYPES, content=st.binary(min_size=1, max_size=300))
@hypothesis.settings(deadline=None, max_examples=400)
def test_whatever_a_device_says_is_text(subject: str, name: str, text: str, kind: str, content: bytes) -> None:
    """F01 to F05, F11, F18: exactly our headers, one recipient, two parts, one name with the true ending."""
    mail = mime(replace(MESSAGE, subject=subject, attachment_name=name, text=text, attachment_type=kind), Scan(content))
    assert_sound(raw(mail), mail.size)
    parsed = read(mail)
    assert parsed.keys() == NAMES
    assert parsed["Subject"] == clean(subject, SUBJECT_LONGEST)
    for header in ("From", "To"):
        assert [str(each) for each in parsed[header].addresses] == [SENDER.address]
    body, file = parsed.iter_parts()
    assert (body.get_content_type(), file.get_content_type()) == ("text/plain", kind)
    assert file.get_filename() == file_name(name, kind, "scan")
    assert str(file.get_filename()).endswith((ENDINGS[kind], ".jpeg", ".tiff"))
    assert file.get_content() == content
    assert re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", "", body.get_content()) == re.sub(
        r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", "", text
    )


def assert_sound(mail: bytes, size: int) -> None:
    """What SMTP asks of every mail: its announced size, ASCII, whole lines, none too long, none a dot (F09)."""
    assert len(mail) == size
    assert mail.isascii()
    assert mail.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", mail)
    assert max(map(len, mail.split(b"\r\n"))) <= 200
    assert b"\r\n." not in mail


@pytest.mark.parametrize(
    ("subject", "written"),
    [
        ("=?utf-8?q?a=0ABcc:_e@x?=", "= ?utf-8?q?a=0ABcc:_e@x?="),
        ("a\r\nBcc: e@x", "a Bcc: e@x"),
        ("a\x0bb\x0cc\x85d\u2028e", "a b c d e"),
        ("invoice \u202efdp.exe", "invoice fdp.exe"),
        ("+AGE- \ud800", "+AGE-"),
        ("", ""),
    ],
)
def test_subjects_that_have_been_used_against_mail_programs(subject: str, written: str) -> None:
    """F01, F02, F05, F18, as the threat model names them."""
    assert read(mime(replace(MESSAGE, subject=subject)))["Subject"] == written


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('a"; filename=b.exe', "a__ filename_b.exe.pdf"),
        ("=?utf-8?q?b.exe?=", "_ _utf-8_q_b.exe__.pdf"),
        ("a\nb.pdf", "a b.pdf"),
        ("invoice_\u202efdp.exe", "invoice_fdp.exe.pdf"),
        ("CON.pdf", "scan.pdf"),
        ("..\\x", "x.pdf"),
        ("x . ", "x.pdf"),
        ("Вольга.pdf", "Вольга.pdf"),
    ],
)
def test_names_that_have_been_used_against_people(name: str, written: str) -> None:
    """F04, F05, F06: one part, one name, the ending of what it is."""
    [_, file] = read(mime(replace(MESSAGE, attachment_name=name))).iter_parts()
    assert file.get_filename() == written
    assert file["Content-Disposition"].params.keys() == {"filename"}


@pytest.mark.parametrize(
    "address",
    [
        "",
        "adele",
        "@contoso.example",
        "adele@",
        "a@b@c",
        "a b@c",
        "<a@c>",
        "a@c>\r\nRCPT TO:<e@x",
        "a@c\n",
        "a,e@x",
        '"a b"@c',
        "a..b@c",
        ".a@c",
        "ä@c",
        "a@ä",
        "a@c_d",
        "a@-c",
        "a@[127.0.0.1]",
        f"{'a' * 65}@c",
        f"a@{'c' * 64}",
        f"a@{'c.' * 130}d",
        "=?utf-8?q?x@evil.com=2C?=",
    ],
)
def test_what_is_no_address_is_no_sender(address: str) -> None:
    """F03, F08: an address stands in MAIL FROM and in headers as it is, so it must be one and nothing else."""
    assert not is_address(address)
    with pytest.raises(faults.Unexpected):
        mime(sender=Sender("oid", address))


@pytest.mark.parametrize("address", ["a@b", "Adele.O'Vance+x@contoso.example", "a=?b@c-d.example", f"{'a' * 64}@c"])
def test_real_addresses_are_taken(address: str) -> None:
    """What mailboxes are called is written as it is, and read as it is."""
    assert read(mime(sender=Sender("oid", address)))["To"].addresses[0].addr_spec == address


@pytest.mark.parametrize("job", ["", "a b", "a@b", "<a", "a>", "a\r\nb", "é", "a" * 65, "a..b"])
def test_what_is_no_job_is_no_message_id(job: str) -> None:
    """F13: a Message-ID holds letters, digits and hyphens, and cannot be cut short or continued."""
    with pytest.raises(faults.Unexpected):
        mime(replace(MESSAGE, job=job))


def test_a_job_has_one_message_id() -> None:
    """A second attempt can be recognised; and it is byte for byte the first but for the date."""
    first, again = raw(mime()), raw(mime())
    assert first == again
    assert b"\r\nMessage-ID: <33333333-0000-4000-8000-000000000000@scan.example.com>\r\n" in first


@pytest.mark.parametrize("domain", ["x>\r\nBcc: e@x", "x>, <y", "x y", "ä", ""])
def test_nothing_leaves_that_reads_otherwise(domain: str) -> None:
    """F11, F13: what no encoder of ours guards, the service's own host name, is caught when the head is read back."""
    with pytest.raises(faults.Unexpected):
        Mime(SENDER, MESSAGE, Scan(), domain, NOW)


def test_nobody_answers_it() -> None:
    """F16: an absence note or a rule that answers would otherwise write to the mailbox it is in."""
    parsed = read(mime())
    assert (parsed["Auto-Submitted"], parsed["X-Auto-Response-Suppress"]) == ("auto-generated", "OOF, AutoReply")


def test_no_type_of_a_device_becomes_a_header() -> None:
    """The attachment's type is one of ours."""
    with pytest.raises(faults.Unexpected):
        mime(replace(MESSAGE, attachment_type="text/html\r\nBcc: e@x"))


@pytest.mark.parametrize(
    "content", [b"--=_", b"\r\n--=_x--\r\n.\r\nMAIL FROM:<e@x>", b"From: e@x\r\n\r\n", bytes(range(256))]
)
def test_no_content_ends_its_part(content: bytes) -> None:
    """F09, F17: boundaries, ends of mail and headers in a document are its content."""
    boundary = read(mime()).get_boundary() or ""
    inside = content + f"\r\n--{boundary}--\r\n.\r\n".encode()
    parsed = read(mime(document=Scan(inside, 7)))
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "application/pdf"]
    assert list(parsed.iter_parts())[1].get_content() == inside
    assert "_" in boundary


# ---- the stream


@given(content=st.binary(min_size=1, max_size=2000), piece=st.integers(1, 400))
@hypothesis.settings(deadline=None, max_examples=200)
def test_pieces_of_any_size_make_the_same_mail(content: bytes, piece: int) -> None:
    """How storage cuts a document shows nowhere; each piece of the mail ends with a line; SIZE is exact."""
    mail = mime(document=Scan(content, piece))
    pieces = list(mail.chunks())
    assert b"".join(pieces) == raw(mime(document=Scan(content, len(content))))
    assert all(each.endswith(b"\r\n") for each in pieces)
    assert_sound(b"".join(pieces), mail.size)
    assert list(mail.chunks()) == pieces


def test_lines_of_base64_are_full() -> None:
    """RFC 2045: 76 characters, but for the last line, across the borders of pieces and of what is encoded at once."""
    content = random.Random(1).randbytes(3 * 57 * 1024 + 20)
    body = raw(mime(document=Scan(content, 57 * 1024 + 1))).split(b"\r\n\r\n")[-1].split(b"\r\n")
    assert {len(line) for line in body[:-3]} == {76}


@given(size=st.integers(0, 200_000_000))
@hypothesis.settings(deadline=None, max_examples=200)
def test_what_fits_is_known_beforehand(size: int) -> None:
    """The largest document for so many octets fits into them, and a line more does not (F12)."""
    fits = largest_document(size)
    assert base64_octets(fits) <= size < base64_octets(fits + 57)
    assert largest_document(-1) == 0


@given(pieces=st.lists(st.lists(st.sampled_from([b".", b"..", b"a", b".a", b"", b"a."]), min_size=1), min_size=1))
@hypothesis.settings(deadline=None, max_examples=200)
def test_dots_are_doubled_where_a_line_begins_with_one(pieces: list[list[bytes]]) -> None:
    """RFC 5321 section 4.5.2, over the borders of pieces, as a server undoes it."""
    sent = b"".join(stuffed(b"".join(line + b"\r\n" for line in piece)) for piece in pieces)
    lines = sent.split(b"\r\n")[:-1]
    assert b"." not in lines
    undone = [line[1:] if line.startswith(b".") else line for line in lines]
    assert undone == [line for piece in pieces for line in piece]


# ---- the encoders, and the reader that trusts neither


@given(text=HOSTILE.map(lambda text: clean(text, SUBJECT_LONGEST)))
@hypothesis.settings(deadline=None, max_examples=300)
def test_an_encoded_subject_is_short_words(text: str) -> None:
    """RFC 2047: words of at most 75 characters, in lines of at most 76, that say nothing but the text."""
    written = unstructured(text)
    assert all(len(line) <= 76 for line in written.split("\r\n"))
    assert email.message_from_string(f"Subject: {written}\r\n\r\n", policy=policy.default)["Subject"] == text


@pytest.mark.parametrize(
    "text", ["=?utf-8?q?x?=", "a =?utf-8?b?DQpCY2M6IGVAeA==?= b", "=?", "a" * 61, "a  b", " a", "a "]
)
def test_what_looks_encoded_is_encoded(text: str) -> None:
    """F01: the encoder does not rely on the cleaning before it."""
    written = unstructured(text)
    assert re.fullmatch(r"(=\?utf-8\?B\?[A-Za-z0-9+/=]+\?=(\r\n )?)+", written)
    assert email.message_from_string(f"Subject: {written}\r\n\r\n", policy=policy.default)["Subject"] == text


@given(name=HOSTILE, kind=TYPES)
@hypothesis.settings(deadline=None, max_examples=300)
def test_a_name_is_cleaned_once_for_all(name: str, kind: str) -> None:
    """A name that was made safe stays as it is: what Graph shows and what SMTP shows is one name."""
    once = file_name(name, kind, "scan")
    assert file_name(once, kind, "scan") == once
    assert all(len(line) <= 78 for line in attachment(once).split("\r\n"))


def test_a_plain_text_stays_plain() -> None:
    """What needs no encoding has none, up to sixty characters; nothing stays nothing."""
    assert unstructured("") == ""
    assert unstructured("a" * 60) == "a" * 60
    assert unstructured("a" * 61).startswith("=?utf-8?B?")
    assert attachment("a" * 56 + ".pdf") == f'attachment;\r\n filename="{"a" * 56}.pdf"'
    assert attachment("a" * 57 + ".pdf").count("filename*") == 4


@pytest.mark.parametrize(("text", "words"), [("ä" * 42, 2), ("ä" * 43, 3), ("ä" * 31, 2)])
def test_an_encoded_word_is_as_long_as_it_may_be(text: str, words: int) -> None:
    """42 bytes of UTF-8 fit into one, and no byte less is put there."""
    assert unstructured(text).count("=?utf-8?B?") == words


@pytest.mark.parametrize(("name", "pieces"), [(";" * 36, 2), (";" * 37, 3), ("ä" * 18, 2)])
def test_a_piece_of_a_name_is_as_long_as_it_may_be(name: str, pieces: int) -> None:
    """18 bytes of UTF-8 fit into one."""
    assert attachment(name).count("filename*") == pieces


def meant_and_mail() -> tuple[Meant, bytes]:
    """A small mail as it is written by hand."""
    meant = Meant((("From", "a@b"), ("To", "a@b"), ("Subject", "x")), "Hi\r\n", ("x.pdf", "application/pdf"))
    mail = (
        b'From: a@b\r\nTo: a@b\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary="=_"\r\n\r\n'
        b"--=_\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nSGkNCg==\r\n"
        b"--=_\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="x.pdf"\r\n\r\n--=_--\r\n'
    )
    return meant, mail


def test_a_mail_that_reads_as_meant_is_let_through() -> None:
    """The reader has nothing against a right mail, else the next test would prove nothing."""
    require_read_as(*meant_and_mail())


def test_a_mail_of_a_text_alone_is_let_through_and_gains_no_attachment() -> None:
    """A notice has no attachment; a part that nobody meant is one too many (F04)."""
    meant, mail = meant_and_mail()
    alone = replace(meant, attachment=None)
    text = mail.partition(b"--=_\r\nContent-Type: application")[0] + b"--=_--\r\n"
    require_read_as(alone, text)
    with pytest.raises(faults.Unexpected):
        require_read_as(alone, mail)
    with pytest.raises(faults.Unexpected):
        require_read_as(meant, text)


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (b"Subject: x", b"Subject: x\r\nBcc: e@x", "headers"),
        (b"Subject: x", b"Subject: y", "headers"),
        (b"Subject: x", b"Subject: =?utf-8?q?x?=\r\n =?utf-8?q?y?=", "headers"),
        (b"From: a@b\r\nTo: a@b\r\n", b"To: a@b\r\nFrom: a@b\r\n", "headers"),
        (b"To: a@b", b"To: a@b, e@x", "headers"),
        (b"To: a@b", b"To: e <a@b>", "headers"),
        (b"multipart/mixed", b"multipart/alternative", "content type"),
        (b"SGkNCg==", b"SG8NCg==", "text"),
        (b"text/plain", b"text/html", "parts"),
        (b'filename="x.pdf"', b'filename="y.pdf"', "attachment"),
        (b'filename="x.pdf"', b'filename="x.pdf"; filename="b.exe"', "defects"),
        (b"application/pdf", b"application/octet-stream", "parts"),
        (b"--=_--", b"--=_\r\nContent-Type: text/html\r\n\r\n--=_--", "parts"),
        (b"--=_--", b"JVBERg==\r\n--=_--", "attachment"),
        (b"text/plain; charset=utf-8", b"text/plain; charset=utf-8; name=b.exe", "text"),
        (b"--=_--\r\n", b"", "defects"),
        (b"Subject: x\r\n", b"Subject: x\n", "lines"),
        (b"Subject: x", b"Subject: x\r", "lines"),
        (b"Subject: x", "Subject: ä".encode(), "lines"),
        (b"SGkNCg==", b"SGkNCg==" + b" " * 999, "lines"),
        (b"From: a@b\r\n", b"From\r\n", "headers"),
    ],
)
def test_a_mail_that_reads_otherwise_is_not_sent(before: bytes, after: bytes, what: str) -> None:
    """F01 to F04, F11, F17: whatever our encoders did, a differing head never leaves; the log says where, not what."""
    meant, mail = meant_and_mail()
    assert before in mail
    with pytest.raises(faults.Unexpected) as met:
        require_read_as(meant, mail.replace(before, after))
    assert met.value.note == f"mail reads otherwise: {what}"


def test_a_parser_that_chokes_is_no_yes() -> None:
    """What Python's parser raises on is not sent either."""
    meant, mail = meant_and_mail()
    with pytest.raises(faults.Unexpected):
        require_read_as(meant, mail.replace(b"\r\n\r\n", b"\r\n", 1))
