"""MSAL, spoken to in one place and with its traps walked around.

One process-wide HTTP session (``session``); scopes in one canonical form (``token_response``); a time-out on every
call; MSAL's token cache is read by nobody but this room. Facts about MSAL 1.39 are from its source.
"""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from shared import faults
from shared.identity import errors
from shared.identity.client_assertion import ClientProof
from shared.identity.id_token import SigningKeys, canonical, prove
from shared.identity.session import WAIT, Session, speaking
from shared.identity.token_response import GRAPH, Redeemed, Token, claims_of, granted
from shared.outbound import CONNECT_SECONDS, READ_SECONDS

if TYPE_CHECKING:
    import msal

    from shared.identity.token_cache import TokenCache

ORGANIZATIONS = "organizations"
"""The authority of all work and school accounts (Microsoft, "Application configuration options")."""
TOKEN_MARGIN = 300.0
"""Seconds that a held access token must still be good for, before it is used for a send."""
CAPABILITIES = ["CP1"]
"""We answer claims challenges, and get longer lived access tokens for it (continuous access evaluation)."""


class Entra:
    """Entra ID, for one app registration.

    Args:
        authority_url: origin of the login service.
        client_id: of the app registration.
        proof: makes what the app proves itself with.
        clock: the time now.
    """

    def __init__(self, authority_url: str, client_id: str, proof: ClientProof, clock: Callable[[], datetime]) -> None:
        self.authority_url = authority_url
        self._client_id = client_id
        self._proof = proof
        self._clock = clock
        self._session = Session()
        self._discovered: dict[str, dict[str, Any]] = {}
        self._discovering = threading.Lock()
        self._keys = SigningKeys(authority_url, self._session.get, clock)

    def admin_consent_url(self, tenant: str, scopes: Sequence[str], redirect_uri: str, state: str) -> str:
        """Return the address at which an administrator consents for his organisation.

        Source: Microsoft, "Admin consent on the Microsoft identity platform". ``tenant`` is a GUID or
        ``organizations``. The scopes are listed, never ``.default`` (it grants whatever is registered).
        """
        query = urlencode(
            {
                "client_id": self._client_id,
                "scope": " ".join([*scopes, "openid", "profile", "offline_access"]),
                "redirect_uri": redirect_uri,
                "state": state,
            }
        )
        return f"{self.authority_url}/{tenant}/v2.0/adminconsent?{query}"

    def sign_out_url(self, tid: str, back: str, *, hint: str, state: str) -> str:
        """Return the address at which a browser's session with Microsoft ends.

        Source: Microsoft, "OpenID Connect on the Microsoft identity platform", "Send a sign-out request". With the
        ``login_hint`` of the ID token nobody is asked which account it is about. Microsoft does not document ``state``
        there, and MSAL.js sends it: whoever comes back without one must be understood, too.

        Args:
            tid: the tenant.
            back: where to go afterwards, as registered.
            hint: the ``login_hint`` claim; empty where none is known.
            state: what to bring back.
        """
        query = {"post_logout_redirect_uri": back, "state": state, **({"logout_hint": hint} if hint else {})}
        return f"{self.authority_url}/{tid}/oauth2/v2.0/logout?{urlencode(query)}"

    @staticmethod
    def fault_of(answer: Mapping[str, str]) -> faults.Fault:
        """Classify an error answer that came through the browser."""
        return errors.classify(answer)

    def begin(
        self,
        tid: str | None,
        scopes: Sequence[str],
        redirect_uri: str,
        state: str,
        *,
        prompt: str,
        login_hint: str | None,
        claims: str | None = None,
    ) -> dict[str, Any]:
        """Begin an authorization with code, PKCE and nonce; the answer comes by form_post.

        Without ``scopes`` it asks who somebody is and nothing else: no refresh token comes of it. Without ``tid``
        any work or school account may answer.

        Returns:
            MSAL's flow: ``auth_uri`` to send the browser to, and what :meth:`redeem` needs (secret).

        Raises:
            ResponseNotExpected: ``tid`` is no tenant's id (it may come from a callback's hint).
            Passing: Entra cannot be reached.
        """
        try:
            with speaking():
                app = self._app(canonical(tid) if tid is not None else ORGANIZATIONS, lasting=bool(scopes))
        except ValueError as error:
            raise faults.ResponseNotExpected("tenant") from error
        with speaking():
            flow: dict[str, Any] = app.initiate_auth_code_flow(
                list(scopes),
                redirect_uri,
                state=state,
                prompt=prompt,
                login_hint=login_hint,
                response_mode="form_post",
                claims_challenge=claims,
            )
        return flow

    def redeem(self, tid: str | None, flow: Mapping[str, Any], response: Mapping[str, str]) -> Redeemed:
        """Redeem the authorization response, and prove who answered.

        ``tid`` is what :meth:`begin` was told. Where that was None, the account's own tenant is proven.

        Raises:
            Fault: what Entra said, classified.
            ResponseNotExpected: state, nonce or the ID token is not right.
        """
        if "error" in response:
            raise errors.classify(response)
        cache = self._cache()
        with speaking():
            try:
                app = self._app(tid or ORGANIZATIONS, cache)
                answer = app.acquire_token_by_auth_code_flow(dict(flow), dict(response))
            except (ValueError, RuntimeError) as error:
                # MSAL: another state, or another nonce. It may hold tokens by now; the cache is dropped.
                raise faults.ResponseNotExpected("state or nonce") from error
        if "error" in answer:
            raise errors.classify(answer)
        account = prove(
            answer.get("id_token", ""),
            keys=self._keys,
            authority_url=self.authority_url,
            tid=tid,
            client_id=self._client_id,
            # MSAL sends the SHA-256 of the nonce it keeps.
            nonce=hashlib.sha256(str(flow["nonce"]).encode()).hexdigest(),
            now=self._clock(),
        )
        return Redeemed(account, granted(answer), cache.serialize(), answer["access_token"])

    def held_token(self, cache: str, scopes: Sequence[str], *, margin: float = TOKEN_MARGIN) -> str | None:
        """Return an access token that MSAL's cache holds for these scopes, or None. Asks nobody.

        Args:
            cache: MSAL's cache.
            scopes: full addresses.
            margin: seconds that it must still be good for.
        """
        return self._cache(cache).access_token(self._client_id, scopes, margin)

    def refresh(self, tid: str, cache: str, scopes: Sequence[str], claims: str | None = None) -> Token:
        """Fetch a new access token with the refresh token in MSAL's cache.

        Args:
            tid: the tenant that the tokens are of.
            cache: MSAL's cache.
            scopes: full addresses, of one resource.
            claims: a claims challenge to answer (JSON).

        Raises:
            SignInRequired: the cache holds nothing to refresh with.
            Fault: what Entra said, classified; ``claims`` in it is what a new sign-in must ask for.
        """
        held = self._cache(cache)
        with speaking():
            app = self._app(tid, held)
            [account, *_] = app.get_accounts() or [None]
            # Without an account MSAL would ask for the app's own token.
            answer = account and app.acquire_token_silent_with_error(
                list(scopes), account, force_refresh=True, claims_challenge=claims
            )
        if not answer:
            raise faults.SignInRequired("empty cache")
        if "error" in answer:
            fault = self._refused(answer)
            fault.claims = claims_of(answer) or claims
            raise fault
        return Token(answer["access_token"], held.serialize(), granted(answer))

    def ask_as_app(self, tid: str) -> None:
        """Let Entra look at the app's own proof, without anybody: ask for a token of the app itself, and drop it.

        The app has no permission of its own, so such a token opens nothing (Microsoft, "OAuth 2.0 client credentials
        flow"; ``.default`` is the one scope that flow takes).

        Raises:
            OwnCredentialRefused: the proof is not taken.
            ConsentWithdrawn: the tenant does not know the app; nothing is said of the proof.
            Fault: what else Entra said, classified.
        """
        with speaking():
            answer = self._app(tid).acquire_token_for_client([GRAPH + ".default"])
        if "error" in answer:
            raise errors.classify(answer)

    def time(self, tid: str) -> datetime:
        """Return what time it is at Entra, by the Date of an answer that needs no proof of anything.

        Raises:
            MicrosoftUnavailable: the answer says no time.
            Passing: Entra cannot be reached.
        """
        with speaking():
            answer = self._session.get(
                f"{self.authority_url}/{tid}/v2.0/.well-known/openid-configuration",
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            )
        try:
            return parsedate_to_datetime(answer.headers["Date"])
        except (KeyError, ValueError, TypeError):
            raise faults.MicrosoftUnavailable("login service, no Date", retry_after=WAIT) from None

    def _app(self, tid: str, cache: msal.TokenCache | None = None, *, lasting: bool = True) -> msal.ClientApplication:
        if tid in self._discovered:
            return self._built(tid, cache, lasting)
        # Who waits here may hold a lease on a person's tokens: no longer than a discovery takes.
        if not self._discovering.acquire(timeout=CONNECT_SECONDS + READ_SECONDS):
            raise faults.NoConnection("metadata", retry_after=WAIT)
        try:
            return self._built(tid, cache, lasting)
        finally:
            self._discovering.release()

    def _built(self, tid: str, cache: msal.TokenCache | None, lasting: bool) -> msal.ClientApplication:
        # MSAL asks for the metadata whenever an app is made, unless its http_cache knows them. That cache
        # also repeats an error for a minute after it is mended, and no lock guards it where apps share it:
        # so every app gets a copy that knows the metadata alone.
        known = copy.deepcopy(self._discovered.get(tid, {}))
        app = self._made(f"{self.authority_url}/{tid}", cache, known, None if lasting else ["offline_access"])
        self._discovered[tid] = copy.deepcopy(known)
        return app

    def _made(
        self, authority: str, cache: msal.TokenCache | None, known: dict[str, Any], excluded: list[str] | None
    ) -> msal.ClientApplication:
        """Make MSAL's app: a confidential one; a public client makes another."""
        import msal

        return msal.ConfidentialClientApplication(
            self._client_id,
            client_credential={"client_assertion": self._proof},
            authority=authority,
            instance_discovery=False,
            token_cache=cache,
            http_client=self._session,
            http_cache=known,
            client_capabilities=CAPABILITIES,
            exclude_scopes=excluded,
        )

    def _refused(self, answer: Mapping[str, Any]) -> faults.Fault:
        """Return what a refused refresh means."""
        return errors.classify(answer)

    def _cache(self, serialized: str = "") -> TokenCache:
        from shared.identity.token_cache import TokenCache

        return TokenCache(self._clock, serialized)
