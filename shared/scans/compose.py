"""The mail for a job: what it says, in the job's language."""

from __future__ import annotations

from shared import texts
from shared.faults import N_
from shared.mail import Message, clean, file_name
from shared.mail.message import SUBJECT_LONGEST
from shared.scans.jobs import Job

REPEATED = N_("The mail service did not confirm an earlier attempt, so this scan may be in your mailbox twice.")


def compose(job: Job) -> Message:
    """Return the mail for a job, in its language."""
    language = texts.negotiate(job.manifest.locale)
    printer, place = clean(job.printer, 80), clean(job.location, 80)
    from_where = f"{printer} ({place})" if place else printer
    return Message(
        job=job.manifest.id,
        subject=clean(job.manifest.title, SUBJECT_LONGEST)
        or texts.say(N_("Scan from {printer}"), language, printer=printer),
        text="\n\n".join(
            (
                texts.say(N_("Your scan from {printer} is attached."), language, printer=from_where),
                texts.say(N_("It was sent by yourself, from your own mailbox, through To My Email."), language),
                *([texts.say(REPEATED, language)] if job.repeated else []),
            )
        ),
        attachment_name=file_name(job.manifest.name, job.manifest.type, otherwise=texts.say(N_("scan"), language)),
        attachment_type=job.manifest.type,
    )
