"""Every row of Graph's mail errors at every step of a draft, on the wire, each by its own fault."""

import pytest

from shared import faults
from shared.faults import Who
from shared.mail import TokenRejected
from tests.mail.conftest import Bytes, Mailroom
from tests.mail.test_drafts import LARGE, SMALL

ROWS = [
    (403, "ErrorAccessDenied", faults.SendDenied, Who.ADMIN, None),
    (403, "ErrorSendAsDenied", faults.SendDenied, Who.ADMIN, None),
    (404, "MailboxNotEnabledForRESTAPI", faults.NoMailbox, Who.ADMIN, None),
    (404, "MailboxNotSupportedForRESTAPI", faults.NoMailbox, Who.ADMIN, None),
    (413, "ErrorMessageSizeExceeded", faults.TooLarge, Who.USER, None),
    (400, "ErrorMessageTooBig", faults.TooLarge, Who.USER, None),
    (403, "ErrorExceededMessageLimit", faults.SendingLimitReached, Who.NETWORK, 360),
    (400, "ErrorExceededHourlyMessageLimit", faults.SendingLimitReached, Who.NETWORK, 360),
    (400, "ErrorSubmissionQuotaExceeded", faults.SendingLimitReached, Who.NETWORK, 360),
    (507, "ErrorQuotaExceeded", faults.MailboxFull, Who.USER, None),
    (403, "ErrorAccountSuspend", faults.SenderRestricted, Who.ADMIN, None),
    (400, "ErrorMessageSubmissionBlocked", faults.SenderRestricted, Who.ADMIN, None),
    (400, "ErrorMessageBlocked", faults.SenderRestricted, Who.ADMIN, None),
    (503, "MailboxInfoStale", faults.MicrosoftUnavailable, Who.NETWORK, 360),
    (429, "ApplicationThrottled", faults.Throttled, Who.NETWORK, 360),
    (429, "MailboxConcurrency", faults.Throttled, Who.NETWORK, 360),
    (429, "TooManyRequests", faults.Throttled, Who.NETWORK, 360),
    (500, "ErrorInternalServerError", faults.MicrosoftUnavailable, Who.NETWORK, 360),
    (503, "ErrorMailboxStoreUnavailable", faults.MicrosoftUnavailable, Who.NETWORK, 360),
    (504, "ErrorTimeoutExpired", faults.MicrosoftUnavailable, Who.NETWORK, 360),
    (400, "ErrorInvalidRecipients", faults.RecipientRefused, Who.USER, None),
    (400, "ErrorInvalidRequest", faults.Unexpected, Who.OPERATOR, 360),
    (400, "UnableToDeserializePostBody", faults.Unexpected, Who.OPERATOR, 360),
]
"""Status, code; the fault, who must act, the panel's code."""


@pytest.mark.parametrize("where", ["messages", "createUploadSession", "send"])
@pytest.mark.parametrize(("status", "code", "leaf", "who", "panel"), ROWS)
def test_a_refusal_is_one_fault_at_every_step(
    room: Mailroom, where: str, status: int, code: str, leaf: type[faults.Fault], who: Who, panel: int | None
) -> None:
    """R47: what the row means, whoever must act, and nothing is sent; what ends the job takes its draft away."""
    room.switchboard.add(where, "graph", status=status, code=code)
    with pytest.raises(faults.Fault) as met:
        room.attempt(Bytes(LARGE if where == "createUploadSession" else SMALL))
    assert (type(met.value), met.value.who, met.value.code) == (leaf, who, panel)
    assert (met.value.retry_after is not None) == issubclass(leaf, faults.Passing)
    assert room.inbox() == []
    ended = where != "messages" and met.value.action is faults.Action.END
    assert (room.asked_for()[-1] == "DELETE messages") == ended


@pytest.mark.parametrize(
    ("status", "code", "leaf"),
    [
        (413, "ErrorMessageSizeExceeded", faults.TooLarge),
        (507, "ErrorQuotaExceeded", faults.MailboxFull),
        (429, "ApplicationThrottled", faults.Throttled),
        (500, "ErrorInternalServerError", faults.MicrosoftUnavailable),
        (503, "ServiceUnavailable", faults.MicrosoftUnavailable),
        (400, "ErrorInvalidRequest", faults.Unexpected),
        (416, "ErrorInvalidRange", faults.MicrosoftUnavailable),
        (401, "InvalidAuthenticationToken", faults.MicrosoftUnavailable),
        (403, "ErrorAccessDenied", faults.MicrosoftUnavailable),
        (404, "ErrorItemNotFound", faults.MicrosoftUnavailable),
        (410, "Gone", faults.MicrosoftUnavailable),
    ],
)
def test_a_refused_range_is_one_fault(room: Mailroom, status: int, code: str, leaf: type[faults.Fault]) -> None:
    """In an upload session 401, 403, 404 and 410 mean that the session has ended: no token was sent with it."""
    room.switchboard.add("upload", "graph", status=status, code=code, times=None)
    with pytest.raises(leaf):
        room.attempt(Bytes(LARGE))
    assert room.inbox() == []


@pytest.mark.parametrize("where", ["messages", "createUploadSession", "send"])
def test_a_refused_token_asks_for_another_at_every_step(room: Mailroom, where: str) -> None:
    """Continuous access evaluation: the claims come with it, nothing was sent, and the draft is taken up again."""
    room.switchboard.add(where, "graph", status=401, code="InvalidAuthenticationToken", claims='{"a":1}')
    document = Bytes(LARGE if where == "createUploadSession" else SMALL)
    with pytest.raises(TokenRejected) as rejected:
        room.attempt(document)
    assert rejected.value.claims == '{"a":1}'
    room.attempt(document)
    assert len(room.inbox()) == 1
    assert room.asked_for().count("POST messages") == (2 if where == "messages" else 1)
