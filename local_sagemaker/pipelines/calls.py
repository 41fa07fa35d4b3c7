"""The server's own requests to its operations, which meet what a client's would.

Faults that are set strike them, the service model checks their parameters, and what they are
answered is what a client would read. It must not know what an operation does.
"""

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from botocore.model import StructureShape

from local_sagemaker.asked import Asked
from local_sagemaker.dispatch import defect
from local_sagemaker.errors import AWSError
from local_sagemaker.faults.catalog import CONNECTION_CLOSED
from local_sagemaker.faults.rules import Faults, Strike
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.protocol import JsonProtocol

_LOG = logging.getLogger(__name__)


class Calls:
    """Requests of the service ``sagemaker``.

    Parameters
    ----------
    protocol
        The service's.
    handlers
        Its operations.
    faults
        Those that are set.
    """

    def __init__(
        self, protocol: JsonProtocol, handlers: Mapping[str, Handler], faults: Faults
    ) -> None:
        self._protocol = protocol
        self._handlers = handlers
        self._faults = faults

    def __call__(self, caller: Caller, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an operation answers.

        Parameters
        ----------
        caller
            In whose name it is asked.
        operation, params
            What is asked.

        Raises
        ------
        AWSError
            As a client would read it.
        """
        body = json.dumps(params).encode()
        asked = Asked("sagemaker", operation)
        strike = self._faults.strike(asked, caller, body) if self._faults else None
        if strike is None:
            return self._answer(caller, operation, body)
        answer = self._answer(caller, operation, body) if strike.fault.after else None
        if strike.fault.latency:
            time.sleep(strike.fault.latency)
        if strike.fault.answer is not None:
            raise _error(strike)
        return answer if answer is not None else self._answer(caller, operation, body)

    def undisturbed(
        self, caller: Caller, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what an operation answers, whatever faults are set.

        To see to what was made is the service's own business, which nobody's faults are about.
        """
        return self._answer(caller, operation, json.dumps(params).encode())

    def input_shape(self, operation: str) -> StructureShape | None:
        """Return what an operation takes."""
        shape: StructureShape | None = self._protocol.model.operation_model(operation).input_shape
        return shape

    def _answer(self, caller: Caller, operation: str, body: bytes) -> dict[str, Any]:
        model = self._protocol.model.operation_model(operation)
        params = self._protocol.parse(model, body)
        try:
            result = self._handlers[operation](caller, params)
            answer: dict[str, Any] = json.loads(self._protocol.reply(model, result).body)
        except AWSError:
            raise
        except Exception as error:
            _LOG.exception("%s of the server itself failed", operation)
            raise defect(error) from error
        return answer


def _error(strike: Strike) -> AWSError:
    answer = strike.fault.answer
    assert answer is not None
    if answer.code == CONNECTION_CLOSED:
        return AWSError("ServiceUnavailable", "The connection was closed without an answer.", 503)
    return AWSError(answer.code, strike.message, answer.status, **answer.members)
