"""``python -m sbp`` is ``sbp``."""

import sys

from sbp.app.start import main

if __name__ == "__main__":
    sys.exit(main())
