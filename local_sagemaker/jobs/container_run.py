"""One run of a job that is one command in a container: training and processing jobs.

It starts the command, ends it when it is to end, and leaves no container behind; it must not know
what a command needs or what its results are.
"""

import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_sagemaker.containers.container import Container, Containers
from local_sagemaker.containers.process import Exit, SupervisedProcess
from local_sagemaker.jobs.job_log import JobLog
from local_sagemaker.jobs.run import JobRun, Outcome
from local_sagemaker.store import Record, Records

STOP_GRACE = 120.0
"""Seconds between SIGTERM and SIGKILL (StopTrainingJob's documentation)."""

# When the server itself is told to stop, nobody waits two minutes for it.
_ABORT_GRACE = 2.0


@dataclass(frozen=True)
class Command:
    """What to run: program and arguments, all of its variables, and its working directory."""

    words: Sequence[str]
    environment: Mapping[str, str]
    directory: Path


class ContainerRun(JobRun):
    """A job that has not ended.

    Parameters
    ----------
    records, record
        Where its record is, and the record as created.
    containers
        Makes its container.
    log
        Takes what it writes.
    limit
        How many seconds it may run.
    """

    def __init__(
        self,
        records: Records,
        record: Record,
        containers: Containers,
        log: JobLog,
        limit: float,
    ) -> None:
        super().__init__(records, record)
        self._containers = containers
        self._log = log
        self._limit = limit
        self._lock = threading.Lock()
        self._container: Container | None = None
        self._process: SupervisedProcess | None = None
        self._stopping = False
        self._late = False

    def stop(self) -> None:
        """Ask the script to end; it has `STOP_GRACE` seconds. Returns at once."""
        with self._lock:
            self._stopping = True
            if self._process is not None:
                self._process.terminate(STOP_GRACE)

    def abort(self) -> None:
        """End it because the server ends; its results are given up. Returns at once."""
        with self._lock:
            self._aborted = True
            if self._process is not None:
                self._process.terminate(_ABORT_GRACE)

    @abstractmethod
    def _work(self, container: Container) -> Outcome:
        """Lead the job through its container, which is empty."""

    def _starts(self) -> None:
        """Note that the command is about to start."""

    def _lead(self) -> Outcome:
        self._container = self._containers.create()
        return self._work(self._container)

    def _close(self) -> None:
        self._log.close()
        if self._container is not None:
            self._container.remove()

    @property
    def _lifetime(self) -> float:
        """For how many seconds the job's keys are good: also while it saves after SIGTERM."""
        return self._limit + STOP_GRACE + 3600

    def _run(self, container: Container, command: Command) -> Exit | None:
        """Run the command; return how it ended, or None when it was stopped before it began."""
        with self._lock:
            if self._stopping or self._aborted:
                return None
            self._starts()
            if self._record.status != "InProgress":
                # Stopped before this run was known to those who stop runs.
                return None
            self._process = container.start(
                command.words,
                environment=command.environment,
                directory=command.directory,
                on_output=self._log.take,
            )
        ended = self._process.wait(self._limit)
        if ended is None:
            self._late = True
            self._process.terminate(STOP_GRACE)
            ended = self._process.wait()
        self._log.finish()
        return ended

    def _has_failed(self, ended: Exit) -> bool:
        """Tell whether a command failed, and was not ended from here."""
        return not self._stopping and not self._late and ended.status != 0
