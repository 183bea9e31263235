"""Scans of every size, from a device's file to the mailbox, by each way out; what arrives is what was scanned."""

import hashlib
import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.organisations import Policy
from tests.conftest import CONTOSO, World
from to_my_email import Client, Invitation, Refused, User

ADELE = "contoso/adele"
MB = 1_000_000
SAMPLES = Path(os.environ.get("TO_MY_EMAIL_SAMPLES", Path(__file__).parents[3] / "shared" / "samples"))
"""Real scans, where this machine has them."""


def document(path: Path, size: int) -> str:
    """Write a PDF of exactly ``size`` bytes without holding it; returns its SHA-256."""
    digest, noise = hashlib.sha256(), random.Random(size)
    body = size - len(b"%PDF-1.7\n") - len(b"\n%%EOF\n")
    blocks: Iterator[bytes] = (noise.randbytes(min(MB, body - start)) for start in range(0, body, MB))
    with path.open("wb") as file:
        for block in itertools.chain([b"%PDF-1.7\n"], blocks, [b"\n%%EOF\n"]):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def office(world: World, wanted: str) -> Client:
    """A printer whose organisation consents to a range at its panel, and Adele signed in."""
    device = Client(world.url, world.directory / "store", sleep=lambda seconds: world.clock.advance(seconds=seconds))
    world.closing.callback(device.close)
    ticket = world.rooms.tickets.issue(CONTOSO, "office", "2nd floor")
    device.enrol(ticket, name="Printer 2F", model="Virtual", serial="S1")

    def consents(begun: Invitation) -> None:
        world.person().walk(begun.verification_uri_complete, "contoso/admin")

    def signs_in(begun: Invitation) -> None:
        world.person().walk(begun.verification_uri_complete, ADELE)

    device.consent(wanted, on_code=consents)
    user = User("adele", "adele.vance@contoso.example", "Adele Vance")
    device.sign_in(user, on_code=signs_in, on_confirm=lambda _: True)
    return device


def arrived(world: World) -> list[tuple[Any, Any]]:
    """Size and SHA-256 of each attachment in Adele's mailbox; every mail is from her, to her alone."""
    mails = world.mailbox()
    for mail in mails:
        assert mail["from"] == "adele.vance@contoso.example"
        assert mail["to"] == ["adele.vance@contoso.example"]
    return [(each["size"], each["sha256"]) for mail in mails for each in mail["attachments"]]


@pytest.mark.parametrize(
    ("wanted", "sizes"),
    [
        ("send", [50_000, 2_900_000]),
        ("send-large", [50_000, 2_900_000, 3_100_000, 24 * MB]),
        ("send-verified", [50_000, 2_900_000, 3_100_000, 3_200_000, 24 * MB]),
    ],
)
def test_what_arrives_is_what_was_scanned(world: World, tmp_path: Path, wanted: str, sizes: list[int]) -> None:
    """F12, E18: each size goes by the way that takes it, and its SHA-256 in the mailbox is that of the scan."""
    device = office(world, wanted)
    expected = []
    for size in sizes:
        path = tmp_path / f"{size}.pdf"
        expected.append((size, document(path, size)))
        job = device.scan(path, user="adele")
        world.deliver()
        assert device.job(job.id).state == "sent"
    assert sorted(arrived(world)) == sorted(expected)
    assert list(world.rooms.storage.blobs("documents").older_than(world.clock())) == []


def test_a_hundred_megabytes(world: World, tmp_path: Path) -> None:
    """F12: where the organisation's Exchange takes it, a scan of 100 MB arrives whole."""
    device = office(world, "send-verified")
    world.cloud.change_account(ADELE, message_limit=150 * 1024 * 1024)
    world.rooms.organisations.set_policy(CONTOSO, Policy(largest_document=110 * MB))
    world.clock.advance(seconds=10)
    path = tmp_path / "large.pdf"
    expected = (100 * MB, document(path, 100 * MB))
    job = device.scan(path, user="adele")
    world.deliver()
    assert device.job(job.id).state == "sent"
    assert arrived(world) == [expected]


@pytest.mark.parametrize("wanted", ["send", "send-large", "send-verified"])
def test_what_does_not_fit_is_refused_before_it_is_uploaded(world: World, tmp_path: Path, wanted: str) -> None:
    """F12: the refusal says what fits, and nothing was stored."""
    device = office(world, wanted)
    path = tmp_path / "large.pdf"
    document(path, 26 * MB)
    with pytest.raises(Refused) as refused:
        device.scan(path, user="adele")
    assert refused.value.reason == "too_large"
    assert ("25 MB" in str(refused.value)) == (wanted != "send")
    assert world.rows("jobs") == []
    assert list(world.rooms.storage.blobs("documents").older_than(world.clock())) == []


@pytest.mark.parametrize("wanted", ["send", "send-large", "send-verified"])
def test_real_scans_arrive(world: World, wanted: str) -> None:
    """What scanners really make arrives byte for byte; what is no document of an allowed type is refused."""
    device = office(world, wanted)
    real = sorted(path for path in SAMPLES.glob("*") if path.suffix in {".pdf", ".png", ".jpg"}) or [
        Path(__file__).parents[2] / "docs" / "panel.png"
    ]
    expected = set()
    for path in real:
        if path.read_bytes()[:5] != b"%PDF-" and path.suffix == ".pdf":
            continue
        job = device.scan(path, user="adele")
        world.deliver()
        assert device.job(job.id).state == "sent", path.suffix
        content = path.read_bytes()
        expected.add((len(content), hashlib.sha256(content).hexdigest()))
    assert set(arrived(world)) == expected
