"""What the program shows, where a pipe would not show it."""

import io
import re

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from to_my_email import Error, Invitation
from to_my_email.terminal import Terminal, duration, size

LINK = "https://scan.example/s/0123456789abcdef0123456789abcdef"


class Tty(io.StringIO):
    """A terminal that writes in an encoding."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What it can show."""
        return self._encoding

    def isatty(self) -> bool:
        """Say yes."""
        return True


def invitation() -> Invitation:
    """A sign-in to be shown."""
    return Invitation("1", "https://scan.example/s", "BCDF-GHJK", 600, 5, verification_uri_complete=LINK)


def test_qr_code_in_the_terminal_is_read_by_a_phone() -> None:
    """The drawing has its own colours and a quiet zone, and decodes to the link."""
    out = Tty()
    Terminal(out=out, err=Tty()).invitation(invitation())
    lines = re.findall(r"\x1b\[97;40m(.*?)\x1b\[0m", out.getvalue())
    image = Image.new("1", (len(lines[0]), 2 * len(lines)))
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            image.putpixel((column, 2 * row), character in "█▀")
            image.putpixel((column, 2 * row + 1), character in "█▄")
    image = image.resize((image.width * 8, image.height * 8)).convert("L")
    (found,) = zxingcpp.read_barcodes(image, try_invert=False)
    assert found.text == LINK


def test_terminal_without_blocks_shows_the_address() -> None:
    """Where the terminal cannot draw, the address and the code are enough, and nothing fails."""
    out = Tty("ascii")
    Terminal(out=out, err=Tty("ascii")).invitation(invitation())
    assert "\x1b" not in out.getvalue()
    assert LINK in out.getvalue()
    assert "BCDF-GHJK" in out.getvalue()


def test_bar_ends_before_the_next_line() -> None:
    """A progress bar and what follows do not run into each other, whatever is drawn."""
    err = Tty()
    shown = Terminal(out=Tty(), err=err)
    shown.progress(10, 100)
    shown.progress(100, 100)
    shown.error(Error("too_large", title="Too large", code=360, reference="abc", retry_after=5))
    *_, bar, first, second, third = err.getvalue().splitlines()
    assert bar.endswith("100%  100 bytes of 100 bytes\x1b[K")
    assert (first, second, third) == ("Too large (code 360).", "  Try again in 5 seconds.", "  Reference: abc")


@settings(max_examples=50, deadline=None)
@given(count=st.integers(0, 10**12), text=st.text(max_size=20))
def test_anything_can_be_shown(count: int, text: str) -> None:
    """No number and no text of the service's breaks the terminal, also one that knows ASCII alone."""
    out = Tty("ascii")
    shown = Terminal(out=out, err=out)
    shown.facts({"Size": size(count), text: text, "For": duration(count)})
    shown.table(("A", "B"), [(text, text)])
    shown.error(Error("x", title=text, detail=text))
    assert out.getvalue().isascii()


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (999, "999 bytes"), (3_100_000, "3.1 MB"), (10**13, "10000.0 GB")]
)
def test_sizes_read_well(count: int, words: str) -> None:
    """Sizes are in powers of 1000, as the service's limits are."""
    assert size(count) == words
