"""Notes each request once it is answered: in the log and in the statistics.

It reads what the router left in the request's state; it must not change what is answered.
"""

import re
import time

from starlette.requests import Request
from starlette.responses import Response

from local_sagemaker.asked import Asked
from local_sagemaker.identity import Caller
from local_sagemaker.request_log.entry import Entry
from local_sagemaker.request_log.statistics import RequestStatistics
from local_sagemaker.request_log.writer import RequestLog

_CODE = re.compile(rb'"__type":"([\w.#]{1,128})"|<Code>(\w{1,128})</Code>')
_CODE_WITHIN = 1024


class Observer:
    """Takes note of requests.

    Parameters
    ----------
    log
        Keeps them.
    statistics
        Counts them.
    """

    def __init__(self, log: RequestLog, statistics: RequestStatistics) -> None:
        self._log = log
        self._statistics = statistics

    def note(self, request: Request, path: str, answer: Response, seconds: float) -> None:
        """Note a request.

        Parameters
        ----------
        request
            The request; ``asked``, ``caller``, ``fault`` and ``unanswered`` of its state are read.
        path
            Its path, percent-encoded.
        answer
            What was sent.
        seconds
            How long that took.
        """
        state = request.state
        asked: Asked | None = getattr(state, "asked", None)
        caller: Caller | None = getattr(state, "caller", None)
        failed = answer.status_code >= 400
        headers = answer.headers
        latency = seconds * 1000
        self._log.add(
            Entry(
                time=time.time() - seconds,
                service=asked.service if asked else None,
                operation=asked.operation if asked else request.method,
                resource=asked.resource if asked else path[:1024],
                account=caller.account if caller else None,
                principal=caller.arn if caller else None,
                status=None if getattr(state, "unanswered", False) else answer.status_code,
                error=_code(answer) if failed else None,
                latency_ms=latency,
                request_id=headers.get("x-amzn-requestid") or headers.get("x-amz-request-id"),
                fault=getattr(state, "fault", None),
            )
        )
        if asked is not None:
            self._statistics.add(asked.service, asked.operation, latency, error=failed)


def _code(answer: Response) -> str | None:
    told = answer.headers.get("x-amzn-errortype")
    if told:
        return told
    found = _CODE.search(bytes(getattr(answer, "body", b"")[:_CODE_WITHIN]))
    return (found[1] or found[2]).decode() if found else None
