"""F01 to F06, F18: no text of a device becomes anything but plain text and a safe name."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.mail import clean, file_name
from shared.mail.message import ENDINGS, NAME_LONGEST

CONTROLS = "\x00\x07\x08\t\n\x0b\x0c\r\x1b\x1f\x7f\x85\u2028\u2029"
INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u00ad"
PRIVATE = "\ue000\uf8ff\U000f0000\U0010fffd\ud800\udfff\uffff"
ENCODED_WORD = st.builds(
    "=?{}?{}?{}?=".format,
    st.sampled_from(["utf-8", "UTF-7", "iso-8859-1", "utf-8*en", ""]),
    st.sampled_from("qQbBx"),
    st.sampled_from(
        [
            "a=0ABcc:_evil@x.example",
            "=0D=0ABcc:_evil@x.example",
            "x@evil.example=2C",
            "DQpCY2M6IGV2aWxAeC5leGFtcGxl",
            "",
        ]
    ),
)
PIECES = st.one_of(
    ENCODED_WORD,
    st.sampled_from(
        ["\r\nBcc: evil@x.example", "=\u200b?", "=\n?", "=?", "?=", "\u212b", "e\u200d\u0301", "\u0301", " "]
    ),
    st.text(st.sampled_from(CONTROLS + INVISIBLE + PRIVATE), max_size=4),
    st.text(max_size=12),
)
TEXTS = st.lists(PIECES, max_size=8).map("".join)
WINDOWS_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE)


@settings(max_examples=600, deadline=None)
@given(TEXTS, st.integers(1, 200))
def test_a_cleaned_text_is_one_line_of_what_can_be_seen(text: str, longest: int) -> None:
    """F01, F02, F05, F18: no control, separator, bidi, zero-width, private character, surrogate or encoded-word."""
    cleaned = clean(text, longest)
    assert len(cleaned) <= longest
    assert "=?" not in cleaned
    assert not {unicodedata.category(character) for character in cleaned} & {
        "Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp",
    }  # fmt: skip
    assert cleaned == " ".join(cleaned.split())
    assert unicodedata.is_normalized("NFC", cleaned)
    cleaned.encode("utf-8")


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """F01: what passed once is not taken apart into something else when it passes again."""
    once = clean(text, 200)
    assert clean(once, 200) == once


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("Lease", "Lease"),
        ("  two\t words\n", "two words"),
        ("Größe ☃ 請求書 \U0001f600", "Größe ☃ 請求書 \U0001f600"),
        ("e\u0301", "é"),
        ("e\u200d\u0301", "é"),
        ("a\r\nBcc: x@y.example", "a Bcc: x@y.example"),
        ("=?utf-8?q?a=0ABcc:_e@x.example?=", "= ?utf-8?q?a=0ABcc:_e@x.example?="),
        ("=\u200b?utf-8?q?a?=", "= ?utf-8?q?a?="),
        ("invoice_\u202efdp.exe", "invoice_fdp.exe"),
        ("a\ud800b", "ab"),
        ("\u2066\u2069\u200b", ""),
    ],
)
def test_a_text_stays_what_a_person_wrote(told: str, said: str) -> None:
    """F02, F05: ordinary text of any script stays as it is, and the tricks come out as the harmless rest of them."""
    assert clean(told, 200) == said


@settings(max_examples=600, deadline=None)
@given(TEXTS, st.sampled_from(sorted(ENDINGS)))
def test_a_file_name_is_safe_everywhere_and_ends_in_what_it_is(name: str, media_type: str) -> None:
    """F04, F05, F06: one name without path, quote or reserved word, whose last suffix is the document's real type."""
    made = file_name(name, media_type, "scan")
    stem, dot, ending = made.rpartition(".")
    assert dot
    assert f".{ending}" in {ENDINGS[media_type], ".jpeg" if media_type == "image/jpeg" else ENDINGS[media_type],
                            ".tiff" if media_type == "image/tiff" else ENDINGS[media_type]}  # fmt: skip
    assert stem
    assert len(made) <= NAME_LONGEST + 5
    assert not WINDOWS_FORBIDDEN.search(made)
    assert not set(made) & set(CONTROLS + INVISIBLE + PRIVATE + ";,=%")
    assert not WINDOWS_DEVICE.fullmatch(stem.partition(".")[0].rstrip())
    assert stem == stem.strip(" .")


@pytest.mark.parametrize(
    ("told", "media_type", "made"),
    [
        ("Lease.pdf", "application/pdf", "Lease.pdf"),
        ("Lease.PDF", "application/pdf", "Lease.pdf"),
        ("Lease", "application/pdf", "Lease.pdf"),
        ("pdf", "application/pdf", "pdf.pdf"),
        ("jpeg", "image/jpeg", "jpeg.jpg"),
        ("photo.jpeg", "image/jpeg", "photo.jpeg"),
        ("photo.jpg", "image/jpeg", "photo.jpg"),
        ("page.tiff", "image/tiff", "page.tiff"),
        ("invoice.exe", "application/pdf", "invoice.exe.pdf"),
        ("invoice.pdf.exe", "application/pdf", "invoice.pdf.exe.pdf"),
        ("invoice_\u202efdp.exe", "application/pdf", "invoice_fdp.exe.pdf"),
        ("../../tokens/x", "application/pdf", "x.pdf"),
        ("..\\..\\boot.ini", "application/pdf", "boot.ini.pdf"),
        ("C:evil", "application/pdf", "C_evil.pdf"),
        ("a.pdf/", "application/pdf", "scan.pdf"),
        ("CON.pdf", "application/pdf", "scan.pdf"),
        ("con .txt", "application/pdf", "scan.pdf"),
        ("Aux", "image/png", "scan.png"),
        ("COM1.tar.gz", "application/pdf", "scan.pdf"),
        ("LPT².pdf", "application/pdf", "scan.pdf"),
        ("CONIN$", "application/pdf", "scan.pdf"),
        ("CONTRACT.pdf", "application/pdf", "CONTRACT.pdf"),
        ("name. . .", "application/pdf", "name.pdf"),
        (".pdf", "application/pdf", "scan.pdf"),
        ("...", "application/pdf", "scan.pdf"),
        ("", "application/pdf", "scan.pdf"),
        ('a"; filename="b.exe', "application/pdf", "a__ filename__b.exe.pdf"),
        ("=?utf-8?q?b=2Eexe?=", "application/pdf", "_ _utf-8_q_b_2Eexe__.pdf"),
        ("100%.pdf", "application/pdf", "100_.pdf"),
        ("x" * 300, "application/pdf", "x" * 100 + ".pdf"),
        ("請求書.pdf", "application/pdf", "請求書.pdf"),
    ],
)
def test_a_file_name_is_made_of_what_the_device_called_it(told: str, media_type: str, made: str) -> None:
    """F04, F05, F06: the corpus: quotes, paths, reserved names, false endings, bidi tricks; and plain names."""
    assert file_name(told, media_type, "scan") == made
