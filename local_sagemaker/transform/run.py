"""One run of one transform job, from its slot in the queue to its last state.

It starts the processes, leads the input objects through them, and tells the job's record how it
ended. It must not know requests or other jobs.
"""

import asyncio
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from local_sagemaker.containers.container import Container, Containers
from local_sagemaker.errors import AWSError
from local_sagemaker.hosting import model_container
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.models import ModelDataError, ModelSource, stage
from local_sagemaker.hosting.reserve import ReservePolicy
from local_sagemaker.hosting.variants import STARTUP_TIMEOUT
from local_sagemaker.hosting.waiting import WorkerDied
from local_sagemaker.hosting.workers import WorkerFailed, WorkerPlan
from local_sagemaker.jobs import s3_source
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.jobs.s3_source import Item, SourceError
from local_sagemaker.logs.store import LogStore
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Key, Record, RecordMissing, Records
from local_sagemaker.transform import execution_parameters, plan, states
from local_sagemaker.transform.execution_parameters import ExecutionParameters, ProposalError
from local_sagemaker.transform.file_transform import FileFailed, FileTransform, Work
from local_sagemaker.transform.invocations import ClientConfig, Invocations
from local_sagemaker.transform.job_logs import JobLogs
from local_sagemaker.transform.plan import TransformPlan

# From SIGTERM to SIGKILL: what is under way when a job is stopped is of no use to anybody.
_STOP_GRACE = 2.0
_ASKING_SECONDS = 10.0
# A job can wait for a new process, and need not pay for one that only waits.
_NO_RESERVE = ReservePolicy(processor_time=math.inf, duration=math.inf)
_RETRY_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What a run needs of the server."""

    records: Records
    objects: Objects
    containers: Containers
    logs: LogStore


class _JobFailed(Exception):
    """The message is the job's FailureReason."""


class _Ended(Exception):
    """The job is to end now."""


class TransformRun:
    """A job that has not ended.

    Parameters
    ----------
    services
        The rooms it goes through.
    record
        The job's, as created.
    request
        The parameters of CreateTransformJob, completed.
    source
        Its model.
    """

    def __init__(
        self,
        services: Services,
        record: Record,
        request: dict[str, Any],
        source: ModelSource,
    ) -> None:
        self._services = services
        self._key = record.key
        self._request = request
        self._source = source
        self._lock = threading.Lock()
        self._fleet: Fleet | None = None
        self._cancel: Callable[[], None] | None = None
        self._ending = False
        self._aborted = False
        self._over = threading.Event()

    @property
    def key(self) -> Key:
        """The key of its record."""
        return self._key

    def stop(self) -> None:
        """End it at once; outputs that are complete stay. Returns without waiting."""
        with self._lock:
            self._ending = True
            fleet, cancel = self._fleet, self._cancel
            if cancel is not None:
                cancel()
        if fleet is not None:
            # It waits for the processes' end, and the caller must not.
            threading.Thread(
                target=fleet.stop, args=(_STOP_GRACE,), name="stop transform", daemon=True
            ).start()

    def abort(self) -> None:
        """End it because the server ends. Returns without waiting."""
        self._aborted = True
        self.stop()

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended, seconds at most; tell whether it has."""
        return self._over.wait(timeout)

    def __call__(self) -> None:
        """Run the job to its end. Every error becomes its failure reason."""
        try:
            status, reason = self._outcome()
            # On a full disk nobody would ever learn how it ended. An aborted one is written down
            # when the server closes.
            while not self._written(status, reason) and not self._aborted:
                time.sleep(_RETRY_SECONDS)
        except RecordMissing:
            _LOG.warning("the record of %s is gone; its run ends", self._key)
        finally:
            self._over.set()

    def _written(self, status: str, reason: str | None) -> bool:
        def change(record: Record) -> None:
            if states.ended(record):
                return
            # A stop was acknowledged, so it counts, even if it came a moment too late.
            stopped = record.status == "Stopping"
            states.end(record, "Stopped" if stopped else status, None if stopped else reason)

        try:
            self._services.records.update(self._key, change)
        except sqlite3.OperationalError:
            _LOG.exception("cannot write down yet how transform job %s ended", self._key.name)
            return False
        return True

    def _outcome(self) -> tuple[str, str | None]:
        """Run the job; nothing of it is left but its outputs when this returns."""
        container: Container | None = None
        logs: JobLogs | None = None
        try:
            record = self._services.records.update(self._key, states.begin)
            if record.status == "Stopping":
                # Stopped before this run was known to those who stop runs.
                raise _Ended
            processes = plan.first_processes(self._request)
            introduction = model_container.introduction(self._source, processes, processes)
            logs = JobLogs(self._services.logs, self._key, introduction)
            container = self._services.containers.create()
            self._lead(container, logs)
        except _Ended:
            return ("Failed", states.INTERRUPTED) if self._aborted else ("Stopped", None)
        except _JobFailed as error:
            if logs is not None:
                logs.say(str(error))
            return "Failed", str(error)
        except OSError as error:
            return "Failed", f"InternalServerError: {error}"
        except RecordMissing:
            raise
        except Exception as error:  # noqa: BLE001  (our own mistake must not leave it InProgress)
            _LOG.exception("transform job %s", self._key.name)
            return "Failed", f"InternalServerError: the local SageMaker failed: {error!r}"
        finally:
            if self._fleet is not None:
                self._fleet.stop(_STOP_GRACE)
            if container is not None:
                container.remove()
            if logs is not None:
                logs.close()
        return "Completed", None

    def _lead(self, container: Container, logs: JobLogs) -> None:
        items = self._items()
        fleet = self._served(container, logs)
        try:
            parameters = ExecutionParameters.settled(self._request, self._proposal(fleet))
        except ProposalError as error:
            raise _JobFailed(f"AlgorithmError: The container's parameters: {error}.") from error
        logs.say(str(parameters))
        todo = TransformPlan.read(self._request, parameters)
        self._start(fleet, todo.processes)
        if todo.wanted_processes > todo.processes:
            logs.say(
                f"{todo.wanted_processes} requests at once were asked for; {todo.processes} are "
                "worked on at once on this machine"
            )
        failures = self._transformed(todo, items, fleet, logs)
        if failures.first is not None:
            raise _JobFailed(failures.reason(len(items)))

    def _items(self) -> list[Item]:
        target = S3Location.parse(self._request["TransformOutput"]["S3OutputPath"])
        account = self._key.account
        try:
            bucket = self._services.objects.buckets.require(account, target.bucket)
        except AWSError as error:
            raise _JobFailed(
                f"ClientError: cannot write to {target}: {error.message} ({error.code})"
            ) from error
        if bucket.region != self._key.region:
            raise _JobFailed(
                f"ClientError: cannot write to {target}: the bucket is in {bucket.region}, and the "
                f"job in {self._key.region}."
            )
        source = self._request["TransformInput"]["DataSource"]["S3DataSource"]
        try:
            items = s3_source.items(self._services.objects, account, source)
        except SourceError as error:
            raise _JobFailed(f"ClientError: {error}") from error
        # A manifest may name an object twice.
        return list(dict.fromkeys(items))

    def _served(self, container: Container, logs: JobLogs) -> Fleet:
        """Return the processes, started, as many as are needed in any case."""
        try:
            environment = model_container.environment(
                self._services.containers,
                container,
                self._source,
                account=self._key.account,
                region=self._key.region,
                own={
                    **self._request.get("Environment", {}),
                    **execution_parameters.variables(self._request),
                },
            )
            stage(self._services.objects, self._key.account, self._source, container.root)
        except AWSError as error:
            raise _JobFailed(f"ClientError: the model's execution role: {error.message}") from error
        except ModelDataError as error:
            raise _JobFailed(f"ClientError: {error}") from error
        unmet = model_container.unmet_requirement(self._source, container, logs.of_process(1))
        if unmet is not None:
            raise _JobFailed(_not_healthy(unmet))
        fleet = Fleet(
            WorkerPlan(
                container=container,
                environment=environment,
                startup_timeout=STARTUP_TIMEOUT,
                request_timeout=plan.invocation_timeout(self._request),
                open_log=logs.of_process,
            ),
            reserve=_NO_RESERVE,
        )
        with self._lock:
            self._fleet = fleet
        self._start(fleet, plan.first_processes(self._request))
        return fleet

    def _start(self, fleet: Fleet, processes: int) -> None:
        if self._ending:
            raise _Ended
        try:
            fleet.resize(processes)
        except WorkerFailed as error:
            if self._ending:
                raise _Ended from error
            raise _JobFailed(_not_healthy(str(error))) from error

    def _proposal(self, fleet: Fleet) -> dict[str, Any]:
        try:
            status, body = fleet.get(execution_parameters.PATH, _ASKING_SECONDS)
        except WorkerDied as error:
            if self._ending:
                raise _Ended from error
            raise _JobFailed(f"AlgorithmError: {error}") from error
        # Most containers know nothing of it and answer 404.
        return execution_parameters.read_proposal(body) if status == HTTPStatus.OK else {}

    def _transformed(
        self, todo: TransformPlan, items: list[Item], fleet: Fleet, logs: JobLogs
    ) -> "_Failures":
        """Transform all objects; return what failed."""
        failures = _Failures()

        async def transform_all() -> None:
            loop, main = asyncio.get_running_loop(), asyncio.current_task()
            assert main is not None
            with self._lock:
                if self._ending:
                    raise _Ended
                self._cancel = lambda: _call(loop, main.cancel)
            work = self._work(todo, fleet, logs)
            waiting = iter(enumerate(items))
            hands = [
                asyncio.create_task(_transform_each(work, todo.output, waiting, failures))
                for _ in range(min(todo.ahead, len(items)))
            ]
            try:
                await asyncio.gather(*hands)
            finally:
                for hand in hands:
                    hand.cancel()
                await asyncio.gather(*hands, return_exceptions=True)

        try:
            asyncio.run(transform_all())
        except asyncio.CancelledError as error:
            raise _Ended from error
        finally:
            with self._lock:
                self._cancel = None
        return failures

    def _work(self, todo: TransformPlan, fleet: Fleet, logs: JobLogs) -> Work:
        config = ClientConfig(todo.headers, todo.timeout, todo.retries, todo.processes)
        return Work(
            objects=self._services.objects,
            account=self._key.account,
            gzip=todo.gzip,
            splitting=todo.splitting,
            processing=todo.processing,
            lines=todo.lines,
            room=asyncio.Semaphore(todo.ahead),
            invocations=Invocations(fleet, config, logs.say),
            say=logs.say,
        )


class _Failures:
    """The objects that failed: how many, and the first of them in the order of the input."""

    def __init__(self) -> None:
        self.count = 0
        self.first: tuple[int, str] | None = None

    def add(self, number: int, item: Item, error: FileFailed) -> None:
        self.count += 1
        if self.first is None or number < self.first[0]:
            self.first = number, f"{error.blame}: {item.location}: {error}"

    def reason(self, objects: int) -> str:
        told = self.first[1] if self.first is not None else ""
        more = f" {self.count} of {objects} input files failed." if objects > 1 else ""
        return f"{told}{more} See the job's logs."


async def _transform_each(
    work: Work, output: S3Location, waiting: Iterator[tuple[int, Item]], failures: _Failures
) -> None:
    for number, item in waiting:
        name = f"{item.location.bucket}/{item.location.key}"
        started = time.monotonic()
        target = S3Location(output.bucket, _joined(output.key, f"{item.name}.out"))
        try:
            records = await FileTransform(work, item.location, target).run()
        except FileFailed as error:
            failures.add(number, item, error)
            work.say(f"{name}: {error.blame}")
            work.say(f"{name}: Message: {error}")
        else:
            seconds = time.monotonic() - started
            work.say(f"{name}: {records} records in {seconds:.1f} s, written to {target}")


def _joined(prefix: str, name: str) -> str:
    return f"{prefix.rstrip('/')}/{name}" if prefix.rstrip("/") else name


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], Any]) -> None:
    with suppress(RuntimeError):
        # The loop may have ended of itself.
        loop.call_soon_threadsafe(function)


def _not_healthy(why: str) -> str:
    return (
        "AlgorithmError: The primary container for the transform job did not pass the ping health "
        f"check. Please check the job's CloudWatch logs. Local SageMaker: {why}"
    )
