"""``python -m to_my_email`` is the program ``to-my-email``."""

import sys

from to_my_email.cli import main

sys.exit(main())
