"""The mail for a job: what it says, in the job's language, or in the organisation's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import texts
from shared.faults import N_
from shared.mail import Message, clean, file_name
from shared.mail.message import SUBJECT_LONGEST
from shared.scans.job import Job

if TYPE_CHECKING:
    from shared.organisations import Policy
REPEATED = N_("The mail service did not confirm an earlier attempt, so this scan may be in your mailbox twice.")


LINE_LONGEST = 1000
"""Characters of one line of the organisation's own text, with what was put into it."""


def compose(job: Job, policy: Policy, recipients: tuple[str, ...] = ()) -> Message:
    """Return the mail for a job, in its language.

    Args:
        job: the job.
        policy: the organisation's own words, and the cover page of its faxes.
        recipients: of a printer's own mail; none: the person himself.
    """
    language = texts.negotiate(job.manifest.locale)
    printer, place = clean(job.printer, 80), clean(job.location, 80)
    from_where = f"{printer} ({place})" if place else printer
    title = clean(job.manifest.title, SUBJECT_LONGEST)
    values = {"title": title, "printer": printer, "location": place, "date": texts.day(job.created, language)}
    # What a printer or a person wrote is in the values: cleaned again together with the words around them.
    lines = [clean(line, LINE_LONGEST) for line in policy.text_with(values).split("\n")]
    return Message(
        job=job.manifest.id,
        subject=clean(policy.subject_with(values), SUBJECT_LONGEST)
        or title
        or texts.say(N_("Scan from {printer}"), language, printer=printer),
        # A fax provider prints the text as cover page.
        text=policy.fax_cover
        if job.manifest.kind == "fax"
        else "\n".join(lines).strip() or _text(job, language, from_where),
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
