"""`python -m ctrbench`."""

import sys

from ctrbench.cli import main

sys.exit(main())
