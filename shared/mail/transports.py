"""Which transport takes a document, by the organisation's permission range and the document's size."""

from __future__ import annotations

from collections.abc import Iterable

from shared import faults
from shared.mail.graph.body import LARGEST_DOCUMENT
from shared.mail.transport import Transport
from shared.organisations.policy import Policy
from shared.organisations.ranges import Range

MOST = 150_000_000
"""Bytes that no way takes more than, whatever an organisation decides: Microsoft Graph, "Attach large files to Outlook
messages", and Exchange Online's largest message size."""


class Transports:
    """The transports of this service, and the choice between them.

    Args:
        graph: for every range.
        graph_draft: for send-verified; None where there is none.
        smtp: for what is too large for ``graph`` in send-large; None where there is none.
        ranges: the ranges that an administrator can allow.
    """

    def __init__(
        self, graph: Transport, graph_draft: Transport | None, smtp: Transport | None, ranges: Iterable[Range]
    ) -> None:
        self._graph = graph
        self._graph_draft = graph_draft
        self._smtp = smtp
        self._ranges = tuple(ranges)

    def largest(self, allowed: Range, policy: Policy) -> int:
        """Return the size in bytes up to which a document can be sent in a range now."""
        return self._largest(allowed, policy)[0]

    def choose(self, allowed: Range, policy: Policy, size: int) -> Transport:
        """Return the transport for a document of ``size`` bytes.

        Raises:
            TooLarge: no transport of the range takes it. Where another range would, the fault's ``range`` and
                ``largest`` say which and up to what size (bytes).
        """
        largest, transport = self._largest(allowed, policy)
        if size <= largest:
            return self._graph if transport is self._smtp and size <= LARGEST_DOCUMENT else transport
        wider = [(self.largest(other, policy), other.slug) for other in self._ranges]
        fitting = min((found for found in wider if found[0] >= size), default=None)
        if fitting is None:
            raise faults.TooLarge("declared", limit=largest)
        raise faults.TooLarge("declared", limit=largest, range=fitting[1], largest=fitting[0])

    def _largest(self, allowed: Range, policy: Policy) -> tuple[int, Transport]:
        larger = {"send-verified": self._graph_draft, "send-large": self._smtp}.get(allowed.slug)
        if larger is not None:
            return min(policy.largest_document, MOST), larger
        return LARGEST_DOCUMENT, self._graph
