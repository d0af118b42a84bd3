"""`facesr-bench train`"""

from __future__ import annotations

import argparse

from facesr_bench.training import command


def configure(parser: argparse.ArgumentParser) -> None:
    command.configure(parser, "facesr-bench train")
