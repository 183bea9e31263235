"""A customer tenant: its consent, its permission range, its policy.

Owns: the row of an organisation, the ranges, and the story of admin consent from the first page to
the proof. Does not own: who may use a printer (``devices``, ``people``). It may import
``shared.faults``, ``shared.texts`` and ``shared.storage``; ``identity`` and ``handoffs`` are handed in.

Consent::

    none --proven by an administrator's token--> consented --an ordinary person signs in--> confirmed
      ^____________________________________________|______________65001______________________|
                                               withdrawn
"""

from shared.organisations.consent import Consents
from shared.organisations.organisation import Organisation, Organisations
from shared.organisations.policy import Policy, PolicyInvalid
from shared.organisations.ranges import RANGES, Range
from shared.organisations.templates import PLACEHOLDERS

__all__ = [
    "PLACEHOLDERS",
    "RANGES",
    "Consents",
    "Organisation",
    "Organisations",
    "Policy",
    "PolicyInvalid",
    "Range",
]
