"""What Exchange Online says when it refuses a submission: one name for each, with the step it is said at.

The texts are those that Microsoft documents or that many administrators have quoted; an app may lean on
code and enhanced code (RFC 3463), and only where several meanings share one of these on words of the text.
Sources: Microsoft, "How to set up a multifunction device or application to send email" and its
troubleshooting page; "Email non-delivery reports in Exchange Online"; "SMTP AUTH client submission:
new throttling limits" (exchange/troubleshoot/send-emails/smtp-submission-improvements).
"""

_FAILED = "535 5.7.139 Authentication unsuccessful, "
_LOOK = "Visit https://aka.ms/smtp_auth_disabled for more information."
_ASK = "Contact your administrator."
_STORE = "STOREDRV.Submission.Exception:"

UNSUCCESSFUL = "535 5.7.3 Authentication unsuccessful"
NOT_AUTHENTICATED = "530 5.7.57 Client not authenticated to send mail."
TOO_LARGE = "552 5.3.4 Message size exceeds fixed maximum message size"
SEND_AS_DENIED = (
    f"554 5.2.252 SendAsDenied; not allowed to send as the given address; {_STORE}"
    "SendAsDeniedException.MapiExceptionSendAsDenied"
)
MAILBOX_FULL = f"554 5.2.2 mailbox full; {_STORE}QuotaExceededException.MapiExceptionShutoffQuotaExceeded"
TOO_MANY_CONNECTIONS = (
    "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information."
)
TOO_MANY_MESSAGES = "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded"

REPLIES: dict[str, tuple[str, str]] = {
    "smtp_auth_off_for_tenant": (
        "smtp_auth",
        f"{_FAILED}SmtpClientAuthentication is disabled for the Tenant. {_LOOK}",
    ),
    "smtp_auth_off_for_mailbox": (
        "smtp_auth",
        f"{_FAILED}SmtpClientAuthentication is disabled for the Mailbox. {_LOOK}",
    ),
    "basic_auth_disabled": ("smtp_auth", f"{_FAILED}basic authentication is disabled."),
    "basic_auth_retired": ("smtp_auth", "550 5.7.30 Basic authentication is not supported for Client Submission."),
    "criteria_not_met": (
        "smtp_auth",
        f"{_FAILED}the request did not meet the criteria to be authenticated successfully. Contact your administrator.",
    ),
    "account_locked": ("smtp_auth", f"{_FAILED}account locked. {_ASK}"),
    "unsuccessful": ("smtp_auth", UNSUCCESSFUL),
    "invalid_auth_data": ("smtp_auth", "501 5.5.124 Invalid XOAUTH2 auth data"),
    "not_authenticated": ("smtp_mail", NOT_AUTHENTICATED),
    "not_anonymous": (
        "smtp_mail",
        "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
    ),
    "no_send_as": ("smtp_dot", "550 5.7.60 SMTP; Client does not have permissions to send as this sender"),
    "send_as_denied": ("smtp_dot", SEND_AS_DENIED),
    "too_large_announced": ("smtp_mail", TOO_LARGE),
    "too_large": ("smtp_dot", TOO_LARGE),
    "too_large_for_mailbox": ("smtp_dot", "554 5.2.3 Message too large"),
    "mailbox_full": ("smtp_dot", MAILBOX_FULL),
    "daily_recipients": (
        "smtp_dot",
        f"554 5.2.0 {_STORE}SubmissionQuotaExceededException.MapiExceptionSubmissionQuotaExceeded; quota exceeded",
    ),
    "submission_quota": ("smtp_dot", "554 5.2.2 Submission quota exceeded"),
    "bad_outbound_sender": ("smtp_dot", "550 5.1.8 Access denied, bad outbound sender"),
    "banned_501": ("smtp_dot", "550 5.7.501 Access denied, spam abuse detected"),
    "banned_502": ("smtp_dot", "550 5.7.502 Access denied, banned sender"),
    "banned_503": ("smtp_dot", "550 5.7.503 Access denied, banned sender"),
    "banned_511": ("smtp_rcpt", "550 5.7.511 Access denied, banned sender"),
    "tenant_threshold": ("smtp_dot", "550 5.7.705 Access denied, tenant has exceeded threshold"),
    "traffic_not_accepted": ("smtp_dot", "550 5.7.708 Access denied, traffic not accepted from this IP"),
    "unregistered_domains": ("smtp_dot", "550 5.7.750 Service unavailable. Client blocked from sending from it"),
    "not_rfc_5322": ("smtp_dot", "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant"),
    "blocked_by_a_rule": ("smtp_dot", "550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by policy"),
    "too_many_connections": ("smtp_dot", TOO_MANY_CONNECTIONS),
    "too_many_messages": ("smtp_dot", TOO_MANY_MESSAGES),
    "access_denied_for_now": ("smtp_mail", "451 4.7.500 Access denied, please try again later"),
    "access_denied_for_now_850": ("smtp_dot", "451 4.7.850 Access denied, please try again later"),
    "closing": ("smtp_connect", "421 4.7.0 Too many errors from this address, closing transmission channel"),
    "connection_dropped": ("smtp_dot", "421 4.4.2 Connection dropped"),
    "server_busy": ("smtp_mail", "451 4.7.0 Temporary server error. Please try again later. PRX2"),
    "resources": ("smtp_data", "452 4.3.1 Insufficient system resources"),
    "no_service": ("smtp_connect", "554 5.3.2 STOREDRV; the service is not available"),
}
"""Name: the step it is said at (a place of the switchboard), and the reply."""
