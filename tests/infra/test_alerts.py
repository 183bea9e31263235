"""The alerts, without Azure: their queries find what the app writes, and each alert has its place in the runbook."""

import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from functions import EXPIRY_SCHEDULE, upkeep
from infra.bicep import HERE, File
from shared.identity.client_certificate import NOTICE, tell_days_left
from shared.services import services

HOUSE = HERE.parent

PHRASES = {
    "poisoned": "poisoned the queue in state",
    "own-credential-refused": "nothing is renewed",
    "own-credential-ends": "certificate of the app ends in %d days",
    "keys-do-not-open": "a data key could not be unwrapped",
    "sends-fail": "job %s of device %s, attempt %d: %s",
    "outcome-unknown": "job %s of device %s, attempt %d: %s",
    "throttled": "a renewal in tenant %s: %s",
    "renewals-behind": "renewals fill their run",
    "misconfigured": "settings: %s",
    "unexpected": "answered %d %s",
    "renewals-stand-still": "def renew(",
}
"""Alert: what its query lives on, as it stands in the source."""


def test_every_alert_looks_for_a_line_that_is_written(read: dict[str, File]) -> None:
    """A reworded log line breaks this test and not, in silence, the alert."""
    source = "".join(
        path.read_text("utf-8") for folder in ("shared", "functions") for path in (HOUSE / folder).rglob("*.py")
    ) + (HOUSE / "function_app.py").read_text("utf-8")
    rules = {rule["name"]: rule for rule in read["modules/alerts.bicep"].variables["rules"]}
    assert set(rules) == set(PHRASES)
    for name, phrase in PHRASES.items():
        assert phrase in source, name
    from shared.faults import BY_REASON

    reasons = ("service_credential_refused", "service_misconfigured", "outcome_unknown", "throttled", "unexpected")
    text = read["modules/alerts.bicep"].text
    assert all(reason in BY_REASON and reason in text for reason in reasons)


def test_every_alert_has_its_place_in_the_runbook(read: dict[str, File]) -> None:
    """Whoever is woken finds what to do under the alert's own name."""
    told = set(re.findall(r"^### `([\w-]+)`$", (HOUSE / "docs" / "operations.md").read_text("utf-8"), re.MULTILINE))
    assert {rule["name"] for rule in read["modules/alerts.bicep"].variables["rules"]} == told


@pytest.mark.parametrize("name", ["poisoned", "keys-do-not-open", "renewals-behind"])
def test_a_simple_query_finds_its_line(read: dict[str, File], name: str) -> None:
    """What the query says ``has`` of is in the line."""
    [rule] = [rule for rule in read["modules/alerts.bicep"].variables["rules"] if rule["name"] == name]
    assert f'"{PHRASES[name]}"' in rule["query"]


@pytest.mark.parametrize(
    ("name", "line", "hit"),
    [
        ("sends-fail", "job {0} of device {0}, attempt 2: mailbox_full: note", True),
        ("sends-fail", "job {0} of device {0}: the lease was lost", False),
        ("outcome-unknown", "job {0} of device {0}, attempt 1: outcome_unknown: 502", True),
        ("throttled", "a renewal in tenant {0}: throttled: login service, status 429", True),
        ("throttled", "job {0} of device {0}, attempt 1: sent", False),
        ("unexpected", "5f6a answered 500 unexpected: KeyError", True),
    ],
)
def test_a_query_with_a_pattern_matches_the_line(read: dict[str, File], name: str, line: str, hit: bool) -> None:
    """RE2, which Kusto uses, and Python agree on these patterns."""
    [rule] = [rule for rule in read["modules/alerts.bicep"].variables["rules"] if rule["name"] == name]
    patterns = re.findall(r'matches regex "([^"]+)"', rule["query"])
    written = line.format("11111111-1111-4111-8111-111111111111")
    assert any(re.search(pattern, written) for pattern in patterns) is hit


# ---- the app's own certificate


@pytest.fixture
def certificate(machine_environment: dict[str, str]) -> str:
    """The app's key and certificate."""
    return Path(machine_environment["CLIENT_CERTIFICATE_FILE"]).read_text("ascii")


def raised(rule: dict[str, Any], line: str) -> bool:
    """Whether the query ``own-credential-ends`` finds this line: its three steps, done here."""
    steps = re.fullmatch(
        r"AppTraces \| where Message startswith \"([^\"]+)\" "
        r"\| extend days = toint\(extract\(\"([^\"]+)\", 1, Message\)\) \| where days < (\d+)",
        rule["query"],
    )
    assert steps
    found = re.search(steps[2], line)
    return line.startswith(steps[1]) and found is not None and int(found[1]) < int(steps[3])


@pytest.mark.parametrize(
    ("left", "alerts"),
    [
        (timedelta(days=365), False),
        (NOTICE + timedelta(hours=1), False),
        (NOTICE - timedelta(hours=1), True),
        (timedelta(hours=1), True),
        (-timedelta(hours=1), True),
        (-timedelta(days=40), True),
    ],
)
def test_the_end_of_the_apps_certificate_is_told_ahead(
    read: dict[str, File], certificate: str, caplog: pytest.LogCaptureFixture, left: timedelta, *, alerts: bool
) -> None:
    """G15: a month before Entra refuses it, the line that the timer writes raises the alert, and not earlier."""
    [rule] = [rule for rule in read["modules/alerts.bicep"].variables["rules"] if rule["name"] == "own-credential-ends"]
    ends = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
    with caplog.at_level(logging.INFO):
        tell_days_left(certificate, ends - left)
    [line] = caplog.messages
    assert raised(rule, line) is alerts
    assert (caplog.records[0].levelno == logging.WARNING) is alerts


def test_an_app_without_a_certificate_tells_of_none(caplog: pytest.LogCaptureFixture) -> None:
    """The managed identity proves the app: nothing ends, and no line says that something does."""
    with caplog.at_level(logging.INFO):
        tell_days_left("", datetime.now(UTC))
    assert caplog.messages == []


def test_the_hourly_timer_tells_it(
    read: dict[str, File],
    connection: str,
    machine_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The door that Azure calls reads the setting and writes the line, twice in each window of the query."""
    [rule] = [rule for rule in read["modules/alerts.bicep"].variables["rules"] if rule["name"] == "own-credential-ends"]
    assert (rule["window"], EXPIRY_SCHEDULE.split()[2:]) == ("PT2H", ["*"] * 4)
    for name, value in {**machine_environment, "DataStorage": connection}.items():
        monkeypatch.setenv(name, value)
    services.cache_clear()
    try:
        with caplog.at_level(logging.INFO):
            upkeep.expire()
    finally:
        services.cache_clear()
    assert [line for line in caplog.messages if line.startswith("certificate of the app ends in ")]
