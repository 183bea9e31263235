r"""The scan job: accept, deliver, history.

Owns: the rows of jobs and their states, the documents' bytes while a job lives, and the decision what
happens after each fault. Does not own: the mail (``mail``), tokens (``vault``). It may import
``shared.faults``, ``shared.storage``, ``shared.texts``, ``shared.mail``'s message and the traces of
``shared.privacy``; the other rooms are handed in.

::

    awaiting_upload -> accepted    the document is there; or cancelled, when it does not come within a day
    awaiting_upload -> held
    accepted -> sending -> sent
       |           |-> held        the person must sign in; by that it is accepted again; or failed, when time is over
       |           |-> waiting     a fault that passes; next attempt at a known time
       |           |-> uncertain   the bytes went out and no answer came; shown, never sent again blindly
       |           \-> failed      final, with reason, code, and who must act
       \-> cancelled               by the device or by erasure, before it is sent

The row is the truth, the queue a wake-up. Of the rows of table ``jobs``, two lie in the partition of the job's
device: the job itself and its place in the device's history. All others lie in the one partition ``lists``, so that
they are written and deleted together: the person's trace of the scan, its place among what is kept (for expiry after
thirty days), its place among what is due (so that the sweep costs what is due and not what is stored), and while its
mail leaves, a slot of the mailbox. Before a job's row says "look again at T", the list
of what is due says that time or an earlier one; so no job is ever forgotten. Before a document is stored, it is
announced; so none is ever lost sight of. What each request to storage is for stands in docs/delivery.md.
"""

from typing import TYPE_CHECKING

from shared.exports import exported

if TYPE_CHECKING:
    from shared.scans.accept import Acceptance
    from shared.scans.announcements import Announcements
    from shared.scans.attempts import Attempt, attempts_of
    from shared.scans.claims import Claims
    from shared.scans.deliver import Delivery
    from shared.scans.desk import Desk
    from shared.scans.documents import media_type_of
    from shared.scans.failure_notices import FailureNotices
    from shared.scans.heartbeats import Heartbeats
    from shared.scans.hold_index import HoldIndex
    from shared.scans.holds import Holds
    from shared.scans.job import FINAL, Job, Manifest
    from shared.scans.jobs import CURSOR, Jobs
    from shared.scans.ledger import CODES, PLACE, Day, Figures, Ledger
    from shared.scans.outcomes import Outcomes
    from shared.scans.restored import Restored
    from shared.scans.retention import Retention
    from shared.scans.slots import Slots
    from shared.scans.sweep import Sweep
    from shared.scans.uploads import Upload, Uploads
    from shared.scans.ways import Ways

__all__ = [
    "CODES",
    "CURSOR",
    "FINAL",
    "PLACE",
    "Acceptance",
    "Announcements",
    "Attempt",
    "Claims",
    "Day",
    "Delivery",
    "Desk",
    "FailureNotices",
    "Figures",
    "Heartbeats",
    "HoldIndex",
    "Holds",
    "Job",
    "Jobs",
    "Ledger",
    "Manifest",
    "Outcomes",
    "Restored",
    "Retention",
    "Slots",
    "Sweep",
    "Upload",
    "Uploads",
    "Ways",
    "attempts_of",
    "media_type_of",
]

__getattr__ = exported(
    __name__,
    {
        "Acceptance": "accept",
        "Announcements": "announcements",
        "Attempt": "attempts",
        "attempts_of": "attempts",
        "Claims": "claims",
        "Delivery": "deliver",
        "Desk": "desk",
        "media_type_of": "documents",
        "FailureNotices": "failure_notices",
        "Heartbeats": "heartbeats",
        "HoldIndex": "hold_index",
        "Holds": "holds",
        "CURSOR": "jobs",
        "FINAL": "job",
        "Job": "job",
        "Jobs": "jobs",
        "Manifest": "job",
        "CODES": "ledger",
        "PLACE": "ledger",
        "Day": "ledger",
        "Figures": "ledger",
        "Ledger": "ledger",
        "Outcomes": "outcomes",
        "Restored": "restored",
        "Retention": "retention",
        "Slots": "slots",
        "Sweep": "sweep",
        "Upload": "uploads",
        "Uploads": "uploads",
        "Ways": "ways",
    },
)
