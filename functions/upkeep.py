"""TIMER doors: wake what nobody has woken, delete what is too old, renew keys."""

from shared.services import services


def sweep() -> None:
    """Wake the scans that are due and made no progress, and tell people what failed."""
    services().sweep.run()
    services().failure_notices.run()


def expire() -> None:
    """Delete what is too old: rows whose time is over, jobs, documents that no job came for; finish erasures.

    And say how long the app's own certificate is good.
    """
    from shared.expiry import expire as expire_all
    from shared.identity.client_certificate import tell_days_left

    tell_days_left(services().settings.client_certificate, services().clock())
    services().erasure.settle()
    services().retention.expire()
    expire_all(services().storage, services().clock())


def renew() -> None:
    """Renew the sleeping sign-ins that are due: people's, and those of printers' mailboxes."""
    services().keep_alive.run()
    services().mailbox_keep_alive.run()


def rotate_keys() -> None:
    """Give old data keys successors, follow the key that wraps them, destroy what nothing lies under any more."""
    services().key_upkeep.run()
