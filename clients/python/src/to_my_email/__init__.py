"""The device client of To My Email: what a printer or scanner needs to speak to the service.

::

    client = Client("https://scan.example", "/var/lib/scanner")
    client.enrol(ticket, model="MFP 480", serial="A0001", name="Second floor")
    client.sign_in(User("adele", "adele@contoso.example"), on_code=show, on_confirm=ask)
    job = client.scan("scan.pdf", user="adele")
    print(client.wait(job).state)

What it owns, from the bottom up: ``errors`` (the tree of what can go wrong), ``answers`` (what the
service says), ``key`` and ``store`` (the device's key, enrolment and locks on disk), ``tokens`` and
``connection`` (signed requests, patience), ``api`` (one method per call), ``spool`` and ``handover``
(scans that survive a power cut), ``client`` (the stories), ``cli`` (the program ``to-my-email``).

It imports ``requests``, ``jwt``, ``cryptography`` and, for the QR code in a terminal, ``segno``; nothing
of the service. POSIX only: its locks are ``flock``. Its logger is ``to_my_email``; no address, token,
title or file name is ever logged.
"""

from to_my_email.answers import (
    DeviceRecord,
    Enrolment,
    Invitation,
    Progress,
    ScanJob,
    ServerStatus,
    User,
    UserStatus,
)
from to_my_email.api import Api
from to_my_email.client import Client
from to_my_email.errors import (
    Cancelled,
    DeviceRefused,
    Error,
    NotAvailable,
    NotEnrolled,
    Refused,
    SignInRequired,
    StoreError,
    StoreLocked,
    Temporary,
    UnexpectedAnswer,
    Unreachable,
)
from to_my_email.scanning import Resumed
from to_my_email.store import Store

__all__ = [
    "Api",
    "Cancelled",
    "Client",
    "DeviceRecord",
    "DeviceRefused",
    "Enrolment",
    "Error",
    "Invitation",
    "NotAvailable",
    "NotEnrolled",
    "Progress",
    "Refused",
    "Resumed",
    "ScanJob",
    "ServerStatus",
    "SignInRequired",
    "Store",
    "StoreError",
    "StoreLocked",
    "Temporary",
    "UnexpectedAnswer",
    "Unreachable",
    "User",
    "UserStatus",
]
