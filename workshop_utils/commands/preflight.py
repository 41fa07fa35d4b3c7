"""``preflight``: whether the labs can run here, and what to do where they cannot."""

import argparse
import json
import sys
from typing import Any

from workshop_utils.session import SessionError

ERRORS = (SessionError,)


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "preflight",
        help="check account, quotas, permissions and this machine before a lab",
        description="Check, before a lab starts, that it can run: region, images, permissions, "
        "quotas, human review, Python, packages, memory and disk. Nothing is started.",
        epilog="Exit code: 0 when nothing is in the way (there may be warnings), 1 when something "
        "is, or when there is no account to look at; 2 for wrong arguments.",
    )
    parser.add_argument(
        "--lab", type=int, action="append", choices=(1, 2, 3), help="only this one (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for a program")
    parser.add_argument(
        "--seconds", type=_seconds, default=60.0, help="how long a check may take (default: 60)"
    )
    parser.set_defaults(run=_run)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and a day")
    return value


def _run(options: argparse.Namespace) -> int:
    from workshop_utils import preflight
    from workshop_utils.session import start

    session = start("preflight")
    try:
        report = preflight.check(
            session, options.lab or (1, 2, 3), seconds=options.seconds, report=_tell
        )
    finally:
        session.close()
    print(json.dumps(report.to_dict(), indent=2) if options.json else report)
    return 0 if report.ok else 1


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
