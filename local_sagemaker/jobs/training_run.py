"""One run of one training job, from its slot in the queue to its last state.

It leads a job through its container and tells its record where it is; it must not know requests
or other jobs.
"""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local_sagemaker.containers.container import Container, Containers
from local_sagemaker.containers.process import Exit, SupervisedProcess
from local_sagemaker.jobs import failure, training_states
from local_sagemaker.jobs.metric_definitions import MetricDefinitions
from local_sagemaker.jobs.script_mode import HOST
from local_sagemaker.jobs.training_launch import Launch, LaunchError, prepare
from local_sagemaker.jobs.training_results import Results, ResultsError
from local_sagemaker.logs.follower import TRAINING_JOBS
from local_sagemaker.logs.lines import LineSplitter
from local_sagemaker.logs.store import LogStore, LogWriter
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Key, Record, RecordMissing, Records

STOP_GRACE = 120.0
"""Seconds between SIGTERM and SIGKILL (StopTrainingJob's documentation)."""

# When the server itself is told to stop, nobody waits two minutes for it.
_ABORT_GRACE = 2.0
_SAVE_METRICS_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


LogMetrics = Callable[[Key, Sequence[tuple[str, float, float]]], None]
"""Takes a job's key and its metrics: names, values, and seconds since the epoch."""


@dataclass(frozen=True)
class Services:
    """What a run needs of the server."""

    records: Records
    objects: Objects
    containers: Containers
    logs: LogStore
    log_metrics: LogMetrics


@dataclass(frozen=True)
class _Outcome:
    """How a job ended: its last secondary status, and why if that is Failed."""

    state: str
    reason: str | None = None


class TrainingRun:
    """A job that has not ended.

    Parameters
    ----------
    services
        The rooms it goes through.
    record
        The job's, as created.
    request
        The parameters of CreateTrainingJob.
    """

    def __init__(
        self,
        services: Services,
        record: Record,
        request: dict[str, Any],
    ) -> None:
        self._services = services
        self._record = record
        self._request = request
        self._log = _JobLog(services, record.key, request, self._metrics_found)
        self._lock = threading.Lock()
        self._process: SupervisedProcess | None = None
        self._stopping = False
        self._aborted = False
        self._late = False

    @property
    def key(self) -> Key:
        """The key of its record."""
        return self._record.key

    def final_metrics(self) -> list[dict[str, Any]]:
        """Return ``FinalMetricDataList`` as of now."""
        return self._log.metrics.final()

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

    def __call__(self) -> None:
        """Run the job to its end. Every error becomes its failure reason."""
        try:
            outcome = self._outcome()
            # On a full disk nobody would ever learn how it ended. An aborted one is written down
            # when the server closes.
            while not self._written(outcome) and not self._aborted:
                time.sleep(_RETRY_SECONDS)
        except RecordMissing:
            _LOG.warning("the record of %s is gone; its run ends", self.key)

    def _written(self, outcome: "_Outcome") -> bool:
        try:
            self._end(outcome)
        except sqlite3.OperationalError:
            _LOG.exception("cannot write down yet how training job %s ended", self.key.name)
            return False
        return True

    def _outcome(self) -> "_Outcome":
        """Run the job; nothing of it is left but its results when this returns."""
        container: Container | None = None
        try:
            container = self._services.containers.create()
            return self._lead(container)
        except (LaunchError, ResultsError) as error:
            return _Outcome("Failed", f"ClientError: {error}")
        except OSError as error:
            return _Outcome("Failed", f"InternalServerError: {error}")
        except RecordMissing:
            raise
        except Exception as error:  # noqa: BLE001  (our own mistake must not leave it InProgress)
            _LOG.exception("training job %s", self.key.name)
            return _Outcome("Failed", f"InternalServerError: the local SageMaker failed: {error!r}")
        finally:
            self._log.close()
            if container is not None:
                container.remove()

    def _lead(self, container: Container) -> "_Outcome":
        self._enter("Downloading")
        results = Results(
            self._services.objects,
            self.key.account,
            self.key.region,
            self._request,
            self._log.say,
        )
        results.check_buckets()
        launch = prepare(
            container, self._services.objects, self.key.account, self._request, self._log.say
        )
        ended = self._train(container, launch)
        if self._aborted:
            return _Outcome("Failed", training_states.INTERRUPTED)
        if ended is None:
            return _Outcome("Stopped")
        self._log.check()
        failed = not self._stopping and not self._late and ended.status != 0
        self._enter("Uploading")
        results.upload(container, complete=not failed)
        if failed:
            return _Outcome("Failed", self._reason(container, launch, ended))
        return _Outcome("MaxRuntimeExceeded" if self._late else "Completed")

    def _train(self, container: Container, launch: Launch) -> Exit | None:
        """Run the command; return how it ended, or None when it was stopped before it began."""
        environment = self._environment(container, launch)
        with self._lock:
            if self._stopping or self._aborted:
                return None
            self._enter("Training")
            if self._record.status != "InProgress":
                # Stopped before this run was known to those who stop runs.
                return None
            self._process = container.start(
                launch.command,
                environment=environment,
                directory=launch.directory,
                on_output=self._log.take,
            )
        ended = self._process.wait(self._limit)
        if ended is None:
            self._late = True
            self._process.terminate(STOP_GRACE)
            ended = self._process.wait()
        self._log.finish()
        return ended

    @property
    def _limit(self) -> float:
        return float(self._request["StoppingCondition"]["MaxRuntimeInSeconds"])

    def _environment(self, container: Container, launch: Launch) -> dict[str, str]:
        key, root = self.key, container.root
        environment = self._services.containers.environment(
            container,
            role_arn=self._request["RoleArn"],
            account=key.account,
            region=key.region,
            # It must still be good when the script saves its model after SIGTERM.
            lifetime=self._limit + STOP_GRACE + 3600,
            own=self._request.get("Environment", {}),
            python_path=launch.python_path,
        )
        return {
            **environment,
            "TRAINING_JOB_NAME": key.name,
            "TRAINING_JOB_ARN": self._record.arn,
            "SAGEMAKER_JOB_NAME": key.name,
            "SAGEMAKER_REGION": key.region,
            "CURRENT_HOST": HOST,
            "SM_OUTPUT_DIR": str(root / "output"),
            **launch.variables,
        }

    def _reason(self, container: Container, launch: Launch, ended: Exit) -> str:
        path = container.root / "output" / "failure"
        words = path.read_text(errors="replace") if path.is_file() else ""
        tail = self._log.tail
        if launch.script is not None and not words and ended.error is None:
            code = -ended.signal if ended.signal is not None else ended.status
            words = failure.script_error(code, launch.script, tail)
            # The toolkit that would run the script ends with 1, whatever the script ended with.
            ended = Exit(code=1)
        return failure.algorithm_error(ended, words, tail)

    def _metrics_found(self) -> None:
        self._change(lambda _record: None)

    def _enter(self, state: str) -> None:
        """Move on to a state before the last; a job that is being stopped stays Stopping."""

        def change(record: Record) -> None:
            if record.status == "InProgress":
                training_states.enter(record, state)

        self._change(change)

    def _end(self, outcome: "_Outcome") -> None:
        def change(record: Record) -> None:
            if training_states.ended(record):
                return
            if outcome.reason is not None:
                training_states.fail(record, outcome.reason)
            else:
                # A stop was acknowledged, so it counts, even if it came a moment too late.
                stopped = record.status == "Stopping"
                training_states.enter(record, "Stopped" if stopped else outcome.state)

        self._change(change)

    def _change(self, change: Callable[[Record], None]) -> None:
        def apply(record: Record) -> None:
            final = self.final_metrics()
            if final:
                record.body["FinalMetricDataList"] = final
            change(record)

        self._record = self._services.records.update(self.key, apply)


class _JobLog:
    """The log of one job: lines to CloudWatch Logs, metrics out of them, the last ones kept."""

    def __init__(
        self,
        services: Services,
        key: Key,
        request: dict[str, Any],
        on_points: Callable[[], None],
    ) -> None:
        self._services = services
        self._key = key
        self._on_points = on_points
        self._splitter = LineSplitter()
        self._tail: deque[str] = deque(maxlen=failure.TAIL_LINES)
        self._writer: LogWriter | None = None
        self._saved = 0.0
        self._points: list[tuple[str, float, float]] = []
        self._error: OSError | sqlite3.Error | None = None
        algorithm = request.get("AlgorithmSpecification", {})
        self.metrics = MetricDefinitions(algorithm.get("MetricDefinitions", []))

    @property
    def tail(self) -> list[str]:
        """The last lines."""
        return list(self._tail)

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
        self._save_points(time.time())

    def say(self, sentence: str) -> None:
        """Write a line of the platform's own."""
        self._write([sentence])

    def check(self) -> None:
        """Raise the error, if there was one, that kept the log or a metric from being written."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the log."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, lines: list[str]) -> None:
        if not lines:
            return
        if self._writer is None:
            key, stream = self._key, f"{self._key.name}/{HOST}-{int(time.time())}"
            self._writer = self._services.logs.writer(
                key.account, key.region, TRAINING_JOBS, stream
            )
        self._writer.write_all(lines)
        self._tail.extend(lines)
        if self.metrics:
            now = time.time()
            self._points += [
                (point.name, point.value, point.timestamp)
                for line in lines
                for point in self.metrics.match(line, now)
            ]
            if now - self._saved >= _SAVE_METRICS_SECONDS:
                self._save_points(now)

    def _save_points(self, now: float) -> None:
        if not self._points:
            return
        self._saved = now
        self._services.log_metrics(self._key, self._points)
        self._points = []
        self._on_points()
