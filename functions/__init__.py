"""The doors: each decodes a request, a message or a tick, calls one room, and encodes the answer.

No business decision lives here, and no vendor's SDK is imported here.
"""
