"""``catch-up``: stage a lab up to a section, so that whoever comes there finds what it needs."""

import argparse
from typing import Any

from workshop_utils.checkpoints import CatchUpFailed, catch_up
from workshop_utils.session import SessionError

ERRORS = (CatchUpFailed, SessionError)


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "catch-up",
        help="make what a section of a lab rests on, so that it can be entered at once",
        description="Run what a section of a lab rests on: train, deploy and ask people, as far as "
        "that is not done yet. Whoever opens the lab later, in a notebook with the cell catch_up, "
        "finds all of it. On AWS what it starts is billed.",
        epilog="Exit codes: 0 when it is there; 1 when a cell failed or there is no such section, "
        "with the reason.",
    )
    parser.add_argument("lab", type=int, choices=(1, 2, 3), help="the lab's number")
    parser.add_argument("section", type=int, help="the section that comes next")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    catch_up(options.lab, options.section, {})
    return 0
