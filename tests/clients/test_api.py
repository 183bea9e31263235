"""The device client against a service on the wire."""

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from tests.clients.conftest import ENROLMENT, Time
from tests.clients.wire import TICKET, DeviceApi, problem
from tests.manifests import make_manifest
from to_my_email import Client, Error, Temporary

PDF = b"%PDF-1.4 a scan"


def test_enrolment_is_kept_with_a_private_key(
    device: Client, service: DeviceApi, make_device: Callable[..., Client], tmp_path: Path
) -> None:
    """A device that starts again is the same device, and its key is readable by its owner alone."""
    again = make_device(service.url)
    assert again.enrolment == device.enrolment
    assert again.about().organisation == "Contoso"
    assert (tmp_path / "store" / "device-key.pem").stat().st_mode & 0o777 == 0o600


def test_enrolment_counts_at_its_own_service_only(device: Client, make_device: Callable[..., Client]) -> None:
    """A device that is pointed at another service is not enrolled there."""
    elsewhere = make_device("http://127.0.0.1:1")
    assert device.enrolment
    assert elsewhere.enrolment is None
    with pytest.raises(Error, match="not_enrolled"):
        elsewhere.about()


def test_wrong_ticket_says_who_acts(new_device: Client) -> None:
    """A refused ticket reaches the caller with its reason, who must act and the remedy, and nothing is kept."""
    with pytest.raises(Error) as refused:
        new_device.enrol("of yesterday", **ENROLMENT)
    assert (refused.value.status, refused.value.reason, refused.value.who) == (403, "ticket_unknown", "admin")
    assert refused.value.remedy == "Make a new ticket on the console."
    assert new_device.enrolment is None


def test_one_token_serves_many_calls(device: Client, service: DeviceApi) -> None:
    """A token is fetched once and used until shortly before its end."""
    for _ in range(3):
        device.about()
    assert service.count("POST", "token") == 1


def test_token_is_renewed_before_it_ends(device: Client, service: DeviceApi, time: Time) -> None:
    """A token with less than a minute of life is not used again; a jump of the printer's clock means nothing."""
    device.about()
    time.now += 541
    device.about()
    assert service.count("POST", "token") == 2


def test_refused_token_is_renewed_once(device: Client, service: DeviceApi) -> None:
    """A token that the service no longer takes is replaced, and the call goes through."""
    device.about()
    service.tokens.clear()
    assert device.about().organisation == "Contoso"
    service.refuse("GET", "device", problem(401, "device_disabled", who="admin"))
    service.refuse("GET", "device", problem(401, "device_disabled", who="admin"))
    with pytest.raises(Error, match="device_disabled"):
        device.about()


def test_retry_after_is_honoured(service: DeviceApi, make_device: Callable[..., Client], time: Time) -> None:
    """Where the service names a time the device waits exactly that long and asks again."""
    device = make_device(service.url)
    device.enrol(TICKET, **ENROLMENT)
    service.refuse("GET", "device", problem(503, "busy", retry_after=3))
    service.refuse("GET", "device", problem(429, "too_many_requests", retry_after=7))
    assert device.about().group == "office"
    assert time.slept == [3, 7]


def test_long_retry_after_is_the_callers(service: DeviceApi, make_device: Callable[..., Client], time: Time) -> None:
    """A time beyond the device's patience is handed to the caller instead of a person waiting at a dead panel."""
    device = make_device(service.url)
    device.enrol(TICKET, **ENROLMENT)
    service.refuse("GET", "device", problem(503, "busy", retry_after=3600))
    with pytest.raises(Error) as refused:
        device.about()
    assert refused.value.retry_after == 3600
    assert time.slept == []


def test_slow_down_is_not_repeated_by_itself(device: Client, service: DeviceApi) -> None:
    """Asking too fast reaches the caller, who owns the interval."""
    begun = device.api.sign_ins.start({"user": {"id": "adele", "email": "adele.vance@contoso.example"}})
    path = f"sign-ins/{begun.id}"
    service.refuse("GET", path, problem(429, "slow_down", retry_after=5))
    with pytest.raises(Error) as refused:
        device.api.sign_ins.look(begun.id)
    assert (refused.value.reason, refused.value.retry_after) == ("slow_down", 5)
    assert service.count("GET", path) == 1


def test_waiting_slows_down_when_told_to(service: DeviceApi, make_device: Callable[..., Client], time: Time) -> None:
    """Told to slow down, the device asks five seconds later than it would have, from then on (RFC 8628 3.5)."""
    device = make_device(service.url)
    device.enrol(TICKET, **ENROLMENT)
    begun = device.api.sign_ins.start({"user": {"id": "adele", "email": "adele.vance@contoso.example"}})
    path = f"sign-ins/{begun.id}"
    service.refuse("GET", path, JSONResponse({"status": "pending", "interval": 1}))
    service.refuse("GET", path, problem(429, "slow_down"))
    service.refuse("GET", path, JSONResponse({"status": "pending", "interval": 1}))
    service.refuse("GET", path, JSONResponse({"status": "confirm", "interval": 1}))
    assert device.api.sign_ins.wait(begun).status == "confirm"
    assert time.slept == [1, 1, 6, 6]


def test_sign_in_goes_from_pending_over_confirm_to_active(device: Client, service: DeviceApi) -> None:
    """The device begins, asks, shows the account, says the person's OK, and the person is ready."""
    begun = device.api.sign_ins.start({"user": {"id": "adele", "email": "adele.vance@contoso.example"}})
    assert "svg" in begun.qr_svg
    assert device.api.sign_ins.look(begun.id).status == "pending"
    service.approvals[begun.id] |= {"status": "confirm", "account_hint": "a***@contoso.example"}
    assert device.api.sign_ins.look(begun.id).account_hint == "a***@contoso.example"
    assert device.api.sign_ins.confirm(begun.id).status == "active"
    assert device.user("adele").status == "ready"


def test_scan_is_followed_to_its_end(device: Client, service: DeviceApi) -> None:
    """The bytes arrive as they were, and the device hears every state up to the final one."""
    states: list[str] = []
    manifest = make_manifest(PDF, name="scan.pdf", media_type="application/pdf", user_id="adele")
    scan = device.api.submit(manifest, PDF)
    end = device.wait(scan, timeout=60, seen=lambda later: states.append(later.state))
    assert (scan.state, states, end.state) == ("accepted", ["sending", "sent"], "sent")
    assert service.documents[scan.id] == PDF


def test_same_scan_twice_is_one_job(device: Client) -> None:
    """A device that is unsure hands the same scan over again and gets the same job."""
    manifest = make_manifest(PDF, name="scan.pdf", media_type="application/pdf", user_id="adele")
    assert device.api.submit(manifest, PDF).id == device.api.submit(manifest, PDF).id
    assert [scan.id for scan in device.history()] == [manifest["id"]]


def test_no_answer_is_360(make_device: Callable[..., Client]) -> None:
    """A service that cannot be reached is the network's matter, code 360."""
    with pytest.raises(Error) as silent:
        make_device("http://127.0.0.1:1").enrol(TICKET, model="Virtual 1", serial="V0001", name="x")
    assert (silent.value.reason, silent.value.code, silent.value.who) == ("unreachable", 360, "network")


def test_answer_that_is_no_problem_document_is_360(device: Client, service: DeviceApi) -> None:
    """A gateway's bare error page is shown as no connection, not as a crash of the panel."""
    for _ in range(20):
        service.refuse("GET", "device", PlainTextResponse("Bad Gateway", 502))
    with pytest.raises(Temporary) as refused:
        device.about()
    assert (refused.value.status, refused.value.code) == (502, 360)


def test_language_goes_with_every_call(device: Client, service: DeviceApi) -> None:
    """The panel's language reaches the service, so that its texts come back in it."""
    device.language = "be"
    service.languages.clear()
    device.about()
    assert set(service.languages) == {"be"}


def test_waiting_is_seldom(device: Client, service: DeviceApi, time: Time) -> None:
    """A job on which nothing happens is asked for ever more seldom, and waiting ends when it was to end."""
    manifest = make_manifest(PDF, name="scan.pdf", media_type="application/pdf", user_id="adele")
    scan = device.api.submit(manifest, PDF)
    for _ in range(100):
        service.refuse("GET", f"scans/{scan.id}", JSONResponse(service.scans[scan.id]))
    assert device.wait(scan, timeout=300).state == "accepted"
    assert time.slept == [2, 4, 8, 16, 32, 60, 60, 60, 58]


def test_waiting_sits_out_an_outage(device: Client, service: DeviceApi) -> None:
    """A service that is away for a while in the midst of a wait changes nothing about its end."""
    manifest = make_manifest(PDF, name="scan.pdf", media_type="application/pdf", user_id="adele")
    scan = device.api.submit(manifest, PDF)
    for _ in range(12):
        service.refuse("GET", f"scans/{scan.id}", problem(503, "storage_unavailable"))
    assert device.wait(scan, timeout=300).state == "sent"


def test_held_scan_is_not_waited_for(device: Client, service: DeviceApi) -> None:
    """What only a person moves on is given back at once."""
    manifest = make_manifest(PDF, name="scan.pdf", media_type="application/pdf", user_id="adele")
    scan = device.api.submit(manifest, PDF)
    service.refuse(
        "GET", f"scans/{scan.id}", JSONResponse(service.scans[scan.id] | {"state": "held", "updated_at": "x"})
    )
    assert device.wait(scan).state == "held"
    assert service.count("GET", f"scans/{scan.id}") == 1


def test_credentials_of_the_machine_are_not_sent(
    device: Client, service: DeviceApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``.netrc`` of the machine neither reaches the service nor displaces the device's token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert device.about().organisation == "Contoso"
