"""However large a scan is, sending it takes no more memory than a few pieces of it."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tests.mail.conftest import ADDRESS, TOKEN, Clock, Mailroom
from tests.mail.weigh import PIECE

HOUSE = Path(__file__).parents[2]


@pytest.fixture
def still() -> Clock:
    """The process that is weighed has the real time, and so has its Microsoft."""
    return Clock(datetime.now().astimezone())


@pytest.mark.parametrize(("slug", "size"), [("graph-draft", 100_000_000), ("graph", 3_000_000)])
def test_memory_does_not_grow_with_the_document(room: Mailroom, slug: str, size: int) -> None:
    """E05: 100 MB by upload session and 3 MB by sendMail: at most four pieces of 4 MiB, and it arrives whole."""
    weigh = [sys.executable, "-m", "tests.mail.weigh", room.url, TOKEN, ADDRESS, slug, str(size)]
    done = subprocess.run(weigh, cwd=HOUSE, capture_output=True, text=True, check=True, timeout=100)
    peak, sha256 = done.stdout.split()
    assert int(peak) < 4 * PIECE
    assert room.arrived()[-1] == [sha256]
