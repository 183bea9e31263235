"""First login and consent, as a loop at the panel."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import JSONResponse

from tests.clients.conftest import Time
from tests.clients.proxy import failing
from tests.clients.wire import DeviceApi, problem
from to_my_email import Cancelled, Client, Invitation, SignInRequired, Temporary, User
from to_my_email.connection import Connection
from to_my_email.handoffs import Handoffs

ADELE = User("adele", "adele.vance@contoso.example", "Adele Vance")
HINT = "a***@contoso.example"


def signs_in(service: DeviceApi, seen: list[Any] | None = None) -> Callable[[Invitation], None]:
    """What the person does once he sees the code."""

    def act(begun: Invitation) -> None:
        if seen is not None:
            seen.append(begun)
        service.approvals[begun.id] |= {"status": "confirm", "account_hint": HINT}

    return act


def test_person_signs_in_and_says_ok(device: Client, service: DeviceApi) -> None:
    """The code and the QR code are shown once, his account is shown, his OK is said, and he may scan."""
    seen: list[Any] = []
    ended = device.sign_in(
        ADELE,
        on_code=signs_in(service, seen),
        on_qr=seen.append,
        on_confirm=lambda account: seen.append(account) or True,
    )
    assert ended.status == "active"
    assert seen[0] is seen[1]
    assert seen[0].user_code == "BCDF-GHJK"
    assert seen[2] == HINT
    assert device.user("adele").status == "ready"
    (asked,) = (each["request"] for each in service.approvals.values())
    assert asked["user"] == {"id": "adele", "email": ADELE.email, "name": ADELE.name}


def test_no_at_the_panel_ends_it_at_the_service(device: Client, service: DeviceApi) -> None:
    """Whoever says that it is not him is not signed in, and the link is dead."""
    with pytest.raises(Cancelled):
        device.sign_in(ADELE, on_code=signs_in(service), on_confirm=lambda _: False)
    assert [each["status"] for each in service.approvals.values()] == ["denied"]
    assert device.user("adele").status == "sign_in_required"


def test_cancel_key_ends_it_at_the_service(service: DeviceApi, device: Client) -> None:
    """The panel's Cancel, in another thread, wakes the loop, and the service is told."""
    cancel = threading.Event()
    with pytest.raises(Cancelled):
        device.sign_in(ADELE, on_code=lambda _: cancel.set(), cancel=cancel)
    assert [each["status"] for each in service.approvals.values()] == ["denied"]


def test_panel_that_breaks_leaves_no_open_link(device: Client, service: DeviceApi) -> None:
    """An exception in a callback (also Ctrl-C) reaches the caller, and the link is dead."""

    def breaks(_: Invitation) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        device.sign_in(ADELE, on_code=breaks)
    assert [each["status"] for each in service.approvals.values()] == ["denied"]


@pytest.mark.parametrize(("status", "code"), [("denied", 370), ("expired", 361)])
def test_end_without_a_sign_in_says_why(device: Client, service: DeviceApi, status: str, code: int) -> None:
    """A sign-in that was denied or ran out is an error with the service's reason, code and words."""

    def ends(begun: Invitation) -> None:
        told = {"status": status, "reason": "wrong_account", "code": code, "who": "user", "message": "Another account."}
        service.approvals[begun.id] |= told

    with pytest.raises(SignInRequired) as ended:
        device.sign_in(ADELE, on_code=ends)
    assert (ended.value.reason, ended.value.code, ended.value.title) == ("wrong_account", code, "Another account.")


def test_interval_and_retry_after_are_obeyed(device: Client, service: DeviceApi, time: Time) -> None:
    """Never asked sooner than the interval, five seconds later for good after slow_down, later still if told so."""

    def begun(invitation: Invitation) -> None:
        path = f"sign-ins/{invitation.id}"
        service.refuse("GET", path, problem(429, "slow_down", retry_after=30))
        service.refuse("GET", path, JSONResponse({"status": "pending", "interval": 9}))
        signs_in(service)(invitation)

    device.sign_in(ADELE, on_code=begun)
    assert time.slept == [1, 24, 6, 9]


def test_outage_while_a_person_signs_in(device: Client, service: DeviceApi, time: Time) -> None:
    """No answer for a while: asked ever more seldom (RFC 8628 section 3.5), and then it goes on."""

    def begun(invitation: Invitation) -> None:
        for _ in range(3):
            service.refuse("GET", f"sign-ins/{invitation.id}", problem(503, "storage_unavailable"))
        signs_in(service)(invitation)

    device.sign_in(ADELE, on_code=begun)
    assert time.slept == [1, 2, 4, 8]


def test_outage_that_outlasts_the_code_ends(device: Client, service: DeviceApi, time: Time) -> None:
    """The loop ends with the code's life, whatever the service does."""

    def begun(invitation: Invitation) -> None:
        for _ in range(100):
            service.refuse("GET", f"sign-ins/{invitation.id}", problem(503, "storage_unavailable"))

    with pytest.raises(Temporary):
        device.sign_in(ADELE, on_code=begun)
    assert 600 <= sum(time.slept) < 700


def test_code_that_nobody_uses_ends(device: Client, service: DeviceApi, time: Time) -> None:
    """A service that says pending for ever is not asked for ever."""
    service.code_life = 60
    with pytest.raises(SignInRequired, match="sign_in_expired"):
        device.sign_in(ADELE)
    assert 60 <= sum(time.slept) < 70


def test_lost_answer_to_ok_is_looked_up(device: Client, service: DeviceApi) -> None:
    """R02: the OK arrived and its answer did not; the service's "too late" is then no failure."""
    begun = device.api.sign_ins.start({"user": {"id": "adele", "email": ADELE.email}})
    signs_in(service)(begun)
    device.api.sign_ins.confirm(begun.id)
    service.refuse("POST", f"sign-ins/{begun.id}/confirm", problem(409, "wrong_state"))
    assert device.api.sign_ins.confirm(begun.id).status == "active"


def test_sign_in_through_a_wire_that_loses_answers(service: DeviceApi, make_device: Callable[..., Client]) -> None:
    """R02: every kind of answer is lost once on the way: the person notices nothing."""
    with failing(service.url) as proxy:
        service.url = f"http://127.0.0.1:{proxy.port}"
        proxy.lose = dict.fromkeys(
            (
                b"GET /api/v1/nonce",
                b"POST /api/v1/enrolments",
                b"POST /api/v1/token",
                b"POST /api/v1/sign-ins HTTP",
                b"GET /api/v1/sign-ins/",
                b"POST /api/v1/sign-ins/",
            ),
            1,
        )
        device = make_device(service.url)
        device.enrol("a-ticket-from-the-console", model="V", serial="1", name="x")
        assert device.sign_in(ADELE, on_code=signs_in(service)).status == "active"
        assert proxy.lost == 6


def test_administrator_consents_from_the_panel(device: Client, service: DeviceApi) -> None:
    """Consent is the same loop, with the range that was chosen."""
    assert device.consent("send-large", on_code=signs_in(service)).status == "active"
    assert device.about().consent == {"status": "consented", "range": "send"}
    assert [each["request"]["range"] for each in service.approvals.values()] == ["send-large"]


def test_loop_needs_only_a_connection(device: Client) -> None:
    """A maker with a flow of his own may use the loop on any path of that shape."""
    assert isinstance(device.api.connection, Connection)
    assert Handoffs(device.api.connection, "consents").start({}).status == "pending"
