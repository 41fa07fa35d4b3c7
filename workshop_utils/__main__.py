"""The command line: ``python -m workshop_utils``."""

import argparse
import sys
from collections.abc import Sequence

from workshop_utils.batch import BatchFailed
from workshop_utils.datasets import DatasetError
from workshop_utils.endpoints import EndpointFailed
from workshop_utils.estimators import JobFailed
from workshop_utils.hub_models import JumpStartError
from workshop_utils.instances import QuotaTooLow
from workshop_utils.session import SessionError
from workshop_utils.zero_shot import AnswerError

_EXPECTED = (
    AnswerError,
    BatchFailed,
    DatasetError,
    EndpointFailed,
    JobFailed,
    JumpStartError,
    QuotaTooLow,
    SessionError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m workshop_utils", description="The workshop's labs without a notebook."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    lab1 = commands.add_parser(
        "run-lab1", help="train, track, deploy and ask the few-shot classifier of Lab 1"
    )
    lab1.add_argument("--shots", type=int, default=8, help="training examples per intent")
    lab1.add_argument("--seed", type=int, default=0, help="draws the examples")
    lab2 = commands.add_parser(
        "run-lab2", help="deploy a zero-shot model of JumpStart, ask it, and classify a file"
    )
    lab2.add_argument(
        "--model", default="auto", help="a JumpStart id; auto: BART, or the bi-encoder without it"
    )
    for lab in (lab1, lab2):
        lab.add_argument(
            "--keep-endpoint", action="store_true", help="leave the endpoint running at the end"
        )
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except _EXPECTED as error:
        print(f"workshop_utils: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.command == "run-lab1":
        from workshop_utils import lab1

        lab1.run(options.shots, options.seed, options.keep_endpoint)
    else:
        from workshop_utils import lab2

        lab2.run(options.model, options.keep_endpoint)


if __name__ == "__main__":
    sys.exit(main())
