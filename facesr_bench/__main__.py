"""`facesr-bench`, and `python -m facesr_bench`"""

from __future__ import annotations

import sys


def program() -> int:
    """The command line of this process; its exit status. Stopped while it is still loading, it says so in a word."""
    try:
        from facesr_bench.cli import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped\n")
        return 130


if __name__ == "__main__":
    sys.exit(program())
