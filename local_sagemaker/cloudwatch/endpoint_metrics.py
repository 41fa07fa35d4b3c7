"""What endpoints measure, as CloudWatch's metrics of ``AWS/SageMaker``.

Requests must not wait for a disk: values are summed up by minute in memory, and written down every
few seconds and whenever somebody asks. As at AWS a value is seen a little later than it came to
be; a server that is killed loses the last seconds. It must not know what a request is.

Source: "Amazon SageMaker AI metrics in Amazon CloudWatch", developer guide.
"""

import logging
import sqlite3
import threading
import time

from local_sagemaker.cloudwatch.store import MINUTE, MetricStore, Point, Series, dimensions
from local_sagemaker.errors import AWSError
from local_sagemaker.hosting.route_key import RouteKey

NAMESPACE = "AWS/SageMaker"
_LOG = logging.getLogger(__name__)
_EVERY = 10.0
_NO_UNIT, _MICROSECONDS = "None", "Microseconds"
_CLIENT_ERRORS, _SERVER_ERRORS = range(400, 500), range(500, 600)


class EndpointMetrics:
    """Takes down what variants measure.

    Parameters
    ----------
    store
        Where it is written.
    """

    def __init__(self, store: MetricStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._pending: dict[tuple[Series, str], Point] = {}
        self._closed = threading.Event()
        self._writer = threading.Thread(target=self._write, name="cloudwatch", daemon=True)
        self._writer.start()

    def answered(self, key: RouteKey, variant: str, status: int, seconds: float) -> None:
        """Note a request that was answered.

        Parameters
        ----------
        key, variant
            Who was asked.
        status
            As the model's, or the service's where there was none from it.
        seconds
            How long the model took, its queue included.
        """
        self._add(key, variant, "Invocations", 1, _NO_UNIT)
        self._add(key, variant, "Invocation4XXErrors", status in _CLIENT_ERRORS, _NO_UNIT)
        self._add(key, variant, "Invocation5XXErrors", status in _SERVER_ERRORS, _NO_UNIT)
        self._add(key, variant, "ModelLatency", seconds * 1e6, _MICROSECONDS)

    def set_up(self, key: RouteKey, variant: str, seconds: float) -> None:
        """Note how long a serverless variant needed to start a process for a request."""
        self._add(key, variant, "ModelSetupTime", seconds * 1e6, _MICROSECONDS)

    def flush(self) -> None:
        """Write down what is pending, so that it can be asked for."""
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            self._store.add((series, point) for (series, _), point in pending.items())
        except AWSError as error:
            _LOG.warning("metrics of endpoints are dropped: %s", error.message)
        except (sqlite3.Error, OSError):
            # A disk that is full now may not be later.
            with self._lock:
                for place, point in pending.items():
                    self._merge(place, point)
            raise

    def close(self) -> None:
        """Write down the rest; the database must still be open."""
        self._closed.set()
        self._writer.join()
        self.flush()

    def _add(self, key: RouteKey, variant: str, name: str, value: float, unit: str) -> None:
        where = {"EndpointName": key.endpoint, "VariantName": variant}
        series = Series(key.account, key.region, NAMESPACE, name, dimensions(where))
        start = time.time() // MINUTE * MINUTE
        value = float(value)
        with self._lock:
            self._merge((series, f"{start}"), Point(start, unit, 1, value, value, value))

    def _merge(self, place: tuple[Series, str], point: Point) -> None:
        known = self._pending.get(place)
        self._pending[place] = point if known is None else known.merged(point)

    def _write(self) -> None:
        while not self._closed.wait(_EVERY):
            try:
                self.flush()
            except (sqlite3.Error, OSError):
                _LOG.exception("metrics of endpoints wait for the disk")
