"""After a restore: nothing that the backup holds as not sent is sent by itself, and nothing is lost from sight."""

import io
from typing import Any

import pytest

from functions.restore_command import run
from tests.scans.conftest import CONTOSO, DOCUMENT, pin, signed_out


def test_a_backup_sends_nothing_a_second_time(office: Any) -> None:
    """Accepted, waiting, held and awaited scans are set aside; ended ones stay; and all of it twice.

    The world goes on, with timers, the messages of before, and a sign-in that would let the held one go.
    """
    office.decide(hold_hours=72)
    sent = office.deliver(office.accept())
    accepted = office.accept()
    office.switchboard.add("sendMail", "throttled", retry_after="3600")
    waiting = office.deliver(office.accept())
    awaited = office.rooms.acceptance.announce(office.device, office.manifest())
    signed_out(office, "adele")
    held = office.accept()
    states = {job.manifest.id: office.job(job).state for job in (sent, accepted, waiting, awaited, held)}
    assert list(states.values()) == ["sent", "accepted", "waiting", "awaiting_upload", "held"]

    out = io.StringIO()
    assert run(["set-aside"], office.rooms, out) == 0
    *lines, last = out.getvalue().splitlines()
    told = {line.split()[2]: line.split()[3] for line in lines}
    assert (told, last) == ({name: state for name, state in states.items() if state != "sent"}, "done")
    assert all(line.startswith(CONTOSO) for line in lines)
    again = io.StringIO()
    assert (run(["set-aside"], office.rooms, again), again.getvalue()) == (0, "done\n")

    mails = len(office.mails())
    pin(office.rooms, office.cloud, "adele")
    office.rooms.holds.signed_in(CONTOSO, "office", "adele")
    for job in (accepted, waiting, awaited, held):
        office.rooms.delivery.deliver(f"{job.device_id}/{job.manifest.id}")
    office.recover(minutes=10)
    assert len(office.mails()) == mails
    assert office.due() == []
    for job in (accepted, waiting, awaited, held):
        now = office.job(job)
        assert (now.state, now.reason, now.due) == ("uncertain", "outcome_unknown", None)
    assert office.job(sent).state == "sent"


def test_an_administrator_may_send_one_that_was_set_aside(office: Any) -> None:
    """Whoever looked into the mailbox and found nothing has it sent once, and no more."""
    job = office.accept()
    assert run(["set-aside"], office.rooms, io.StringIO()) == 0
    office.rooms.desk.retry(office.device, job.manifest.id)
    assert office.deliver(job).state == "sent"
    assert [mail.attachments[0].content for mail in office.mails()] == [DOCUMENT]


def test_a_wrong_line_does_nothing(office: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the word nothing is set aside."""
    job = office.accept()
    assert run([], office.rooms, io.StringIO()) == 2
    assert "set-aside" in capsys.readouterr().err
    assert office.job(job).state == "accepted"
