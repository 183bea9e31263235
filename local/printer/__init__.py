"""A virtual printer: what a device maker would build, small enough to read in one sitting.

Owns the device's side of the story: its key, its client of the device API (``device``), the
panel that a person touches (``panel``, ``static/``, ``texts/``), its own register of users and
the sheet it pretends to scan.

Does not own anything of the service. It speaks to the service only over HTTP, by the device
API, and may import nothing from ``shared/`` or ``functions/``: what it can do, every printer
can do. It may import ``requests``, ``jwt``, ``cryptography``, ``pydantic``, ``starlette``,
``uvicorn`` and ``fpdf``.
"""
