"""``python -m kasm_recd`` is the console script ``kasm-recd``."""

import sys

from kasm_recd.cli import main

if __name__ == "__main__":
    sys.exit(main())
