r"""The printer's own mailbox and its fax account: sign in, deliver to the printer, who may be written to, status.

Owns: which account a printer (or its group) sends from in its own name, the sign-ins for it, what the printer has
been told of it, the check of recipients and fax numbers, and the status that is shown. Does not own: what is said to
Entra (``identity``), the tokens (``vault``, in tables of their own), the mail (``mail``), the job (``scans``). It may
import ``shared.faults``, ``shared.storage``, ``shared.texts``, ``shared.organisations``, ``shared.identity``,
``shared.vault`` and ``shared.mail``.

A printer's own account comes before its group's. A sign-in::

    pending --somebody signs in by the code--> active     (superseded as soon as another one is)
       |-> denied     declined, cancelled at the printer, or the wrong kind of account (by name; its tokens are dropped)
       |-> expired    nobody came within fifteen minutes
       \-> blocked    Conditional Access does not allow codes --by the link--> active     (or expired)

An account, as a printer sees it::

    not_signed_in --sign-in--> signed_in, not delivered --OK at the printer--> signed_in, delivered
                                   \--long unused, revoked--> expired, not_signed_in     \--a policy--> blocked

The row of the account names the sign-in whose tokens count, so that of two sign-ins at once one wins whole: the one
that was written last.
"""

from typing import TYPE_CHECKING

from shared.exports import exported

if TYPE_CHECKING:
    from shared.mailboxes.accounts import Account, Accounts, Owner
    from shared.mailboxes.by_link import SignInsByLink
    from shared.mailboxes.consent import MailboxConsent
    from shared.mailboxes.outgoing import Outgoing, Outgoings
    from shared.mailboxes.sign_in import SignIn
    from shared.mailboxes.sign_ins import SignIns
    from shared.mailboxes.status import Statuses, StatusOf

PURPOSE = "mailbox"
"""Of the authorizations on the way by a link."""

__all__ = [
    "PURPOSE",
    "Account",
    "Accounts",
    "MailboxConsent",
    "Outgoing",
    "Outgoings",
    "Owner",
    "SignIn",
    "SignIns",
    "SignInsByLink",
    "StatusOf",
    "Statuses",
]

__getattr__ = exported(
    __name__,
    {
        "Account": "accounts",
        "Accounts": "accounts",
        "Owner": "accounts",
        "MailboxConsent": "consent",
        "Outgoing": "outgoing",
        "Outgoings": "outgoing",
        "SignIn": "sign_in",
        "SignIns": "sign_ins",
        "SignInsByLink": "by_link",
        "StatusOf": "status",
        "Statuses": "status",
    },
)
