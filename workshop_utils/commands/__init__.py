"""The commands of ``python -m workshop_utils``, one module for each that belongs together.

A module has ``add(commands)``, which adds its parsers to argparse's subparsers; each parser's
default ``run`` takes the options and returns the exit code. What a user may run into is in
``ERRORS``: it is told in one line, without a traceback. Heavy imports belong inside ``run``, so
that ``--help`` is quick.
"""
