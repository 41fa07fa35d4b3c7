"""Calls a room's handler with a request of its protocol and words the answer.

One dispatcher per service and protocol. It knows protocols and handlers; it must not know HTTP
frameworks or what an operation does.
"""

import errno
import logging
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from botocore.model import OperationModel

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.protocol import JsonProtocol, Reply, RestJsonProtocol
from local_sagemaker.query_protocol import QueryProtocol

Refuse = Callable[[OperationModel], AWSError]

_LOG = logging.getLogger(__name__)
_SQLITE_STORAGE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY,
    }
)
_OS_STORAGE = frozenset(
    {errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS}
)


def not_answered(operation: OperationModel) -> AWSError:
    """Return the refusal of an operation that no room answers."""
    service: Any = operation.service_model.service_id
    return AWSError(
        "NotImplemented",
        f"{operation.name} of {service} is not part of the local SageMaker. What it answers is "
        "listed in docs/local-sagemaker.md; use AWS for the rest.",
    )


class JsonDispatcher:
    """Serves one AWS JSON 1.1 service.

    Parameters
    ----------
    protocol
        The service's.
    handlers
        The operations that are answered, by name.
    refuse
        Words the refusal of every other operation.
    """

    def __init__(
        self,
        protocol: JsonProtocol,
        handlers: Mapping[str, Handler],
        refuse: Refuse = not_answered,
    ) -> None:
        self._protocol = protocol
        self._handlers = handlers
        self._refuse = refuse
        self.signing_name: str = protocol.model.signing_name

    def __call__(self, caller: Caller, target: str, body: bytes) -> Reply:
        """Answer the operation that an ``X-Amz-Target`` header names."""

        def answer() -> Reply:
            operation = self._protocol.operation(target)
            handler = _handler(self._handlers, operation, self._refuse)
            params = self._protocol.parse(operation, body)
            return self._protocol.reply(operation, handler(caller, params))

        return guarded(answer, self._protocol.error)


class RestJsonDispatcher:
    """Serves one rest-json service; its parameters are those of `JsonDispatcher`."""

    def __init__(
        self,
        protocol: RestJsonProtocol,
        handlers: Mapping[str, Handler],
        refuse: Refuse = not_answered,
    ) -> None:
        self._protocol = protocol
        self._handlers = handlers
        self._refuse = refuse
        self.signing_name: str = protocol.model.signing_name

    def __call__(
        self,
        caller: Caller,
        method: str,
        raw_path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        """Answer the operation that a method and a path name."""

        def answer() -> Reply:
            matched = self._protocol.match(method, raw_path)
            if matched is None:
                raise AWSError(
                    "UnknownOperationException", f"There is no {method} {raw_path[:200]}.", 404
                )
            operation, labels = matched
            handler = _handler(self._handlers, operation, self._refuse)
            params = self._protocol.parse(operation, labels, query, headers, body)
            return self._protocol.reply(operation, handler(caller, params))

        return guarded(answer, self._protocol.error)


class QueryDispatcher:
    """Serves one service of the query protocol.

    Parameters
    ----------
    protocol
        The service's.
    handlers
        Operations that are answered here.
    forward
        Answers every other operation, given the caller and the form; None refuses them.
    """

    def __init__(
        self,
        protocol: QueryProtocol,
        handlers: Mapping[str, Handler],
        forward: Callable[[Caller, bytes], Reply] | None = None,
    ) -> None:
        self._protocol = protocol
        self._handlers = handlers
        self._forward = forward

    def __call__(self, caller: Caller, body: bytes) -> Reply:
        """Answer the operation that a form names."""

        def answer() -> Reply:
            operation = self._protocol.operation(body)
            if operation.name not in self._handlers and self._forward is not None:
                return self._forward(caller, body)
            handler = _handler(self._handlers, operation, not_answered)
            params = self._protocol.parse(operation, body)
            return self._protocol.reply(operation, handler(caller, params))

        return guarded(answer, self._protocol.error)


def guarded(answer: Callable[[], Reply], word: Callable[[AWSError], Reply]) -> Reply:
    """Return an answer; whatever goes wrong becomes an error in the service's own format."""
    try:
        return answer()
    except AWSError as error:
        return word(error)
    except Exception as error:  # noqa: BLE001  (the last line of defence: a client never sees HTML)
        _LOG.exception("A handler failed")
        return word(defect(error))


def defect(error: Exception) -> AWSError:
    """Return what a client reads when the server failed: its disk's fault, or its own."""
    if _of_the_disk(error):
        # 507 is what it is, "insufficient storage", and unlike 500 no client repeats the request.
        return AWSError(
            "InternalFailure",
            f"The local SageMaker cannot keep its state: {error}. Check that the disk is not full "
            "and the server's home is writable. What was acknowledged before is untouched.",
            507,
        )
    return AWSError(
        "InternalFailure",
        f"The local SageMaker failed: {type(error).__name__}: {error}. This is a defect of the "
        "local SageMaker, not of the request; its server.log has the details.",
        500,
    )


def _of_the_disk(error: Exception) -> bool:
    if isinstance(error, sqlite3.Error):
        # The low byte is the primary code; the rest says more closely what failed.
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_STORAGE
    return isinstance(error, OSError) and error.errno in _OS_STORAGE


def _handler(handlers: Mapping[str, Handler], operation: OperationModel, refuse: Refuse) -> Handler:
    handler = handlers.get(operation.name)
    if handler is None:
        raise refuse(operation)
    return handler
