"""The switchboard's page (``/faults``) and JSON API (``/-/faults``, ``/-/actions``, ``/-/journal``)."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .cloud import Cloud
from .pages import from_our_page, page
from .switchboard import KINDS, PLACES, SMTP_KINDS, Switchboard


class SwitchPages:
    """Lets a person or a test switch faults on and change the cloud's state."""

    def __init__(self, cloud: Cloud, switchboard: Switchboard) -> None:
        self._cloud = cloud
        self._switchboard = switchboard
        self.routes = [
            Route("/faults", self._page, methods=["GET"]),
            Route("/faults", self._submitted, methods=["POST"]),
            Route("/-/faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/-/faults/{id}", self._fault, methods=["DELETE"]),
            Route("/-/actions", self._action, methods=["POST"]),
            Route("/-/journal", self._journal, methods=["GET", "DELETE"]),
        ]
        # What can be done to the cloud: a name, and what it is called on the page.
        self._actions: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
            "revoke_refresh_tokens": (
                "Revoke the account's refresh tokens",
                lambda given: cloud.revoke_refresh_tokens(given["account"]),
            ),
            "expire_access_tokens": (
                "Expire the account's access tokens",
                lambda given: cloud.expire_access_tokens(given.get("account")),
            ),
            "disable_account": ("Disable the account", _changing(cloud, disabled=True)),
            "enable_account": (
                "Enable the account again",
                _changing(cloud, disabled=False, blocked=False, deleted=False),
            ),
            "block_device_code": (
                "Block the tenant's device codes by Conditional Access",
                lambda given: cloud.block_device_code(given["tenant"]),
            ),
            "block_account": ("Stop the account by Conditional Access", _changing(cloud, blocked=True)),
            "turn_smtp_auth_off": (
                "Turn SMTP AUTH off for the tenant",
                lambda given: cloud.change_tenant(given["tenant"], smtp_auth_disabled=True),
            ),
            "turn_smtp_auth_on": (
                "Turn SMTP AUTH on for the tenant",
                lambda given: cloud.change_tenant(given["tenant"], smtp_auth_disabled=False),
            ),
            "turn_mailbox_smtp_auth_off": (
                "Turn SMTP AUTH off for the mailbox",
                _changing(cloud, smtp_auth_disabled=True),
            ),
            "turn_mailbox_smtp_auth_on": (
                "Turn SMTP AUTH on for the mailbox, whatever the tenant says",
                _changing(cloud, smtp_auth_disabled=False),
            ),
            "leave_mailbox_smtp_auth": (
                "Leave the mailbox's SMTP AUTH to the tenant",
                _changing(cloud, smtp_auth_disabled=None),
            ),
            "turn_security_defaults_on": (
                "Turn security defaults on in the tenant",
                lambda given: cloud.change_tenant(given["tenant"], security_defaults=True),
            ),
            "turn_security_defaults_off": (
                "Turn security defaults off in the tenant",
                lambda given: cloud.change_tenant(given["tenant"], security_defaults=False),
            ),
            "delete_account": ("Delete the account", _changing(cloud, deleted=True)),
            "fill_mailbox": ("Fill the mailbox", _changing(cloud, mailbox_full=True)),
            "empty_mailbox": ("Make room in the mailbox", _changing(cloud, mailbox_full=False)),
            "withdraw_consent": (
                "Withdraw the tenant's consent",
                lambda given: cloud.withdraw_consent(given["tenant"]),
            ),
            "disable_user_consent": (
                "Disable user consent in the tenant",
                lambda given: cloud.set_user_consent(given["tenant"], "disabled"),
            ),
            "enable_user_consent": (
                "Allow user consent in the tenant",
                lambda given: cloud.set_user_consent(given["tenant"], "microsoft"),
            ),
            "roll_signing_key": ("Roll the signing key", lambda _: self._roll()),
        }

    def act(self, action: str, given: dict[str, Any]) -> None:
        """Do an action by name. Raises LookupError for an unknown action, account or tenant."""
        self._actions[action][1](given)

    def _roll(self) -> None:
        with self._cloud.lock:
            self._cloud.keys.roll()

    async def _page(self, _request: Request) -> Response:
        with self._cloud.lock:
            accounts = [account for account in self._cloud.state.accounts.values() if not account.home]
            tenants = list(self._cloud.state.tenants.values())
        return page(
            "faults.html",
            faults=self._switchboard.faults(),
            journal=self._switchboard.journal()[:-31:-1],
            places=PLACES,
            kinds=(*KINDS, *SMTP_KINDS),
            actions=[(name, title) for name, (title, _) in self._actions.items()],
            accounts=accounts,
            tenants=tenants,
        )

    async def _submitted(self, request: Request) -> Response:
        if not from_our_page(request):
            return page("error.html", 403, number=403, text="The form came from another site.", correlation_id="")
        async with request.form() as submitted:
            form = {name: value for name, value in submitted.items() if isinstance(value, str) and value}
        do = form.pop("do", "")
        try:
            if do == "fault":
                self._add(_typed(form))
            elif do == "remove":
                self._switchboard.remove(form.get("id"))
            else:
                self.act(do, form)
        except (LookupError, ValueError) as error:
            return page("error.html", 400, number=400, text=f"That cannot be switched: {error}", correlation_id="")
        return RedirectResponse("/faults", 303)

    async def _faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._switchboard.remove()
        if request.method == "POST":
            return await self._asked(request, self._add)
        return JSONResponse({"faults": self._switchboard.faults()})

    async def _fault(self, request: Request) -> Response:
        self._switchboard.remove(request.path_params["id"])
        return JSONResponse({"faults": self._switchboard.faults()})

    async def _action(self, request: Request) -> Response:
        return await self._asked(request, lambda given: self.act(given.pop("action"), given))

    async def _journal(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._switchboard.forget()
        entries = [asdict(entry) | {"time": entry.time.isoformat()} for entry in self._switchboard.journal()]
        return JSONResponse({"requests": entries})

    def _add(self, given: dict[str, Any]) -> None:
        self._switchboard.add(given.pop("where"), given.pop("kind"), **given)

    async def _asked(self, request: Request, do: Callable[[dict[str, Any]], Any]) -> Response:
        # Another site's form cannot send this type without a preflight that we do not answer.
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return JSONResponse({"detail": "Send application/json."}, 415)
        try:
            do(await request.json())
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            return JSONResponse({"detail": f"{type(error).__name__}: {error}"}, 400)
        return JSONResponse({"faults": self._switchboard.faults()}, 201)


def _changing(cloud: Cloud, **changes: bool | None) -> Callable[[dict[str, Any]], Any]:
    return lambda given: cloud.change_account(given["account"], **changes)


def _typed(form: dict[str, str]) -> dict[str, Any]:
    """Give the page's fields their types; an empty ``times`` was left out and means until removed."""
    given: dict[str, Any] = {"times": None, **form}
    for name, kind in (("times", int), ("number", int), ("status", int), ("seconds", float)):
        if given.get(name):
            given[name] = kind(given[name])
    return given
