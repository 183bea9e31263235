"""The state of the emulated cloud, behind one lock, and everything that changes it.

Request handlers run on one event loop, tests and switches call from other threads: every public
method takes the lock. Times are aware datetimes from the given clock; tokens are opaque strings.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import RLock

from .device_codes import DeviceCodes
from .directory import PERSONAL_TENANT, Account, Tenant
from .key_vault import KeyVault
from .keys import KeyRing
from .mailboxes import Mailboxes
from .records import AccessToken, Application, Authority, Code, Grant, ManagedIdentities, State
from .refresh_tokens import RefreshTokens
from .refusals import Refusal

CODE_LIFETIME = timedelta(minutes=10)
_REMEMBERED = timedelta(hours=1)


class Cloud:
    """The emulated Microsoft cloud. ``rotation`` is what :mod:`.refresh_tokens` describes."""

    def __init__(
        self,
        applications: Iterable[Application] = (),
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rotation: str = "entra",
        keys: KeyRing | None = None,
        state: State | None = None,
    ) -> None:
        self.clock = clock
        self.keys = keys or KeyRing()
        self.lock = RLock()
        self.state = state or State()
        self.refresh_tokens = RefreshTokens(self.state, self.lock, clock, rotation)
        self.device_codes = DeviceCodes(self.state, self.lock, clock)
        self.mailboxes = Mailboxes(self.clock)
        self.key_vault = KeyVault(clock)
        self.managed_identities = ManagedIdentities()
        self._applications = {application.client_id: application for application in applications}

    # Directory

    def register(self, application: Application) -> None:
        """Add an app registration, or replace the one with its client id."""
        with self.lock:
            self._applications[application.client_id] = application

    def application(self, client_id: str) -> Application:
        """Answer the app registration.

        Raises:
            Refusal: 700016 if there is none.
        """
        with self.lock:
            if client_id not in self._applications:
                raise Refusal(700016, f"Application with identifier '{client_id}' was not found in the directory.")
            return self._applications[client_id]

    def is_redirect_uri(self, uri: str) -> bool:
        """Tell whether any registered application has the redirect URI."""
        with self.lock:
            return any(uri in application.redirect_uris for application in self._applications.values())

    def authority(self, segment: str) -> Authority:
        """Read the tenant segment of a path: an alias, a tenant id or a verified domain.

        Raises:
            Refusal: 90002 for a tenant nobody knows.
        """
        segment = segment.lower()
        if segment in ("common", "organizations"):
            return Authority(segment, None)
        if segment == "consumers":
            return Authority("consumers", PERSONAL_TENANT)
        with self.lock:
            for tenant in self.state.tenants.values():
                if segment == tenant.tid or segment in tenant.domains:
                    return Authority(tenant.tid, tenant.tid)
        raise Refusal(90002, f"Tenant '{segment}' not found.")

    def tenant(self, name: str) -> Tenant:
        """Answer a tenant by id, domain or key (``contoso``); LookupError if there is none."""
        with self.lock:
            for tenant in self.state.tenants.values():
                if name.lower() in (tenant.tid, tenant.key, *tenant.domains):
                    return tenant
        raise LookupError(f"no tenant {name}")

    def account(self, name: str, tenant: str | None = None) -> Account:
        """Answer an account by key (``contoso/ben``), bare key (with ``tenant``), or address.

        Raises:
            LookupError: if it is not exactly one.
        """
        with self.lock:
            if name in self.state.accounts:
                return self.state.accounts[name]
            tid = self.tenant(tenant).tid if tenant else None
            found = [
                account
                for account in self.state.accounts.values()
                if (account.key.partition("/")[2] == name or name.lower() in account.addresses)
                and tid in (None, account.tid)
                and not (account.home and tid is None)
            ]
            if len(found) != 1:
                raise LookupError(f"{len(found)} accounts are called {name}")
            return found[0]

    def change_account(self, name: str, **changes: bool | str | int | None) -> Account:
        """Set fields of an account (``disabled``, ``blocked``, ``deleted``, ``mailbox_full``, ``mail``, …)."""
        with self.lock:
            account = replace(self.account(name), **changes)  # type: ignore[arg-type]
            self.state.accounts[account.key] = account
            return account

    def change_tenant(self, name: str, **changes: bool) -> None:
        """Set switches of a tenant (``smtp_auth_disabled``, ``security_defaults``)."""
        with self.lock:
            tenant = replace(self.tenant(name), **changes)  # type: ignore[arg-type]
            self.state.tenants[tenant.tid] = tenant

    def set_user_consent(self, tenant: str, policy: str) -> None:
        """Set a tenant's user consent policy: ``microsoft`` or ``disabled``."""
        with self.lock:
            self.tenant(tenant).user_consent = policy

    def signed_in_as(self, home: Account, authority: Authority, application: Application) -> Account:
        """Answer the user object that a signed-in account is under an authority.

        Raises:
            Refusal: 50020 if it has none there, and what stops the account: 50057, 500341, 53003.
        """
        with self.lock:
            tid = authority.tid or home.tid
            work_only = authority.alias == "organizations" or application.audience == "AzureADMultipleOrgs"
            if tid == PERSONAL_TENANT and home.tid != PERSONAL_TENANT:
                raise Refusal(500208, "Use a personal account here.")
            if home.tid == PERSONAL_TENANT and (tid != PERSONAL_TENANT or work_only):
                raise Refusal(50020, f"User account '{home.upn}' from identity provider 'live.com' is a personal one.")
            candidates = [home, *(guest for guest in self.state.accounts.values() if guest.home == home.key)]
            found = next((account for account in candidates if account.tid == tid), None)
            if found is None:
                tenant = self.state.tenants[tid].name
                raise Refusal(
                    50020,
                    f"User account '{home.upn}' from identity provider 'https://sts.windows.net/{home.tid}/' "
                    f"does not exist in tenant '{tenant}' and cannot access the application there.",
                )
            for account in (home, found):
                if account.deleted:
                    raise Refusal(500341)
                if account.disabled:
                    raise Refusal(50057)
            if found.blocked:
                raise Refusal(53003)
            return found

    # Consent

    def grant(self, tenant: str, client_id: str, scopes: Iterable[str], principal: str | None = None) -> None:
        """Record consent; ``principal`` None is for everybody in the tenant. Scopes are short names."""
        with self.lock:
            tid = self.tenant(tenant).tid
            self.state.principals.add((tid, client_id))
            for existing in self.state.grants:
                if (existing.tid, existing.client_id, existing.principal) == (tid, client_id, principal):
                    existing.scopes |= frozenset(scopes)
                    return
            self.state.grants.append(Grant(tid, client_id, principal, frozenset(scopes)))

    def granted(self, account: Account, client_id: str) -> frozenset[str]:
        """Answer the permissions the client has for the account, by its own or its tenant's consent."""
        with self.lock:
            return frozenset().union(
                *(
                    grant.scopes
                    for grant in self.state.grants
                    if (grant.tid, grant.client_id) == (account.tid, client_id)
                    and grant.principal in (None, account.oid)
                )
            )

    def grants(self, tenant: str) -> list[Grant]:
        """Answer copies of a tenant's grants."""
        with self.lock:
            tid = self.tenant(tenant).tid
            return [replace(grant) for grant in self.state.grants if grant.tid == tid]

    def withdraw_consent(self, tenant: str) -> None:
        """Delete the tenant's grants and service principals; issued access tokens live on, as they really do."""
        with self.lock:
            tid = self.tenant(tenant).tid
            self.state.grants = [grant for grant in self.state.grants if grant.tid != tid]
            self.state.principals = {pair for pair in self.state.principals if pair[0] != tid}

    def withdraw_permission(self, tenant: str, permission: str) -> None:
        """Take one permission (short name) out of a tenant's grants; issued access tokens live on."""
        with self.lock:
            tid = self.tenant(tenant).tid
            for grant in self.state.grants:
                if grant.tid == tid:
                    grant.scopes -= {permission}

    # Browser sessions

    def session(self, session_id: str | None) -> list[Account]:
        """Answer the accounts signed in to a browser, the latest last."""
        with self.lock:
            return [self.state.accounts[key] for key in self.state.sessions.get(session_id or "", [])]

    def sign_in(self, session_id: str | None, account: Account) -> str:
        """Add an account to a browser session, made if there is none, and answer the session's id."""
        with self.lock:
            if session_id is None or session_id not in self.state.sessions:
                session_id = secrets.token_urlsafe(24)
            keys = [key for key in self.state.sessions.get(session_id, []) if key != account.key]
            self.state.sessions[session_id] = [*keys, account.key]
            self.state.authenticated.setdefault(session_id, {})[account.key] = self.clock()
            return session_id

    def authenticated(self, session_id: str | None, account: Account) -> datetime | None:
        """Answer when somebody last typed the account's password in a browser session."""
        with self.lock:
            return self.state.authenticated.get(session_id or "", {}).get(account.key)

    def sign_out(self, session_id: str | None) -> None:
        """Forget a browser session; refresh tokens of confidential clients survive a sign-out."""
        with self.lock:
            self.state.sessions.pop(session_id or "", None)
            self.state.authenticated.pop(session_id or "", None)

    # Codes and tokens

    def keep_code(self, code: Code) -> None:
        """Record an authorization code."""
        with self.lock:
            self.state.codes[code.value] = code

    def code(self, value: str) -> Code:
        """Answer an authorization code that can be redeemed now.

        Raises:
            Refusal: 70000 unknown, 54005 redeemed already, 70008 older than ten minutes.
        """
        with self.lock:
            code = self.state.codes.get(value)
            if code is None:
                raise Refusal(70000, "The provided value for the 'code' parameter is not valid.")
            if code.redeemed:
                raise Refusal(54005)
            if self.clock() - code.issued > CODE_LIFETIME:
                raise Refusal(70008, "Send a new interactive authorization request for this user and resource.")
            return code

    def redeem(self, code: Code) -> None:
        """Mark a code as used; of two that race, the second is refused with 54005."""
        with self.lock:
            if code.redeemed:
                raise Refusal(54005)
            code.redeemed = True

    def block_device_code(self, tenant: str, *, blocked: bool = True) -> None:
        """Let a tenant's Conditional Access block the device code flow, and the tokens that came by it."""
        with self.lock:
            self.tenant(tenant).block_device_code = blocked

    def require_device_code_allowed(self, account: Account) -> None:
        """Raise Refusal 53003 where the account's tenant blocks the device code flow."""
        if self.tenant(account.tid).block_device_code:
            raise Refusal(53003)

    def revoke_refresh_tokens(self, name: str) -> int:
        """Revoke every refresh token of an account; answer how many."""
        with self.lock:
            return self.refresh_tokens.revoke(self.account(name))

    def keep_access_token(self, token: AccessToken) -> None:
        """Record an issued access token."""
        with self.lock:
            self.state.access_tokens[token.value] = token

    def access_token(self, value: str) -> AccessToken | None:
        """Answer what a bearer token stands for, expired or not; None if it was never issued."""
        with self.lock:
            return self.state.access_tokens.get(value)

    def forget_expired(self) -> None:
        """Drop codes and access tokens that ended an hour ago: until then a refusal can still say why."""
        with self.lock:
            now, state = self.clock(), self.state
            state.codes = {key: code for key, code in state.codes.items() if now - code.issued < _REMEMBERED}
            state.device_codes = {
                key: code for key, code in state.device_codes.items() if now - code.issued < _REMEMBERED
            }
            state.access_tokens = {
                key: token for key, token in state.access_tokens.items() if now - token.expires < _REMEMBERED
            }

    def expire_access_tokens(self, name: str | None = None) -> int:
        """Expire the access tokens of an account, or all of them, now; answer how many."""
        with self.lock:
            key = self.account(name).key if name else None
            found = [token for token in self.state.access_tokens.values() if key in (None, token.account)]
            for token in found:
                token.expires = self.clock() - timedelta(seconds=1)
            return len(found)
