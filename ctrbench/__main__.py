"""`python -m ctrbench`, and so `accelerate launch -m ctrbench`."""

import sys

from ctrbench.cli import main

sys.exit(main())
