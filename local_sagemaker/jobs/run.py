"""One run of one job, whatever its kind: every end of it is written down, every error is a reason.

It knows how a job ends; it must not know what it does until then.
"""

import logging
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from local_sagemaker.jobs.unfinished import INTERRUPTED, ended
from local_sagemaker.store import Key, Record, RecordMissing, Records

_RETRY_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class JobFailed(Exception):
    """The job cannot go on; the message is its ``FailureReason``."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its last state, and why if that is Failed."""

    state: str
    reason: str | None = None


class JobRun(ABC):
    """A job that has not ended.

    Parameters
    ----------
    records
        Where its record is.
    record
        The job's, as created.
    """

    def __init__(self, records: Records, record: Record) -> None:
        self._records = records
        self._record = record
        self._aborted = False

    @property
    def key(self) -> Key:
        """The key of its record."""
        return self._record.key

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

    @abstractmethod
    def stop(self) -> None:
        """End it early because somebody asked for that; return at once."""

    @abstractmethod
    def abort(self) -> None:
        """End it because the server ends; return at once."""

    @abstractmethod
    def _lead(self) -> Outcome:
        """Do the work; `JobFailed` when it cannot be done."""

    @abstractmethod
    def _close(self) -> None:
        """Leave nothing behind but results."""

    @abstractmethod
    def _end(self, record: Record, outcome: Outcome) -> None:
        """Note in a record how the job ended."""

    def _change(self, change: Callable[[Record], None]) -> None:
        self._record = self._records.update(self.key, change)

    def _written(self, outcome: Outcome) -> bool:
        def change(record: Record) -> None:
            if not ended(record):
                self._end(record, outcome)

        try:
            self._change(change)
        except sqlite3.OperationalError:
            _LOG.exception("cannot write down yet how %s ended", self.key)
            return False
        return True

    def _outcome(self) -> Outcome:
        try:
            return self._lead()
        except JobFailed as error:
            return Outcome("Failed", str(error))
        except OSError as error:
            return Outcome("Failed", f"InternalServerError: {error}")
        except RecordMissing:
            raise
        except Exception as error:  # noqa: BLE001  (our own mistake must not leave it InProgress)
            _LOG.exception("%s", self.key)
            return Outcome("Failed", f"InternalServerError: the local SageMaker failed: {error!r}")
        finally:
            self._close()

    def _interrupted(self) -> Outcome:
        return Outcome("Failed", INTERRUPTED)
