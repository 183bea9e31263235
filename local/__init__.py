"""One machine instead of the cloud.

Owns what stands in for Azure and Microsoft while somebody develops, tests or tries the
product: Azurite (the real storage emulator), an emulated Microsoft cloud that is faithful
on the wire, the app under uvicorn with its queue and timers driven from real queues and a
clock, and a virtual printer. Nothing in ``functions/`` or ``shared/`` may import from here,
and nothing there may ask whether it runs here.
"""
