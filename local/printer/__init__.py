"""A virtual printer: what a device maker would build, small enough to read in one sitting.

Owns the panel that a person touches (``panel``, ``servers``, ``static/``, ``texts/``), its own register of
users and the sheet it pretends to scan. All it says to the service it says by the device client
that makers get (``to_my_email``, in ``clients/python``).

Does not own anything of the service, and may import nothing from ``shared/`` or ``functions/``:
what it can do, every printer can do. It may import ``to_my_email``, ``starlette``, ``uvicorn``
and ``fpdf``.
"""
