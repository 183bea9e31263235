"""Faults on the wire, and the journal of requests.

An ASGI layer in front of everything. A fault is taken for a request by where it goes and, if the rule
says so, whose account or tenant it is for. Kinds, and what has happened at Microsoft when the client
hears of it:

==================================  =====================================================  =========
kind                                the client sees                                        applied
==================================  =====================================================  =========
throttled                           429, Retry-After as given                              no
server_error, unavailable,          500, 503, 504                                          no
gateway_timeout
server_error_after_applying,        the same                                               yes
unavailable_after_applying,
gateway_timeout_after_applying
ok_without_applying                 200, empty: seen from sendMail, nothing was sent       no
slow                                the answer, ``seconds`` late; gone earlier: no         if waited
slow_after_applying                 the answer, ``seconds`` late                           yes
reset                               connection reset, the body unread                      no
reset_after_applying                connection reset instead of the answer                 yes
garbled_after_applying              the answer's body with a brace too much: not JSON      yes
other_time                          the answer, with a Date that is ``seconds`` ahead      yes
oauth                               an error of Entra by ``number`` (error, suberror,      no
                                    claims), at token, authorize, adminconsent or devicecode
graph                               an error of Graph by ``status``, ``code``, ``message``;  no
                                    with ``claims`` a 401 claims challenge
==================================  =====================================================  =========

At the steps of an SMTP dialogue (``smtp_connect`` to ``smtp_quit``, see :mod:`.smtp`):

==================================  =====================================================  =========
reply                               the reply in ``message`` (``smtp_replies`` has          no
                                    Exchange's)
missing                             EHLO with AUTH instead of STARTTLS (at smtp_ehlo), or    no
                                    without AUTH (at smtp_ehlo_tls)
wrong_host                          the certificate of another host (at smtp_starttls)      no
cut, cut_after_applying             the connection aborted instead of the reply;            no, yes
                                    at smtp_body: in the midst of the message
silence, silence_after_applying     nothing, until the client goes                          no, yes
drip                                a reply that comes byte by byte and never ends          no
==================================  =====================================================  =========

The first four kinds, slow and reset also fit ``key`` and ``unwrapkey`` (Key Vault) and ``managed_identity``.
"""

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from datetime import datetime
from threading import RLock
from typing import Any
from uuid import uuid4

from .cloud import Cloud
from .key_vault import KEY_PATH

# Outlook's limit of requests under way at a time for one app and mailbox
# (https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits).
MAILBOX_CONCURRENCY = 4
_JOURNAL_LENGTH = 2000
MAILBOX_PLACES = frozenset({"sendMail", "messages", "attachments", "createUploadSession", "send"})
"""Endpoints whose requests count towards that limit."""

ENDPOINTS = {
    "/v2.0/.well-known/openid-configuration": "discovery",
    "/discovery/v2.0/keys": "jwks",
    "/oauth2/v2.0/authorize": "authorize",
    "/oauth2/v2.0/token": "token",
    "/oauth2/v2.0/devicecode": "devicecode",
    "/adminconsent": "adminconsent",
    "/v1.0/me": "me",
    "/v1.0/me/sendMail": "sendMail",
    "/v1.0/me/mailFolders/drafts": "mailFolders",
    "/v1.0/me/messages": "messages",
    "/attachments": "attachments",
    "/createUploadSession": "createUploadSession",
    "/send": "send",
    "/-/uploads": "upload",
    KEY_PATH: "key",
    "/unwrapkey": "unwrapkey",
    "/msi/token": "managed_identity",
}
SMTP_PLACES = (
    "smtp_connect",
    "smtp_ehlo",
    "smtp_starttls",
    "smtp_ehlo_tls",
    "smtp_auth",
    "smtp_mail",
    "smtp_rcpt",
    "smtp_data",
    "smtp_body",
    "smtp_dot",
    "smtp_quit",
)
"""The steps of a dialogue, in their order. ``smtp_body`` is the message, ``smtp_dot`` its end."""
STATUS = {"throttled": 429, "server_error": 500, "unavailable": 503, "gateway_timeout": 504}
AFTER = "_after_applying"
KINDS = (
    *STATUS,
    *(kind + AFTER for kind in STATUS if kind != "throttled"),
    "ok_without_applying",
    "slow",
    "slow" + AFTER,
    "reset",
    "reset" + AFTER,
    "garbled" + AFTER,
    "other_time",
    "oauth",
    "graph",
)
SMTP_KINDS = ("reply", "missing", "wrong_host", "cut", "cut" + AFTER, "silence", "silence" + AFTER, "drip")
PLACES = (*ENDPOINTS.values(), *SMTP_PLACES)


@dataclass
class Fault:
    """A rule. ``times`` None means until it is removed; ``account`` and ``tenant`` None mean anybody's.

    ``where`` is the name of an endpoint, or of a step of an SMTP dialogue; ``retry_after`` is sent
    as it is: seconds or an HTTP date.
    """

    where: str
    kind: str
    times: int | None = 1
    account: str | None = None
    tenant: str | None = None
    retry_after: str | None = None
    seconds: float = 0.0
    number: int = 70000
    error: str = ""
    suberror: str | None = None
    claims: str | None = None
    status: int = 500
    code: str = "generalException"
    message: str = "An error was switched on."
    taken: int = 0
    id: str = field(default_factory=lambda: uuid4().hex[:8])


@dataclass
class Entry:
    """A request, or a step of an SMTP dialogue, in the journal, without any secret.

    ``status`` is 0 while or where no answer was given, and for SMTP.

    ``claims`` is what an authorize or token request asked to be in its tokens, as JSON.
    """

    time: datetime
    method: str
    path: str
    where: str
    account: str | None
    fault: str | None
    status: int = 0
    claims: str | None = None


class Switchboard:
    """The rules that are on, and what has been asked of the cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = RLock()
        self._faults: list[Fault] = []
        self._journal: deque[Entry] = deque(maxlen=_JOURNAL_LENGTH)
        self._sending: Counter[str] = Counter()
        self._peak: Counter[str] = Counter()

    def add(self, where: str, kind: str, **settings: Any) -> Fault:
        """Switch a fault on and answer it; the settings are the fields of :class:`Fault`.

        Raises:
            ValueError: an unknown place, kind or setting. LookupError: an unknown account or tenant.
        """
        if kind not in (SMTP_KINDS if where in SMTP_PLACES else KINDS) or where not in PLACES:
            raise ValueError(f"no fault of kind {kind!r} at {where!r}")
        if kind == "oauth" and where not in ("token", "authorize", "adminconsent", "devicecode"):
            raise ValueError("an OAuth error can only come from token, authorize, adminconsent or devicecode")
        try:
            fault = Fault(where, kind, **settings)
        except TypeError as error:
            raise ValueError("unknown setting of a fault") from error
        if fault.account is not None:
            fault.account = self._cloud.account(fault.account, fault.tenant).key
            fault.tenant = None
        if fault.tenant is not None:
            fault.tenant = self._cloud.tenant(fault.tenant).tid
        with self._lock:
            self._faults.append(fault)
        return fault

    def faults(self) -> list[dict[str, Any]]:
        """Answer the rules that are still on, as JSON."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def remove(self, fault_id: str | None = None) -> None:
        """Switch off one fault, or all."""
        with self._lock:
            self._faults = [fault for fault in self._faults if fault_id not in (None, fault.id)]

    def journal(self) -> list[Entry]:
        """Answer the latest requests, the newest last."""
        with self._lock:
            return list(self._journal)

    def count(self, where: str, account: str | None = None) -> int:
        """Count the requests to an endpoint, those for one account (key) if it is given."""
        return sum(entry.where == where and account in (None, entry.account) for entry in self.journal())

    def peak(self, account: str) -> int:
        """Answer how many requests to an account's mailbox were under way at once, at most."""
        with self._lock:
            return self._peak[account]

    def forget(self) -> None:
        """Empty the journal and its counters."""
        with self._lock:
            self._journal.clear()
            self._peak.clear()

    def take(self, where: str, account: str | None, tid: str | None) -> Fault | None:
        """Use up one turn of the first rule that fits a request; None if none does."""
        with self._lock:
            for fault in self._faults:
                fits = fault.account in (None, account) and fault.tenant in (None, tid)
                if fault.where == where and fits:
                    fault.taken += 1
                    if fault.times is not None and fault.taken >= fault.times:
                        self._faults.remove(fault)
                    return fault
        return None

    def enter(self, account: str | None) -> bool:
        """Note that a request to a mailbox is under way; False if the mailbox has too many under way."""
        with self._lock:
            key = account or ""
            self._sending[key] += 1
            self._peak[key] = max(self._peak[key], self._sending[key])
            return self._sending[key] <= MAILBOX_CONCURRENCY

    def leave(self, account: str | None) -> None:
        """Note that a request to a mailbox is over."""
        with self._lock:
            self._sending[account or ""] -= 1

    def note(self, entry: Entry) -> None:
        """Write a request into the journal."""
        with self._lock:
            self._journal.append(entry)
