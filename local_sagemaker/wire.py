"""How the router words its own errors, before any service has seen the request.

A client understands an error only in the format of the service that it meant to ask, so the
format is read off the request. It must not know who may call or what an operation does.
"""

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from local_sagemaker.errors import AWSError
from local_sagemaker.protocol import JsonProtocol, Reply, RestJsonProtocol, request_id
from local_sagemaker.query_protocol import QueryProtocol
from local_sagemaker.s3 import xml
from local_sagemaker.signatures import Refused

Format = Literal["json", "rest-json", "query", "s3"]

_FORM = "application/x-www-form-urlencoded"
# An unsigned request does not say which service it is for: these paths are rest-json's, all
# others S3's. A bucket's name has no upper case and no slash before it.
_REST_JSON = ("/endpoints/", "/human-loops", "/BatchPutMetrics", "/BatchGetMetrics")

# AWS's code for each reason to refuse a signature: JSON services, query services, S3.
_REFUSALS = {
    "missing": (
        "MissingAuthenticationTokenException",
        "MissingAuthenticationToken",
        "AccessDenied",
    ),
    "incomplete": (
        "IncompleteSignatureException",
        "IncompleteSignature",
        "AuthorizationHeaderMalformed",
    ),
    "unknown-key": ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"),
    "token": ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken"),
    "expired": ("ExpiredTokenException", "ExpiredToken", "ExpiredToken"),
    "expired-url": ("InvalidSignatureException", "SignatureDoesNotMatch", "AccessDenied"),
    "skewed": ("InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed"),
    "unsigned-header": ("InvalidSignatureException", "SignatureDoesNotMatch", "AccessDenied"),
    "mismatch": ("InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch"),
    "host": ("AccessDeniedException", "AccessDenied", "AccessDenied"),
}


def expected_format(request: Request, raw_path: str) -> Format:
    """Return the format in which a client that sends this request reads errors."""
    headers = request.headers
    if "x-amz-target" in headers:
        return "json"
    if request.method == "POST" and headers.get("content-type", "").startswith(_FORM):
        return "query"
    authorization = headers.get("authorization", "")
    if "/s3/aws4_request" in authorization:
        return "s3"
    if authorization or raw_path.startswith(_REST_JSON):
        return "rest-json"
    return "s3"


def refusal(refused: Refused, request: Request, expected: Format) -> Response:
    """Return the response to a request that is not validly signed."""
    json_code, query_code, s3_code = _REFUSALS[refused.reason]
    codes = {"json": json_code, "rest-json": json_code, "query": query_code, "s3": s3_code}
    return error_response(AWSError(codes[expected], refused.message, 403), request, expected)


def error_response(error: AWSError, request: Request, expected: Format) -> Response:
    """Return the response that tells of an error."""
    if expected == "s3":
        identifier = request_id()
        answer = xml.error_response(error, request.method, request.url.path, identifier)
        answer.headers["x-amz-request-id"] = identifier
        return answer
    if expected == "query":
        return response(QueryProtocol.error(error))
    if expected == "rest-json":
        return response(RestJsonProtocol.error(error))
    return response(JsonProtocol.error(error))


def response(reply: Reply) -> Response:
    """Return a reply as a response with an identifier of its own."""
    headers = {"x-amzn-RequestId": request_id()} | reply.headers
    return Response(reply.body, reply.status, headers)
