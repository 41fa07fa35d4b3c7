"""``python -m local_sagemaker fault``: sets, lists and removes what goes wrong on purpose."""

import argparse
import json
from pathlib import Path
from typing import Any

from local_sagemaker.commands.running import running_server
from local_sagemaker.faults.client import FaultClient, FaultError
from local_sagemaker.faults.words import describe
from local_sagemaker.home import Home, HomeError

_DESCRIPTION = """\
Make operations go wrong on purpose, to see what a client does then. Faults are off until one is
added, and gone when the server stops.
"""
_EXAMPLES = """\
examples:
  fault add CreateTrainingJob ThrottlingException --times 2
  fault add CreateTrainingJob ResourceLimitExceeded --instance-type ml.g5.xlarge
  fault add CreateEndpoint CapacityError
  fault add InvokeEndpoint --latency 2 --probability 0.1 --seed 7
  fault add CreateTrainingJob ConnectionClosed --after --times 1
  fault add '*' ServiceUnavailable --service s3 --probability 0.05
"""


def add_fault_command(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the command line.

    Parameters
    ----------
    commands
        The subparsers of the command line.
    shared
        The options that all commands have.
    """
    parser = commands.add_parser(
        "fault",
        help="make operations go wrong on purpose",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
    )
    # Without a default, which would take the place of a home that is named before the action.
    home = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    home.add_argument("--home", type=Path, help="folder of its state")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser(
        "add",
        parents=[home],
        help="set a fault",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add.add_argument("operation", metavar="OPERATION", help="its name, or '*' with --service")
    add.add_argument(
        "error",
        metavar="ERROR",
        nargs="?",
        help="a modelled error of the operation, one that every service has "
        "(ThrottlingException, InternalFailure, ServiceUnavailable, ExpiredToken, AccessDenied, "
        "ValidationException, RequestTimeout), ConnectionClosed, or CapacityError",
    )
    add.add_argument("--service", help="botocore's name, where several have the operation")
    add.add_argument("--times", type=int, metavar="N", help="how many requests (default: all)")
    add.add_argument(
        "--probability", type=float, default=1.0, metavar="P", help="share of requests, 0 to 1"
    )
    add.add_argument("--seed", type=int, metavar="N", help="make the draws the same each time")
    add.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="how long it waits first"
    )
    add.add_argument(
        "--instance-type", metavar="TYPE", help="only requests for it, such as ml.g5.xlarge"
    )
    add.add_argument("--account", metavar="ID", help="only requests of this account")
    add.add_argument("--message", metavar="TEXT", help="what the client reads")
    add.add_argument(
        "--after", action="store_true", help="the operation takes effect, its answer is lost"
    )
    add.set_defaults(run=_add)
    show = actions.add_parser("list", parents=[home], help="list the faults that are set")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(run=_list)
    remove = actions.add_parser("remove", parents=[home], help="remove faults")
    which = remove.add_mutually_exclusive_group(required=True)
    which.add_argument("id", metavar="ID", nargs="?", help="as list shows it")
    which.add_argument("--all", action="store_true", help="remove all of them")
    remove.set_defaults(run=_remove)


def _client(options: argparse.Namespace) -> FaultClient:
    info = running_server(Home(options.home))
    return FaultClient(lambda: info)


def _add(options: argparse.Namespace) -> int:
    client = _client(options)
    try:
        fault = client.add(
            options.operation,
            options.error,
            service=options.service,
            times=options.times,
            probability=options.probability,
            latency=options.latency,
            instance_type=options.instance_type,
            account=options.account,
            message=options.message,
            after=options.after,
            seed=options.seed,
        )
    except FaultError as error:
        raise HomeError(str(error)) from None
    (set_fault,) = (one for one in client.list() if one["id"] == fault.id)
    print(f"{fault.id}: {describe(set_fault)}")
    print(f"Remove it with `python -m local_sagemaker fault remove {fault.id}`.")
    return 0


def _list(options: argparse.Namespace) -> int:
    faults = _client(options).list()
    if options.json:
        print(json.dumps(faults, indent=2))
        return 0
    if not faults:
        print("No fault is set.")
    for fault in faults:
        spent = "" if fault["active"] else ", spent"
        print(f"{fault['id']:<5} {describe(fault)}; struck {fault['struck']}{spent}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    client = _client(options)
    if options.all:
        count = client.clear()
        print(f"{count} fault{'' if count == 1 else 's'} removed.")
        return 0
    try:
        client.remove(options.id)
    except FaultError as error:
        raise HomeError(f"{error}; `fault list` shows those that are set") from None
    print(f"{options.id} is removed.")
    return 0
