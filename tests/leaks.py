"""What must never be read outside of memory and sealed bytes: tokens, codes, keys, and who somebody is."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from local.microsoft.cloud import Cloud
from shared.services import Services
from tests.identity.test_authorizations import rows

SHOWN = re.compile(rb"https?://[^\s\"'<>]+")


def secrets_of(cloud: Cloud, rooms: Services) -> set[str]:
    """Every secret that the emulated Microsoft ever gave out, our own keys, and every address and name."""
    state = cloud.state
    made = {*state.refresh_tokens, *state.access_tokens, *state.codes, *state.sessions}
    people = {word for account in state.accounts.values() for word in (account.upn, account.mail, account.name) if word}
    key = rooms.settings.client_certificate.split("-----")[2].split()[1]
    return made | people | {key}


def found_in(text: str, secrets: Iterable[str]) -> list[str]:
    """The secrets that a text contains."""
    return [secret for secret in secrets if secret in text]


def queued(rooms: Services, *names: str) -> str:
    """All messages in the queues, as one text."""
    messages = []
    for name in names or ("deliveries", "deliveries-poison"):
        with QueueClient.from_connection_string(
            rooms.settings.data_storage, name, message_decode_policy=TextBase64DecodePolicy()
        ) as queue:
            messages += [str(message.content) for message in queue.peek_messages(32)]
    return "\n".join(messages)


def stored(rooms: Services, *tables: str) -> str:
    """All rows of the tables, as one text; sealed bytes as they lie there."""
    return "\n".join(_text(row) for table in tables for row in rows(rooms, table))


def _text(row: Mapping[str, Any]) -> str:
    return " ".join(
        f"{name}={value.decode('latin-1') if isinstance(value, bytes) else value}" for name, value in row.items()
    )


def assert_nothing_leaked(log: str, cloud: Cloud, rooms: Services) -> None:
    """Look for every secret in the log, in the queues, and readable in the vault's tables (G01, G12, G13)."""
    secrets = secrets_of(cloud, rooms)
    assert len(secrets) > len(cloud.state.accounts)
    assert found_in(log, secrets) == []
    assert found_in(queued(rooms), secrets) == []
    assert found_in(stored(rooms, "grants", "renewals", "jobs"), secrets) == []


def log_of(path: Path) -> str:
    """What a process of ours wrote."""
    return path.read_text(encoding="utf-8", errors="replace")
