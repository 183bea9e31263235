"""Which roles of Entra's open the console."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from shared import faults

if TYPE_CHECKING:
    from shared.identity import Account

ADMIN_WIDS = frozenset(
    {
        "62e90394-69f5-4237-9190-012177145e10",  # Global Administrator
        "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",  # Application Administrator
        "158c047a-c907-4556-b7ef-446551a6b5f7",  # Cloud Application Administrator
    }
)
"""Directory roles that manage every application of the tenant: they can consent to this one and delete it there, so
the console gives them nothing new. No other role is among them. Who looks after printers gets the app role instead."""
READER_WIDS = frozenset(
    {
        "f2ef992c-3afb-46b9-b7cf-a126ee74c451",  # Global Reader
        "5d6b6bb7-de71-4623-b4af-96380a352509",  # Security Reader
        "29232cdf-9323-42fd-ade2-1d097af3e4de",  # Exchange Administrator: is asked about mailboxes, manages no app
    }
)
"""Template ids, the same in every tenant (Microsoft, "Microsoft Entra built-in roles")."""
ADMIN_APP_ROLE = "ToMyEmail.Admin"
READER_APP_ROLE = "ToMyEmail.Reader"


class Role(StrEnum):
    """What somebody may do in the console."""

    ADMIN = "admin"
    READER = "reader"


def role_of(account: Account) -> Role:
    """Return the most that an account's active roles allow.

    Raises:
        ConsoleRoleMissing: they open nothing.
    """
    if account.wids & ADMIN_WIDS or ADMIN_APP_ROLE in account.roles:
        return Role.ADMIN
    if account.wids & READER_WIDS or READER_APP_ROLE in account.roles:
        return Role.READER
    raise faults.ConsoleRoleMissing
