"""Which operation a verified request asks for, and of which resource.

The request log, the statistics and faults name requests by it. It reads names only: whether the
operation exists and may be called is found out by whoever answers. It must not know how anything
is answered.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from starlette.requests import Request

from local_sagemaker.canonical import parse_query
from local_sagemaker.errors import AWSError
from local_sagemaker.protocol import RestJsonProtocol, service_model
from local_sagemaker.s3.routes import operation_name

UNKNOWN = "?"
_LONGEST = 64
# Names stand near the beginning of a request; a whole large body is not worth the search.
_SEARCHED = 8192
_ACTION = re.compile(rb"(?:^|&)Action=(\w{1,64})")
_FORM_NAME = re.compile(rb"(?:^|&)(?:Role|User|Group|Policy)Name=([\w+,.@-]{1,128})")
_ROLE = re.compile(rb"(?:^|&)RoleArn=([\w%+,.@-]{1,256})")
_VERB = re.compile(r"[A-Z][a-z]+")
# The names in signatures that are not botocore's.
_SERVICES = {
    "servicequotas": "service-quotas",
    "monitoring": "cloudwatch",
    "tagging": "resourcegroupstaggingapi",
}
_REST_SERVICES = {
    "endpoints": "sagemaker-runtime",
    "human-loops": "sagemaker-a2i-runtime",
    "BatchPutMetrics": "sagemaker-metrics",
    "BatchGetMetrics": "sagemaker-metrics",
    "schedules": "scheduler",
    "schedule-groups": "scheduler",
    "tags": "scheduler",
}


@dataclass(frozen=True)
class Asked:
    """What a request is for.

    Attributes
    ----------
    service
        botocore's name of the service.
    operation
        The operation's name; ``?`` where the request names none.
    resource
        The name or the path of what it is about, where that is cheap to know.
    """

    service: str
    operation: str
    resource: str | None = None


def read_asked(request: Request, signed_for: str, path: str, body: bytes) -> Asked:
    """Return what a request asks for.

    Parameters
    ----------
    request
        The request.
    signed_for
        The service that its signature names.
    path
        Its path as it came, percent-encoded.
    body
        Its body; empty for S3, whose bodies are not read yet.
    """
    service = _SERVICES.get(signed_for, signed_for)
    if service == "s3":
        return Asked(service, _s3_operation(request, path), path)
    target = request.headers.get("x-amz-target")
    if target:
        operation = target.rpartition(".")[2][:_LONGEST] or UNKNOWN
        found = _name_pattern(operation).search(body, 0, _SEARCHED)
        return Asked(service, operation, found[1].decode("utf-8", "replace") if found else None)
    rest = _REST_SERVICES.get(path.removeprefix("/").partition("/")[0])
    if rest is not None:
        matched = _rest(rest).match(request.method, path)
        if matched is None:
            return Asked(rest, UNKNOWN, path)
        operation_model, labels = matched
        return Asked(rest, str(operation_model.name), next(iter(labels.values()), None))
    action = _ACTION.search(body, 0, _SEARCHED)
    if action is None:
        return Asked(service, UNKNOWN, path)
    name = _FORM_NAME.search(body, 0, _SEARCHED) or _ROLE.search(body, 0, _SEARCHED)
    return Asked(service, action[1].decode(), name[1].decode() if name else None)


def _s3_operation(request: Request, path: str) -> str:
    bucket, _, key = path.removeprefix("/").partition("/")
    query = dict(parse_query(request.scope["query_string"]))
    try:
        return operation_name(request.method, bucket, key, query, dict(request.headers))
    except AWSError:
        return UNKNOWN


@cache
def _rest(service: str) -> RestJsonProtocol:
    return RestJsonProtocol(service_model(service))


@lru_cache(maxsize=1024)
def _of_noun(noun: str) -> re.Pattern[bytes]:
    names = f"{noun}Name|{noun}Arn|ResourceArn|logGroupName".encode()
    return re.compile(rb'"(?:' + names + rb')"\s*:\s*"([^"\\]{1,256})"')


def _name_pattern(operation: str) -> re.Pattern[bytes]:
    # Clients may send any text for an operation: only what looks like one is kept.
    verb = _VERB.match(operation)
    noun = operation[verb.end() :] if verb and operation.isalnum() else ""
    return _of_noun(noun if len(noun) < _LONGEST and noun.isascii() else "")
