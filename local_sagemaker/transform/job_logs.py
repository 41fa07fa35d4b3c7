"""The log streams of one transform job: one for each process, and the data log.

The data log tells what became of each input object; its lines have the service's form. It must
not know how a job is run.
"""

import secrets
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from local_sagemaker.hosting.model_container import ProcessLog, ProcessLogs
from local_sagemaker.logs.follower import TRANSFORM_JOBS
from local_sagemaker.logs.store import LogStore, LogWriter
from local_sagemaker.store import Key


class JobLogs:
    """The logs of a job.

    Parameters
    ----------
    logs
        Where they go.
    key
        The job's.
    introduction
        The first lines of each process's log.
    """

    def __init__(self, logs: LogStore, key: Key, introduction: Sequence[str]) -> None:
        self._logs = logs
        self._key = key
        instance = f"i-{secrets.token_hex(9)[:17]}-{int(time.time())}"
        self._instance = f"{key.name}/{instance}"
        self._lock = threading.Lock()
        self._data: LogWriter | None = None
        self._processes = ProcessLogs(self._open, introduction)

    def of_process(self, number: int) -> ProcessLog:
        """Return the log of a numbered process."""
        return self._processes.open(number)

    def say(self, line: str) -> None:
        """Write a line of the platform's own, if the disk takes it."""
        with self._lock, suppress(OSError):
            if self._data is None:
                self._data = self._writer(f"{self._instance}/data-log")
            self._data.write(f"[sagemaker logs]: {line}")

    def close(self) -> None:
        """Close all of them."""
        self._processes.close()
        with self._lock:
            if self._data is not None:
                self._data.close()

    def _open(self, number: int) -> LogWriter:
        # The SDK shows the first stream only, and what the model prints is to be in it.
        return self._writer(self._instance if number == 1 else f"{self._instance}/process-{number}")

    def _writer(self, stream: str) -> LogWriter:
        return self._logs.writer(self._key.account, self._key.region, TRANSFORM_JOBS, stream)
