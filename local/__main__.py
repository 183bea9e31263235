"""``python -m local``: the whole service on one machine."""

import sys

from local.run import main

sys.exit(main())
