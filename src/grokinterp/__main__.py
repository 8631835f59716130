"""`python -m grokinterp`, the same as the command `grokinterp`."""

import sys

from grokinterp.cli import main

if __name__ == "__main__":
    sys.exit(main())
