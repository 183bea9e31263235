"""The queue door on one machine: messages of the real queue, by the rules of the Functions host.

The rules are read from ``host.json`` (Microsoft, "Azure Queue storage trigger and bindings", host.json settings):
``batchSize`` messages are taken at once, and more as soon as no more than ``newBatchThreshold`` are being worked on; a
message that fails becomes visible again after ``visibilityTimeout``, and after ``maxDequeueCount`` failures moves to
the poison queue; an empty queue is asked after a pause that grows up to ``maxPollingInterval``.
"""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage, TextBase64DecodePolicy, TextBase64EncodePolicy

from functions import DELIVERIES
from shared.services import Services
from shared.storage.account import ByConnectionString

HIDDEN = 600
"""Seconds that a message is hidden while it is worked on, as the Functions host does."""
FIRST_PAUSE = 0.1
"""Seconds before an empty queue is asked again; doubled each time (the host's QueuePollingIntervals)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """What host.json says of queues; times in seconds."""

    batch: int
    threshold: int
    most_dequeues: int
    visible_again: int
    longest_pause: float

    @property
    def threads(self) -> int:
        """Most messages that are worked on at once."""
        return self.batch + self.threshold


def rules() -> Rules:
    """Read host.json."""
    text = (Path(__file__).resolve().parent.parent / "host.json").read_text("utf-8")
    told = json.loads(text)["extensions"]["queues"]
    return Rules(
        told["batchSize"],
        told["newBatchThreshold"],
        told["maxDequeueCount"],
        int(_seconds(told["visibilityTimeout"])),
        _seconds(told["maxPollingInterval"]),
    )


class QueueDoor:
    """Brings messages of the real queue to the queue door.

    Args:
        connection: the data account.
        rooms: the service.
    """

    def __init__(self, connection: str, rooms: Services) -> None:
        account = ByConnectionString(connection)
        self._queue = _queue(account, DELIVERIES)
        self._poison = _queue(account, f"{DELIVERIES}-poison")
        self._rooms = rooms
        self._rules = rules()

    def drain(self) -> int:
        """Bring every message that is visible now, one after the other; returns how many."""
        count = 0
        while batch := self._take():
            for message in batch:
                self._bring(message)
                count += 1
        return count

    def serve(self, stop: threading.Event) -> None:
        """Bring messages, many at once, until ``stop``; returns when those being worked on are done."""
        pause = FIRST_PAUSE
        under_way: set[Future[None]] = set()
        with ThreadPoolExecutor(self._rules.threads, "delivery") as pool:
            while not stop.is_set():
                if len(under_way) > self._rules.threshold:
                    _, under_way = wait(under_way, timeout=1, return_when=FIRST_COMPLETED)
                    continue
                try:
                    batch = self._take()
                except Exception as error:  # noqa: BLE001  (a worker that stops at the first fault delivers nothing)
                    log.error("queue: %s", type(error).__name__)  # noqa: TRY400
                    batch = []
                if batch:
                    under_way |= {pool.submit(self._bring_safely, message) for message in batch}
                    pause = FIRST_PAUSE
                    continue
                under_way = {each for each in under_way if not each.done()}
                stop.wait(pause)
                pause = min(pause * 2, self._rules.longest_pause)

    def _take(self) -> list[QueueMessage]:
        pages = self._queue.receive_messages(messages_per_page=self._rules.batch, visibility_timeout=HIDDEN).by_page()
        return list(next(pages, []))

    def _bring_safely(self, message: QueueMessage) -> None:
        try:
            self._bring(message)
        except Exception as error:  # noqa: BLE001  (the message comes again)
            log.error("queue: %s", type(error).__name__)  # noqa: TRY400

    def _bring(self, message: QueueMessage) -> None:
        try:
            self._rooms.delivery.deliver(str(message.content))
        except Exception as error:  # noqa: BLE001  (the host catches everything, too)
            log.error("the queue door failed: %s", type(error).__name__)  # noqa: TRY400
            if (message.dequeue_count or 0) < self._rules.most_dequeues:
                self._queue.update_message(message, visibility_timeout=self._rules.visible_again)
                return
            self._poison.send_message(message.content)
            self._rooms.sweep.give_up(str(message.content))
        # Gone already: the answer to a first deletion got lost.
        with suppress(ResourceNotFoundError):
            self._queue.delete_message(message)


def _queue(account: ByConnectionString, name: str) -> QueueClient:
    return account.queue(
        name, message_encode_policy=TextBase64EncodePolicy(), message_decode_policy=TextBase64DecodePolicy()
    )


def _seconds(span: str) -> float:
    """Read hh:mm:ss."""
    hours, minutes, seconds = map(int, span.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds).total_seconds()
