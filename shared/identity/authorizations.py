r"""Authorizations under way: one row per ``state``, answered once, finished once, in one browser.

::

    begun --form_post with this state--> answered --same browser--> finished
      \______________________________________\______________> (expires after ten minutes)

The answer comes as a cross-site POST that carries no cookie (``SameSite=Lax``). It is therefore only
sealed under its state; the browser is then sent to our own page, which sees the cookie (threats B04,
B05, C09). The row is keyed by the hash of the state, and that hash may stand in an address: it is of
no use without the cookie.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import faults
from shared.storage import Gone, Row, Table, Value, key
from shared.vault import SealBroken

if TYPE_CHECKING:
    from shared.identity.entra import Entra
    from shared.identity.token_response import Redeemed
    from shared.vault import Sealer

MINUTES = 10
ROW = "authorization"
_KEPT = ("code", "state", "error", "error_description")
_LONGEST_VALUE = 8192


@dataclass(frozen=True)
class Finished:
    """An authorization whose browser has come back: what it was for, and what Entra answered."""

    purpose: str
    subject: str
    tid: str
    refused: bool
    """Whether the browser brought an error instead of a code. Nobody signs that: anybody can make it up."""
    redeem: Callable[[], Redeemed]
    """Redeems the code. Raises what :meth:`shared.identity.entra.Entra.redeem` raises."""


class Authorizations:
    """The authorizations under way, in the table ``authorizations``.

    Args:
        table: the table ``authorizations``.
        sealer: seals what must not be read from the table (code verifier, nonce, code).
        entra: builds the addresses and redeems.
        redirect_uri: of the sign-in, as registered.
        clock: the time now.
        secret: makes an unguessable text.
    """

    def __init__(
        self,
        table: Table,
        sealer: Sealer,
        entra: Entra,
        redirect_uri: str,
        clock: Callable[[], datetime],
        secret: Callable[[], str],
    ) -> None:
        self._table = table
        self._sealer = sealer
        self._entra = entra
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._secret = secret

    def begin(
        self,
        purpose: str,
        subject: str,
        *,
        tid: str | None,
        scopes: Sequence[str],
        browser: str,
        prompt: str = "select_account",
        login_hint: str | None = None,
        claims: str | None = None,
        owner: str = "",
    ) -> str:
        """Begin an authorization for one browser and return Entra's address.

        Args:
            purpose: what a finished authorization is handed to.
            subject: the id of the thing it is for.
            tid: the tenant whose accounts may answer; None lets any work or school account answer.
            scopes: full addresses, of one resource.
            browser: the secret in this browser's cookie.
            prompt: OpenID Connect's prompt.
            login_hint: the account, where it is already known to Microsoft's own pages.
            claims: a claims challenge that the sign-in must answer (JSON).
            owner: the tenant whose key seals it. Empty while the tenant is a hint that nobody has proven: it must
                not choose a key, nor have one made.
        """
        state = self._secret()
        flow = self._entra.begin(
            tid, scopes, self._redirect_uri, state, prompt=prompt, login_hint=login_hint, claims=claims
        )
        handle = _hash(state)
        sealed = self._seal(owner, flow, handle, "flow")
        self._insert(handle, purpose, subject, browser, {"tid": tid or "", "owner": owner, "flow": sealed})
        return str(flow["auth_uri"])

    def expect(self, purpose: str, subject: str, *, browser: str) -> str:
        """Expect an answer that carries no code (admin consent) and return its ``state``."""
        state = self._secret()
        self._insert(_hash(state), purpose, subject, browser, {"owner": ""})
        return state

    def answered(self, form: Mapping[str, str]) -> str:
        """Seal an authorization response under its state and return the handle to finish it with.

        Raises:
            ResponseNotExpected: the state is unknown, used, too old, or expects no code.
        """
        kept = {name: form[name] for name in _KEPT if name in form}
        if any(len(value) > _LONGEST_VALUE for value in kept.values()):
            raise faults.ResponseNotExpected("too long")
        handle = _hash(kept.get("state", ""))

        def take(row: Row) -> Mapping[str, Value | None]:
            self._still_open(row, "begun")
            if "flow" not in row.values:
                raise faults.ResponseNotExpected("another purpose")
            return {"status": "answered", "response": self._seal(row["owner"], kept, handle, "response")}

        self._change(handle, take)
        return handle

    def finish(self, handle: str, *, browser: str | None) -> Finished:
        """Take an answered authorization, once, in the browser that began it.

        Raises:
            OtherBrowser: this browser's cookie is another one, or missing.
            ResponseNotExpected: unknown, not answered, already finished, too old, or tampered with.
        """
        row = self._use(handle, "answered", browser)
        flow = self._open(row, "flow", handle)
        response = self._open(row, "response", handle)
        tid = str(row["tid"])
        return Finished(
            row["purpose"],
            row["subject"],
            tid,
            "error" in response,
            lambda: self._entra.redeem(tid or None, flow, response),
        )

    def take(self, state: str, *, purpose: str, browser: str | None) -> str:
        """Take an expected answer (see :meth:`expect`), once, and return its subject.

        Raises:
            OtherBrowser: this browser's cookie is another one, or missing.
            ResponseNotExpected: unknown, used, too old, or for another purpose.
        """
        row = self._use(_hash(state), "begun", browser)
        if row["purpose"] != purpose:
            raise faults.ResponseNotExpected("another purpose")
        return str(row["subject"])

    def _use(self, handle: str, status: str, browser: str | None) -> Row:
        """Use a row up, and return it as it was: code and verifier do not stay behind."""
        was: list[Row] = []

        def use(row: Row) -> Mapping[str, Value | None]:
            self._still_open(row, status)
            if browser is None or not hmac.compare_digest(_hash(browser), row["browser"]):
                raise faults.OtherBrowser
            was.append(row)
            return {"status": "used", "flow": None, "response": None}

        self._change(handle, use)
        return was[-1]

    def _still_open(self, row: Row, status: str) -> None:
        if row["status"] != status or self._clock() >= row["expires"]:
            raise faults.ResponseNotExpected("used or too old")

    def _change(self, handle: str, decide: Callable[[Row], Mapping[str, Value | None]]) -> Row:
        try:
            return self._table.change(key(handle), ROW, decide)
        except (Gone, ValueError) as error:
            raise faults.ResponseNotExpected("unknown state") from error

    def _insert(self, handle: str, purpose: str, subject: str, browser: str, values: Mapping[str, Value]) -> None:
        self._table.insert(
            key(handle),
            ROW,
            {
                "status": "begun",
                "purpose": purpose,
                "subject": subject,
                "browser": _hash(browser),
                "expires": self._clock() + timedelta(minutes=MINUTES),
                **values,
            },
        )

    def _seal(self, owner: str, value: Mapping[str, Any], handle: str, column: str) -> bytes:
        return self._sealer.seal(owner, json.dumps(value).encode(), "authorizations", handle, ROW, column)

    def _open(self, row: Row, column: str, handle: str) -> dict[str, Any]:
        try:
            sealed = self._sealer.open(row["owner"], row[column], "authorizations", handle, ROW, column)
        except SealBroken as error:
            raise faults.ResponseNotExpected("seal broken") from error
        opened: dict[str, Any] = json.loads(sealed)
        return opened


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
