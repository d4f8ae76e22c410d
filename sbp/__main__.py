"""``python -m sbp`` is ``sbp``."""

import sys

from sbp.app.cli import main

if __name__ == "__main__":
    sys.exit(main())
