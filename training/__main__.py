"""`python -m oneway.training`: the `oneway` command, for launchers such as torchrun."""

import sys

from .cli.main import main

sys.exit(main())
