"""The queue of asynchronous inference, on disk before a request is acknowledged.

A row lives from the acceptance of a request until its output or its failure is written. This
module must not know how a request is answered.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_sagemaker.database import Database
from local_sagemaker.hosting.route_key import RouteKey

_TABLES = (
    """
    CREATE TABLE async_requests (
        number INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, region TEXT NOT NULL,
        endpoint TEXT NOT NULL, content TEXT NOT NULL, body BLOB, expires REAL NOT NULL,
        started INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX async_requests_waiting
        ON async_requests (account, region, endpoint, started, number);
    """,
)


@dataclass(frozen=True)
class AsyncRequest:
    """One request that is answered later.

    Attributes
    ----------
    key
        Whose endpoint.
    inference_id
        Its InferenceId.
    headers
        What the container gets to see.
    output, failure
        Where its output goes, and where its failure; None for nowhere.
    timeout
        Seconds that the model may take.
    expires
        Until when it must have been begun, in seconds since the epoch.
    source
        Where its input lies in S3; None where it is `body`.
    body
        Its input, or None.
    number
        Its place in the queue, once it is there.
    """

    key: RouteKey
    inference_id: str
    headers: tuple[tuple[str, str], ...]
    output: str
    failure: str | None
    timeout: float
    expires: float
    source: str | None = None
    body: bytes | None = None
    number: int = 0


class AsyncRequests:
    """The queues of all endpoints.

    Parameters
    ----------
    database
        Where they are kept.
    clock
        Returns the time in seconds since the epoch.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        database.migrate("async_requests", _TABLES)
        self._database = database
        self._clock = clock

    def add(self, request: AsyncRequest) -> None:
        """Put a request at the end of its endpoint's queue; it is on disk on return."""
        content = {
            "inference_id": request.inference_id,
            "headers": request.headers,
            "output": request.output,
            "failure": request.failure,
            "timeout": request.timeout,
            "source": request.source,
        }
        key = request.key
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO async_requests (account, region, endpoint, content, body, expires) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    key.account,
                    key.region,
                    key.endpoint,
                    json.dumps(content),
                    request.body,
                    request.expires,
                ),
            )

    def begin(self, key: RouteKey) -> AsyncRequest | None:
        """Return the first request that waits and note that it is begun; None without any."""
        with self._database.transaction() as connection:
            rows = self._database.query(
                "SELECT * FROM async_requests WHERE account = ? AND region = ? AND endpoint = ? "
                "AND started = 0 ORDER BY number LIMIT 1",
                (key.account, key.region, key.endpoint),
            )
            if not rows:
                return None
            number = rows[0]["number"]
            connection.execute("UPDATE async_requests SET started = 1 WHERE number = ?", (number,))
        return _request(rows[0])

    def finish(self, request: AsyncRequest) -> None:
        """Forget a request whose outcome is written."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM async_requests WHERE number = ?", (request.number,))

    def begun(self) -> list[AsyncRequest]:
        """Return the requests that were begun and not finished, oldest first."""
        rows = self._database.query("SELECT * FROM async_requests WHERE started ORDER BY number")
        return [_request(row) for row in rows]

    def waiting(self) -> set[RouteKey]:
        """Return the endpoints for which requests wait."""
        rows = self._database.query(
            "SELECT DISTINCT account, region, endpoint FROM async_requests WHERE NOT started"
        )
        return {RouteKey(row["account"], row["region"], row["endpoint"]) for row in rows}

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return self._clock()

    def expired(self, request: AsyncRequest) -> bool:
        """Tell whether a request waited longer than it may."""
        return self._clock() > request.expires


def _request(row: Any) -> AsyncRequest:
    content = json.loads(row["content"])
    content["headers"] = tuple((name, value) for name, value in content["headers"])
    return AsyncRequest(
        key=RouteKey(row["account"], row["region"], row["endpoint"]),
        expires=row["expires"],
        body=row["body"],
        number=row["number"],
        **content,
    )
