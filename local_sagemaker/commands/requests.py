"""``python -m local_sagemaker requests``: shows what was asked of the server."""

import argparse
import json
import sys
import time
from datetime import datetime
from typing import Any

from local_sagemaker.home import Home, HomeError
from local_sagemaker.request_log.reader import follow, last_lines

_SHOWN = 50


def add_requests_command(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the command line.

    Parameters
    ----------
    commands
        The subparsers of the command line.
    shared
        The options that all commands have.
    """
    parser = commands.add_parser(
        "requests",
        parents=[shared],
        help="show the latest requests",
        description="Show the latest requests: when, how they went, how long they took, what was "
        "asked and by whom. They are kept in requests.jsonl in the home.",
    )
    parser.add_argument("--follow", action="store_true", help="go on with those that come")
    parser.add_argument("--json", action="store_true", help="as lines of JSON")
    parser.add_argument("--errors", action="store_true", help="only those that failed")
    parser.add_argument("--operation", metavar="NAME", help="only those for this operation")
    parser.add_argument(
        "--last", type=_count, default=_SHOWN, metavar="N", help=f"how many (default: {_SHOWN})"
    )
    parser.set_defaults(run=_run)


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{count} is not a number of requests")
    return count


def _run(options: argparse.Namespace) -> int:
    home = Home(options.home)
    if not home.is_one():
        raise HomeError(f"no local SageMaker ever ran in {home.path}")

    def wanted(line: dict[str, Any]) -> bool:
        status = line.get("status")
        failed = status is None or status >= 400
        named = options.operation is None or line.get("operation") == options.operation
        return named and (failed or not options.errors)

    show = _print_json if options.json else _print_row
    lines = last_lines(home.path, options.last, wanted)
    for line in lines:
        show(line)
    if options.follow:
        sys.stdout.flush()
        for line in follow(home.path, wanted):
            show(line)
            sys.stdout.flush()
    elif not lines and not options.json:
        print(f"No such request is in the log of {home.path}.")
    return 0


def _print_json(line: dict[str, Any]) -> None:
    print(json.dumps(line, separators=(",", ":")))


def _print_row(line: dict[str, Any]) -> None:
    when = datetime.fromisoformat(line["time"]).timestamp()
    clock = time.strftime("%H:%M:%S", time.localtime(when))
    status = "-" if line["status"] is None else line["status"]
    what = f"{line['service'] or '-'} {line['operation']}"
    who = "-"
    if line["principal"]:
        who = f"{line['account']}/{line['principal'].partition('/')[2] or 'root'}"
    words = [line["resource"] or "", line["error"] or "", who]
    if line["fault"]:
        words.append(f"fault {line['fault']}")
    rest = "  ".join(_printable(word) for word in words if word)
    print(f"{clock}  {status:>3}  {line['latency_ms']:>8.1f} ms  {_printable(what):<36}  {rest}")


def _printable(text: str) -> str:
    # A name may hold what moves a terminal's cursor.
    return "".join(character if character.isprintable() else "?" for character in text)
