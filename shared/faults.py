"""Faults are decisions: one tree, whose leaves say what happens next and who must act.

::

    Fault
    ├── Passing          goes away by itself; try again at a known time
    ├── Unknown          the bytes went out and no answer came
    ├── PersonMust       the person must do something (most often: sign in again)
    ├── AdministratorMust  consent, policy, account or mailbox
    ├── OperatorMust     our own credential or set-up; never marks a person's sign-in as dead
    ├── DocumentRefused  this document cannot be sent as it is; final
    └── RequestRefused   the caller's request is wrong, late or foreign; final

Each leaf carries a stable ``reason`` slug (part of the device API), the panel code (360, 361,
370 or none), ``who`` must act, three texts (``title``, ``detail``, ``remedy``: English message
ids, translated where they are shown), the HTTP ``status`` it answers with and the ``action``
a delivery takes. Nothing in a fault may hold an address, subject, file name or token, because
faults are logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar


def N_(message: str) -> str:  # noqa: N802  (gettext's own name for a marker)
    """Mark a text for the catalogues; the translation happens where it is shown."""
    return message


class Who(StrEnum):
    """Who must act. The values are part of the device API."""

    USER = "user"
    ADMIN = "admin"
    OPERATOR = "operator"
    NETWORK = "network"
    NONE = "none"


class Action(StrEnum):
    """What delivery does with a job that met this fault."""

    RETRY = "retry"  # state waiting, next attempt at a known time
    HOLD = "hold"  # the person must sign in; kept where the policy allows, else failed
    UNCERTAIN = "uncertain"  # perhaps sent; never sent again blindly
    END = "end"  # state failed


class Fault(Exception):
    """The root of the tree; only its leaves are raised.

    Args:
        note: a technical remark for the log (a status, an error number), never shown and never personal.
        retry_after: seconds until it makes sense to try again, where known.
        params: values for the placeholders of the texts, already safe to show.

    Attributes:
        claims: what the person's next sign-in must ask for (JSON), where Microsoft said so.
        numbers: Entra's own (AADSTS), where it is one of Entra's.
    """

    reason: ClassVar[str]
    code: ClassVar[int | None] = None
    who: ClassVar[Who] = Who.NONE
    status: ClassVar[int] = 400
    action: ClassVar[Action] = Action.END
    title: ClassVar[str]
    detail: ClassVar[str]
    remedy: ClassVar[str]

    def __init__(self, note: str = "", *, retry_after: float | None = None, **params: str | int) -> None:
        super().__init__(f"{self.reason}: {note}" if note else self.reason)
        self.note = note
        self.retry_after = retry_after
        self.params = params
        self.claims: str | None = None
        self.numbers: frozenset[int] = frozenset()


class Passing(Fault):
    """Goes away by itself; ``retry_after`` says when to try again."""

    code: ClassVar[int | None] = 360
    who = Who.NETWORK
    status = 503
    action = Action.RETRY


class Unknown(Fault):
    """The bytes went out and no answer came: the mail may or may not have been sent."""

    code: ClassVar[int | None] = 360
    who = Who.USER
    status = 502
    action = Action.UNCERTAIN


class PersonMust(Fault):
    """The person must act, most often by signing in again."""

    code: ClassVar[int | None] = 370
    who = Who.USER
    status = 403
    action = Action.HOLD


class AdministratorMust(Fault):
    """The organisation's administrator must act."""

    code: ClassVar[int | None] = 370
    who = Who.ADMIN
    status = 403
    action = Action.END


class OperatorMust(Fault):
    """Whoever runs this service must act. A person's stored sign-in stays untouched."""

    code: ClassVar[int | None] = 360
    who = Who.OPERATOR
    status = 503
    action = Action.RETRY


class DocumentRefused(Fault):
    """This document cannot be sent as it is."""

    who = Who.USER
    status = 422


class RequestRefused(Fault):
    """The caller's request is wrong, late or not his."""


# ---------------------------------------------------------------- passing


class Throttled(Passing):
    """429 from Microsoft; ``retry_after`` is Microsoft's own word."""

    reason = "throttled"
    title = N_("The mail service is busy")
    detail = N_("Microsoft asked us to wait before sending more.")
    remedy = N_("Nothing to do: it is sent by itself as soon as Microsoft allows.")


class MicrosoftUnavailable(Passing):
    """5xx from Entra or Graph in a place where nothing can have been sent."""

    reason = "microsoft_unavailable"
    title = N_("The mail service does not answer properly")
    detail = N_("Microsoft's service reported a fault of its own.")
    remedy = N_("Nothing to do: it is tried again by itself.")


class NoConnection(Passing):
    """No connection to Microsoft: name, TLS or network."""

    reason = "no_connection"
    title = N_("No connection to the mail service")
    detail = N_("Microsoft's service could not be reached.")
    remedy = N_("It is tried again by itself. If it lasts, check the connection.")


class StorageUnavailable(Passing):
    """Our own storage did not answer."""

    reason = "storage_unavailable"
    who = Who.OPERATOR
    title = N_("The service is interrupted")
    detail = N_("The service cannot reach its own storage at the moment.")
    remedy = N_("Try again in a minute. Nothing has been lost.")


class KeyServiceUnavailable(Passing):
    """Whoever keeps our key-encryption key (Key Vault, or the identity that opens it) did not answer (R35, R36)."""

    reason = "key_service_unavailable"
    who = Who.OPERATOR
    title = N_("The service is interrupted")
    detail = N_("The service cannot reach its own keys at the moment.")
    remedy = N_("Try again in a minute. Nothing has been lost.")


class SendingLimitReached(Passing):
    """Exchange's limit of messages for this mailbox (ErrorExceededMessageLimit and its kin)."""

    reason = "sending_limit_reached"
    title = N_("The mailbox has reached its sending limit")
    detail = N_("Microsoft allows this mailbox no more messages for now.")
    remedy = N_("Nothing to do: it is sent by itself when the limit is lifted.")


class NotDeliveredInTime(Passing):
    """A passing fault that lasted past the job's deadline: final."""

    reason = "not_delivered_in_time"
    action = Action.END
    title = N_("Not sent in time")
    detail = N_("The mail service could not be reached for a whole day, so the scan was given up.")
    remedy = N_("Check the connection to the mail service and scan again.")


# ---------------------------------------------------------------- unknown


class OutcomeUnknown(Unknown):
    """The request was written and the answer never came (or was 5xx after the body)."""

    reason = "outcome_unknown"
    title = N_("Perhaps sent")
    detail = N_("The scan was handed to the mail service, but no confirmation came back.")
    remedy = N_("Look into your mailbox. If the scan is not there in ten minutes, scan again.")


# ---------------------------------------------------------------- the person must act


class SignInRequired(PersonMust):
    """Nobody has signed in for this user of the device group, or the sign-in was ended."""

    reason = "sign_in_required"
    title = N_("You must sign in first")
    detail = N_("To send scans to your own mailbox, sign in once with your work account.")
    remedy = N_("Choose To My Email at the printer and sign in.")


class SignInExpired(PersonMust):
    """invalid_grant, suberror token_expired (70008, 700082), or sign-in frequency (70043, 70044)."""

    reason = "sign_in_expired"
    code = 361
    title = N_("Your sign-in has expired")
    detail = N_("The connection to your mailbox is too old and no longer valid.")
    remedy = N_("Sign in again at the printer.")


class SignInRevoked(PersonMust):
    """invalid_grant that is neither expiry nor policy: password reset by an administrator, sessions revoked."""

    reason = "sign_in_revoked"
    title = N_("Your sign-in was ended")
    detail = N_("Microsoft no longer accepts the stored sign-in, for example after a password reset.")
    remedy = N_("Sign in again at the printer.")


class InteractionRequired(PersonMust):
    """interaction_required: MFA, new terms, a claims challenge."""

    reason = "interaction_required"
    title = N_("Microsoft wants you to confirm that it is you")
    detail = N_("Your organisation asks for another confirmation, such as a second factor.")
    remedy = N_("Sign in again at the printer and confirm on your phone.")


class PermissionMissing(PersonMust):
    """The token response does not hold every scope of the organisation's range."""

    reason = "permission_missing"
    title = N_("A permission is missing")
    detail = N_("Your sign-in does not include the permission to send mail as you.")
    remedy = N_("Sign in again and accept the permissions, or ask your administrator to consent again.")


class WrongAccount(PersonMust):
    """Another account than the one the device's user is registered with, or pinned to."""

    reason = "wrong_account"
    action = Action.END
    title = N_("This is not the account of this printer user")
    detail = N_("You signed in with another account than the one registered at the printer. Nothing was stored.")
    remedy = N_("Start again at the printer and choose the account shown there.")


class OtherOrganisation(PersonMust):
    """An account of another tenant than the device's."""

    reason = "other_organisation"
    action = Action.END
    title = N_("This account belongs to another organisation")
    detail = N_("The printer belongs to one organisation and your account to another. Nothing was stored.")
    remedy = N_("Sign in with the account of the organisation that owns the printer.")


class GuestNotAllowed(PersonMust):
    """A B2B guest: he has no mailbox in this tenant."""

    reason = "guest_not_allowed"
    action = Action.END
    title = N_("Guest accounts cannot be used here")
    detail = N_("A guest has no mailbox in this organisation. Nothing was stored.")
    remedy = N_("Sign in with an account of the organisation itself.")


class PersonalAccountNotAllowed(PersonMust):
    """A personal Microsoft account (tenant 9188040d-…)."""

    reason = "personal_account_not_allowed"
    action = Action.END
    title = N_("Personal accounts cannot be used here")
    detail = N_("This printer takes work accounts only. Nothing was stored.")
    remedy = N_("Sign in with your work account.")


class WorkAccountNotAllowed(PersonMust):
    """A work account, where the printer's mailbox is to be one of Outlook.com."""

    reason = "work_account_not_allowed"
    action = Action.END
    title = N_("Work accounts cannot be used here")
    detail = N_("Outlook.com was chosen, which takes personal accounts only. Nothing was stored.")
    remedy = N_("Sign in with a personal account, or choose Microsoft Exchange Online.")


class MailboxSuperseded(PersonMust):
    """A sign-in for a printer's mailbox in whose place another one came."""

    reason = "mailbox_superseded"
    action = Action.END
    title = N_("Another sign-in took the place of this one")
    detail = N_("Somebody else has signed the printer's mailbox in meanwhile, and that account is used.")
    remedy = N_("Look at the account that is shown now. If it is the wrong one, sign in again.")


class SignInDeclined(PersonMust):
    """The person pressed Cancel at Microsoft (access_denied, 65004)."""

    reason = "sign_in_declined"
    action = Action.END
    title = N_("The sign-in was cancelled")
    detail = N_("The sign-in at Microsoft was cancelled or not accepted. Nothing was stored.")
    remedy = N_("Start again at the printer if you want to use To My Email.")


class SignInTimedOut(PersonMust):
    """The link and code of a first login ran out."""

    reason = "sign_in_timed_out"
    action = Action.END
    status = 410
    title = N_("The time for signing in is over")
    detail = N_("The code shown at the printer is valid for a few minutes only.")
    remedy = N_("Start again at the printer; it shows a new code.")


class HoldExpired(PersonMust):
    """A scan was held until its person signs in, and he did not in time: final."""

    reason = "hold_expired"
    action = Action.END
    status = 410
    title = N_("Deleted, because nobody signed in")
    detail = N_("The scan was kept until you would sign in, and the time for that is over.")
    remedy = N_("Sign in at the printer, then scan again.")


class MailboxFull(PersonMust):
    """ErrorQuotaExceeded, 554 5.2.2."""

    reason = "mailbox_full"
    code = None
    action = Action.END
    title = N_("Your mailbox is full")
    detail = N_("Exchange takes no more mail for your mailbox.")
    remedy = N_("Delete some mail, then scan again.")


# ---------------------------------------------------------------- the administrator must act


class ConsentRequired(AdministratorMust):
    """No administrator has consented for this organisation yet."""

    reason = "consent_required"
    title = N_("Your organisation has not agreed yet")
    detail = N_("An administrator must allow To My Email once for the whole organisation.")
    remedy = N_("Ask your administrator to connect the organisation.")


class ConsentWithdrawn(AdministratorMust):
    """65001 and its kin after the consent was once proven."""

    reason = "consent_withdrawn"
    title = N_("Your organisation's consent is missing")
    detail = N_("The permission that an administrator gave no longer holds for your account.")
    remedy = N_("Ask your administrator to connect the organisation again.")


class BlockedByPolicy(AdministratorMust):
    """Conditional Access and its kin (53003, 53000, 530036 …)."""

    reason = "blocked_by_policy"
    title = N_("Blocked by a rule of your organisation")
    detail = N_("A Conditional Access policy does not allow this sign-in.")
    remedy = N_("Ask your administrator to exclude the app To My Email from the policy that blocks it.")


class AccountDisabled(AdministratorMust):
    """50057, 500341: the account is disabled or deleted."""

    reason = "account_disabled"
    title = N_("This account is switched off")
    detail = N_("The account is disabled or no longer exists in your organisation.")
    remedy = N_("Ask your administrator.")


class NotAssigned(AdministratorMust):
    """50105: the app requires assignment and the person has none."""

    reason = "not_assigned"
    title = N_("You may not use this app yet")
    detail = N_("Your organisation allows To My Email for selected people only.")
    remedy = N_("Ask your administrator to assign the app To My Email to you.")


class NoMailbox(AdministratorMust):
    """MailboxNotEnabledForRESTAPI, or no mail address in /me."""

    reason = "no_mailbox"
    code = None
    title = N_("This account has no mailbox")
    detail = N_("There is no Exchange Online mailbox behind this account.")
    remedy = N_("Ask your administrator for a mailbox, or use another account.")


class SendDenied(AdministratorMust):
    """ErrorSendAsDenied, ErrorAccessDenied although the scope is there (application access policy)."""

    reason = "send_denied"
    code = None
    title = N_("The mailbox does not allow sending")
    detail = N_("Exchange refused to send from this mailbox.")
    remedy = N_("Ask your administrator to allow the app To My Email to send from this mailbox.")


class SenderRestricted(AdministratorMust):
    """ErrorAccountSuspend, ErrorMessageSubmissionBlocked: Exchange restricts the sender."""

    reason = "sender_restricted"
    code = None
    title = N_("The mailbox is restricted")
    detail = N_("Exchange has blocked this mailbox from sending.")
    remedy = N_("Ask your administrator to release the mailbox in Microsoft Defender.")


class SmtpDisabledForOrganisation(AdministratorMust):
    """535 5.7.139: authenticated SMTP submission is switched off for the whole tenant (also by security defaults)."""

    reason = "smtp_disabled_for_organisation"
    code = None
    title = N_("Your organisation does not allow large scans by SMTP")
    detail = N_(
        "Authenticated SMTP is switched off in your organisation's Exchange, and larger scans are sent that way."
    )
    remedy = N_(
        "Scan fewer pages, or ask your administrator to allow authenticated SMTP (SMTP AUTH) "
        "in the Exchange admin center."
    )


class SmtpDisabledForMailbox(AdministratorMust):
    """535 5.7.139, or a fresh token refused with 5.7.3: authenticated SMTP submission is off for this mailbox."""

    reason = "smtp_disabled_for_mailbox"
    code = None
    title = N_("Your mailbox does not allow large scans by SMTP")
    detail = N_("Larger scans are sent by authenticated SMTP, which is switched off for your mailbox.")
    remedy = N_(
        "Scan fewer pages, or ask your administrator to tick “Authenticated SMTP” among the mailbox's email apps."
    )


class SmtpBlockedByPolicy(AdministratorMust):
    """535 5.7.139, criteria not met: Conditional Access, security defaults or an authentication policy, at SMTP."""

    reason = "smtp_blocked_by_policy"
    title = N_("Blocked by a rule of your organisation")
    detail = N_("A rule for signing in, such as security defaults or Conditional Access, does not allow SMTP.")
    remedy = N_("Ask your administrator to exclude the app To My Email from the rule that blocks it.")


class AccountLocked(AdministratorMust):
    """535 5.7.139, account locked."""

    reason = "account_locked"
    title = N_("This account is locked")
    detail = N_("Microsoft has locked the account for now, for example after wrong passwords.")
    remedy = N_("Ask your administrator to unlock it.")


class OrganisationRestricted(AdministratorMust):
    """5.7.705, 5.7.708, 5.7.750: Exchange takes no mail from the whole organisation."""

    reason = "organisation_restricted"
    code = None
    title = N_("Your organisation may not send mail at the moment")
    detail = N_("Exchange has restricted sending for the whole organisation.")
    remedy = N_("Ask your administrator to look into the Exchange admin center and to contact Microsoft.")


class MailboxNotSignedIn(AdministratorMust):
    """Nobody has signed the printer's own mailbox (or its fax account) in."""

    reason = "mailbox_not_signed_in"
    title = N_("To use this function you must sign in to your email")
    detail = N_("The printer's own mailbox is not signed in.")
    remedy = N_(
        "Contact your administrator. He signs in at the printer's mail server settings, and presses OK there "
        "so that the printer gets the settings."
    )


class MailboxNotDelivered(AdministratorMust):
    """The printer's own mailbox is signed in, and the printer has not fetched and acknowledged its settings."""

    reason = "mailbox_not_delivered"
    title = N_("Signed in, but not delivered to the printer")
    detail = N_("The mailbox is signed in, but the printer has not been given its settings.")
    remedy = N_("Contact your administrator. He presses OK at the printer's mail server settings.")


class MailboxSignInExpired(AdministratorMust):
    """The mailbox's refresh token is too old, most often after 90 days of idleness."""

    reason = "mailbox_sign_in_expired"
    code = 361
    title = N_("The sign-in of the printer's mailbox has expired")
    detail = N_("The printer's connection to its mail service is too old, for example because it was long unused.")
    remedy = N_("Contact your administrator. He signs the printer's mailbox in again.")


class MailboxSignInEnded(AdministratorMust):
    """The mailbox's sign-in is no longer taken, and not for its age: password reset, revoked, another factor wanted."""

    reason = "mailbox_sign_in_ended"
    title = N_("The sign-in of the printer's mailbox was ended")
    detail = N_("Microsoft no longer accepts it, for example after a password reset.")
    remedy = N_("Contact your administrator. He signs the printer's mailbox in again.")


class MailboxConsentMissing(AdministratorMust):
    """65001 and its kin, for the mailbox's app registration; the organisation's consent for people is another one."""

    reason = "mailbox_consent_missing"
    title = N_("The permission for the printer's mailbox is missing")
    detail = N_("The permission to send mail that was given for the printer's mailbox no longer holds.")
    remedy = N_("Contact your administrator. He signs the printer's mailbox in again and accepts the permissions.")


class DeviceCodeBlocked(AdministratorMust):
    """53003 or 530036: Conditional Access does not let anybody sign in by device code ("Authentication flows")."""

    reason = "device_code_blocked"
    title = N_("Your organisation does not allow signing in by code")
    detail = N_("A Conditional Access policy blocks the sign-in of devices by a code.")
    remedy = N_(
        "Sign in by a link instead. Or ask your administrator to exclude the app To My Email Mailbox "
        "from the policy on authentication flows."
    )


class ConsentDeclined(AdministratorMust):
    """The administrator pressed Cancel (access_denied, permission_denied, 65004)."""

    reason = "consent_declined"
    title = N_("Consent was not given")
    detail = N_("The request was cancelled at Microsoft. Nothing was stored.")
    remedy = N_("Start again when you want to connect the organisation.")


class ConsentRoleMissing(AdministratorMust):
    """The verified ID token shows no role that may consent for the organisation."""

    reason = "consent_role_missing"
    title = N_("This account may not agree for the organisation")
    detail = N_(
        "Only a Global, Privileged Role, Application or Cloud Application Administrator can do that. "
        "Nothing was stored."
    )
    remedy = N_("Sign in with an administrator's account, or ask an administrator to open this page.")


class ConsentNotForOrganisation(AdministratorMust):
    """The answer is a consent for one account: “on behalf of your organization” was not ticked."""

    reason = "consent_not_for_organisation"
    title = N_("The consent is for one person only")
    detail = N_(
        "The box “Consent on behalf of your organization” was not ticked, so only one account agreed. "
        "Nothing was stored."
    )
    remedy = N_("Start again, and agree for the whole organisation.")


class ConsentNotProven(AdministratorMust):
    """The callback said yes, but no token with the range's scopes could be had."""

    reason = "consent_not_proven"
    title = N_("The consent could not be confirmed")
    detail = N_(
        "Microsoft did not give a token with the permissions that were asked for. "
        "A new consent can take a few minutes to reach every server. Nothing was stored."
    )
    remedy = N_("Wait five minutes and try again. If it stays so, consent again.")


# ---------------------------------------------------------------- the operator must act


class OwnCredentialRefused(OperatorMust):
    """invalid_client: our certificate or federation. No person's row is touched (G15)."""

    reason = "service_credential_refused"
    title = N_("The service has a problem of its own")
    detail = N_("Microsoft does not accept the service's own credential at the moment.")
    remedy = N_("The operator of the service must renew it. Your sign-in stays valid and the scan is kept.")


class ServiceMisconfigured(OperatorMust):
    """unauthorized_client, invalid_scope, a wrong redirect address: our set-up is wrong."""

    reason = "service_misconfigured"
    title = N_("The service is not set up correctly")
    detail = N_("Microsoft refuses requests of this service because of its set-up.")
    remedy = N_("The operator of the service must correct it.")


class Unexpected(OperatorMust):
    """A bug of ours. The reference lets the operator find it."""

    reason = "unexpected"
    status = 500
    title = N_("Something went wrong in the service")
    detail = N_("This should not have happened, and it is not your fault.")
    remedy = N_("Try again. If it stays so, give the reference to whoever runs the service.")


# ---------------------------------------------------------------- the document


class TooLarge(DocumentRefused):
    """Larger than what can be sent. Params: ``limit`` (bytes, or a text such as 3.0 MB).

    Where another permission range would take it, ``range`` and ``largest`` (bytes) say which and up to what size.
    Where the mail service itself refused a size, ``refused`` is that size in bytes.
    """

    reason = "too_large"
    status = 413
    title = N_("The scan is too large")
    detail = N_("At most {limit} can be sent with what your organisation has allowed.")
    remedy = N_("Scan fewer pages, in a lower resolution or in black and white.")
    wider = N_(
        "Scan fewer pages, in a lower resolution or in black and white. Or ask your administrator to allow "
        "the range {range}: with it up to {largest} can be sent."
    )
    """The remedy where another range would take it."""


class UnsupportedType(DocumentRefused):
    """Not PDF, JPEG, TIFF or PNG by its first bytes, or another type than declared."""

    reason = "unsupported_type"
    status = 415
    title = N_("This kind of file cannot be sent")
    detail = N_("Only PDF, JPEG, TIFF and PNG are sent, and the content must be what the name says.")
    remedy = N_("Choose one of these formats at the printer and scan again.")


class DocumentMismatch(DocumentRefused):
    """Size or SHA-256 of the bytes differ from the manifest."""

    reason = "document_mismatch"
    who = Who.NONE
    title = N_("The scan arrived damaged")
    detail = N_("What arrived is not what the printer announced, so it was not sent.")
    remedy = N_("Scan again.")


class NotUploaded(DocumentRefused):
    """A commit before the document was there: no upload happened, or what came was wrong and was deleted."""

    reason = "not_uploaded"
    who = Who.NONE
    status = 409
    title = N_("The scan has not arrived yet")
    detail = N_("The printer said that it had sent the document, but there is none.")
    remedy = N_("The printer sends it again by itself. If it does not, scan again.")


class DocumentMissing(DocumentRefused):
    """The stored body is gone: our own fault, whatever deleted it."""

    reason = "document_missing"
    code = 360
    who = Who.OPERATOR
    status = 410
    title = N_("The scan is no longer there")
    detail = N_("The stored document was deleted before it could be sent.")
    remedy = N_("Scan again.")


class RecipientInvalid(DocumentRefused):
    """No recipient, more than fifty, or what is no plain mail address (F03, F08)."""

    reason = "recipient_invalid"
    title = N_("A recipient is no mail address")
    detail = N_("Up to 50 plain mail addresses can be given, without names.")
    remedy = N_("Correct the recipients and scan again.")


class RecipientNotAllowed(DocumentRefused):
    """A recipient outside of the domains that the organisation's policy allows its printers."""

    reason = "recipient_not_allowed"
    title = N_("The printer may not send mail to this recipient")
    detail = N_("Your organisation lets its printers send mail to some domains only.")
    remedy = N_("Choose a recipient in your organisation, or ask your administrator to allow the domain.")


class RecipientRefused(DocumentRefused):
    """ErrorInvalidRecipients, 5.1.x: the mail service does not know a recipient. Nothing was sent to any of them."""

    reason = "recipient_refused"
    title = N_("The mail service does not take a recipient")
    detail = N_("One of the recipients is not known to the mail service. Nothing was sent.")
    remedy = N_("Correct the recipients and scan again.")


class FaxNumberInvalid(DocumentRefused):
    """A number that is neither E.164 nor what the organisation's dial rule makes one of."""

    reason = "fax_number_invalid"
    title = N_("This is not a fax number")
    detail = N_("A fax number begins with + and the country's code, and has digits only.")
    remedy = N_("Correct the number and send again.")


class FaxNotSetUp(DocumentRefused):
    """The organisation's policy has no template for the fax provider, or one that gives no address."""

    reason = "fax_not_set_up"
    who = Who.ADMIN
    title = N_("Fax is not set up")
    detail = N_("Your organisation has not told the address of its fax provider.")
    remedy = N_("Ask your administrator to set up the fax provider.")


# ---------------------------------------------------------------- the request


class InvalidRequest(RequestRefused):
    """Not JSON, wrong types, unknown fields. ``errors`` in the answer name the fields."""

    reason = "invalid_request"
    status = 422
    title = N_("The request is not valid")
    detail = N_("Some fields are missing, unknown or not of the right kind.")
    remedy = N_("Correct the fields named in errors.")


class LengthRequired(RequestRefused):
    """A body without Content-Length: the platform would drop it."""

    reason = "length_required"
    status = 411
    title = N_("The length is missing")
    detail = N_("A request with a body needs the header Content-Length.")
    remedy = N_("Send Content-Length instead of a chunked body.")


class BodyTooLarge(RequestRefused):
    """The request is larger than this door takes. Params: ``limit``."""

    reason = "body_too_large"
    status = 413
    title = N_("The request is too large")
    detail = N_("At most {limit} are accepted here.")
    remedy = N_("Send less, or use the upload address for large documents.")


class UnsupportedMediaType(RequestRefused):
    """The request's Content-Type is not one this door reads."""

    reason = "unsupported_media_type"
    status = 415
    title = N_("The request has the wrong content type")
    detail = N_("This address takes another Content-Type.")
    remedy = N_("See the API description at /api/docs.")


class NotFound(RequestRefused):
    """Unknown or foreign: the same answer for both (E01)."""

    reason = "not_found"
    status = 404
    title = N_("Not found")
    detail = N_("There is nothing here under this address.")
    remedy = N_("Check the address.")


class MethodNotAllowed(RequestRefused):
    """The address exists, the method does not."""

    reason = "method_not_allowed"
    status = 405
    title = N_("Method not allowed")
    detail = N_("This address does not take this method.")
    remedy = N_("See the API description at /api/docs.")


class IdTaken(RequestRefused):
    """The same id with another manifest (E12)."""

    reason = "id_taken"
    status = 409
    title = N_("This id is already in use")
    detail = N_("A scan with this id exists, and its manifest is another one.")
    remedy = N_("Use a new id for a new scan.")


class WrongState(RequestRefused):
    """The thing is in a state in which this cannot be done."""

    reason = "wrong_state"
    status = 409
    title = N_("Not possible any more")
    detail = N_("It has already ended or is being sent at this moment.")
    remedy = N_("Look at its current state.")


class SlowDown(RequestRefused):
    """Polled faster than the interval (RFC 8628 section 3.5)."""

    reason = "slow_down"
    status = 429
    title = N_("Too fast")
    detail = N_("The status was asked for more often than allowed.")
    remedy = N_("Wait for the interval before asking again.")


class TooManyRequests(RequestRefused):
    """A limit per device, person or organisation."""

    reason = "too_many_requests"
    status = 429
    title = N_("Too many requests")
    detail = N_("There were more requests than allowed in this time.")
    remedy = N_("Wait a moment and try again.")


class DeviceTokenExpired(RequestRefused):
    """The device's access token is too old."""

    reason = "device_token_expired"
    code = 361
    status = 401
    title = N_("The printer's connection has expired")
    detail = N_("The printer's token is too old.")
    remedy = N_("The printer asks for a new token by itself.")


class DeviceTokenInvalid(RequestRefused):
    """No token, a forged one, or a device that is revoked."""

    reason = "device_token_invalid"
    who = Who.ADMIN
    status = 401
    title = N_("The printer is not signed in")
    detail = N_("The service does not know this printer, or it was removed.")
    remedy = N_("Ask for a new token. If that fails, enrol the printer again.")


class InvalidDpopProof(RequestRefused):
    """The token is bound to the device's key, and the request's DPoP proof does not show that key (RFC 9449, 7.1)."""

    reason = "invalid_dpop_proof"
    status = 401
    title = N_("The proof of the request is not valid")
    detail = N_("This token needs a DPoP proof by the printer's key, made for this very request.")
    remedy = N_("Sign a new proof for each request.")


class UseDpopNonce(RequestRefused):
    """The DPoP proof has no nonce of ours, or one that is too old; a fresh one is in DPoP-Nonce (RFC 9449, 9)."""

    reason = "use_dpop_nonce"
    status = 401
    title = N_("The proof of the request needs a fresh nonce")
    detail = N_("A new nonce is in the header DPoP-Nonce of this answer.")
    remedy = N_("The printer repeats the request with it by itself.")


class DevicePending(RequestRefused):
    """Enrolled, but an administrator must approve it first."""

    reason = "device_pending"
    who = Who.ADMIN
    status = 403
    title = N_("The printer is waiting for approval")
    detail = N_("An administrator must approve this printer first.")
    remedy = N_("Ask your administrator to compare the four words and approve.")


class TicketInvalid(RequestRefused):
    """Unknown, used up or expired enrolment ticket: one answer for all three."""

    reason = "ticket_invalid"
    who = Who.ADMIN
    status = 403
    title = N_("The enrolment ticket is not valid")
    detail = N_("The ticket is unknown, used up or expired.")
    remedy = N_("Ask your administrator for a new ticket.")


class ProofInvalid(RequestRefused):
    """The proof of possession does not match the key, the audience or a fresh nonce (D05)."""

    reason = "proof_invalid"
    status = 400
    title = N_("The proof of the key is not valid")
    detail = N_("The proof must be signed by the new key over a fresh nonce and the key's thumbprint.")
    remedy = N_("Get a new nonce and sign again.")


class LinkUnknown(RequestRefused):
    """No such first-login or consent link or code."""

    reason = "link_unknown"
    who = Who.USER
    status = 404
    title = N_("This link or code is not known")
    detail = N_("It may be mistyped, already used or too old.")
    remedy = N_("Check the code on the printer's screen, or start again at the printer.")


class ResponseNotExpected(RequestRefused):
    """A callback whose state is unknown, used or expired (B05, C01, C03)."""

    reason = "response_not_expected"
    who = Who.USER
    title = N_("This answer was not expected")
    detail = N_("The answer from Microsoft belongs to no request of ours, or it was already used. Nothing was stored.")
    remedy = N_("Start again at the printer or on the page where you began.")


class OtherBrowser(RequestRefused):
    """The browser that ends is not the browser that began (B04)."""

    reason = "other_browser"
    who = Who.USER
    status = 403
    title = N_("This is not the browser in which you began")
    detail = N_("The sign-in was begun in another browser, or this browser does not keep cookies. Nothing was stored.")
    remedy = N_("Start again, and stay in one browser until the end.")


class CrossSiteRequest(RequestRefused):
    """A form posted from another site (H02)."""

    reason = "cross_site_request"
    who = Who.USER
    status = 403
    title = N_("This form came from another site")
    detail = N_("For your safety such requests are not carried out.")
    remedy = N_("Open the page itself and press the button there.")


class ConsoleRoleMissing(RequestRefused):
    """The verified ID token shows no role that opens the console, or none that may change something."""

    reason = "console_role_missing"
    who = Who.ADMIN
    status = 403
    title = N_("Your role does not allow this")
    detail = N_("The console is for administrators of the organisation. Nothing was changed.")
    remedy = N_(
        "Activate your role and sign in again, or ask an administrator for the role ToMyEmail.Admin or "
        "ToMyEmail.Reader of this application."
    )


class SignInNotFresh(RequestRefused):
    """What cannot be undone needs a sign-in of this moment, and Entra did not say that there was one (H06)."""

    reason = "sign_in_not_fresh"
    who = Who.USER
    status = 403
    title = N_("This needs a fresh sign-in")
    detail = N_("Microsoft did not say that you have signed in just now. Nothing was done.")
    remedy = N_("Sign in once more, with your password or passkey, and do it within ten minutes.")


def leaves(root: type[Fault] = Fault) -> Iterator[type[Fault]]:
    """Yield every leaf of the tree below ``root``, in the order of definition."""
    for branch in root.__subclasses__():
        if "reason" in vars(branch):
            yield branch
        else:
            yield from leaves(branch)


BY_REASON: dict[str, type[Fault]] = {leaf.reason: leaf for leaf in leaves()}
"""Every leaf under its stable slug: rows store the slug, readers find texts and code here."""
