"""Sending by drafts: what is asked of Graph, what breaks, and that nothing is ever sent twice."""

import hashlib
import socket
from datetime import timedelta

import pytest

from shared import faults
from shared.mail import Graph, TokenRejected
from shared.mail.graph.draft import LOOK_AGAIN, SETTLES
from shared.mail.graph.upload import RANGE, TROUBLES, upload
from tests.mail.conftest import ACCOUNT, JOB, TOKEN, Bytes, Mailroom
from tests.mail.graph_wire import graph_wire

SMALL = b"%PDF-1.7 small"
LARGE = b"%PDF-" + bytes(range(251)) * 40_000
"""Ten megabytes: three ranges."""
BESIDE = bytes(3_120_000), "x" * 60_000
"""A document that fits into a request of its own, but not beside this text."""


def digest(content: bytes) -> str:
    """The SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def test_a_small_scan_is_a_draft_and_its_sending(room: Mailroom) -> None:
    """Two calls; the id is written down before the second, and with it since when the mail may have been sent."""
    room.attempt(Bytes(SMALL))
    assert room.asked_for() == ["POST messages", "POST send"]
    [word] = room.words
    assert word.endswith(f" {int(room.clock().timestamp())}")
    [mail] = room.inbox()
    assert mail.sender == "adele.vance@contoso.example"
    assert mail.everybody() == ["adele.vance@contoso.example"]
    assert ("x-to-my-email-job", JOB) in mail.headers
    assert room.arrived() == [[digest(SMALL)]]


def test_a_large_scan_goes_up_in_ranges(room: Mailroom) -> None:
    """In order, in multiples of 320 KiB below 4 MB; the bare id is written down before the first, the time after."""
    room.attempt(Bytes(LARGE))
    assert room.asked() == ["messages", "createUploadSession", "upload", "upload", "upload", "attachments", "send"]
    bare, word = room.words
    assert word.partition(" ")[0] == bare
    assert RANGE % (320 * 1024) == 0
    assert RANGE < 4_000_000
    assert room.arrived() == [[digest(LARGE)]]


@pytest.mark.parametrize("size", [RANGE * 2 - 1, RANGE * 2, RANGE * 2 + 1])
@pytest.mark.parametrize("piece", [RANGE, 1_000_003])
def test_no_byte_is_lost_where_ranges_meet(room: Mailroom, size: int, piece: int) -> None:
    """A document that ends with a range, a byte before and a byte after it, whatever pieces it comes in."""
    content = (b"%PDF-" + bytes(range(251)) * 32_000)[:size]
    room.attempt(Bytes(content, piece=piece))
    assert room.arrived() == [[digest(content)]]


@pytest.mark.parametrize(
    ("size", "text", "asked"),
    [
        (3_145_000, 10, ["messages", "send"]),
        (3_145_000, 60_000, ["messages", "attachments", "send"]),
        (3_145_500, 10, ["messages", "attachments", "send"]),
        (3 * 1024 * 1024, 10, ["messages", "createUploadSession", "upload", "attachments", "send"]),
    ],
)
def test_every_size_has_a_way(room: Mailroom, size: int, text: int, asked: list[str]) -> None:
    """F12: in the call that makes the draft, in one of its own, or by upload session."""
    content, room.text = bytes(size), "x" * text
    room.attempt(Bytes(content))
    assert room.asked() == asked
    assert room.arrived() == [[digest(content)]]


def test_some_hundred_bytes_have_none(room: Mailroom) -> None:
    """Too large for a request and too small for a session: said, and not learned as a limit of the mailbox."""
    with pytest.raises(faults.TooLarge) as met:
        room.attempt(Bytes(bytes(3 * 1024 * 1024 - 1)))
    assert "refused" not in met.value.params
    assert room.asked_for()[-1] == "DELETE messages"


def test_a_mail_without_a_document(room: Mailroom) -> None:
    """A notice is a draft, too."""
    room.attempt(None)
    assert room.arrived() == [[]]


BREAKS = [
    ("messages", "reset"),
    ("messages", "reset_after_applying"),
    ("messages", "gateway_timeout_after_applying"),
    ("messages", "garbled_after_applying"),
    ("messages", "ok_without_applying"),
    ("messages", "unavailable"),
    ("createUploadSession", "reset_after_applying"),
    ("createUploadSession", "server_error"),
    ("createUploadSession", "garbled_after_applying"),
    ("upload", "reset"),
    ("upload", "reset_after_applying"),
    ("upload", "server_error_after_applying"),
    ("upload", "gateway_timeout"),
    ("upload", "ok_without_applying"),
    ("upload", "garbled_after_applying"),
    ("attachments", "reset_after_applying"),
    ("attachments", "gateway_timeout_after_applying"),
    ("attachments", "server_error"),
    ("attachments", "garbled_after_applying"),
    ("send", "reset"),
    ("send", "reset_after_applying"),
    ("send", "server_error"),
    ("send", "server_error_after_applying"),
    ("send", "unavailable"),
    ("send", "unavailable_after_applying"),
    ("send", "gateway_timeout"),
    ("send", "gateway_timeout_after_applying"),
    ("send", "ok_without_applying"),
    ("send", "throttled"),
]


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize(
    ("where", "kind", "lag"),
    [
        (where, kind, lag)
        for where, kind in BREAKS
        for lag in (["none", "draft", "hidden"] if where == "send" else ["none"])
    ],
)
def test_whatever_breaks_it_arrives_once(room: Mailroom, where: str, kind: str, times: int, lag: str) -> None:
    """R43, P3: each call broken in each way, once and again, under a mailbox that shows what it did late: one mail."""
    room.cloud.mailboxes.sent_lag = timedelta(seconds=0 if lag == "none" else 400)
    room.cloud.mailboxes.lag_hides = lag == "hidden"
    content = LARGE if where in {"createUploadSession", "upload"} else SMALL
    if where == "attachments":
        content, room.text = BESIDE
    room.switchboard.add(where, kind, times=times)
    room.deliver(Bytes(content))
    assert room.arrived() == [[digest(content)]]


@pytest.mark.parametrize("hides", [False, True])
def test_an_answer_lost_at_the_sending_is_looked_up(room: Mailroom, hides: bool) -> None:
    """The fault is one that passes; until the mailbox can tell, nothing is sent and the time is named."""
    room.cloud.mailboxes.sent_lag = timedelta(seconds=150)
    room.cloud.mailboxes.lag_hides = hides
    room.switchboard.add("send", "gateway_timeout_after_applying")
    for _ in range(3):
        with pytest.raises(faults.MicrosoftUnavailable) as met:
            room.attempt(Bytes(SMALL))
        assert met.value.retry_after == LOOK_AGAIN
        room.clock.advance(seconds=60)
    room.attempt(Bytes(SMALL))
    assert room.switchboard.count("send") == 1
    assert len(room.inbox()) == 1


def test_a_sending_that_never_came_through_is_repeated_when_that_is_certain(room: Mailroom) -> None:
    """R45: a draft that still is one when ten minutes have passed is sent; not a second earlier."""
    room.switchboard.add("send", "reset")
    with pytest.raises(faults.Passing):
        room.attempt(Bytes(SMALL))
    room.clock.advance(seconds=SETTLES.total_seconds() - 1)
    with pytest.raises(faults.Passing) as met:
        room.attempt(Bytes(SMALL))
    assert met.value.retry_after == 1
    assert room.inbox() == []
    room.clock.advance(seconds=1)
    room.attempt(Bytes(SMALL))
    assert room.switchboard.count("send") == 2
    assert len(room.inbox()) == 1


def test_a_refused_sending_needs_no_waiting(room: Mailroom) -> None:
    """R40: 429 says that nothing was sent: the next attempt sends the same draft as soon as Retry-After is over."""
    room.switchboard.add("send", "throttled", retry_after="7")
    with pytest.raises(faults.Throttled) as met:
        room.attempt(Bytes(SMALL))
    assert met.value.retry_after == 7
    room.clock.advance(seconds=7)
    room.attempt(Bytes(SMALL))
    assert len(room.inbox()) == 1
    assert [each for each in room.asked_for() if each == "POST messages"] == ["POST messages"]


def test_what_was_sent_is_not_sent_again(room: Mailroom) -> None:
    """Sent, and the delivery died before it could say so: the next one looks, and is done."""
    room.attempt(Bytes(SMALL))
    room.attempt(Bytes(SMALL))
    assert room.switchboard.count("send") == 1
    assert len(room.inbox()) == 1


def test_a_draft_that_was_not_written_down_is_found_by_its_job(room: Mailroom) -> None:
    """R07: died between making it and writing it down: the extended property finds it, and it is the one sent."""

    class Died(BaseException):
        """As by kill -9."""

    def die(_: str) -> None:
        raise Died

    with pytest.raises(Died):
        room.attempt(Bytes(SMALL), remember=die)
    room.attempt(Bytes(SMALL))
    assert [each for each in room.asked_for() if each == "POST messages"] == ["POST messages"]
    assert room.arrived() == [[digest(SMALL)]]


def test_a_delivery_whose_job_went_to_another_leaves_no_draft(room: Mailroom) -> None:
    """R18: paused before it wrote the id down, it finds that the job is not its own, and takes its draft away."""

    class Lost(Exception):
        """The lease is somebody else's."""

    def lost(_: str) -> None:
        raise Lost

    with pytest.raises(Lost):
        room.attempt(Bytes(SMALL), remember=lost)
    assert room.asked_for()[-1] == "DELETE messages"
    assert room.switchboard.count("send") == 0


def test_two_deliveries_of_one_draft_send_one_mail(room: Mailroom) -> None:
    """R08: one pauses before its sending, another takes over and sends: the first is refused, and knows why."""
    room.switchboard.add("send", "throttled")
    with pytest.raises(faults.Throttled):
        room.attempt(Bytes(SMALL))
    taken_over = room.draft()

    def pause(word: str) -> None:
        room.remember(word)
        if " " in word and room.switchboard.count("send") == 1:
            room.attempt(Bytes(SMALL), id=taken_over.id)

    room.attempt(Bytes(SMALL), remember=pause)
    assert room.switchboard.count("send") == 3
    assert len(room.inbox()) == 1


def test_two_uploads_into_one_draft_leave_one_attachment(room: Mailroom) -> None:
    """R08: a delivery that was thought dead completes its upload beside its successor's: one is taken out again."""
    first = Bytes(LARGE, piece=1 << 20)
    chunks = first.chunks

    def crossing() -> object:
        for number, chunk in enumerate(chunks()):
            if number == 9:
                other = Bytes(LARGE)
                with pytest.raises(faults.Throttled):
                    room.attempt(other)
            yield chunk

    first.chunks = crossing  # type: ignore[assignment, method-assign]
    room.switchboard.add("send", "throttled")
    room.attempt(first)
    assert room.arrived() == [[digest(LARGE)]]


def test_a_draft_that_the_person_deleted_is_made_anew(room: Mailroom) -> None:
    """Nothing was sent of it, so that nothing needs to be waited for."""
    room.switchboard.add("createUploadSession", "unavailable")
    with pytest.raises(faults.Passing):
        room.attempt(Bytes(LARGE))
    room.drafts.discard(TOKEN, room.draft())
    room.attempt(Bytes(LARGE))
    assert room.arrived() == [[digest(LARGE)]]


def test_a_draft_that_vanished_after_its_sending_is_believed_unsent_late(room: Mailroom) -> None:
    """Not to be seen by its id nor by its job: it is waited for, and only then sent anew."""
    room.switchboard.add("send", "reset")
    with pytest.raises(faults.Passing):
        room.attempt(Bytes(SMALL))
    room.drafts.discard(TOKEN, room.draft())
    with pytest.raises(faults.Passing):
        room.attempt(Bytes(SMALL))
    room.clock.advance(minutes=10)
    room.attempt(Bytes(SMALL))
    assert len(room.inbox()) == 1


@pytest.mark.parametrize("content", [SMALL, LARGE, LARGE[: 2 * RANGE]])
def test_a_document_that_is_not_the_accepted_one_is_not_sent(room: Mailroom, content: bytes) -> None:
    """R50: its last bytes never leave, no sending is asked for, and the draft is taken away."""
    with pytest.raises(faults.DocumentMismatch):
        room.attempt(Bytes(content, sha256=digest(b"another")))
    assert "send" not in room.asked()
    assert room.inbox() == []
    if content is not SMALL:
        assert room.asked_for()[-1] == "DELETE messages"
        assert room.switchboard.count("upload") == (len(content) - 1) // RANGE  # all but the last


@pytest.mark.parametrize("announced", [-1, 1])
def test_a_document_of_another_length_is_not_sent(room: Mailroom, announced: int) -> None:
    """R50: a byte more or less than was announced."""
    for content in (SMALL, LARGE):
        with pytest.raises(faults.DocumentMismatch):
            room.attempt(Bytes(content, size=len(content) + announced))
    with pytest.raises(faults.DocumentMismatch):
        # Else the first two ranges would be a whole attachment.
        room.attempt(Bytes(LARGE, size=2 * RANGE), id="", look=False)
    assert room.inbox() == []


def test_an_upload_that_breaks_is_resumed_where_it_broke(room: Mailroom) -> None:
    """The session is asked, and obeyed: a range that came is not sent again, one that did not come is."""
    for kind in ("reset_after_applying", "reset"):
        room.switchboard.add("upload", kind)
    room.attempt(Bytes(LARGE))
    # Range 1 and its lost answer, the question (which breaks), the question; ranges 2 and 3.
    assert [each for each in room.asked_for() if "upload" in each] == [
        "PUT upload",
        "GET upload",
        "GET upload",
        "PUT upload",
        "PUT upload",
    ]
    assert room.arrived() == [[digest(LARGE)]]


def test_a_session_that_expires_is_begun_anew(room: Mailroom) -> None:
    """404 in the middle: another session, from the start."""
    document = Bytes(LARGE)
    chunks = document.chunks

    def late() -> object:
        for number, chunk in enumerate(chunks()):
            if number == 6 and document.reads == 1:
                room.clock.advance(hours=2)
            yield chunk

    document.chunks = late  # type: ignore[assignment, method-assign]
    room.attempt(document)
    assert room.switchboard.count("createUploadSession") == 2
    assert room.arrived() == [[digest(LARGE)]]


def test_the_lost_answer_to_the_last_range_is_looked_up(room: Mailroom) -> None:
    """The attachment is there although the session is gone: it is not attached twice."""
    content = LARGE[: RANGE - 1]
    room.switchboard.add("upload", "reset_after_applying")
    room.attempt(Bytes(content))
    assert room.switchboard.count("createUploadSession") == 1
    assert room.arrived() == [[digest(content)]]


def test_a_short_wait_is_waited_for_and_a_long_one_puts_the_delivery_off(room: Mailroom) -> None:
    """R40: Retry-After between two ranges, to the second."""
    room.switchboard.add("upload", "throttled", retry_after="3")
    room.switchboard.add("upload", "unavailable", retry_after="4")
    room.attempt(Bytes(LARGE))
    assert room.slept == [3, 4]
    room.switchboard.add("upload", "throttled", retry_after="40")
    with pytest.raises(faults.Throttled) as met:
        room.attempt(Bytes(LARGE), job="another", id="", look=False)
    assert met.value.retry_after == 40
    assert room.slept == [3, 4]


def test_an_upload_is_not_taken_up_again_for_ever(room: Mailroom) -> None:
    """A service that is down puts the delivery off."""
    room.switchboard.add("upload", "reset", times=None)
    with pytest.raises(faults.NoConnection):
        room.attempt(Bytes(LARGE))
    assert room.switchboard.count("upload") == TROUBLES + 1


def test_the_address_of_an_upload_gets_no_token_and_is_kept_nowhere(
    room: Mailroom, caplog: pytest.LogCaptureFixture
) -> None:
    """G11: it is a secret: no log, no fault and nothing written down has it, and it is asked without our token."""
    caplog.set_level("INFO")
    room.switchboard.add("upload", "reset", times=None)
    with pytest.raises(faults.NoConnection) as met:
        room.attempt(Bytes(LARGE))
    # The emulated host refuses every upload that brings an Authorization header: see test_microsoft_drafts.
    told = f"{met.value!r} {met.value.note} {met.value.__cause__!r} {room.words} {caplog.text}"
    assert "/-/uploads" not in told
    assert TOKEN not in told
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(faults.NoConnection) as met:
        # What cannot be reached is quoted with its address by the libraries in between.
        upload(
            Graph("http://graph.invalid", room.clock),
            f"http://127.0.0.1:{port}/secret",
            Bytes(LARGE),
            room.slept.append,
        )
    assert "secret" not in f"{met.value!r} {met.value.note} {met.value.__cause__!r} {caplog.text}"


def test_an_upload_goes_nowhere_less_safe_than_graph(room: Mailroom) -> None:
    """C16: the document leaves over TLS or not at all, whatever address an answer brings."""
    with graph_wire() as wire, pytest.raises(faults.MicrosoftUnavailable):
        room.graph.bare("PUT", f"{wire.url}/upload", data=b"document")
    assert wire.asked == []


@pytest.mark.parametrize(("size", "text"), [(len(BESIDE[0]), 60_000), (5_000_000, 10)])
def test_what_the_mailbox_does_not_take_is_said_with_its_size(room: Mailroom, size: int, text: int) -> None:
    """ErrorMessageSizeExceeded: TooLarge says which size was refused, and the draft is taken away."""
    room.cloud.change_account(ACCOUNT, message_limit=4_000_000)
    room.text = "x" * text
    with pytest.raises(faults.TooLarge) as met:
        room.attempt(Bytes(bytes(size)))
    assert met.value.params == {"limit": size - 1, "refused": size}
    assert room.asked_for()[-1] == "DELETE messages"


def test_a_full_mailbox_and_a_taken_permission_are_final(room: Mailroom) -> None:
    """R47: each by its own fault, and 401 asks for another token."""
    room.cloud.change_account(ACCOUNT, mailbox_full=True)
    with pytest.raises(faults.MailboxFull):
        room.attempt(Bytes(SMALL))
    room.cloud.change_account(ACCOUNT, mailbox_full=False)
    room.switchboard.add("messages", "graph", status=403, code="ErrorAccessDenied")
    with pytest.raises(faults.SendDenied):
        room.attempt(Bytes(SMALL), look=False)
    room.cloud.expire_access_tokens(ACCOUNT)
    with pytest.raises(TokenRejected):
        room.attempt(Bytes(SMALL), look=False)


def test_a_failed_jobs_draft_is_discarded_and_a_sent_mail_is_not(room: Mailroom) -> None:
    """What a job leaves in Drafts goes, by its id or by its job; what was sent stays in Sent Items."""
    room.switchboard.add("send", "throttled", times=2)
    for job in (JOB, "another"):
        with pytest.raises(faults.Throttled):
            room.attempt(Bytes(SMALL), job=job, id="", look=False)
    room.drafts.discard(TOKEN, room.draft(id=room.words[0].partition(" ")[0]))
    room.drafts.discard(TOKEN, room.draft(id="", look=True), job="another")
    assert room.asked_for().count("DELETE messages") == 2
    room.attempt(Bytes(SMALL), job="third", id="", look=False)
    room.drafts.discard(TOKEN, room.draft(), job="third")
    assert room.asked_for().count("DELETE messages") == 2


def test_discarding_never_fails(room: Mailroom) -> None:
    """It is a courtesy: whatever Graph says, the job's end is not in danger."""
    room.switchboard.add("messages", "server_error", times=None)
    room.drafts.discard(TOKEN, room.draft(id="AAkA"), job=JOB)
    room.cloud.expire_access_tokens(ACCOUNT)
    room.switchboard.remove()
    room.drafts.discard(TOKEN, room.draft(id="AAkA"), job=JOB)


def test_a_job_that_could_change_the_question_is_not_asked_for(room: Mailroom) -> None:
    """E03: the question to the mailbox is made of nothing but letters, digits and hyphens."""
    room.drafts.discard(TOKEN, room.draft(id=""), job="x') or (1 eq 1")
    assert room.asked() == []
