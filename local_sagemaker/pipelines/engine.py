"""Keeps the executions that are under way: starts, stops and resumes them.

It must not know steps, nor requests.
"""

import logging
import threading
import time

from local_sagemaker.errors import AWSError
from local_sagemaker.pipelines.run import Run
from local_sagemaker.pipelines.state import (
    FAILED,
    KIND,
    UNDER_WAY,
    write_at_last,
)
from local_sagemaker.pipelines.step_run import Services
from local_sagemaker.pipelines.versions import executed_definition
from local_sagemaker.store import Key, Record

_LOG = logging.getLogger(__name__)


class Engine:
    """The executions under way of all accounts.

    Parameters
    ----------
    services
        The rooms that steps go through.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._records = services.records
        self._lock = threading.Lock()
        self._runs: dict[Key, tuple[Run, threading.Thread]] = {}
        self._closed = False

    def start(self, key: Key) -> None:
        """Carry an execution out, from where its record says that it is."""
        record = self._records.get(key)
        if record is None:
            return
        try:
            definition = executed_definition(self._records, record)
        except AWSError as error:
            # Another version of this server took what this one does not understand.
            self._fail(key, error.message)
            return
        run = Run(self._services, key, definition)
        thread = threading.Thread(target=self._work, args=(key, run), name=key.name, daemon=True)
        with self._lock:
            if self._closed:
                return
            self._runs[key] = (run, thread)
            thread.start()

    def stop(self, key: Key) -> None:
        """Stop the steps of an execution whose record says that it is stopping."""
        with self._lock:
            found = self._runs.get(key)
        if found is not None:
            found[0].stop()

    def poke(self, key: Key) -> None:
        """Let an execution take note of a change of its record."""
        with self._lock:
            found = self._runs.get(key)
        if found is not None:
            found[0].poke()

    def recover(self) -> None:
        """Go on with the executions that a stopped server left unfinished."""
        for record in self._records.every(KIND):
            if record.status in UNDER_WAY:
                self.start(record.key)

    def close(self) -> None:
        """Start nothing more. Steps that wait for jobs end with these; see `join`."""
        with self._lock:
            self._closed = True
            runs = [run for run, _ in self._runs.values()]
        for run in runs:
            run.close()

    def join(self, timeout: float) -> None:
        """Wait for the threads to end, at most `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = [thread for _, thread in self._runs.values()]
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self, key: Key, run: Run) -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001  (nobody else would end the execution)
            if not self._closed:
                _LOG.exception("The execution %s failed", key.name)
                self._fail(key, f"The local SageMaker failed: {type(error).__name__}: {error}.")
        finally:
            with self._lock:
                # It may have been retried already.
                if self._runs.get(key, (None,))[0] is run:
                    del self._runs[key]

    def _fail(self, key: Key, reason: str) -> None:
        def change(record: Record) -> None:
            record.status = FAILED
            record.body["FailureReason"] = reason[:1300]

        write_at_last(lambda: self._records.update(key, change), lambda: self._closed)
