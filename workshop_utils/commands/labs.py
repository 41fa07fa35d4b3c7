"""``run-lab1`` and ``run-lab2``: a lab from end to end, without a notebook."""

import argparse
from typing import Any

from workshop_utils.batch import BatchFailed
from workshop_utils.datasets import DatasetError
from workshop_utils.endpoints import EndpointFailed
from workshop_utils.estimators import JobFailed
from workshop_utils.hub_models import JumpStartError
from workshop_utils.instances import QuotaTooLow
from workshop_utils.session import SessionError
from workshop_utils.zero_shot import AnswerError

ERRORS = (
    AnswerError,
    BatchFailed,
    DatasetError,
    EndpointFailed,
    JobFailed,
    JumpStartError,
    QuotaTooLow,
    SessionError,
)


def add(commands: Any) -> None:
    """Add the commands to the command line."""
    lab1 = commands.add_parser(
        "run-lab1", help="train, track, deploy and ask the few-shot classifier of Lab 1"
    )
    lab1.add_argument("--shots", type=int, default=8, help="training examples per intent")
    lab1.add_argument("--seed", type=int, default=0, help="draws the examples")
    lab1.set_defaults(run=_lab1)
    lab2 = commands.add_parser(
        "run-lab2", help="deploy a zero-shot model of JumpStart, ask it, and classify a file"
    )
    lab2.add_argument(
        "--model", default="auto", help="a JumpStart id; auto: BART, or the bi-encoder without it"
    )
    lab2.set_defaults(run=_lab2)
    for lab in (lab1, lab2):
        lab.add_argument(
            "--keep-endpoint", action="store_true", help="leave the endpoint running at the end"
        )


def _lab1(options: argparse.Namespace) -> int:
    from workshop_utils import lab1

    lab1.run(options.shots, options.seed, options.keep_endpoint)
    return 0


def _lab2(options: argparse.Namespace) -> int:
    from workshop_utils import lab2

    lab2.run(options.model, options.keep_endpoint)
    return 0
