# SPDX-License-Identifier: MIT
"""Run by `tessera study`: python3 -m study, with this folder's parent as PYTHONPATH."""

import sys

from study.cli import main

sys.exit(main())
