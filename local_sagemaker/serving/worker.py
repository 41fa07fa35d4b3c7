"""One serving process from start to end: bind, load on the main thread, answer, stop.

User code runs on the main thread only, one call at a time: it need not be thread-safe, and what
works only there (signals, some native libraries) works.
"""

import contextlib
import logging
import os
import queue
import signal
import socket
import sys
import time
import traceback
from itertools import chain
from pathlib import Path
from types import FrameType

from local_sagemaker.serving.connection import Invocation, Service
from local_sagemaker.serving.errors import TOO_LARGE
from local_sagemaker.serving.handler import Answer, Handler, failure
from local_sagemaker.serving.server import Server, bind_local_port, bind_unix

_logger = logging.getLogger(__name__)

# The service's limit of a real-time request and its answer, in MB (InvokeEndpoint, Body).
DEFAULT_MAX_PAYLOAD_MB = 6
# The largest MaxPayloadInMB of a batch transform (CreateTransformJob in botocore's model).
BATCH_MAX_PAYLOAD_MB = 100


class _Stop(BaseException):
    """Ends loading at once; user code that catches Exception does not swallow it."""


class Worker:
    """Takes invocations from the HTTP side and answers them, one at a time.

    Parameters
    ----------
    model_dir
        Folder of the unpacked model.
    max_payload
        Largest body of a request in bytes.
    max_answer
        Largest body of an answer in bytes.
    """

    def __init__(self, model_dir: Path, max_payload: int, max_answer: int) -> None:
        self._model_dir = model_dir
        self._max_payload = max_payload
        self._max_answer = max_answer
        self._invocations: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._loading = True
        self._stopping = False

    def run(self, listener: socket.socket) -> int:
        """Load the model and answer until told to stop.

        Returns
        -------
        int
            Exit status: 0 when stopped, 1 when the model could not be loaded.
        """
        service = Service(self._invocations.put, self._max_payload)
        server = Server(listener, service)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        server.start()
        try:
            started = time.monotonic()
            handler = Handler(self._model_dir)
            handler.load()
            self._loading = False
            _logger.info("Model loaded in %.1f s", time.monotonic() - started)
            service.execution_parameters = handler.execution_parameters()
            service.healthy = True
            self._answer_all(handler, server)
        except _Stop:
            _logger.info("Stopped while the model was being loaded")
        except Exception:  # noqa: BLE001 - whatever user code raises ends the process with its reason
            traceback.print_exc()
            return 1
        finally:
            server.stop()
        return 0

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True
        if self._loading:
            raise _Stop
        self._invocations.put(None)

    def _answer_all(self, handler: Handler, server: Server) -> None:
        while not self._stopping:
            invocation = self._invocations.get()
            if invocation is None:
                return
            if invocation.connection.closed:
                continue
            answer = self._limited(handler.answer(invocation.headers, invocation.body))
            if answer.rest is not None:
                parts = chain((answer.body,), answer.rest)
                server.stream(invocation, answer.status, answer.content_type, parts, answer.headers)
                continue
            server.reply(
                invocation, answer.status, answer.content_type, answer.body, answer.headers
            )

    def _limited(self, answer: Answer) -> Answer:
        if len(answer.body) <= self._max_answer:
            return answer
        message = (
            f"The model's answer has {len(answer.body)} bytes; at most {self._max_answer} can be "
            "sent. Answer with less, or ask for fewer rows at a time."
        )
        return failure(413, TOO_LARGE, message)


def max_payload_bytes() -> int:
    """Return the largest body of a request in bytes.

    ``SAGEMAKER_MAX_PAYLOAD_IN_MB``; without it 6 MB, or 100 MB in a batch transform, whose client
    keeps to what was agreed.

    Raises
    ------
    ValueError
        If the variable is no positive whole number.
    """
    default = BATCH_MAX_PAYLOAD_MB if _in_batch() else DEFAULT_MAX_PAYLOAD_MB
    text = os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB") or str(default)
    if not text.isdigit() or int(text) == 0:
        raise ValueError(f"SAGEMAKER_MAX_PAYLOAD_IN_MB must be a number of megabytes, not {text!r}")
    return int(text) * 1024 * 1024


def max_answer_bytes() -> int:
    """Return the largest body of an answer in bytes: as a request's, but 100 MB in a batch.

    There the answers to many records may be much larger than the records.
    """
    return BATCH_MAX_PAYLOAD_MB * 1024 * 1024 if _in_batch() else max_payload_bytes()


def _in_batch() -> bool:
    return os.environ.get("SAGEMAKER_BATCH") == "true"


def serve(model_dir: Path, *, socket_path: Path | None = None, port: int | None = None) -> int:
    """Serve one model folder on a Unix domain socket or a port of 127.0.0.1.

    Returns
    -------
    int
        Exit status: 0 when stopped, 1 when the model could not be loaded or the address bound.
    """
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        listener = bind_unix(socket_path) if socket_path else bind_local_port(port or 0)
        limits = max_payload_bytes(), max_answer_bytes()
    except (OSError, ValueError) as error:
        print(f"Cannot serve: {error}", file=sys.stderr)
        return 1
    with listener:
        address = socket_path or "http://{}:{}".format(*listener.getsockname())
        _logger.info("Serving %s on %s, one request at a time", model_dir, address)
        try:
            return Worker(model_dir, *limits).run(listener)
        finally:
            if socket_path is not None:
                with contextlib.suppress(OSError):
                    socket_path.unlink()
