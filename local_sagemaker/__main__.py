"""The command line: ``python -m local_sagemaker``."""

import argparse
import json
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from local_sagemaker import daemon
from local_sagemaker.commands.faults import add_fault_command
from local_sagemaker.commands.models import add_model_commands
from local_sagemaker.commands.requests import add_requests_command
from local_sagemaker.commands.review import HOSTS, add_review_command
from local_sagemaker.commands.status import card
from local_sagemaker.commands.tree import add_tree_command
from local_sagemaker.home import Home, HomeError
from local_sagemaker.settings import ACCOUNT, REGION, Place, misleading

_DESCRIPTION = """\
A SageMaker that runs on this machine: it speaks AWS's API on 127.0.0.1 and really runs training
jobs and endpoints, as plain processes. Its state is kept in a folder, its home.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except (HomeError, daemon.StartError) as error:
        print(f"local_sagemaker: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of a pipe has seen enough; what Python still holds has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_sagemaker", description=_DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--home",
        type=Path,
        help="folder of its state (default: $LOCAL_SAGEMAKER_HOME or .local_sagemaker)",
    )
    port = argparse.ArgumentParser(add_help=False)
    port.add_argument("--port", type=_port, help="TCP port (default: chosen once, then kept)")

    command = commands.add_parser(
        "start",
        parents=[shared, port],
        help="start it in the background, or attach to the one that runs; print exports",
    )
    command.add_argument("--quiet", action="store_true", help="print one line, and no keys")
    command.add_argument("--allow-host", **HOSTS)
    command.set_defaults(run=_start)
    command = commands.add_parser(
        "status", parents=[shared], help="show jobs, endpoints, faults and requests"
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=_status)
    command = commands.add_parser("logs", parents=[shared], help="follow a job's or endpoint's log")
    command.add_argument("name", help="name of a training job or an endpoint")
    command.add_argument("--no-follow", action="store_true", help="print what is there and end")
    command.set_defaults(run=_logs)
    add_requests_command(commands, shared)
    add_fault_command(commands, shared)
    add_model_commands(commands, shared)
    add_tree_command(commands, shared)
    add_review_command(commands, port)
    command = commands.add_parser("stop", parents=[shared], help="stop it; its state is kept")
    command.set_defaults(run=_stop)
    command = commands.add_parser("reset", parents=[shared], help="stop it and remove its state")
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.set_defaults(run=_reset)
    command = commands.add_parser("serve", parents=[shared, port], help="run it in this terminal")
    command.add_argument("--allow-host", **HOSTS)
    command.add_argument("--account", default=ACCOUNT, help=argparse.SUPPRESS)
    command.add_argument("--region", default=REGION, help=argparse.SUPPRESS)
    command.add_argument("--answers-to-account", action="store_true", help=argparse.SUPPRESS)
    command.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    command.set_defaults(run=_serve)
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f"{port} is not a port: they go from 1 to 65535")
    return port


def _start(options: argparse.Namespace) -> int:
    home = Home(options.home)
    place = Place(portal_hosts=tuple(options.allow_host)) if options.allow_host else None
    started = daemon.start(home, options.port, place)
    word = "started" if started.fresh else "already runs"
    # repr, because a comment must stay one line, whatever the folder is called.
    print(f"# The local SageMaker {word} at {started.info.url} (home: {str(home.path)!r}).")
    if options.quiet:
        return 0
    print('# For this shell:  eval "$(python -m local_sagemaker start)"')
    for name in misleading(os.environ):
        print(f"unset {name}")
    for name, value in home.environment(started.info.url).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _status(options: argparse.Namespace) -> int:
    home = Home(options.home)
    info = home.server() if home.running() else None
    if info is None:
        if options.json:
            print(json.dumps({"running": False, "home": str(home.path)}))
        else:
            print(f"No local SageMaker runs in {home.path}.")
        return 3
    state = daemon.status(info)
    if options.json:
        print(json.dumps({"running": True} | state, indent=2))
    else:
        print(card(state))
    return 0


def _logs(options: argparse.Namespace) -> int:
    from local_sagemaker.logs.follower import follow

    home = Home(options.home)
    if not home.is_one():
        raise HomeError(f"no local SageMaker ever ran in {home.path}")
    for line in follow(home, options.name, follow=not options.no_follow):
        print(line, flush=True)
    return 0


def _stop(options: argparse.Namespace) -> int:
    home = Home(options.home)
    stopped = daemon.stop(home)
    print(
        f"The local SageMaker of {home.path} is stopped; its state is kept."
        if stopped
        else f"No local SageMaker runs in {home.path}."
    )
    return 0


def _reset(options: argparse.Namespace) -> int:
    home = Home(options.home)
    if not home.path.exists():
        print(f"There is nothing in {home.path}.")
        return 0
    if not options.yes:
        if not sys.stdin.isatty():
            raise HomeError("reset removes all jobs, endpoints and objects; say --yes to do so")
        question = f"Remove all jobs, endpoints, objects and logs in {home.path}? [y/N] "
        if input(question).strip().lower() not in ("y", "yes"):
            print("Nothing was removed.")
            return 1
    daemon.reset(home)
    print(f"{home.path} is removed.")
    return 0


def _detach() -> None:
    """Go on as a child of init, so that whoever started this has no process to wait for.

    To be called before anything is imported that may start a thread.
    """
    if os.fork():
        os._exit(0)


def _serve(options: argparse.Namespace) -> int:
    if options.ready_fd is not None:
        _detach()
    from local_sagemaker.server_process import run

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    place = Place(
        options.account, options.region, tuple(options.allow_host), options.answers_to_account
    )
    return run(Home(options.home), options.port, options.ready_fd, place)


if __name__ == "__main__":
    sys.exit(main())
