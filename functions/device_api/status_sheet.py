"""The status sheet."""


def pdf(*a, **k):
    return b""
