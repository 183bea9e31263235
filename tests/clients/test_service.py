"""The device client against the real service: the whole of a device's life, over HTTP and a bad wire."""

from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import ENROLMENT
from tests.clients.proxy import Proxy
from tests.conftest import CONTOSO, World
from to_my_email import Client, DeviceRefused, Invitation, Refused, User

ADELE = User("adele", "adele.vance@contoso.example", "Adele Vance")


def device_of(world: World, **given: Any) -> Client:
    """A device out of the box; what it sleeps passes for the service."""

    def sleep(seconds: float) -> None:
        world.clock.advance(seconds=seconds)

    made = Client(world.url, world.directory / "store", **{"sleep": sleep, **given})
    world.closing.callback(made.close)
    return made


def enrolled(world: World, **given: Any) -> Client:
    """An enrolled device of an organisation that has consented."""
    world.consent()
    device = device_of(world, **given)
    device.enrol(world.rooms.tickets.issue(CONTOSO, "office", "2nd floor"), **ENROLMENT)
    return device


def sign_in(world: World, device: Client) -> None:
    """Adele signs in."""

    def act(begun: Invitation) -> None:
        world.person().walk(begun.verification_uri_complete, "contoso/adele")

    asked: list[str] = []
    device.sign_in(ADELE, on_code=act, on_confirm=lambda account: asked.append(account) or True)
    assert len(asked) == 1


@pytest.mark.parametrize("dpop", [False, True])
def test_whole_life_of_a_device(world: World, tmp_path: Path, dpop: bool) -> None:
    """Enrol, sign in, scan, wait, history, new key: with bearer tokens, and with tokens bound to the key (RFC 9449)."""
    device = enrolled(world, dpop=dpop)
    before = device.user("adele")
    assert (before.status, before.code) == ("sign_in_required", 370)
    sign_in(world, device)
    assert device.user("adele").status == "ready"
    job = device.scan(_file(tmp_path, world.pdf()), user="adele", title="Lease")
    world.deliver()
    assert device.wait(job).state == "sent"
    words = device.about().words
    device.roll_key()
    assert device.about().words != words
    assert [each.id for each in device.history()] == [job.id]
    assert device.api.connection.tokens.token()[1] == ("DPoP" if dpop else "Bearer")
    (message,) = world.mailbox()
    assert message["attachments"][0]["name"] == "scan.pdf"


@pytest.mark.parametrize("year", [1970, 2000, 2100])
def test_clock_of_the_device_does_not_matter(world: World, year: int) -> None:
    """D08: a printer whose clock is decades off enrols, gets its tokens (bound ones, too) and changes its key."""
    device = enrolled(world, wall=lambda: (year - 1970) * 365.25 * 86_400, dpop=year == 2000)
    device.about()
    device.roll_key()
    assert device.about().status == "active"


def test_history_goes_over_all_pages(world: World, tmp_path: Path) -> None:
    """Every scan comes once, newest first, however many pages the service makes of them."""
    device = enrolled(world)
    sign_in(world, device)
    made = [device.scan(_file(tmp_path, world.pdf()), user="adele").id for _ in range(23)]
    assert [job.id for job in device.history()] == made[::-1]


def test_scan_that_is_cancelled_is_not_sent(world: World, tmp_path: Path) -> None:
    """What has not been sent can be cancelled; what has, cannot."""
    device = enrolled(world)
    sign_in(world, device)
    job = device.scan(_file(tmp_path, world.pdf()), user="adele")
    device.cancel(job.id)
    world.deliver()
    assert device.job(job.id).state == "cancelled"
    assert world.mailbox() == []
    with pytest.raises(Refused, match="not_found"):
        device.cancel("00000000-0000-4000-8000-000000000000")


def test_mail_server_of_the_device_is_asked_for(world: World) -> None:
    """What a device asks of its mail server and fax server is answered: not signed in, in both."""
    device = enrolled(world)
    for ask in (device.email_server.status, device.fax_server.status):
        assert ask().status == "not_signed_in"


def test_revoked_device_keeps_its_scan(world: World, tmp_path: Path) -> None:
    """D10, D15: a device that an administrator removed is not let in, and says so; the scan is not thrown away."""
    device = enrolled(world)
    sign_in(world, device)
    world.rooms.devices.revoke(CONTOSO, device.about().device_id)
    world.clock.advance(minutes=2)
    with pytest.raises(DeviceRefused):
        device.scan(_file(tmp_path, world.pdf()), user="adele")
    assert len(device.waiting()) == 1


def test_large_scan_goes_on_after_a_power_cut(world: World, tmp_path: Path) -> None:
    """R01: cut half way to storage, the file gone: the device's next start brings the rest, and the mail has it all."""
    device = enrolled(world, inline_largest=1000, block=262_144)
    sign_in(world, device)
    document = world.pdf() + b"\n" * 2_000_000 + b"%%EOF\n"
    path = _file(tmp_path, document)

    def pull_the_plug(done: int, _: int) -> None:
        if done > 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        device.scan(path, user="adele", progress=pull_the_plug)
    path.unlink()
    again = device_of(world, inline_largest=1000, block=262_144)
    (done,) = again.resume()
    world.deliver()
    assert again.job(done.id).state == "sent"
    ((attachment,),) = (message["attachments"] for message in world.mailbox())
    assert attachment["size"] == len(document)
    assert again.waiting() == []


def test_no_lost_answer_makes_a_second_of_anything(bad_wire: tuple[World, Proxy], tmp_path: Path) -> None:
    """R02: enrolment, token, sign-in, OK, scan and key change each lose their answer twice: one device, one mail."""
    world, proxy = bad_wire
    lose = (b"POST /api/v1/enrolments", b"POST /api/v1/token", b"POST /api/v1/scans HTTP", b"PUT /api/v1/device/key")
    proxy.lose = dict.fromkeys(lose, 2)
    device = enrolled(world)
    sign_in(world, device)
    job = device.scan(_file(tmp_path, world.pdf()), user="adele")
    world.deliver()
    assert device.wait(job).state == "sent"
    device.roll_key()
    assert device.about().status == "active"
    assert proxy.lost == 8
    assert len({row["PartitionKey"] for row in world.rows("devices") if row["RowKey"] == "device"}) == 1
    assert [each.id for each in device.history()] == [job.id]
    assert len(world.mailbox()) == 1


def test_inline_upload_cut_everywhere_is_one_job(bad_wire: tuple[World, Proxy], tmp_path: Path) -> None:
    """R01: the line is cut after every 64 KiB more: the scan arrives once, as it was."""
    world, proxy = bad_wire
    device = enrolled(world)
    sign_in(world, device)
    document = world.pdf() + b"\n" * 300_000 + b"%%EOF"
    for kib in range(0, 320, 64):
        proxy.cut_after, proxy.cuts = 2000 + kib * 1024, 1
        job = device.scan(_file(tmp_path, document + b"\n" * kib), user="adele")
        assert job.state == "accepted"
    proxy.cut_after = None
    assert len(list(device.history())) == 5


def _file(tmp_path: Path, document: bytes) -> Path:
    path = tmp_path / "scan.pdf"
    path.write_bytes(document)
    return path
