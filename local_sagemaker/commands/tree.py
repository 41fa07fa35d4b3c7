"""``python -m local_sagemaker tree``: make the readable tree of S3 objects anew, and say where.

It asks the running server; it must not touch the tree itself.
"""

import argparse
from typing import Any

from local_sagemaker import control
from local_sagemaker.commands.running import running_server
from local_sagemaker.home import Home, HomeError

# A tree of tens of thousands of objects is made in less.
_PATIENCE = 600.0


def add_tree_command(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to a parser's subcommands."""
    command = commands.add_parser(
        "tree",
        parents=[shared],
        help="make the readable tree of S3 objects anew, and print its folder",
    )
    command.set_defaults(run=_tree)


def _tree(options: argparse.Namespace) -> int:
    info = running_server(Home(options.home))
    try:
        made = control.ask(info, "POST", "/_local/tree", timeout=_PATIENCE)
    except control.ControlError as error:
        raise HomeError(str(error)) from None
    print(made["folder"])
    print(
        f"{made['files']} files; {made['notes']} notes in place of large objects; "
        f"{made['left_out']} keys left out. README.txt there says what is what."
    )
    return 0
