"""What an organisation decides for itself, with the values it has until somebody decides otherwise."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from shared.organisations.templates import TemplateInvalid, check, fill

MEGABYTE = 1_000_000
LONGEST_HOLD = 72
"""Hours: over a weekend."""
LARGEST_DOCUMENT = 150 * MEGABYTE
"""What Exchange Online allows at most (Microsoft, "Exchange Online limits", message size)."""
SUBJECT_LONGEST, TEXT_LONGEST = 200, 4000
"""Characters of a template."""
MOST_DOMAINS = 100
_LABELS = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABELS}")
# The number stands before the @, or it would choose whose server gets the fax.
_FAX_ADDRESS = re.compile(rf"[A-Za-z0-9._+-]{{0,20}}\{{number\}}[A-Za-z0-9._+-]{{0,20}}@(?=.{{1,180}}\Z){_LABELS}")
_COUNTRY = re.compile(r"\+[1-9][0-9]{0,2}")
Outcome = Literal["leave", "send_again"]


class PolicyInvalid(Exception):
    """A policy cannot be used. ``problems`` has one line for each field, by its name and without its value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Policy:
    """One organisation's decisions. Every field has a default, so that a new one needs no new rows."""

    hold_hours: int = 24
    """How long a scan waits in private storage for its person to sign in (at most 72); 0: it is refused instead."""
    unknown_outcome: Outcome = "leave"
    """What becomes of a scan that was handed over without an answer, where the mailbox cannot be asked."""
    largest_document: int = 25 * MEGABYTE
    """Bytes of the largest document in the ranges send-large and send-verified: what the organisation's Exchange takes.

    Its default of 35 MB for a mail leaves some 25 MB for the document in it."""
    failure_notices: bool = True
    """Whether a person gets a mail when a scan of his failed for good."""
    panel_browser: bool = False
    """Whether people may sign in for the first time in a panel's own browser, which the next person uses, too."""
    subject: str = ""
    """Template of the subject, with {title}, {printer}, {location}, {date}; empty: the title or the printer's name."""
    text: str = ""
    """Template of the mail's text, with the same placeholders; empty: ours, in the person's language."""
    allowed_domains: tuple[str, ...] = ()
    """Domains to which printers may send mail of their own, beside that of the printer's own work mailbox."""
    fax_address: str = ""
    """Template of the fax provider's address with one {number} before the @ (digits, without +); empty: no fax."""
    fax_country: str = ""
    """Dial rule: a number that begins with 0 belongs to this country, such as +375; empty: only + is taken."""
    fax_cover: str = ""
    """Text of the mail to the fax provider, which prints it as cover page; empty: none."""

    def written(self) -> str:
        """Return the policy as it lies in the organisation's row."""
        return json.dumps(asdict(self))

    def for_mailbox(self, largest: int | None) -> Policy:
        """Return the policy for one mailbox that takes documents up to ``largest`` bytes; None: it is not known."""
        return self if largest is None else replace(self, largest_document=min(self.largest_document, largest))

    def subject_with(self, values: Mapping[str, str]) -> str:
        """Return the subject that the organisation wrote, with a text for each placeholder; empty: it wrote none."""
        return fill(self.subject, values)

    def text_with(self, values: Mapping[str, str]) -> str:
        """Return the mail's text that the organisation wrote, as :meth:`subject_with`."""
        return fill(self.text, values)

    def require_valid(self) -> None:
        """Let a policy be written down.

        Raises:
            PolicyInvalid: names every field that is wrong.
        """
        if problems := list(_problems(self)):
            raise PolicyInvalid(problems)


def read_policy(written: str) -> Policy:
    """Return a policy from its row; what the row does not say, or says of fields that are gone, is the default."""
    told: Mapping[str, Any] = json.loads(written) if written else {}
    known = {field.name for field in fields(Policy)}
    values: dict[str, Any] = {
        # JSON has no tuples.
        name: tuple(value) if isinstance(value, list) else value
        for name, value in told.items()
        if name in known
    }
    return Policy(**values)


def _problems(policy: Policy) -> Iterator[str]:
    if not _whole(policy.hold_hours, 0, LONGEST_HOLD):
        yield f"hold_hours must be a whole number from 0 to {LONGEST_HOLD}"
    if policy.unknown_outcome not in get_args(Outcome):
        yield f"unknown_outcome must be {' or '.join(get_args(Outcome))}"
    if not _whole(policy.largest_document, 1, LARGEST_DOCUMENT):
        yield f"largest_document must be a whole number of bytes from 1 to {LARGEST_DOCUMENT}"
    if not isinstance(policy.failure_notices, bool):
        yield "failure_notices must be true or false"
    if not isinstance(policy.panel_browser, bool):
        yield "panel_browser must be true or false"
    yield from _template_problems("subject", policy.subject, SUBJECT_LONGEST, lines=False)
    yield from _template_problems("text", policy.text, TEXT_LONGEST, lines=True)
    yield from _own_mail_problems(policy)


def _own_mail_problems(policy: Policy) -> Iterator[str]:
    domains = policy.allowed_domains
    if not isinstance(domains, tuple) or len(domains) > MOST_DOMAINS or not all(map(_is_domain, domains)):
        yield f"allowed_domains must be at most {MOST_DOMAINS} domains, such as example.com"
    if policy.fax_address and not _FAX_ADDRESS.fullmatch(policy.fax_address):
        yield "fax_address must be an address with one {number} before the @, such as {number}@fax.example.com"
    if policy.fax_country and not _COUNTRY.fullmatch(policy.fax_country):
        yield "fax_country must be a country's code, such as +375"
    if not isinstance(policy.fax_cover, str) or len(policy.fax_cover) > TEXT_LONGEST:
        yield f"fax_cover must be a text of at most {TEXT_LONGEST} characters"


def _is_domain(domain: object) -> bool:
    return isinstance(domain, str) and _DOMAIN.fullmatch(domain) is not None


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _template_problems(name: str, template: object, longest: int, *, lines: bool) -> Iterator[str]:
    if not isinstance(template, str):
        yield f"{name} must be a text"
        return
    if len(template) > longest:
        yield f"{name} must have at most {longest} characters"
    controls = {one for one in template if unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"}}
    if controls - ({"\n"} if lines else set()):
        yield f"{name} must be {'text without control characters' if lines else 'one line'}"
    try:
        check(template)
    except TemplateInvalid as error:
        yield f"{name}: {error}"
