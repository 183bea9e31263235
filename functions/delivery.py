"""QUEUE doors: deliver a scan, and what the queue gave up on. The message is ``device id/scan id``."""

from shared.services import services


def deliver(message: str) -> None:
    """Deliver the scan that ``message`` names. What goes wrong is in its row; only a storage fault raises."""
    services().delivery.deliver(message)


def give_up(message: str) -> None:
    """Say which scan the queue gave up on; its row and the sweep go on without the message."""
    services().sweep.give_up(message)
