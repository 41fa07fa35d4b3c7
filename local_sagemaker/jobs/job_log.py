"""The log of a job that is one process: its lines go to CloudWatch Logs, the last ones are kept.

It knows lines; it must not know what they mean.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence

from local_sagemaker.jobs import failure
from local_sagemaker.jobs.script_mode import HOST
from local_sagemaker.logs.lines import LineSplitter
from local_sagemaker.logs.store import LogStore, LogWriter
from local_sagemaker.store import Key


class JobLog:
    """The log of one job.

    Parameters
    ----------
    logs
        Where logs are.
    key
        The job's.
    group
        The log group of jobs of its kind.
    on_lines
        Called with lines once they are written.
    """

    def __init__(
        self,
        logs: LogStore,
        key: Key,
        group: str,
        on_lines: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        self._logs = logs
        self._key = key
        self._group = group
        self._on_lines = on_lines
        self._splitter = LineSplitter()
        self._tail: deque[str] = deque(maxlen=failure.TAIL_LINES)
        self._writer: LogWriter | None = None
        self._error: OSError | sqlite3.Error | None = None
        self._renamed: tuple[str, str] | None = None

    @property
    def tail(self) -> list[str]:
        """The last lines."""
        return list(self._tail)

    def rename(self, here: str, there: str) -> None:
        """Call a folder otherwise from now on: as the code that ran in it did."""
        self._renamed = (here, there)

    def take(self, data: bytes) -> None:
        """Take what the process wrote."""
        try:
            self._write(self._splitter.feed(data))
        except (OSError, sqlite3.Error) as error:
            self._error = error
            # Out of this callback, it ends the process.
            raise

    def finish(self) -> None:
        """Take what it wrote without a newline at the end."""
        self._write(self._splitter.finish())

    def say(self, sentence: str) -> None:
        """Write a line of the platform's own."""
        self._write([sentence])

    def check(self) -> None:
        """Raise the error, if there was one, that kept a line from being taken."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the log."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, lines: list[str]) -> None:
        if not lines:
            return
        if self._renamed is not None:
            lines = [line.replace(*self._renamed) for line in lines]
        if self._writer is None:
            key, stream = self._key, f"{self._key.name}/{HOST}-{int(time.time())}"
            self._writer = self._logs.writer(key.account, key.region, self._group, stream)
        self._writer.write_all(lines)
        self._tail.extend(lines)
        if self._on_lines is not None:
            self._on_lines(lines)
