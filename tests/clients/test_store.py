"""The store: one key, one enrolment, whoever comes, whenever the power goes."""

import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import ENROLMENT
from tests.clients.wire import TICKET, DeviceApi
from to_my_email import Client, NotEnrolled, Store, StoreError, StoreLocked
from to_my_email.answers import Enrolment
from to_my_email.key import DeviceKey
from to_my_email.store import write
from to_my_email.wire import origin


def _thumbprint_of(directory: str) -> str:
    store = Store(directory)
    with store.exclusive():
        return store.make_key().thumbprint


def test_two_processes_make_one_key(tmp_path: Path) -> None:
    """Processes that start together on an empty store have one key between them."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        made = set(pool.map(_thumbprint_of, [str(tmp_path / "store")] * 8))
    assert made == {Store(tmp_path / "store").key().thumbprint}


def test_two_devices_enrol_as_one(service: DeviceApi, make_device: Callable[..., Client]) -> None:
    """Two threads (or processes: the lock is the file's) that enrol one store are one device with one key."""
    devices = [make_device(service.url) for _ in range(2)]
    threads = [threading.Thread(target=each.enrol, args=(TICKET,), kwargs=ENROLMENT) for each in devices]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {each.about().device_id for each in devices} == {service.device_id}
    assert service.jwk == devices[0].api.store.key().jwk


def test_lock_is_waited_for_and_then_told(tmp_path: Path) -> None:
    """Who cannot have the store in time is told so, and nothing is changed."""
    store = Store(tmp_path / "store")
    with store.exclusive(), pytest.raises(StoreLocked), Store(store.directory).exclusive(patience=0):
        raise AssertionError


def test_what_a_cut_left_is_cleared_away(tmp_path: Path) -> None:
    """Half a file of before the cut is neither used nor kept."""
    store = Store(tmp_path)
    with store.exclusive():
        key = store.make_key()
    (tmp_path / ".device-key.pem.1.2").write_bytes(b"-----BEGIN")
    with store.exclusive():
        assert store.make_key().thumbprint == key.thumbprint
    assert not list(tmp_path.glob(".*.*.*"))


def test_write_that_fails_leaves_the_old(tmp_path: Path) -> None:
    """A file is the old one or the new one; a write that cannot be finished leaves no part behind."""
    write(tmp_path / "file", b"old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write(tmp_path / "folder", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("name", ["device-key.pem", "enrolment.json"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe", b"[]"])
def test_damaged_store_says_so(tmp_path: Path, name: str, content: bytes) -> None:
    """A damaged file is an error of its own, not a new identity made in silence."""
    store = Store(tmp_path)
    (tmp_path / name).write_bytes(content)

    def use() -> None:
        with store.exclusive():
            store.make_key()
            store.enrolment("https://scan.example")

    with pytest.raises(StoreError, match="store_damaged"):
        use()
    assert (tmp_path / name).read_bytes() == content


def test_store_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """A path that is a file is no store."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="store_not_writable"), Store(tmp_path / "file" / "x").exclusive():
        raise AssertionError


@pytest.mark.parametrize(
    "address",
    ["http://scan.example", "ftp://scan.example", "scan.example", "https://", "https://u:p@x", "https://x?a=1"],
)
def test_tickets_do_not_go_out_in_the_clear(address: str, tmp_path: Path) -> None:
    """An address without TLS that is not this machine's is refused before anything is sent."""
    with pytest.raises(ValueError, match="address must"):
        Client(address, tmp_path)
    assert origin("http://127.0.0.1:7071/") == "http://127.0.0.1:7071"
    assert origin("https://scan.example/") == "https://scan.example"


# ---------------------------------------------------------------- key rollover


def test_new_key_takes_the_place_of_the_old(device: Client, service: DeviceApi) -> None:
    """D13: the service hears both signatures; from its first use on the new key is the device's."""
    old = device.api.store.key().thumbprint
    device.roll_key()
    new = device.api.store.key()
    assert new.thumbprint != old
    assert service.next_jwk == new.jwk
    service.jwk = service.next_jwk  # the first use, at the service
    assert device.about().device_id == service.device_id
    assert not (device.api.store.directory / "next-key.pem").exists()


@pytest.mark.parametrize("reached", [False, True])
def test_rollover_survives_a_cut(
    device: Client, service: DeviceApi, make_device: Callable[..., Client], reached: bool
) -> None:
    """D13: cut before or after the service heard of it: the old key still works, and the same new key is announced."""
    with device.api.store.exclusive():
        announced = device.api.store.next_key()
        if reached:
            device.api.change_key(announced)
    again = make_device(service.url)
    assert again.about().device_id == service.device_id
    again.roll_key()
    assert again.api.store.key().thumbprint == announced.thumbprint
    assert service.next_jwk == announced.jwk


def test_other_process_goes_on_with_the_new_key(
    device: Client, service: DeviceApi, make_device: Callable[..., Client]
) -> None:
    """A process that has the old token is refused once, and asks for a new one with the key that is there now."""
    other = make_device(service.url)
    other.about()
    device.roll_key()
    service.jwk = service.next_jwk
    service.tokens.clear()
    assert other.about().device_id == service.device_id


def test_key_is_not_rolled_before_enrolment(new_device: Client) -> None:
    """A device out of the box has no key to replace."""
    with pytest.raises(NotEnrolled):
        new_device.roll_key()


def test_key_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Only P-256 signs ES256 (D12)."""
    from cryptography.hazmat.primitives.asymmetric import ec

    Store(tmp_path).keep("https://scan.example", Enrolment("1", "active"))
    (tmp_path / "device-key.pem").write_bytes(DeviceKey(ec.generate_private_key(ec.SECP384R1())).pem)
    with pytest.raises(StoreError, match="store_damaged"):
        Store(tmp_path).key()
