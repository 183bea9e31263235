"""Rows with compare-and-swap.

Every write carries an operation id in the column ``op``. Azure's SDK repeats a write after a 5xx
or a broken answer, and the repetition can lose against its own first try (409 or 412); whoever
wrote last is then told by ``op``.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared.faults import StorageUnavailable
from shared.storage.errors import AlreadyThere, Changed, Gone, speaking
from shared.storage.gathering import Gathering

if TYPE_CHECKING:
    from azure.data.tables import TableClient

Value = str | int | bool | float | bytes | datetime
"""What a column holds. int is 32 bits; bytes at most 64 KiB; None removes the column."""

CHANGE_TRIES = 8
FIRST_STEP_BACK = 16
"""Milliseconds at most after the first lost race, doubled after each."""


@dataclass(frozen=True)
class Row:
    """One row as it was read or written: its keys, its columns, and its ETag."""

    partition: str
    row: str
    values: Mapping[str, Any]
    etag: str

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    def get(self, column: str, default: Any = None) -> Any:
        """Return a column, or ``default`` where the row has none."""
        return self.values.get(column, default)


def _read(entity: Mapping[str, Any], etag: str | None) -> Row:
    values = {name: value for name, value in entity.items() if name not in {"PartitionKey", "RowKey"}}
    return Row(entity["PartitionKey"], entity["RowKey"], values, etag or "")


class Table:
    """One table. Safe to use from many threads."""

    def __init__(self, client: TableClient, new_id: Callable[[], str]) -> None:
        self._client = client
        self._new_id = new_id
        self._deletions: defaultdict[str, Gathering] = defaultdict(lambda: Gathering(self._delete_all))

    def get(self, partition: str, row: str) -> Row | None:
        """Return the row, or None where there is none."""
        try:
            with speaking():
                entity = self._client.get_entity(partition, row)
        except Gone:
            return None
        return _read(entity, entity.metadata["etag"])

    def insert(self, partition: str, row: str, values: Mapping[str, Value | None]) -> Row:
        """Insert a row that must not exist.

        Raises:
            AlreadyThere: it exists, and this very call did not write it.
        """
        entity = self._entity(partition, row, values)
        try:
            with speaking():
                answer = self._client.create_entity(entity)
        except (AlreadyThere, StorageUnavailable) as error:
            return self._settle(entity, error)
        return _read(entity, answer["etag"])

    def insert_together(self, partition: str, rows: Sequence[tuple[str, Mapping[str, Value | None]]]) -> None:
        """Insert up to 100 rows of one partition, all or none.

        Raises:
            AlreadyThere: one of them exists, and this very call did not write it.
        """
        entities = [self._entity(partition, row, values) for row, values in rows]
        try:
            with speaking():
                self._client.submit_transaction([("create", entity) for entity in entities])
        except AlreadyThere:
            # All or none: one that is ours says that all are.
            if not any(self._is_mine(entity) for entity in entities):
                raise
        except StorageUnavailable as error:
            self._settle(entities[0], error)

    def put(self, partition: str, row: str, values: Mapping[str, Value | None]) -> None:
        """Write a row whether it exists or not. For rows that nobody contends."""
        from azure.data.tables import UpdateMode

        with speaking():
            self._client.upsert_entity(self._entity(partition, row, values), mode=UpdateMode.REPLACE)

    def replace(self, old: Row, values: Mapping[str, Value | None]) -> Row:
        """Replace the columns of ``old`` with ``values``, if nobody has written it since it was read.

        Raises:
            Changed: somebody has, or the row is gone.
        """
        from azure.core import MatchConditions
        from azure.data.tables import UpdateMode

        entity = self._entity(old.partition, old.row, values)
        try:
            with speaking():
                answer = self._client.update_entity(
                    entity, mode=UpdateMode.REPLACE, etag=old.etag, match_condition=MatchConditions.IfNotModified
                )
        except (Changed, StorageUnavailable) as error:
            found = self.get(old.partition, old.row)
            if found is not None and found.get("op") == entity["op"]:
                return found
            if found is not None and found.etag == old.etag:
                raise StorageUnavailable("not written", retry_after=5) from error
            raise Changed from error
        except Gone as error:
            raise Changed from error
        return _read(entity, answer["etag"])

    def change(
        self,
        partition: str,
        row: str,
        decide: Callable[[Row], Mapping[str, Value | None] | None],
        *,
        known: Row | None = None,
    ) -> Row:
        """Read, decide, and write back; again from the start when somebody was faster.

        ``decide`` gets the row as it is now and returns the columns to change (None removes one),
        or None to leave the row alone. It may raise whatever the caller wants to hear. ``known`` is the row as
        the caller read or wrote it last: the first try goes without reading, and its ETag tells whether it was right
        to. A decision to leave the row alone then rests on what the caller knew.

        Returns:
            The row as written, or as read where ``decide`` left it alone.

        Raises:
            Gone: there is no such row.
            StorageUnavailable: the row was contended :data:`CHANGE_TRIES` times.
        """
        for attempt in range(CHANGE_TRIES):
            old = known if known is not None and not attempt else self.get(partition, row)
            if old is None:
                raise Gone
            changes = decide(old)
            if changes is None:
                return old
            try:
                return self.replace(old, {**old.values, **changes})
            except Changed:
                # Who lost together must not run together again (threat R11).
                time.sleep(secrets.randbelow(FIRST_STEP_BACK << attempt) / 1000)
        raise StorageUnavailable("contended", retry_after=1)

    def delete(self, partition: str, row: str) -> None:
        """Delete the row, whatever it holds; a row that is not there is fine."""
        try:
            with speaking():
                self._client.delete_entity(partition, row)
        except Gone:
            return

    def delete_together(self, partition: str, rows: Sequence[str]) -> None:
        """Delete up to 100 rows of a partition, whatever they hold; what is not there is fine.

        One request deletes them all, and with them what other threads want deleted from the partition at that moment.
        """
        self._deletions[partition].delete(partition, rows)

    def _delete_all(self, partition: str, rows: Sequence[str]) -> None:
        try:
            with speaking():
                self._client.submit_transaction(
                    [("delete", {"PartitionKey": partition, "RowKey": row}) for row in dict.fromkeys(rows)]
                )
        except Gone:
            # All or none: one that was missing kept the others.
            for row in rows:
                self.delete(partition, row)

    def delete_unchanged(self, old: Row) -> None:
        """Delete the row if nobody has written it since it was read; a row that is not there is fine.

        Raises:
            Changed: somebody has.
        """
        from azure.core import MatchConditions

        try:
            with speaking():
                self._client.delete_entity(
                    old.partition, old.row, etag=old.etag, match_condition=MatchConditions.IfNotModified
                )
        except Gone:
            return

    def query(
        self, partition: str, *, after: str = "", before: str = "\uffff", limit: int | None = None
    ) -> Iterator[Row]:
        """Yield the rows of one partition with ``after`` < row key < ``before``, ascending, at most ``limit``."""
        with speaking():
            found = self._client.query_entities(
                "PartitionKey eq @partition and RowKey gt @after and RowKey lt @before",
                parameters={"partition": partition, "after": after, "before": before},
                results_per_page=min(limit or 1000, 1000),
            )
            for count, entity in enumerate(found):
                if limit is not None and count >= limit:
                    return
                yield _read(entity, entity.metadata["etag"])

    def every(self) -> Iterator[Row]:
        """Yield every row of the table, by partition and row: for upkeep of small tables, not for requests."""
        with speaking():
            for entity in self._client.list_entities():
                yield _read(entity, entity.metadata["etag"])

    def up_to(self, partition: str, limit: int) -> Iterator[Row]:
        """Yield the rows of all partitions up to and including ``partition``, in order, at most ``limit``."""
        with speaking():
            found = self._client.query_entities(
                "PartitionKey le @partition", parameters={"partition": partition}, results_per_page=min(limit, 1000)
            )
            for entity in islice(found, limit):
                yield _read(entity, entity.metadata["etag"])

    def within(self, after: str, before: str) -> Iterator[Row]:
        """Yield the rows of all partitions with ``after`` < partition < ``before``, by partition and row."""
        with speaking():
            found = self._client.query_entities(
                "PartitionKey gt @after and PartitionKey lt @before", parameters={"after": after, "before": before}
            )
            for entity in found:
                yield _read(entity, entity.metadata["etag"])

    def expired(self, now: datetime) -> Iterator[Row]:
        """Yield the rows whose column ``expires`` is before ``now``. Reads the whole table."""
        with speaking():
            for entity in self._client.query_entities("expires lt @now", parameters={"now": now}):
                yield _read(entity, entity.metadata["etag"])

    def _entity(self, partition: str, row: str, values: Mapping[str, Value | None]) -> dict[str, Any]:
        kept = {name: value for name, value in values.items() if value is not None}
        return {**kept, "op": self._new_id(), "PartitionKey": partition, "RowKey": row}

    def _settle(self, entity: Mapping[str, Any], error: Exception) -> Row:
        """Say after a conflict or an ambiguous answer whether this very insert happened."""
        found = self.get(entity["PartitionKey"], entity["RowKey"])
        if found is None and isinstance(error, AlreadyThere):
            # Somebody else's, and deleted by now.
            raise error
        if found is None:
            raise StorageUnavailable("not written", retry_after=5)
        if found.get("op") != entity["op"]:
            raise AlreadyThere
        return found

    def _is_mine(self, entity: Mapping[str, Any]) -> bool:
        found = self.get(entity["PartitionKey"], entity["RowKey"])
        return found is not None and found.get("op") == entity["op"]
