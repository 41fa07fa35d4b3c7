"""``costs``: what is billing right now, or what a lab will cost."""

import argparse
import json
from typing import Any

from workshop_utils.session import SessionError

ERRORS = (SessionError,)


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "costs",
        help="show what is billing right now, or what a lab will cost",
        description="Show what of the workshop is billing right now: per hour, since when and how "
        "much so far. With --estimate, show what a lab will cost before it starts.",
        epilog="Exit codes: 0 when it could be shown; 3 when part of it could not be asked; 1 when "
        "there is no session, with the reason.",
    )
    parser.add_argument(
        "--estimate",
        metavar="LAB",
        help="a lab's number or name: 1 or few-shot, 2 or zero-shot, 3 or sentiment",
    )
    parser.add_argument(
        "--everyone", action="store_true", help="show what is not the workshop's, too"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from workshop_utils import costs
    from workshop_utils.session import sign_in

    asked: str | None = options.estimate
    lab = int(asked) if asked is not None and asked.isdigit() else asked
    if lab is not None and lab not in costs.LABS and lab not in range(1, len(costs.LABS) + 1):
        raise SessionError(
            f"There is no lab {lab!r}: the labs are {', '.join(costs.LABS)}, or 1, 2 and 3."
        )
    signed_in = sign_in()
    # Nothing is started, so no role is needed.
    session = signed_in.session("costs", role="")
    try:
        if lab is not None:
            estimate = costs.estimate(session, lab)
            print(json.dumps(estimate.to_dict(), indent=2) if options.json else estimate)
            return 0
        bill = costs.running(session, everyone=options.everyone)
        print(json.dumps(bill.to_dict(), indent=2) if options.json else bill)
        return 3 if bill.problems else 0
    finally:
        signed_in.close()
