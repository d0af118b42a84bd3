"""`facesr-bench compare`"""

from __future__ import annotations

import argparse
from pathlib import Path

from facesr_bench.base.environment import command_line
from facesr_bench.base.suggest import expanded
from facesr_bench.cli import OK
from facesr_bench.cli.check import Outputs, add_outputs
from facesr_bench.cli.options import whole

EXAMPLES = """examples:
  facesr-bench compare sparnet@official sparnet
      what tables call two rows, on every protocol that both have
  facesr-bench run --methods ./mynet --tag before; (edit) ; facesr-bench run --methods ./mynet --tag after
  facesr-bench compare before after
      did the edit help? the tags of two runs
  facesr-bench compare 1f3a9c20 results/helen-x8/sparnet/77ab01c2e6d4f5a8
      fingerprints as `facesr-bench history` lists them, or folders
  facesr-bench compare theirs.tar sparnet
      a bundle that somebody sent
  facesr-bench compare reports/baselines/demo-x8/sparnet.jsonl sparnet
      a committed baseline

The table is that of `facesr-bench check`, without a gate. Exit status: 0 compared, whatever was found; 2 wrong usage;
3 not comparable."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what may be typed behind it."""
    parser.epilog = EXAMPLES
    parser.add_argument("old", metavar="OLD", help="a tag, label, fingerprint, result folder, bundle or baseline")
    parser.add_argument("new", metavar="NEW", help="likewise")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--protocol", metavar="NAME", help="only on this one")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="a gate.toml: metrics and margins of the verdicts")
    parser.add_argument(
        "--allow-missing", type=whole, default=None, metavar="N", help="images that may be on one side alone"
    )
    add_outputs(parser)
    parser.set_defaults(handler=compare)


def compare(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit status."""
    from facesr_bench.evaluation.gate import pick
    from facesr_bench.report.gate.formats import Report
    from facesr_bench.report.gate.terminal import print_answers
    from facesr_bench.results.gate.policy import Policy, read_policy
    from facesr_bench.results.gate.verdict import NOTHING

    outputs = Outputs(arguments)
    policy = read_policy(expanded(arguments.policy)) if arguments.policy is not None else Policy()
    policy = policy.but(allow_missing=arguments.allow_missing)
    root = expanded(arguments.results)
    answers = pick.compare(root, arguments.old, arguments.new, policy, arguments.protocol)
    print_answers(answers, outputs.console, images=True)
    status = NOTHING if any(answer.refused and not answer.metrics for answer in answers) else OK
    outputs.write(Report(answers, status, command_line()))
    return status
