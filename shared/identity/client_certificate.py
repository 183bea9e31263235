"""The app's certificate, where it has one: how long it still proves the app.

A managed identity needs none, and nothing of it expires.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

NOTICE = timedelta(days=30)
"""Before its end: long enough for whoever must have another one approved."""

log = logging.getLogger(__name__)


def ends(pem: str) -> datetime:
    """Return when a certificate ends, as it says itself.

    Args:
        pem: the private key and the certificate.
    """
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem.encode("ascii")).not_valid_after_utc


def tell_days_left(pem: str, now: datetime) -> None:
    """Log for how many days the certificate is good; the alert ``own-credential-ends`` reads the line.

    Args:
        pem: the private key and the certificate; or empty, and nothing is told.
        now: the time.
    """
    if not pem:
        return
    left = ends(pem) - now
    log.log(logging.WARNING if left < NOTICE else logging.INFO, "certificate of the app ends in %d days", left.days)
