"""The doctor: proves what sending needs, for an organisation or a printer, by asking; and claims nothing else.

Owns: which preconditions there are, what is asked for each, what the answers mean together, the words and remedies,
how long it may take, and how often an organisation may run it. Does not own: any protocol. The rooms that speak one
(``identity``, ``vault``, ``mail``, ``storage``) are handed in and asked; what they raise is the answer. It may import
``shared.faults``, ``shared.texts``, ``shared.organisations``, ``shared.mailboxes``, ``shared.devices``,
``shared.identity``, ``shared.vault`` and ``shared.mail``.

No mail is sent. A sign-in is refreshed as a scan would, so what Entra says is written down as after a scan, and by
nothing else.

::

    subjects       whom to ask with: a person who is signed in, or the account of a printer
    rounds         the questions, side by side, until their time is over
    sign_in, app, mailbox, reach       answers in, checks out: one module for each area, and none asks anybody
    report         a check: result, evidence, remedy; remedies has the settings, lines and roles
"""

from shared.doctor.doctor import Doctor
from shared.doctor.report import AREAS, TITLES, Check, Report, Result
from shared.doctor.subjects import Subject

__all__ = ["AREAS", "TITLES", "Check", "Doctor", "Report", "Result", "Subject"]
