"""One run of one training job, from its slot in the queue to its last state.

It leads a job through its container and tells its record where it is; it must not know requests
or other jobs.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local_sagemaker.containers.container import Container, Containers
from local_sagemaker.containers.process import Exit
from local_sagemaker.jobs import failure, training_states
from local_sagemaker.jobs.container_run import Command, ContainerRun
from local_sagemaker.jobs.job_log import JobLog
from local_sagemaker.jobs.metric_definitions import MetricDefinitions
from local_sagemaker.jobs.run import JobFailed, Outcome
from local_sagemaker.jobs.script_mode import HOST
from local_sagemaker.jobs.training_launch import Launch, LaunchError, prepare
from local_sagemaker.jobs.training_results import Results, ResultsError
from local_sagemaker.logs.follower import TRAINING_JOBS
from local_sagemaker.logs.store import LogStore
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Key, Record, Records

_SAVE_METRICS_SECONDS = 1.0

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


class TrainingRun(ContainerRun):
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
        self._request = request
        self._metrics = _Metrics(services.log_metrics, record.key, request, self._metrics_found)
        super().__init__(
            services.records,
            record,
            services.containers,
            JobLog(services.logs, record.key, TRAINING_JOBS, self._metrics.match),
            float(request["StoppingCondition"]["MaxRuntimeInSeconds"]),
        )

    def final_metrics(self) -> list[dict[str, Any]]:
        """Return ``FinalMetricDataList`` as of now."""
        return self._metrics.final()

    def _work(self, container: Container) -> Outcome:
        try:
            return self._train(container)
        except (LaunchError, ResultsError) as error:
            raise JobFailed(f"ClientError: {error}") from error

    def _train(self, container: Container) -> Outcome:
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
        environment = self._environment(container, launch)
        ended = self._run(container, Command(launch.command, environment, launch.directory))
        self._metrics.save()
        if self._aborted:
            return self._interrupted()
        if ended is None:
            return Outcome("Stopped")
        self._log.check()
        failed = self._has_failed(ended)
        self._enter("Uploading")
        results.upload(container, complete=not failed)
        if failed:
            return Outcome("Failed", self._reason(container, launch, ended))
        return Outcome("MaxRuntimeExceeded" if self._late else "Completed")

    def _starts(self) -> None:
        self._enter("Training")

    def _environment(self, container: Container, launch: Launch) -> dict[str, str]:
        key, root = self.key, container.root
        environment = self._services.containers.environment(
            container,
            role_arn=self._request["RoleArn"],
            account=key.account,
            region=key.region,
            lifetime=self._lifetime,
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

    def _end(self, record: Record, outcome: Outcome) -> None:
        if outcome.reason is not None:
            training_states.fail(record, outcome.reason)
        else:
            # A stop was acknowledged, so it counts, even if it came a moment too late.
            stopped = record.status == "Stopping"
            training_states.enter(record, "Stopped" if stopped else outcome.state)

    def _change(self, change: Callable[[Record], None]) -> None:
        def apply(record: Record) -> None:
            final = self.final_metrics()
            if final:
                record.body["FinalMetricDataList"] = final
            change(record)

        super()._change(apply)


class _Metrics:
    """The metrics in a job's log, saved now and then.

    ``on_points`` is called after they were saved.
    """

    def __init__(
        self,
        log_metrics: LogMetrics,
        key: Key,
        request: dict[str, Any],
        on_points: Callable[[], None],
    ) -> None:
        self._log_metrics = log_metrics
        self._key = key
        self._on_points = on_points
        self._saved = 0.0
        self._points: list[tuple[str, float, float]] = []
        algorithm = request.get("AlgorithmSpecification", {})
        self._definitions = MetricDefinitions(algorithm.get("MetricDefinitions", []))

    def final(self) -> list[dict[str, Any]]:
        """Return ``FinalMetricDataList`` as of now."""
        return self._definitions.final()

    def match(self, lines: Sequence[str]) -> None:
        """Look for metrics in lines of the log."""
        if not self._definitions:
            return
        now = time.time()
        self._points += [
            (point.name, point.value, point.timestamp)
            for line in lines
            for point in self._definitions.match(line, now)
        ]
        if now - self._saved >= _SAVE_METRICS_SECONDS:
            self.save()

    def save(self) -> None:
        """Save those that were found since the last time."""
        if not self._points:
            return
        self._saved = time.time()
        self._log_metrics(self._key, self._points)
        self._points = []
        self._on_points()
