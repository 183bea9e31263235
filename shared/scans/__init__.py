r"""The scan job: accept, deliver, history.

Owns: the rows of jobs and their states, the documents' bytes while a job lives, and the decision what
happens after each fault. Does not own: the mail (``mail``), tokens (``vault``). It may import
``shared.faults``, ``shared.storage``, ``shared.texts`` and ``shared.mail``'s message; the other rooms are
handed in.

::

    accepted -> sending -> sent
       |           |-> waiting     a fault that passes; next attempt at a known time
       |           |-> uncertain   the bytes went out and no answer came; shown, never sent again blindly
       |           \-> failed      final, with reason, code, and who must act
       \-> cancelled               by the device, before it is sent

The row is the truth, the queue a wake-up. Three rows of table ``jobs`` belong to one job: the job itself
and its place in the device's history (one partition, written together), and its place in the list of
what is due (one partition for all, so that the sweep costs what is due and not what is stored). Before a
job's row says "look again at T", the list of what is due does; so no job is ever forgotten.
"""

from shared.scans.accept import Acceptance
from shared.scans.deliver import Delivery
from shared.scans.documents import media_type_of
from shared.scans.jobs import CURSOR, FINAL, Job, Jobs, Manifest

__all__ = ["CURSOR", "FINAL", "Acceptance", "Delivery", "Job", "Jobs", "Manifest", "media_type_of"]
