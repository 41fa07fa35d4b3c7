"""What a model needs to be served in a container, whatever it is served for.

The environment of its processes, the check of its requirements, the log stream of each process.
It must not know endpoints or jobs.
"""

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from local_sagemaker.containers import requirements_check
from local_sagemaker.containers.container import Container, Containers
from local_sagemaker.hosting.models import (
    ModelSource,
    container_environment,
    requirements_file,
)
from local_sagemaker.hosting.workers import LineSink
from local_sagemaker.identity import EXECUTION_ROLE
from local_sagemaker.logs.store import LogWriter


def environment(
    containers: Containers,
    container: Container,
    source: ModelSource,
    *,
    account: str,
    region: str,
    own: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return all variables of a model's processes.

    Parameters
    ----------
    containers, container
        Where they run.
    source
        The model.
    account, region
        Where their AWS clients act.
    own
        Further variables, which win over the model's.

    Raises
    ------
    AWSError
        When nobody can act as the model's execution role.
    """
    return containers.environment(
        container,
        role_arn=source.role or f"arn:aws:iam::{account}:role/{EXECUTION_ROLE}",
        account=account,
        region=region,
        lifetime=None,
        own={
            # Several processes share the machine's cores.
            "OMP_NUM_THREADS": "1",
            "SAGEMAKER_BASE_DIR": str(container.root),
            "SM_MODEL_DIR": str(container.root / "model"),
            "SAGEMAKER_REGION": region,
            **container_environment(source, container.root),
            **(own or {}),
        },
    )


def unmet_requirement(source: ModelSource, container: Container, log: LineSink) -> str | None:
    """Return which requirement of a staged model's code is not met, or None; log warnings."""
    path = requirements_file(source, container.root)
    if path is None:
        return None
    report = requirements_check.check(path)
    for warning in report.warnings:
        log.write(f"WARNING: {warning}")
    if report.failure:
        log.write(report.failure)
    return report.failure or None


def introduction(source: ModelSource, wanted: int, processes: int) -> list[str]:
    """Return the first lines of a log: how the model is served here.

    Parameters
    ----------
    source
        The model.
    wanted, processes
        How many processes were asked for, and how many serve.
    """
    version = sys.version.split()[0]
    how = (
        f"Local SageMaker: the image {source.image or '(none)'} is not run. The model is "
        f"served by Python {version} of {sys.prefix}, by the rules of the SageMaker Hugging Face "
        "inference toolkit."
    )
    lines = [how]
    if wanted > processes:
        lines.append(
            f"Local SageMaker: {wanted} processes were asked for; {processes} serve on this "
            "machine."
        )
    return lines


class ProcessLog:
    """The log stream of one process and its successors."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def write(self, line: str) -> None:
        """Append a line, if the disk takes it."""
        # Neither a full disk nor a last line after the end is a reason to end a process.
        with suppress(OSError):
            self._writer.write(line)

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class ProcessLogs:
    """The log streams of a fleet: one for each of its processes, opened when it first writes.

    Parameters
    ----------
    open_stream
        Returns a writer of the stream of a numbered process.
    introduction
        The first lines of each.
    """

    def __init__(
        self, open_stream: Callable[[int], LogWriter], introduction: Sequence[str]
    ) -> None:
        self._open_stream = open_stream
        self._introduction = introduction
        self._lock = threading.Lock()
        self._logs: dict[int, ProcessLog] = {}

    def open(self, number: int) -> ProcessLog:
        """Return the log of a numbered process."""
        with self._lock:
            if number not in self._logs:
                self._logs[number] = self._new(number)
            return self._logs[number]

    def _new(self, number: int) -> ProcessLog:
        log = ProcessLog(self._open_stream(number))
        for line in self._introduction:
            log.write(line)
        return log

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            for log in self._logs.values():
                log.close()
