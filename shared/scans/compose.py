"""The mail for a job: what it says, in the job's language."""

from __future__ import annotations

from shared import texts
from shared.faults import N_
from shared.mail import Message, clean, file_name
from shared.mail.message import SUBJECT_LONGEST
from shared.scans.jobs import Job

REPEATED = N_("The mail service did not confirm an earlier attempt, so this scan may be in your mailbox twice.")


def compose(job: Job, recipients: tuple[str, ...] = (), cover: str = "") -> Message:
    """Return the mail for a job, in its language.

    Args:
        job: the job.
        recipients: of a printer's own mail; none: the person himself.
        cover: of a fax: text for its cover page.
    """
    language = texts.negotiate(job.manifest.locale)
    printer, place = clean(job.printer, 80), clean(job.location, 80)
    from_where = f"{printer} ({place})" if place else printer
    return Message(
        job=job.manifest.id,
        subject=clean(job.manifest.title, SUBJECT_LONGEST)
        or texts.say(N_("Scan from {printer}"), language, printer=printer),
        text=cover if job.manifest.kind == "fax" else _text(job, language, from_where),
        attachment_name=file_name(job.manifest.name, job.manifest.type, otherwise=texts.say(N_("scan"), language)),
        attachment_type=job.manifest.type,
        recipients=recipients,
    )


def _text(job: Job, language: str, from_where: str) -> str:
    if job.own:
        said = texts.say(N_("A scan from {printer} is attached."), language, printer=from_where)
        by = texts.say(N_("The printer sent it from its own mailbox, through To My Email."), language)
    else:
        said = texts.say(N_("Your scan from {printer} is attached."), language, printer=from_where)
        by = texts.say(N_("It was sent by yourself, from your own mailbox, through To My Email."), language)
    return "\n\n".join((said, by, *([texts.say(REPEATED, language)] if job.repeated else [])))
