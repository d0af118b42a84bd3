"""`python -m facesr_bench`"""

from __future__ import annotations

import sys

from facesr_bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
