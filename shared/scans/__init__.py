r"""The scan job: accept, deliver, history.

Owns: the rows of jobs and their states, the documents' bytes while a job lives, and the decision what
happens after each fault. Does not own: the mail (``mail``), tokens (``vault``). It may import
``shared.faults``, ``shared.storage``, ``shared.texts``, ``shared.mail``'s message and the traces of
``shared.privacy``; the other rooms are handed in.

::

    accepted -> sending -> sent
       |           |-> waiting     a fault that passes; next attempt at a known time
       |           |-> uncertain   the bytes went out and no answer came; shown, never sent again blindly
       |           \-> failed      final, with reason, code, and who must act
       \-> cancelled               by the device or by erasure, before it is sent

The row is the truth, the queue a wake-up. Four rows of table ``jobs`` belong to one job: the job itself
and its place in the device's history (one partition, written together), its place in the list of
what is due (one partition for all, so that the sweep costs what is due and not what is stored), and its place
in the list of what is kept (for expiry after thirty days). Before a job's row says "look again at T", the
list of what is due does; so no job is ever forgotten. Before a document is stored, it is announced; so none is
ever lost sight of.
"""

from shared.scans.accept import Acceptance
from shared.scans.announcements import Announcements
from shared.scans.deliver import Delivery
from shared.scans.documents import media_type_of
from shared.scans.jobs import CURSOR, FINAL, Job, Jobs, Manifest
from shared.scans.retention import Retention

__all__ = [
    "CURSOR",
    "FINAL",
    "Acceptance",
    "Announcements",
    "Delivery",
    "Job",
    "Jobs",
    "Manifest",
    "Retention",
    "media_type_of",
]
