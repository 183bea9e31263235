r"""Who administers an organisation here: the roles that open the console, and the console's sessions.

Owns: which roles of Entra's are which of ours, the sign-in to the console, and its sessions (table ``sessions``). Does
not own: what an administrator sees or does. It may import ``shared.faults`` and ``shared.storage``; who carries the
sign-in between browser and Entra is handed in.

::

    (nobody) --sign-in--> session --every 60 minutes: authorize, prompt=none--> session with the roles of that moment
                             |--sign-in anew (prompt=login, auth_time)--> may do what cannot be undone, for ten minutes
                             \--> ended: 30 minutes idle, 8 hours in all, signed out, erased, or the role is gone

Of the sign-in nothing is kept but who it was and what he may: no token is stored.
"""

from shared.administrators.roles import Role, role_of
from shared.administrators.sessions import PURPOSE, Administrator, Sessions

__all__ = ["PURPOSE", "Administrator", "Role", "Sessions", "role_of"]
