"""Why a job failed, in the words of its own script.

It knows exit codes, tracebacks and the 1,024 characters of ``FailureReason``; it must not know
how a job is run.
"""

import re
import signal
from collections.abc import Sequence

from local_sagemaker.containers.process import Exit

MAX_REASON = 1024
"""Longest ``FailureReason`` (botocore's shape ``FailureReason``)."""

TAIL_LINES = 400
"""How many of a log's last lines can matter."""

_TRACEBACK = "Traceback (most recent call last):"
_LAST_LINES = 10
# What SDK v3's driver writes when the script has failed: nothing about the script.
_DRIVER_FAILURE = ("in execute_commands", "Training Execution failed. For more details")
_DRIVER_LINE = re.compile(r"Command failed with exit code (?P<code>-?\d+)\. Traceback: ")
# sm_train.sh traces its own steps with `set -x`, one plus or more by depth.
_SHELL_TRACE = re.compile(r"\++ handle_error$")


def algorithm_error(ended: Exit, failure_file: str, tail: Sequence[str]) -> str:
    """Return the ``FailureReason`` of a job whose process failed.

    Parameters
    ----------
    ended
        How the process ended.
    failure_file
        The content of /opt/ml/output/failure, empty when there is none.
    tail
        The last lines of the log.
    """
    suffix = f", exit code: {ended.status}"
    room = MAX_REASON - len("AlgorithmError: ") - len(suffix)
    text = failure_file.strip()
    if text and not any(mark in text for mark in _DRIVER_FAILURE):
        return f"AlgorithmError: {text[:room]}{suffix}"
    own, number = _without_driver(tail)
    number = ended.signal or number
    if ended.error is not None:
        words = f"cannot run the job: {ended.error}"
    elif number is not None:
        words = _killed(number)
    else:
        words = last_words(own)
    return f"AlgorithmError: {_end(words, room)}{suffix}"


def script_error(code: int, command: str, tail: Sequence[str]) -> str:
    """Return what the training toolkit writes to the failure file when a script has failed.

    Parameters
    ----------
    code
        The script's exit code, negative for a signal.
    command
        The command line.
    tail
        The last lines of the log.
    """
    words = _killed(-code) if code < 0 else last_words(tail)
    shown = command if len(command) <= 300 else command[:300] + "…"
    head, foot = (
        f'ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "',
        f'"\nCommand "{shown}"',
    )
    room = MAX_REASON - len("AlgorithmError: , exit code: 1") - len(head) - len(foot)
    return head + _end(words, room) + foot


def last_words(lines: Sequence[str]) -> str:
    """Return the last traceback and what follows it, or else the last lines."""
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].strip() == _TRACEBACK:
            return "\n".join(lines[index:]).strip()
    return "\n".join(lines[-_LAST_LINES:]).strip()


def _without_driver(tail: Sequence[str]) -> tuple[Sequence[str], int | None]:
    """Return the script's own lines, and the signal that the driver saw it die of."""
    for index in range(len(tail) - 1, -1, -1):
        match = _DRIVER_LINE.match(tail[index])
        if match:
            code = int(match["code"])
            return tail[:index], -code if code < 0 else None
    for index in range(len(tail) - 1, -1, -1):
        if _SHELL_TRACE.match(tail[index]):
            return tail[:index], None
    return tail, None


def _killed(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    hint = "; this is how a system ends it when memory runs out" if name == "SIGKILL" else ""
    return f"the script was killed by signal {number} ({name}){hint}"


def _end(text: str, room: int) -> str:
    """Return the end of a text that is too long, from the beginning of a line if it can be."""
    if len(text) <= room:
        return text
    cut = text[-(room - 1) :]
    newline = cut.find("\n")
    if 0 <= newline < len(cut) // 2:
        cut = cut[newline + 1 :]
    return "…" + cut
