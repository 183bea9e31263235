"""Pages: everything a person sees in a browser.

Owns the view models (the modules ``*views`` and ``console_lists``: one frozen dataclass for each page), the templates,
the static files, the security headers and the readable form of the API description. A page works without any script,
on a phone, on the browser of a printer's panel and on a desk.

Does not own: routes, cookies, forms' targets (a door gives them), or any decision. The texts of faults stand in
``shared/faults.py``; the translations in ``shared/texts``.

May import: the standard library, jinja2 (on the first page, not before), ``shared.texts`` and ``shared.faults``.

::

    door ── View ──> Pages.render ──> Rendered(body, headers) ──> the browser
                        │   templates/<view>.html extends layout.html
                        └── headers.security_headers
"""

from typing import TYPE_CHECKING

from shared.exports import exported

if TYPE_CHECKING:
    from shared.pages.assets import Asset, asset
    from shared.pages.consent_views import ConsentDone, ConsentStart, RangeChoice
    from shared.pages.console_lists import (
        AttemptRow,
        ConsoleJob,
        ConsoleJobs,
        ConsolePeople,
        ConsolePerson,
        ConsolePrinter,
        ConsolePrinters,
        ConsoleTicket,
        JobRow,
        PersonRow,
        PrinterRow,
    )
    from shared.pages.console_views import (
        AuditRow,
        Bar,
        Concern,
        ConsoleAgain,
        ConsoleAudit,
        ConsoleConsent,
        ConsoleOverview,
        ConsolePolicy,
        ConsoleStart,
        Frame,
        NavLink,
        Option,
        PolicyField,
        Step,
    )
    from shared.pages.console_words import ACTS, CHOICES, PLACES, POLICY
    from shared.pages.doctor_views import CheckArea, CheckRow, ConsoleDoctor, Outcome, SubjectChoice, SubjectGroup
    from shared.pages.headers import security_headers
    from shared.pages.mailbox_views import ConsoleMail, ConsoleMailboxSignIn, ConsolePrinterMail, MailRow, ServerView
    from shared.pages.me_views import Me, MeEnd, MeEnded, MeStart, MyPlace, MyPrinter, MyScan
    from shared.pages.ranges import range_choice
    from shared.pages.render import Pages, Rendered
    from shared.pages.scan_states import STATES, state_words, state_words_here
    from shared.pages.server_states import server_words
    from shared.pages.views import (
        ApiDocs,
        EnterCode,
        FirstLogin,
        FirstLoginDone,
        Front,
        MailboxSignedIn,
        MailboxSignIn,
        SignedOut,
        Trouble,
        View,
    )

__all__ = [
    "ACTS",
    "CHOICES",
    "PLACES",
    "POLICY",
    "STATES",
    "ApiDocs",
    "Asset",
    "AttemptRow",
    "AuditRow",
    "Bar",
    "CheckArea",
    "CheckRow",
    "Concern",
    "ConsentDone",
    "ConsentStart",
    "ConsoleAgain",
    "ConsoleAudit",
    "ConsoleConsent",
    "ConsoleDoctor",
    "ConsoleJob",
    "ConsoleJobs",
    "ConsoleMail",
    "ConsoleMailboxSignIn",
    "ConsoleOverview",
    "ConsolePeople",
    "ConsolePerson",
    "ConsolePolicy",
    "ConsolePrinter",
    "ConsolePrinterMail",
    "ConsolePrinters",
    "ConsoleStart",
    "ConsoleTicket",
    "EnterCode",
    "FirstLogin",
    "FirstLoginDone",
    "Frame",
    "Front",
    "JobRow",
    "MailRow",
    "MailboxSignIn",
    "MailboxSignedIn",
    "Me",
    "MeEnd",
    "MeEnded",
    "MeStart",
    "MyPlace",
    "MyPrinter",
    "MyScan",
    "NavLink",
    "Option",
    "Outcome",
    "Pages",
    "PersonRow",
    "PolicyField",
    "PrinterRow",
    "RangeChoice",
    "Rendered",
    "ServerView",
    "SignedOut",
    "Step",
    "SubjectChoice",
    "SubjectGroup",
    "Trouble",
    "View",
    "asset",
    "range_choice",
    "security_headers",
    "server_words",
    "state_words",
    "state_words_here",
]

__getattr__ = exported(
    __name__,
    {
        "Asset": "assets",
        "asset": "assets",
        "ConsentDone": "consent_views",
        "ConsentStart": "consent_views",
        "RangeChoice": "consent_views",
        "AttemptRow": "console_lists",
        "ConsoleJob": "console_lists",
        "ConsoleJobs": "console_lists",
        "ConsolePeople": "console_lists",
        "ConsolePerson": "console_lists",
        "ConsolePrinter": "console_lists",
        "ConsolePrinters": "console_lists",
        "ConsoleTicket": "console_lists",
        "JobRow": "console_lists",
        "PersonRow": "console_lists",
        "PrinterRow": "console_lists",
        "AuditRow": "console_views",
        "Bar": "console_views",
        "Concern": "console_views",
        "ConsoleAgain": "console_views",
        "ConsoleAudit": "console_views",
        "ConsoleConsent": "console_views",
        "ConsoleOverview": "console_views",
        "ConsolePolicy": "console_views",
        "ConsoleStart": "console_views",
        "Frame": "console_views",
        "NavLink": "console_views",
        "Option": "console_views",
        "PolicyField": "console_views",
        "Step": "console_views",
        "ACTS": "console_words",
        "CHOICES": "console_words",
        "PLACES": "console_words",
        "POLICY": "console_words",
        "CheckArea": "doctor_views",
        "CheckRow": "doctor_views",
        "ConsoleDoctor": "doctor_views",
        "Outcome": "doctor_views",
        "SubjectChoice": "doctor_views",
        "SubjectGroup": "doctor_views",
        "security_headers": "headers",
        "ConsoleMail": "mailbox_views",
        "ConsoleMailboxSignIn": "mailbox_views",
        "ConsolePrinterMail": "mailbox_views",
        "MailRow": "mailbox_views",
        "ServerView": "mailbox_views",
        "Me": "me_views",
        "MeEnd": "me_views",
        "MeEnded": "me_views",
        "MeStart": "me_views",
        "MyPlace": "me_views",
        "MyPrinter": "me_views",
        "MyScan": "me_views",
        "range_choice": "ranges",
        "Pages": "render",
        "Rendered": "render",
        "STATES": "scan_states",
        "state_words": "scan_states",
        "state_words_here": "scan_states",
        "server_words": "server_states",
        "ApiDocs": "views",
        "EnterCode": "views",
        "FirstLogin": "views",
        "FirstLoginDone": "views",
        "Front": "views",
        "MailboxSignIn": "views",
        "MailboxSignedIn": "views",
        "SignedOut": "views",
        "Trouble": "views",
        "View": "views",
    },
)
