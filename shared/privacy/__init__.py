r"""A person's own rights: to see what is stored about him, and to end it.

Owns: the index from a person to what belongs to him (``traces``), the story of erasure, the overview that he
sees, and the signed cookie of his own page. Does not own: what is erased. Each room erases its own rows; this
one knows the order. It may import ``shared.faults`` and ``shared.storage``; the other rooms are handed in.

Erasure, in this order::

    asked      the wish is written down: whatever stops now, the timer goes on with it
    cut off    the grant becomes a tombstone: no refresh, scan or first login from before can use or bring it back
    erased     first logins under way, pins, the documents and what names him in the jobs
    settled    fifteen minutes later once more, for what was being written meanwhile; then the tombstone, too

Every row that names a person is preceded by its trace, so that nobody can write something that erasure does
not find. A trace that points at nothing does no harm.
"""

from typing import TYPE_CHECKING

from shared.exports import exported

if TYPE_CHECKING:
    from shared.privacy.erasure import Erased, Erasure
    from shared.privacy.overview import Overview, Overviews, Place, Printer, Resident
    from shared.privacy.sessions import PURPOSE, Session, SessionInvalid, Sessions
    from shared.privacy.traces import Trace, Traces

__all__ = [
    "PURPOSE",
    "Erased",
    "Erasure",
    "Overview",
    "Overviews",
    "Place",
    "Printer",
    "Resident",
    "Session",
    "SessionInvalid",
    "Sessions",
    "Trace",
    "Traces",
]

__getattr__ = exported(
    __name__,
    {
        "Erased": "erasure",
        "Erasure": "erasure",
        "Overview": "overview",
        "Overviews": "overview",
        "Place": "overview",
        "Printer": "overview",
        "Resident": "overview",
        "PURPOSE": "sessions",
        "Session": "sessions",
        "SessionInvalid": "sessions",
        "Sessions": "sessions",
        "Trace": "traces",
        "Traces": "traces",
    },
)
