"""A request to the runtime: which endpoint, what the container gets to see, what is refused.

It knows the headers, paths and limits of ``sagemaker-runtime``, and the wording of its errors; it
must not know how a request is answered. Headers are read here rather than by the general parser,
because this is the path that must be fast.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote

from starlette.requests import Request

from local_sagemaker.errors import AWSError
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Variant
from local_sagemaker.identity import Caller
from local_sagemaker.protocol import request_id

INVOKE, ASYNC, STREAM = "invocations", "async-invocations", "invocations-response-stream"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
TOO_LARGE = "RequestEntityTooLarge"
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
# ModelNotReadyException's meaning in botocore's model; the service's own words are not known.
NOT_READY = (
    "The resources of this serverless endpoint variant are still being provisioned: its process "
    "has not started in time. Wait and try your request again."
)
_MAX_ATTRIBUTES = 1024  # CustomAttributesHeader in botocore's model
_PATH = re.compile(rf"/endpoints/([^/]+)/({INVOKE}|{ASYNC}|{STREAM})")
# What the container gets to see of a request; AWS strips everything else.
_COMMON = {
    ATTRIBUTES.lower(): ATTRIBUTES,
    "x-amzn-sagemaker-inference-id": "X-Amzn-SageMaker-Inference-Id",
}
_FORWARDED = {
    INVOKE: {"content-type": "Content-Type", "accept": "Accept", **_COMMON},
    STREAM: {"content-type": "Content-Type", "x-amzn-sagemaker-accept": "Accept", **_COMMON},
    ASYNC: {
        "x-amzn-sagemaker-content-type": "Content-Type",
        "x-amzn-sagemaker-accept": "Accept",
        **_COMMON,
    },
}
_TARGET_VARIANT = "x-amzn-sagemaker-target-variant"
_REFUSED_HEADERS = {
    "x-amzn-sagemaker-target-model": "TargetModel (multi-model endpoints)",
    "x-amzn-sagemaker-target-container-hostname": "TargetContainerHostname (several containers)",
    "x-amzn-sagemaker-inference-component": "InferenceComponentName",
    "x-amzn-sagemaker-session-id": "SessionId (stateful sessions)",
    "x-amzn-sagemaker-enable-explanations": "EnableExplanations",
}


@dataclass(frozen=True)
class Invocation:
    """One request to an endpoint.

    Attributes
    ----------
    operation
        The last part of its path: `INVOKE`, `ASYNC` or `STREAM`.
    key
        Whose endpoint.
    headers
        What the container gets to see.
    body
        The body.
    target
        The TargetVariant that was asked for, or None.
    """

    operation: str
    key: RouteKey
    headers: list[tuple[str, str]]
    body: bytes
    target: str | None = None

    @classmethod
    def read(cls, request: Request, caller: Caller, body: bytes) -> "Invocation":
        """Read a request below ``/endpoints/``.

        Raises
        ------
        AWSError
            ``ValidationError`` for what is not supported, 404 for any other path or method.
        """
        endpoint, operation = _place(request)
        return cls(
            operation,
            RouteKey(caller.account, caller.region, endpoint),
            _forwarded(request.headers, _FORWARDED[operation]),
            body,
            request.headers.get(_TARGET_VARIANT),
        )

    def check_size(self, variant: Variant) -> None:
        """Refuse a body that is too large for a variant."""
        if len(self.body) <= variant.max_payload:
            return
        if variant.max_concurrency is not None:
            raise AWSError("ValidationError", f"Request {request_id()} has oversize body.")
        raise AWSError(TOO_LARGE, f"HTTP content length exceeded {variant.max_payload} bytes.", 413)


def model_error(key: RouteKey, status: int, message: str) -> AWSError:
    """Return what InvokeEndpoint answers when the model did not answer 2xx.

    Parameters
    ----------
    key
        Whose endpoint.
    status
        The model's HTTP status; 0 when there was no answer.
    message
        The model's body, or why there was none.
    """
    client = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "client" if client else "server"
    region, account = key.region, key.account
    group = f"/aws/sagemaker/Endpoints/{key.endpoint}"
    return AWSError(
        "ModelError",
        f'Received {kind} error ({status}) from primary with message "{message}". See '
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        f"#logEventViewer:group={group} in account {account} for more information.",
        HTTPStatus.FAILED_DEPENDENCY,
        OriginalStatusCode=status,
        OriginalMessage=message,
        LogStreamArn=f"arn:aws:logs:{region}:{account}:log-group:{group}",
        ErrorCode="CLIENT_ERROR_FROM_MODEL" if client else "SERVER_ERROR_FROM_MODEL",
    )


def _place(request: Request) -> tuple[str, str]:
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    path = unquote(raw.partition(b"?")[0].decode("latin-1"))
    found = _PATH.fullmatch(path)
    if found is None or request.method != "POST":
        raise AWSError("UnknownOperationException", f"There is no {request.method} {path}.", 404)
    return found[1], found[2]


def _forwarded(headers: Mapping[str, str], names: Mapping[str, str]) -> list[tuple[str, str]]:
    for name, member in _REFUSED_HEADERS.items():
        if name in headers:
            raise AWSError(
                "ValidationError",
                f"{member} is not supported by the local SageMaker. Leave it out, or use AWS.",
            )
    attributes = headers.get(ATTRIBUTES.lower(), "")
    if len(attributes) > _MAX_ATTRIBUTES or not attributes.isascii():
        raise AWSError(
            "ValidationError",
            f"CustomAttributes may have at most {_MAX_ATTRIBUTES} characters of ASCII.",
        )
    return [(name, headers[lower]) for lower, name in names.items() if lower in headers]
