"""The printer's own register of users: whom it lets in, and under which address it knows them.

The user's id is the printer's, never an address. The odd ones are here on purpose: they show what
the panel says when a mailbox is missing, access is blocked or the account is disabled.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """One registered user."""

    id: str
    name: str
    email: str


USERS = {
    user.id: user
    for user in (
        User("adele", "Adele Vance", "adele.vance@contoso.example"),
        User("ben", "Ben Okoye", "ben.okoye@contoso.example"),
        User("olga", "Вольга Кавальчук", "olga@contoso.example"),
        User("nora", "Nora Null", "nora.null@contoso.example"),
        User("carla", "Carla Block", "carla.block@contoso.example"),
        User("dan", "Dan Gone", "dan.gone@contoso.example"),
    )
}
