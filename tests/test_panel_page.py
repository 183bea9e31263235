"""docs/devices: what the panel shows, for every reason a device can meet; and the states in the drawings.

``python -m tests.test_panel_page`` writes the table anew.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from functions.device_api import replies
from shared.faults import Action, Fault, leaves
from tests.documented import document

DEVICES = Path(__file__).parent.parent / "docs" / "devices"
PANEL, FLOWS = DEVICES / "panel.md", DEVICES / "flows.md"
BROWSERS_ONLY = {
    "console_role_missing",
    "cross_site_request",
    "link_unknown",
    "other_browser",
    "response_not_expected",
    "sign_in_not_fresh",
}
"""These are met on a page in somebody's browser, and never told to a device."""
BY_ITSELF = {
    "device_token_expired": "nothing: fetch a new token and ask again; only if that fails, too, the code and the title",
    "device_token_invalid": "nothing: fetch a new token; if that fails, the title, and a way to enter a new ticket",
    "use_dpop_nonce": "nothing: sign again with the fresh nonce",
    "slow_down": "nothing: ask again after `retry_after`",
    "too_many_requests": "the title; ask again after `retry_after`",
    "device_pending": "the four words, and the title; ask again every minute",
    "ticket_invalid": "the title, and the ticket's field again",
    "outcome_unknown": "the code, the title, and that the mailbox must be looked into before anybody scans again",
    "hold_expired": "the code and the title, in the list of scans; scan again",
    "not_uploaded": "nothing: upload and commit again",
    "document_mismatch": "nothing: upload again; if that fails, the title",
    "id_taken": "nothing: a mistake in the device; make a new id for a new scan",
    "wrong_state": "nothing: ask how it stands, and show that",
    "not_found": "nothing: it is gone, or never was",
    "device_code_blocked": "the code, the title, and `link` with `message`: another way in",
    "not_delivered_in_time": "the code and the title; scan again",
}
CONSENT = {"consent_required", "consent_withdrawn"}
NEVER_SHOWN = {
    "body_too_large",
    "invalid_dpop_proof",
    "invalid_request",
    "length_required",
    "method_not_allowed",
    "proof_invalid",
    "unsupported_media_type",
}


SIGN_IN_AGAIN = {"sign_in_declined", "sign_in_timed_out"}
RULES: list[tuple[Callable[[type[Fault]], bool], str]] = [
    (lambda leaf: leaf.reason in NEVER_SHOWN, "nothing: a mistake in the device; keep it for whoever looks after it"),
    (lambda leaf: leaf.who == "network", "{told}, and that it is tried again by itself"),
    (lambda leaf: leaf.who == "operator", "{told}, and the `reference` for the operator"),
    (lambda leaf: leaf.reason in CONSENT, "{told}, the remedy, and a way to consent from the panel"),
    (
        lambda leaf: leaf.reason.startswith("mailbox_") and leaf.who == "admin",
        "{told}, the remedy, and the account's screen",
    ),
    (lambda leaf: leaf.who == "admin", "{told}, the remedy, and nothing to press: the administrator must act"),
    (lambda leaf: leaf.action is Action.HOLD or leaf.reason in SIGN_IN_AGAIN, "{told}, and **Sign in**"),
    (lambda _: True, "{told} and the remedy"),
]
"""What the panel shows, by the first rule that holds."""


def offered(leaf: type[Fault]) -> str:
    """What the panel does about a fault."""
    found = BY_ITSELF.get(leaf.reason) or next(words for holds, words in RULES if holds(leaf))
    return found.format(told="the code, the title" if leaf.code else "the title")


def table() -> list[str]:
    """The table of panel.md, as the tree of faults has it: by code, in the tree's order."""
    rows = [
        f"| {leaf.code or ''} | `{leaf.reason}` | {leaf.title} | {leaf.who} | {offered(leaf)} |"
        for code in (361, 370, 360, None)
        for leaf in leaves()
        if leaf.code == code and leaf.reason not in BROWSERS_ONLY
    ]
    return ["| code | reason | title | who acts | the panel shows |", "|---|---|---|---|---|", *rows]


def is_row(line: str) -> bool:
    """Whether a line of the page belongs to its table."""
    return line.startswith("|")


def test_the_panel_page_has_every_reason() -> None:
    """A fault that was added is on the page, with what the panel shows of it, or this test says so."""
    assert list(filter(is_row, PANEL.read_text("utf-8").splitlines())) == table()
    known = {leaf.reason for leaf in leaves()}
    assert known >= BROWSERS_ONLY | NEVER_SHOWN | BY_ITSELF.keys()
    answered = {
        reason
        for path in document()["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
        for body in response.get("content", {}).values()
        for reason in body.get("schema", {}).get("properties", {}).get("reason", {}).get("enum", ())
    }
    assert not answered & BROWSERS_ONLY


STATES: dict[str, Any] = {
    "States of a first login": replies.HandoffState.model_fields["status"].annotation,
    "States of a scan": replies.ScanState.model_fields["state"].annotation,
    "States of such a sign-in": replies.MailboxSignInState.model_fields["status"].annotation,
    "And of the account": replies.ServerStatus.model_fields["status"].annotation,
}


@pytest.mark.parametrize("heading", STATES)
def test_drawn_states_are_those_of_the_api(heading: str) -> None:
    """No state is missing in a drawing, and none is in it that a device never hears."""
    after = FLOWS.read_text("utf-8").partition(heading)[2]
    drawing = after.partition("stateDiagram-v2\n")[2].partition("```")[0]
    drawn = set(re.findall(r"^ +([a-z_]+) -->", drawing, re.MULTILINE)) | set(re.findall(r"--> ([a-z_]+)", drawing))
    assert drawn == set(get_args(STATES[heading]))


def test_drawn_calls_are_those_of_the_api() -> None:
    """A call that was renamed breaks this test and not the reader."""
    calls = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, found in document()["paths"].items()
        for method in found
    }
    drawn = set(re.findall(r"\b((?:GET|POST|PUT|DELETE) /[\w/{}-]+)", FLOWS.read_text("utf-8")))
    assert len(drawn) >= 15
    assert drawn <= calls


def test_drawings_can_be_drawn() -> None:
    """Each begins with its kind; in none a semicolon ends a line for the renderer that goes on for the reader."""
    drawings = re.findall(r"```mermaid\n(.*?)```", FLOWS.read_text("utf-8"), re.DOTALL)
    assert len(drawings) == FLOWS.read_text("utf-8").count("```mermaid")
    for drawing in drawings:
        assert drawing.startswith(("sequenceDiagram\n", "stateDiagram-v2\n"))
        assert ";" not in drawing


if __name__ == "__main__":
    written, found = [], False
    for line in PANEL.read_text("utf-8").splitlines():
        if not is_row(line):
            written.append(line)
        elif not found:
            written += table()
            found = True
    PANEL.write_text("\n".join(written) + "\n", "utf-8")
