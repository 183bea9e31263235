"""What every COMMAND does with the command line of its process: the app's own services, and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TextIO

from shared.services import Services, services
from shared.settings import SettingsInvalid


def carry_out(run: Callable[[Sequence[str], Services, TextIO], int]) -> None:
    """Carry out the command line of this process, and end it; settings that are missing or wrong are named."""
    try:
        rooms = services()
    except SettingsInvalid as error:
        sys.exit("\n".join(error.problems))
    sys.exit(run(sys.argv[1:], rooms, sys.stdout))
