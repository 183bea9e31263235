"""The people of a device group, and their first login.

Owns: the pin (which account in Entra a printer's user is), and the story of the first login from the
panel's question to the panel's OK, also where it happens in the panel's own browser. Does not own: tokens
(``vault``), what is said to Entra (``identity``). It may import ``shared.faults``, ``shared.texts``,
``shared.storage`` and the traces of ``shared.privacy``; the other rooms are handed in.

A printer's user is ``(tenant, group, user_id)``; a person is ``(tid, oid)``. Only at the first sign-in
is an address compared: the one the device has for him with the ``mail`` and ``userPrincipalName`` of his
own ``/me``. Then he is pinned, and only the pin counts.
"""

from shared.people.first_login import STORY, FirstLogins, same_address
from shared.people.panel_browser import PanelBrowser
from shared.people.people import People, Person, UserStatus

__all__ = ["STORY", "FirstLogins", "PanelBrowser", "People", "Person", "UserStatus", "same_address"]
