"""The tenants and accounts that exist when the emulated cloud starts.

All identifiers are fixed, so that bookmarks, tests and stored rows survive a restart.
"""

from dataclasses import dataclass
from uuid import UUID, uuid5

PERSONAL_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"

# Role template ids are the same in every tenant:
# https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
PRIVILEGED_ROLE_ADMINISTRATOR = "e8611ab8-c189-46e8-94e1-60213ab1f814"
APPLICATION_ADMINISTRATOR = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
CLOUD_APPLICATION_ADMINISTRATOR = "158c047a-c907-4556-b7ef-446551a6b5f7"
# What a member without any role carries in ``wids``: never a sign of an administrator.
ORDINARY_MEMBER = "b79fbf4d-3ef9-4689-8143-76b194e85509"

# https://learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent (delegated permissions)
CONSENTING_ROLES = frozenset(
    {
        GLOBAL_ADMINISTRATOR,
        PRIVILEGED_ROLE_ADMINISTRATOR,
        APPLICATION_ADMINISTRATOR,
        CLOUD_APPLICATION_ADMINISTRATOR,
    }
)

_OIDS = UUID("5d1a4b5e-6c1f-4c58-9c1d-2f2b64a0c001")


@dataclass
class Tenant:
    """An organisation. ``domains`` are its verified domains, the initial one last.

    ``user_consent`` is ``microsoft`` (the managed default: some permissions need an administrator)
    or ``disabled`` (every permission does). ``block_device_code`` is a Conditional Access policy on
    authentication flows. ``smtp_auth_disabled`` is Exchange's switch of the same name for the organisation
    (Set-TransportConfig), ``security_defaults`` are Entra's, under which Exchange lets nobody in by SMTP AUTH.
    """

    key: str
    tid: str
    name: str
    domains: tuple[str, ...]
    user_consent: str = "microsoft"
    block_device_code: bool = False
    smtp_auth_disabled: bool = False
    security_defaults: bool = False


@dataclass
class Account:
    """A user object in one tenant.

    ``home`` is set on a guest and names the account (key) it signs in with; ``mail`` is what Graph shows,
    ``app_roles`` are the values of the app roles it was given, ``mailbox`` whether Exchange holds one. The
    booleans are switches for tests, ``message_limit`` is Exchange's for a whole message, in bytes.
    ``smtp_auth_disabled`` is Set-CASMailbox's: None leaves it to the organisation.
    """

    key: str
    tid: str
    oid: str
    name: str
    upn: str
    mail: str | None
    note: str
    roles: tuple[str, ...] = ()
    app_roles: tuple[str, ...] = ()
    home: str | None = None
    mailbox: bool = True
    blocked: bool = False
    disabled: bool = False
    deleted: bool = False
    mailbox_full: bool = False
    message_limit: int = 35 * 1024 * 1024
    smtp_auth_disabled: bool | None = None

    @property
    def addresses(self) -> frozenset[str]:
        """Every name the account answers to, lower-cased."""
        return frozenset(name.lower() for name in (self.upn, self.mail) if name)

    @property
    def address(self) -> str:
        """The address its mailbox is shown under: the mail address, else the user principal name."""
        return self.mail or self.upn


def tenants() -> dict[str, Tenant]:
    """Answer fresh copies of the seeded tenants by tenant id."""
    seeded = (
        Tenant(
            "contoso",
            "11111111-1111-4111-8111-111111111111",
            "Contoso",
            ("contoso.example", "contoso.onmicrosoft.com"),
        ),
        Tenant(
            "fabrikam",
            "22222222-2222-4222-8222-222222222222",
            "Fabrikam",
            ("fabrikam.example", "fabrikam.onmicrosoft.com"),
        ),
        Tenant("personal", PERSONAL_TENANT, "Personal accounts", ("outlook.example",)),
    )
    return {tenant.tid: tenant for tenant in seeded}


def accounts() -> dict[str, Account]:
    """Answer fresh copies of the seeded accounts by key (``contoso/adele``)."""
    contoso, fabrikam, personal = tenants()
    admin = (GLOBAL_ADMINISTRATOR,)
    guest_upn = "gina_fabrikam.example#EXT#@contoso.onmicrosoft.com"
    seeded = (
        _member("contoso/admin", contoso, "Alex Admin", "alex.admin@contoso.example", "Global Administrator", admin),
        _member(
            "contoso/cloudadmin",
            contoso,
            "Chris Cloud",
            "chris.cloud@contoso.example",
            "Cloud Application Administrator",
            (CLOUD_APPLICATION_ADMINISTRATOR,),
        ),
        Account(
            "contoso/adele",
            contoso,
            _oid("contoso/adele"),
            "Adele Vance",
            "adele@contoso.onmicrosoft.com",
            "adele.vance@contoso.example",
            "User; her sign-in name is not her mail address",
        ),
        _member("contoso/ben", contoso, "Ben Okoye", "ben.okoye@contoso.example", "User"),
        _member("contoso/olga", contoso, "Вольга Кавальчук", "olga@contoso.example", "User"),
        Account(
            "contoso/guest",
            contoso,
            _oid("contoso/guest"),
            "Gina Gast",
            guest_upn,
            "gina@fabrikam.example",
            "Guest from Fabrikam, no mailbox here",
            home="fabrikam/gina",
            mailbox=False,
        ),
        Account(
            "contoso/nomailbox",
            contoso,
            _oid("contoso/nomailbox"),
            "Nora Null",
            "nora.null@contoso.example",
            None,
            "User without a mailbox",
            mailbox=False,
        ),
        _member(
            "contoso/blocked", contoso, "Carla Block", "carla.block@contoso.example", "Stopped by Conditional Access"
        ),
        _member("contoso/disabled", contoso, "Dan Gone", "dan.gone@contoso.example", "Account disabled"),
        _member("fabrikam/admin", fabrikam, "Fay Admin", "fay.admin@fabrikam.example", "Global Administrator", admin),
        _member("fabrikam/ben", fabrikam, "Ben Fabri", "ben@fabrikam.example", "User"),
        _member("fabrikam/gina", fabrikam, "Gina Gast", "gina@fabrikam.example", "User, and a guest at Contoso"),
        # Personal accounts carry an object id that is zero in front.
        Account(
            "personal/pat",
            personal,
            "00000000-0000-0000-5a17-3c9be0d1f2a4",
            "Pat Personal",
            "pat@outlook.example",
            "pat@outlook.example",
            "Personal account",
        ),
    )
    found = {account.key: account for account in seeded}
    found["contoso/blocked"].blocked = True
    found["contoso/disabled"].disabled = True
    return found


def _member(key: str, tid: str, name: str, address: str, note: str, roles: tuple[str, ...] = ()) -> Account:
    return Account(key, tid, _oid(key), name, address, address, note, roles=roles)


def _oid(key: str) -> str:
    return str(uuid5(_OIDS, key))
