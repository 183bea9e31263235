"""What a person sees between ``authorize`` (or ``adminconsent``) and the way back to the app.

An :class:`Interaction` is advanced after every click::

    choose an account -> may it sign in here? -> consent, if something is missing -> back to the app
         (sign-in page        (refused page)         (consent page, or "need admin approval")
          or picker)

Names on the pages that tests and scripts may rely on: sign-in page ``username``, ``password``, button
``#sign-in``, buttons ``#account-contoso-adele``; picker ``#pick-contoso-adele``, ``#other-account``;
consent ``organization`` (checkbox), ``#accept``, ``#cancel``; refused page ``#other-account``, ``#return``.
"""

import hashlib
import secrets

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .cloud import Cloud
from .directory import GLOBAL_ADMINISTRATOR, Account
from .interaction import Interaction, chosen, missing_permissions, require_consent_allowed
from .pages import error_page, from_our_page, page, send_back
from .permissions import CATALOGUE, GRAPH, written
from .records import Code
from .refusals import Refusal
from .tokens import home_of

COOKIE = "EMULATEDAUTH"
_UNDER_WAY = 10_000
BLOCKED = 53003


class SignIn:
    """The interactions that are under way, and their pages."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._interactions: dict[str, Interaction] = {}
        self.routes = [
            Route("/-/sign-in", self._sign_in, methods=["POST"]),
            Route("/-/pick", self._pick, methods=["POST"]),
            Route("/-/consent", self._consent, methods=["POST"]),
            Route("/-/return", self._return, methods=["POST"]),
        ]

    def begin(self, interaction: Interaction, session: str | None) -> Response:
        """Show the first page, or answer the app at once if there is nothing to ask."""
        self._interactions[interaction.id] = interaction
        if len(self._interactions) > _UNDER_WAY:
            # Somebody closed his browser long ago: the oldest goes.
            self._interactions.pop(next(iter(self._interactions)))
        return self._advance(interaction, session)

    def refuse(self, interaction: Interaction, refusal: Refusal) -> Response:
        """Send an error back to the app and end the interaction."""
        self._interactions.pop(interaction.id, None)
        if interaction.device_code is not None:
            if interaction.refusal is None:
                self._cloud.device_codes.answer(interaction.device_code, refusal=refusal.number)
            return page("device_done.html", name=interaction.application.name, signed_in=False)
        parameters = refusal.as_redirect(self._cloud.clock(), interaction.correlation_id, interaction.base)
        if interaction.for_organization:
            # Seen on errors too, then without a tenant.
            parameters["admin_consent"] = "True"
        if interaction.state is not None:
            parameters["state"] = interaction.state
        return send_back(interaction.redirect_uri, interaction.response_mode, parameters)

    # What happens next

    def _advance(self, interaction: Interaction, session: str | None) -> Response:
        if interaction.account is None:
            try:
                interaction.account = chosen(self._cloud, interaction, session)
            except Refusal as refusal:
                return self.refuse(interaction, refusal)
            if interaction.account is None:
                return self._choice(interaction, session)
        home = self._cloud.account(interaction.account)
        try:
            account = self._cloud.signed_in_as(home, interaction.authority, interaction.application)
            if interaction.device_code is not None:
                self._cloud.require_device_code_allowed(account)
            missing = missing_permissions(self._cloud, interaction, account)
            if missing and interaction.prompt == "none":
                # The one refusal of a silent request that is not interaction_required.
                return self.refuse(interaction, Refusal(65001, error="consent_required"))
            require_consent_allowed(self._cloud, interaction, account, missing)
        except Refusal as refusal:
            return self._refused(interaction, refusal, home)
        if missing:
            return self._ask_consent(interaction, account, missing)
        return self._finish(interaction, account, session)

    def _finish(self, interaction: Interaction, account: Account, session: str | None) -> Response:
        self._interactions.pop(interaction.id, None)
        if interaction.device_code is not None:
            self._cloud.device_codes.answer(interaction.device_code, account=home_of(self._cloud, account).key)
            return page("device_done.html", name=interaction.application.name, signed_in=True)
        if interaction.for_organization:
            parameters = {
                "admin_consent": "True",
                "tenant": account.tid,
                "scope": written(interaction.scopes.names, GRAPH),
            }
        else:
            sid = hashlib.sha256((session or "").encode()).hexdigest()[:32]
            code = Code(
                value=f"1.A{secrets.token_urlsafe(500)}",
                client_id=interaction.application.client_id,
                account=home_of(self._cloud, account).key,
                authority=interaction.authority,
                redirect_uri=interaction.redirect_uri,
                scope=interaction.scope,
                nonce=interaction.nonce,
                challenge=interaction.challenge,
                challenge_method=interaction.challenge_method,
                issued=self._cloud.clock(),
                session=sid,
                authenticated=self._cloud.authenticated(session, home_of(self._cloud, account)),
            )
            self._cloud.keep_code(code)
            parameters = {"code": code.value, "session_state": sid}
        if interaction.state is not None:
            parameters["state"] = interaction.state
        return send_back(interaction.redirect_uri, interaction.response_mode, parameters)

    # Pages

    def _choice(self, interaction: Interaction, session: str | None) -> Response:
        signed_in = self._cloud.session(session)
        if signed_in and interaction.prompt != "login" and not interaction.login_hint:
            return page("pick.html", flow=interaction, accounts=signed_in)
        return self._sign_in_page(interaction)

    def _sign_in_page(
        self, interaction: Interaction, problem: str = "", username: str = "", status: int = 200
    ) -> Response:
        with self._cloud.lock:
            tenants = sorted(self._cloud.state.tenants.values(), key=lambda each: each.tid != interaction.authority.tid)
            groups = [
                (
                    tenant,
                    [
                        account
                        for account in self._cloud.state.accounts.values()
                        if account.tid == tenant.tid and not account.home and not account.deleted
                    ],
                )
                for tenant in tenants
            ]
        username = username or interaction.login_hint
        return page("sign_in.html", status, flow=interaction, groups=groups, problem=problem, username=username)

    def _ask_consent(self, interaction: Interaction, account: Account, names: frozenset[str]) -> Response:
        return page(
            "consent.html",
            flow=interaction,
            account=account,
            tenant=self._cloud.tenant(account.tid),
            permissions=[permission for name, permission in CATALOGUE.items() if name in names],
            # The checkbox only shows for a Global Administrator, and not ticked
            # (https://learn.microsoft.com/entra/identity-platform/application-consent-experience).
            offer_organization=GLOBAL_ADMINISTRATOR in account.roles and not interaction.for_organization,
        )

    def _refused(self, interaction: Interaction, refusal: Refusal, home: Account) -> Response:
        if interaction.prompt == "none":
            return self.refuse(interaction, Refusal(refusal.number, refusal.detail, error="interaction_required"))
        interaction.refusal = refusal
        if interaction.device_code is not None and refusal.number == BLOCKED:
            # The device hears of it; another account would not help it.
            self._cloud.device_codes.answer(interaction.device_code, refusal=refusal.number)
        return page("refused.html", flow=interaction, refusal=refusal, account=home)

    # Clicks

    async def _sign_in(self, request: Request) -> Response:
        found = await self._opened(request)
        if isinstance(found, Response):
            return found
        interaction, form = found
        session = request.cookies.get(COOKIE)
        try:
            account = self._cloud.account(form.get("account") or form.get("username", "").strip())
        except LookupError:
            typed = form.get("username", "")
            problem = "This username may be incorrect. Make sure that you typed it correctly."
            return self._sign_in_page(interaction, problem, typed)
        if "account" not in form and not form.get("password"):
            return self._sign_in_page(interaction, "Please enter a password: any will do.", form.get("username", ""))
        interaction.account = account.key
        if not account.disabled and not account.deleted:
            session = self._cloud.sign_in(session, account)
        response = self._advance(interaction, session)
        if session:
            # As Entra's own: also sent where another site posts here.
            response.set_cookie(COOKIE, session, secure=True, httponly=True, samesite="none")
        return response

    async def _pick(self, request: Request) -> Response:
        found = await self._opened(request)
        if isinstance(found, Response):
            return found
        interaction, form = found
        session = request.cookies.get(COOKIE)
        interaction.account, interaction.refusal = None, None
        if not form.get("account"):
            interaction.login_hint = ""
            return self._sign_in_page(interaction)
        if form["account"] not in [account.key for account in self._cloud.session(session)]:
            return self._sign_in_page(interaction, "You have been signed out. Please sign in again.")
        interaction.account = form["account"]
        return self._advance(interaction, session)

    async def _consent(self, request: Request) -> Response:
        found = await self._opened(request)
        if isinstance(found, Response):
            return found
        interaction, form = found
        session = request.cookies.get(COOKIE)
        signed_in = [account.key for account in self._cloud.session(session)]
        if interaction.account not in signed_in:
            return self._sign_in_page(interaction, "You have been signed out. Please sign in again.")
        if form.get("decision") != "accept":
            return self.refuse(interaction, Refusal(65004))
        home = self._cloud.account(interaction.account or "")
        try:
            account = self._cloud.signed_in_as(home, interaction.authority, interaction.application)
            require_consent_allowed(
                self._cloud, interaction, account, missing_permissions(self._cloud, interaction, account)
            )
        except Refusal as refusal:
            return self._refused(interaction, refusal, home)
        everybody = interaction.for_organization or ("organization" in form and GLOBAL_ADMINISTRATOR in account.roles)
        self._cloud.grant(
            account.tid,
            interaction.application.client_id,
            interaction.scopes.names,
            None if everybody else account.oid,
        )
        interaction.accepted = True
        return self._advance(interaction, session)

    async def _return(self, request: Request) -> Response:
        found = await self._opened(request)
        if isinstance(found, Response):
            return found
        interaction, _ = found
        refusal = interaction.refusal or Refusal(65004)
        return self.refuse(interaction, Refusal(refusal.number, refusal.detail, error="access_denied"))

    async def _opened(self, request: Request) -> tuple[Interaction, dict[str, str]] | Response:
        """Find the interaction a form belongs to, or answer a page saying that it is over."""
        async with request.form() as submitted:
            form = {name: value for name, value in submitted.items() if isinstance(value, str)}
        interaction = self._interactions.get(form.get("flow", ""))
        if interaction is None or not from_our_page(request):
            return error_page(request, Refusal(50089, "This sign-in is over. Go back to the application."))
        return interaction, form
