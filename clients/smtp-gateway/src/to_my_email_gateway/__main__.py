"""``python -m to_my_email_gateway``."""

import sys

from to_my_email_gateway.cli import main

sys.exit(main())
