"""What an administrator rules for a group of printers (printers that share one user registry)."""

from __future__ import annotations

from dataclasses import dataclass

from shared.storage import Table, key

ROW = "group"


@dataclass(frozen=True)
class Rules:
    """The rules of one group, with the values it has until somebody rules otherwise."""

    require_dpop: bool = False
    """Only tokens that are bound to the device's key (RFC 9449)."""


class Groups:
    """All groups' rules, in the table ``devices`` (partition: organisation and group).

    Args:
        table: the table ``devices``.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def rules(self, tid: str, group: str) -> Rules:
        """Return the rules of a group; nothing else is known of it, so every name is one."""
        row = self._table.get(key("group", tid, group), ROW)
        return Rules(require_dpop=bool(row["require_dpop"])) if row else Rules()

    def rule(self, tid: str, group: str, rules: Rules) -> None:
        """Set the rules of a group. They count from each device's next token on: ten minutes at most."""
        self._table.put(key("group", tid, group), ROW, {"require_dpop": rules.require_dpop})
