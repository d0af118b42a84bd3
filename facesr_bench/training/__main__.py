"""`python -m facesr_bench.training METHOD --data DIR ...`: for a machine with torch, numpy, Pillow and safetensors."""

from __future__ import annotations

import argparse
import sys

from facesr_bench.errors import FaceSRBenchError
from facesr_bench.training.command import configure

PROG = "python -m facesr_bench.training"
MISUSED = 2


def main() -> int:
    """The exit status; 2 for misuse."""
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Train a method.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    configure(parser, PROG)
    arguments = parser.parse_args()
    try:
        status: int = arguments.handler(arguments)
    except FaceSRBenchError as error:
        print(f"facesr-bench: error: {error}", file=sys.stderr)  # noqa: T201
        return MISUSED
    except KeyboardInterrupt:
        print("\nstopped at once; --resume goes on from the last checkpoint", file=sys.stderr)  # noqa: T201
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
