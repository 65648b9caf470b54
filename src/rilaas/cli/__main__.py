"""``python -m rilaas.cli``."""

import sys

from rilaas.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
