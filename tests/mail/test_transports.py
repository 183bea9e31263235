"""Which transport takes a document, and what is said of one that none takes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import faults
from shared.mail import Graph, GraphDraft, GraphSend, Transports
from shared.mail.graph.body import ENVELOPE_LIMIT, LARGEST_DOCUMENT, attachment_fields, body_of, message_fields
from shared.mail.graph.client import REQUEST_LIMIT
from shared.mail.message import NAME_LONGEST, SUBJECT_LONGEST, Message
from shared.mail.transport import Sender
from shared.mail.transports import MOST
from shared.organisations import RANGES, Policy
from shared.texts import describe
from tests.mail.conftest import Bytes

GRAPH = Graph("https://graph.invalid", lambda: datetime.now(UTC))
SEND, DRAFT, SMTP = GraphSend(GRAPH), GraphDraft(GRAPH, lambda _: None), GraphSend(GRAPH)
"""Where SMTP comes in, the chooser knows nothing of it but that it is another."""
WITHOUT_SMTP = Transports(SEND, DRAFT, None, RANGES.values())
WHOLE = Transports(SEND, DRAFT, SMTP, RANGES.values())
POLICY = Policy()


@pytest.mark.parametrize(
    ("allowed", "size", "chosen"),
    [
        ("send", 0, SEND),
        ("send", LARGEST_DOCUMENT, SEND),
        ("send-large", LARGEST_DOCUMENT, SEND),
        ("send-large", LARGEST_DOCUMENT + 1, SMTP),
        ("send-large", POLICY.largest_document, SMTP),
        ("send-verified", 0, DRAFT),
        ("send-verified", POLICY.largest_document, DRAFT),
    ],
)
def test_a_document_goes_by_its_range_and_size(allowed: str, size: int, chosen: object) -> None:
    """F12: the smallest permission that takes it; what can be verified always is."""
    assert WHOLE.choose(RANGES[allowed], POLICY, size) is chosen


def test_without_smtp_the_range_sends_what_graph_does() -> None:
    """Nothing is promised that no transport keeps."""
    assert WITHOUT_SMTP.largest(RANGES["send-large"], POLICY) == LARGEST_DOCUMENT
    assert WITHOUT_SMTP.choose(RANGES["send-large"], POLICY, 1) is SEND
    with pytest.raises(faults.TooLarge):
        WITHOUT_SMTP.choose(RANGES["send-large"], POLICY, LARGEST_DOCUMENT + 1)


@pytest.mark.parametrize(
    ("allowed", "policy", "largest"),
    [
        (allowed, policy, largest)
        for allowed in ("send-large", "send-verified")
        for policy, largest in [(40_000_000, 40_000_000), (150_000_001, MOST), (1000, 1000)]
    ],
)
def test_the_policy_bounds_what_is_large(allowed: str, policy: int, largest: int) -> None:
    """What the organisation's Exchange takes, as learned or set, and never more than Microsoft does."""
    assert WHOLE.largest(RANGES[allowed], Policy(largest_document=policy)) == largest


@given(st.sampled_from(sorted(RANGES)), st.integers(0, 200_000_000), st.integers(0, 200_000_000))
def test_choice_and_limit_agree(allowed: str, size: int, policy: int) -> None:
    """F12: up to ``largest`` there is a transport; above it TooLarge says it, and a range that it names fits."""
    decided = Policy(largest_document=policy)
    largest = WHOLE.largest(RANGES[allowed], decided)
    if size <= largest:
        WHOLE.choose(RANGES[allowed], decided, size)
        return
    with pytest.raises(faults.TooLarge) as met:
        WHOLE.choose(RANGES[allowed], decided, size)
    assert met.value.params["limit"] == largest
    if "range" in met.value.params:
        other = RANGES[str(met.value.params["range"])]
        assert met.value.params["largest"] == WHOLE.largest(other, decided) >= size
        WHOLE.choose(other, decided, size)
    else:
        assert all(WHOLE.largest(other, decided) < size for other in RANGES.values())


def test_another_range_that_would_take_it_is_named() -> None:
    """The person learns what to ask for; where no range would take it, only what he can do himself."""
    with pytest.raises(faults.TooLarge) as met:
        WHOLE.choose(RANGES["send"], POLICY, 20_000_000)
    said = describe(met.value, "en")
    assert "At most 3 MB" in said.detail
    assert "send-large" in said.remedy
    assert "25 MB" in said.remedy
    with pytest.raises(faults.TooLarge) as met:
        WHOLE.choose(RANGES["send"], POLICY, 30_000_000)
    assert describe(met.value, "en").remedy == faults.TooLarge.remedy
    with pytest.raises(faults.TooLarge) as met:
        WHOLE.choose(RANGES["send"], Policy(largest_document=90_000_000), 30_000_000)
    assert "90 MB" in describe(met.value, "en").remedy


def test_the_largest_document_fits_beside_the_worst_envelope() -> None:
    """F12: the longest subject, name, address and a text of 4,000 characters, each written with twelve bytes."""
    worst = "\U0001f600"
    message = Message(
        "x" * 64, worst * SUBJECT_LONGEST, worst * 4000, worst * (NAME_LONGEST + 4), "application/pdf" + "x" * 100
    )
    sender = Sender("oid", worst * 320)
    fields = {"message": {**message_fields(message, sender), "attachments": [attachment_fields(message)]}}
    assert len(body_of(fields, Bytes(b""))) <= ENVELOPE_LIMIT
    whole = body_of(fields, Bytes(bytes(LARGEST_DOCUMENT)))
    assert len(whole) <= REQUEST_LIMIT
    assert len(whole) == sum(map(len, whole))
    assert LARGEST_DOCUMENT >= 3_000_000
