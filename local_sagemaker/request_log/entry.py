"""One line of the request log: what was asked, by whom, and how it went.

It holds names only, never a body, a signature or a secret. It must not know how lines are kept.
"""

import json
import time
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A request that was answered.

    Attributes
    ----------
    time
        When it came, in seconds since the epoch.
    service, operation
        What was asked, by botocore's names; None where the request was refused before that was
        known.
    resource
        Of what, where that is cheap to know: a name, an ARN, or a path without its query.
    account, principal
        Who asked: an account and an ARN; None where no signature was accepted.
    status
        The HTTP status; None where the connection was closed without an answer.
    error
        AWS's error code, or None.
    latency_ms
        Milliseconds from the request's headers to the answer's last byte.
    request_id
        What the client was told.
    fault
        The fault that struck it on purpose, or None.
    """

    time: float
    service: str | None
    operation: str | None
    resource: str | None
    account: str | None
    principal: str | None
    status: int | None
    error: str | None
    latency_ms: float
    request_id: str | None
    fault: str | None

    def line(self) -> str:
        """Return it as one line of JSON."""
        told: dict[str, Any] = self._asdict()
        whole, part = divmod(round(self.time * 1000), 1000)
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        told["time"] = f"{when}.{part:03d}Z"
        told["latency_ms"] = round(self.latency_ms, 3)
        return json.dumps(told, separators=(",", ":")) + "\n"
