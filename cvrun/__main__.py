"""`python -m cvrun`, and the way `torchrun -m cvrun train ...` starts a run."""

import sys

from cvrun.cli import main

if __name__ == "__main__":
    sys.exit(main())
