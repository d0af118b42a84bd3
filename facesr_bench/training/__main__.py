"""`python -m facesr_bench.training METHOD --data DIR ...`: for a machine with torch, numpy, Pillow and safetensors."""

from __future__ import annotations

import argparse
import sys

from facesr_bench.cli import carry_out
from facesr_bench.training.command import configure

PROG = "python -m facesr_bench.training"


def main() -> int:
    """The exit status; 2 for misuse."""
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Train a method.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    configure(parser, PROG)
    return carry_out(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
