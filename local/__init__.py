"""One machine instead of the cloud.

Owns what stands in for Azure and Microsoft while somebody develops, tests or tries the
product: Azurite (the real storage emulator), an emulated Microsoft cloud that is faithful
on the wire, the app under uvicorn with its queue and timers driven from real queues and a
clock, and a virtual printer. Nothing in ``functions/`` or ``shared/`` may import from here,
and nothing there may ask whether it runs here.

The virtual printer stands on the device client that makers get (``clients/python``), used from where it lies:
an installed copy would be yesterday's.
"""

import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[1] / "clients" / "python" / "src"
if str(CLIENT) not in sys.path:
    sys.path.insert(0, str(CLIENT))
