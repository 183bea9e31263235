r"""A handoff moves a task from a printer's panel into a person's own browser and back.

Owns: the link and its QR code, the poll with its interval, and the panel's OK. Two stories use it: a person's
first login (``people``) and an administrator's consent (``organisations``). It does not know what the task is,
nor how a code looks. It may import ``shared.faults``, ``shared.short_codes`` and ``shared.storage``; the cipher is
handed in.

::

    pending --the browser is done--> confirm --OK at the panel--> active
       |  \--refused-->  denied        |  \--cancelled--> denied
       \______________________________\--after five minutes--> expired

Sources: RFC 8628 (codes, interval, slow_down) and RFC 10027 (cross-device flows).
"""

from shared.handoffs.handoff import Handoff, Started
from shared.handoffs.handoffs import Handoffs

__all__ = ["Handoff", "Handoffs", "Started"]
