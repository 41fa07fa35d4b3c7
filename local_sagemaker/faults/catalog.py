"""What can be made to go wrong: the operations that are answered, and the errors of each.

Names and statuses of modelled errors come from botocore's service models; the errors that every
service has are one table. It must not know which requests are struck, nor HTTP.

Sources of the table: "Common Error Types" of the SageMaker, IAM and STS API references, "Error
responses" of the S3 API reference.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from botocore.model import OperationModel, Shape

from local_sagemaker.protocol import service_model

SERVICES = (
    "sagemaker",
    "sagemaker-runtime",
    "sagemaker-metrics",
    "sagemaker-a2i-runtime",
    "s3",
    "sts",
    "iam",
    "logs",
    "service-quotas",
    "cloudwatch",
    "resourcegroupstaggingapi",
    "scheduler",
)
"""botocore's names of the services that are answered, the likeliest first."""

EVERY = "*"
"""In place of an operation: all of a service."""

CONNECTION_CLOSED = "ConnectionClosed"
"""No error of AWS's: the connection is closed and nothing is answered."""

CAPACITY_ERROR = "CapacityError"
"""No answer either: the request is accepted, and what it asked for then fails."""

CAPACITY_OPERATIONS = frozenset(
    {
        "CreateTrainingJob",
        "CreateProcessingJob",
        "CreateTransformJob",
        "CreateEndpoint",
        "UpdateEndpoint",
    }
)

LIMIT_EXCEEDED = "ResourceLimitExceeded"

_SLOW = "Rate exceeded"
_FAILED = "The request processing has failed because of an unknown error, exception or failure."
_EXPIRED = "The security token included in the request is expired"
_TAGS = re.compile(r"<[^>]+>")
# Its value stands for the service that is behind the container.
_STATUS_MEMBER = "OriginalStatusCode"


class FaultRefused(Exception):
    """A fault cannot be set as asked; the message says why, and what would be right."""


@dataclass(frozen=True)
class Answer:
    """How an error is answered: its code, HTTP status, sentence and further members."""

    code: str
    status: int
    message: str
    members: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Common:
    """An error of every service, as each protocol words it."""

    json: Answer
    query: Answer
    s3: Answer

    def answer(self, protocol: str) -> Answer:
        return {"query": self.query, "rest-xml": self.s3}.get(protocol, self.json)

    @property
    def codes(self) -> set[str]:
        return {self.json.code, self.query.code, self.s3.code}


_COMMON = {
    "ThrottlingException": _Common(
        Answer("ThrottlingException", 400, _SLOW),
        Answer("Throttling", 400, _SLOW),
        Answer("SlowDown", 503, "Please reduce your request rate."),
    ),
    "InternalFailure": _Common(
        Answer("InternalFailure", 500, _FAILED),
        Answer("InternalFailure", 500, _FAILED),
        Answer("InternalError", 500, "We encountered an internal error. Please try again."),
    ),
    "ServiceUnavailable": _Common(
        Answer("ServiceUnavailable", 503, "The request has failed due to a temporary failure."),
        Answer("ServiceUnavailable", 503, "The request has failed due to a temporary failure."),
        Answer("ServiceUnavailable", 503, "Reduce your request rate."),
    ),
    "ExpiredToken": _Common(
        Answer("ExpiredTokenException", 403, _EXPIRED),
        Answer("ExpiredToken", 403, _EXPIRED),
        Answer("ExpiredToken", 400, "The provided token has expired."),
    ),
    "AccessDenied": _Common(
        Answer("AccessDeniedException", 403, "{caller} is not authorized to perform: {action}"),
        Answer("AccessDenied", 403, "{caller} is not authorized to perform: {action}"),
        Answer("AccessDenied", 403, "Access Denied"),
    ),
    "ValidationException": _Common(
        Answer("ValidationException", 400, "The input fails to satisfy the constraints."),
        Answer("ValidationError", 400, "The input fails to satisfy the constraints."),
        Answer("InvalidRequest", 400, "Invalid Request"),
    ),
    "RequestTimeout": _Common(
        Answer("RequestTimeoutException", 408, "The request took too long to be read."),
        Answer("RequestTimeout", 408, "The request took too long to be read."),
        Answer(
            "RequestTimeout",
            400,
            "Your socket connection to the server was not read from or written to within the "
            "timeout period.",
        ),
    ),
}


def find_operation(name: str, service: str | None) -> tuple[str, str]:
    """Return the service and the operation that a name means.

    Parameters
    ----------
    name
        An operation's name, or ``*`` for all of a service.
    service
        Which service; where it is None, the one that has the operation.

    Raises
    ------
    FaultRefused
        When there is none, or several services have it.
    """
    if service is not None and service not in SERVICES:
        raise FaultRefused(f"there is no service {service!r} here. {_near(service, SERVICES)}")
    if name == EVERY:
        if service is None:
            raise FaultRefused("'*' needs a service, for instance --service sagemaker")
        return service, EVERY
    asked = SERVICES if service is None else (service,)
    having = [one for one in asked if name in service_model(one).operation_names]
    if not having:
        known = [known for one in asked for known in service_model(one).operation_names]
        where = "of the services here" if service is None else f"of {service}"
        raise FaultRefused(f"there is no operation {name!r} {where}. {_near(name, known)}")
    if len(having) > 1:
        raise FaultRefused(f"{name} is an operation of {' and '.join(having)}: name one service")
    return having[0], name


def find_error(service: str, operation: str, error: str) -> Answer:
    """Return how an operation of a service answers an error.

    Parameters
    ----------
    service, operation
        As `find_operation` returns them.
    error
        The error's code or the name of its shape, or the name of one that every service has.

    Raises
    ------
    FaultRefused
        When neither the operation nor every service has such an error.
    """
    if error == CONNECTION_CLOSED:
        return Answer(CONNECTION_CLOSED, 0, "")
    if error == CAPACITY_ERROR:
        if service == "sagemaker" and operation in CAPACITY_OPERATIONS:
            return Answer(CAPACITY_ERROR, 0, "")
        names = ", ".join(sorted(CAPACITY_OPERATIONS))
        raise FaultRefused(f"{CAPACITY_ERROR} can strike {names} only, not {operation}")
    modelled = {} if operation == EVERY else _modelled(service, operation)
    if error in modelled:
        return modelled[error]
    protocol = str(service_model(service).metadata["protocol"])
    for name, common in _COMMON.items():
        if error == name or error in common.codes:
            return common.answer(protocol)
    own = sorted({answer.code for answer in modelled.values()} | set(_COMMON))
    known = [*own, CONNECTION_CLOSED]
    if service == "sagemaker" and operation in CAPACITY_OPERATIONS:
        known.append(CAPACITY_ERROR)
    raise FaultRefused(
        f"{operation} of {service} has no error {error!r}. {_near(error, known)} It has: "
        f"{', '.join(known)}."
    )


def _modelled(service: str, operation: str) -> dict[str, Answer]:
    """Return the modelled errors of an operation by the names that they go by."""
    model: OperationModel = service_model(service).operation_model(operation)
    found = {}
    for shape in model.error_shapes:
        code = str(shape.error_code)
        found[shape.name] = found[code] = Answer(
            code, _status(shape), _sentence(shape), _own(shape)
        )
    return found


def _status(shape: Shape) -> int:
    said = shape.metadata.get("error", {}).get("httpStatusCode")
    return int(said) if said else 500 if shape.metadata.get("fault") else 400


def _sentence(shape: Shape) -> str:
    text = " ".join(_TAGS.sub(" ", shape.documentation or "").split())
    return text or f"{shape.name}, made on purpose"


def _own(shape: Any) -> dict[str, Any]:
    return {_STATUS_MEMBER: 500} if _STATUS_MEMBER in shape.members else {}


def _near(name: str, known: Iterable[str]) -> str:
    # Without regard to case, in which people err most.
    by_lower = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_lower, n=4, cutoff=0.6)
    return (
        f"Near it: {', '.join(by_lower[one] for one in near)}." if near else "Nothing is near it."
    )
