"""The command line: ``python -m workshop_utils``."""

import argparse
import sys
from collections.abc import Sequence

from workshop_utils.commands import accounts, catch_up, cleanup, costs, labs, preflight, room

_COMMANDS = (labs, catch_up, accounts, room, cleanup, costs, preflight)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m workshop_utils", description="The workshop's labs without a notebook."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    options = parser.parse_args(arguments)
    expected = tuple(error for module in _COMMANDS for error in module.ERRORS)
    try:
        code: int = options.run(options)
    except expected as error:
        print(f"workshop_utils: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
