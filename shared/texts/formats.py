"""Sizes, numbers and moments as people of a language write them. How they write them stands in their catalogue."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.texts.catalogues import say, translator

_KILO = 1000
_MEGA = 1000 * _KILO


def size(number_of_bytes: int, language: str) -> str:
    """Return a size such as ``3.1 MB`` or ``3,1 MB``, in decimal units and rounded down: a limit promises no more.

    Raises:
        ValueError: the size is negative.
    """
    if number_of_bytes < 0:
        raise ValueError("a size cannot be negative")
    if number_of_bytes < _KILO:
        return say("{number} bytes", language, number=number_of_bytes)
    if number_of_bytes < _MEGA:
        return say("{number} kB", language, number=number_of_bytes // _KILO)
    point = translator(language).pgettext("decimal separator", ".")
    whole, tenths = divmod(number_of_bytes * 10 // _MEGA, 10)
    return say("{number} MB", language, number=f"{whole}{point}{tenths}" if tenths else whole)


def number(counted: int, language: str) -> str:
    """Return a whole number with its thousands apart, such as ``5,000`` or ``5.000``."""
    return f"{counted:,}".replace(",", translator(language).pgettext("thousands separator", ","))


def moment(when: datetime, language: str) -> str:
    """Return day and time in UTC, and say that it is UTC: nobody here knows the reader's clock.

    Raises:
        ValueError: the moment carries no time zone.
    """
    return _written(when, translator(language).pgettext("day and time", "{year}-{month}-{day} {hour}:{minute} UTC"))


def day(when: datetime, language: str) -> str:
    """Return the day in UTC.

    Raises:
        ValueError: the moment carries no time zone.
    """
    return _written(when, translator(language).pgettext("day", "{year}-{month}-{day}"))


def time_of_day(when: datetime, language: str) -> str:
    """Return hours and minutes in UTC, and say that it is UTC.

    Raises:
        ValueError: the moment carries no time zone.
    """
    return _written(when, translator(language).pgettext("time of day", "{hour}:{minute} UTC"))


def _written(when: datetime, pattern: str) -> str:
    if when.tzinfo is None:
        raise ValueError("a moment needs its time zone")
    utc = when.astimezone(UTC)
    return pattern.format(
        year=f"{utc.year:04}",
        month=f"{utc.month:02}",
        day=f"{utc.day:02}",
        hour=f"{utc.hour:02}",
        minute=f"{utc.minute:02}",
    )


def masked(address: str) -> str:
    """Return a mail address as it may be shown on a screen in a corridor: its first letter and its domain."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
