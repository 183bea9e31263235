"""Who did what in the console, and when: rows that are written once and never changed.

Owns: the rows (table ``audit``), how long they are kept, and their export. Does not own: what is worth a row, and the
words for it. It may import ``shared.storage``.

A row is written before the thing is done, and a second one where that failed: a row may tell of something that never
happened, and nothing happens without a row. Whoever acted is named by his object id and a masked account; the id stays
when he is erased, because an organisation must be able to say who acted for it.
"""

from shared.audit.audit import Audit, Entry
from shared.audit.export import as_csv, as_json

__all__ = ["Audit", "Entry", "as_csv", "as_json"]
