"""One run of one transform job, from its slot in the queue to its last state.

It starts the processes, leads the input objects through them, and tells the job's record how it
ended. It must not know requests or other jobs.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from local_sagemaker.containers.container import Containers
from local_sagemaker.errors import AWSError
from local_sagemaker.hosting import model_container
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.models import ModelSource
from local_sagemaker.jobs import s3_source
from local_sagemaker.jobs.run import JobFailed, JobRun, Outcome
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.jobs.s3_source import Item, SourceError
from local_sagemaker.logs.store import LogStore
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Record, Records
from local_sagemaker.transform import plan, states
from local_sagemaker.transform.all_objects import Failures, transform_all
from local_sagemaker.transform.execution_parameters import ExecutionParameters, ProposalError
from local_sagemaker.transform.file_transform import Work
from local_sagemaker.transform.invocations import ClientConfig, Invocations
from local_sagemaker.transform.job_logs import JobLogs
from local_sagemaker.transform.job_processes import (
    JobProcesses,
    Model,
    ProcessesEnded,
    ProcessesFailed,
)
from local_sagemaker.transform.plan import TransformPlan


@dataclass(frozen=True)
class Services:
    """What a run needs of the server."""

    records: Records
    objects: Objects
    containers: Containers
    logs: LogStore


class TransformRun(JobRun):
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
        super().__init__(services.records, record)
        self._services = services
        self._request = request
        processes = plan.first_processes(request)
        introduction = model_container.introduction(source, processes, processes)
        self._logs = JobLogs(services.logs, record.key, introduction)
        self._processes = JobProcesses(
            Model(source, record.key, request), services.containers, services.objects, self._logs
        )
        self._lock = threading.Lock()
        self._cancel: Callable[[], None] | None = None
        self._ending = False

    def stop(self) -> None:
        """End it at once; outputs that are complete stay. Returns without waiting."""
        with self._lock:
            self._ending = True
            if self._cancel is not None:
                self._cancel()
        self._processes.tell_to_end()

    def abort(self) -> None:
        """End it because the server ends. Returns without waiting."""
        self._aborted = True
        self.stop()

    def _end(self, record: Record, outcome: Outcome) -> None:
        # A stop was acknowledged, so it counts, even if it came a moment too late.
        if record.status == "Stopping":
            outcome = Outcome("Stopped")
        states.end(record, outcome.state, outcome.reason)

    def _lead(self) -> Outcome:
        try:
            self._change(states.begin)
            # It may have been stopped before this run was known to those who stop runs.
            if self._record.status == "InProgress":
                self._transform()
        except ProcessesEnded:
            return self._interrupted() if self._aborted else Outcome("Stopped")
        except (JobFailed, ProcessesFailed) as error:
            self._logs.say(str(error))
            return Outcome("Failed", str(error))
        return Outcome("Completed")

    def _close(self) -> None:
        self._processes.close()
        self._logs.close()

    def _transform(self) -> None:
        self._check_output()
        items = self._items()
        fleet = self._processes.start()
        try:
            proposal = self._processes.proposal(fleet)
            parameters = ExecutionParameters.settled(self._request, proposal)
        except ProposalError as error:
            raise JobFailed(f"ClientError: {error}.") from error
        self._logs.say(str(parameters))
        todo = TransformPlan.read(self._request, parameters)
        if todo.wanted_processes > todo.processes:
            self._logs.say(
                f"{todo.wanted_processes} requests at once were asked for; {todo.processes} are "
                "worked on at once on this machine"
            )
        self._processes.resize(fleet, todo.processes)
        reason = self._transformed(todo, items, fleet).reason
        if reason is not None:
            raise JobFailed(reason)

    def _check_output(self) -> None:
        target = S3Location.parse(self._request["TransformOutput"]["S3OutputPath"])
        try:
            bucket = self._services.objects.buckets.require(self.key.account, target.bucket)
        except AWSError as error:
            raise JobFailed(
                f"ClientError: cannot write to {target}: {error.message} ({error.code})"
            ) from error
        if bucket.region != self.key.region:
            raise JobFailed(
                f"ClientError: cannot write to {target}: the bucket is in {bucket.region}, and the "
                f"job in {self.key.region}."
            )

    def _items(self) -> list[Item]:
        source = self._request["TransformInput"]["DataSource"]["S3DataSource"]
        try:
            items = s3_source.items(self._services.objects, self.key.account, source)
        except SourceError as error:
            raise JobFailed(f"ClientError: {error}") from error
        # A manifest may name an object twice.
        items = list(dict.fromkeys(items))
        by_name: dict[str, Item] = {}
        for item in items:
            other = by_name.setdefault(item.name, item)
            if other is not item:
                raise JobFailed(
                    f"ClientError: {other.location} and {item.location} would have the same "
                    f"output, {item.name}.out. Name a folder in S3Uri, or the objects otherwise."
                )
        return items

    def _transformed(self, todo: TransformPlan, items: list[Item], fleet: Fleet) -> Failures:
        async def transform() -> Failures:
            loop, main = asyncio.get_running_loop(), asyncio.current_task()
            assert main is not None
            with self._lock:
                if self._ending:
                    raise ProcessesEnded
                self._cancel = lambda: _call(loop, main.cancel)
            return await transform_all(self._work(todo, fleet), items, todo.output, todo.ahead)

        try:
            return asyncio.run(transform())
        except asyncio.CancelledError as error:
            raise ProcessesEnded from error
        finally:
            with self._lock:
                self._cancel = None

    def _work(self, todo: TransformPlan, fleet: Fleet) -> Work:
        config = ClientConfig(todo.headers, todo.timeout, todo.retries, todo.processes)
        return Work(
            objects=self._services.objects,
            account=self.key.account,
            gzip=todo.gzip,
            splitting=todo.splitting,
            processing=todo.processing,
            lines=todo.lines,
            room=asyncio.Semaphore(todo.ahead),
            invocations=Invocations(fleet, config, self._logs.say),
            say=self._logs.say,
        )


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], Any]) -> None:
    # The loop may have ended of itself.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function)
