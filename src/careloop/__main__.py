"""`python -m careloop` is the command `careloop`."""

import sys

from careloop.config.cli import main

if __name__ == "__main__":
    sys.exit(main())
