"""Checks that a request was signed by a key of the credential store.

Signature Version 4 in the header or the query, and Signature Version 2 in the query of a
presigned S3 URL (which boto3 still makes in us-east-1). It reads the request line, headers and
hashes; the bytes of the body are checked against the signed hash by whoever reads them.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from local_sagemaker.canonical import ALGORITHM, Scope, Signed, signature_v2, signature_v4
from local_sagemaker.identity import Caller, Identity, Principal

MAX_SKEW = 900.0
MAX_PRESIGNED = 604_800
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"


class Refused(Exception):
    """The request is not validly signed.

    Attributes
    ----------
    reason
        One of ``missing``, ``incomplete``, ``unknown-key``, ``token``, ``expired``,
        ``expired-url``, ``skewed``, ``unsigned-header``, ``mismatch``: protocols have their own
        words for each.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Verified:
    """The outcome: who calls which service, and the body's hash that was signed."""

    caller: Caller
    service: str
    payload_hash: str


@dataclass(frozen=True)
class Claim:
    """Whom a request says it is from: the key, its token and the times are good.

    The signature is not checked yet, because it may cover a body that was not read yet.

    Attributes
    ----------
    caller, service
        Who calls which service.
    payload_hash
        What the request says its body's hash is, or None when it does not say.
    """

    caller: Caller
    service: str
    payload_hash: str | None
    _expected: Callable[[str], bytes]
    _signature: str

    def verify(self, body_hash: Callable[[], str]) -> Verified:
        """Check the signature.

        Parameters
        ----------
        body_hash
            Returns the hex SHA-256 of the body; called only where the request does not say it.

        Raises
        ------
        Refused
            When the signature is another one.
        """
        payload_hash = self.payload_hash or body_hash()
        signature = self._signature.encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(self._expected(payload_hash), signature):
            raise _mismatch()
        return Verified(self.caller, self.service, payload_hash)


def authenticate(request: Signed, identity: Identity, now: float | None = None) -> Claim:
    """Return whom a request says it is from.

    Parameters
    ----------
    request
        What was signed.
    identity
        The keys that count.
    now
        Seconds since the epoch; the clock's if left out.

    Raises
    ------
    Refused
        With the reason.
    """
    now = time.time() if now is None else now
    query = dict(request.query)
    if "authorization" in request.headers:
        return _header_claim(request, identity, now)
    if query.get("X-Amz-Algorithm") == ALGORITHM:
        return _presigned_claim(request, query, identity, now)
    if {"AWSAccessKeyId", "Signature", "Expires"} <= query.keys():
        return _presigned_v2_claim(request, query, identity, now)
    raise Refused("missing", "Missing Authentication Token")


def _header_claim(request: Signed, identity: Identity, now: float) -> Claim:
    scheme, _, rest = request.headers["authorization"].partition(" ")
    if scheme != ALGORITHM:
        raise Refused(
            "incomplete",
            f"The authorization mechanism you have provided is not supported. Use {ALGORITHM}.",
        )
    parts = (part.partition("=") for part in rest.split(","))
    fields = {name.strip(): value.strip() for name, _, value in parts}
    try:
        scope = Scope.parse(fields["Credential"])
        signed_headers = fields["SignedHeaders"]
        signature = fields["Signature"]
        stamp = request.headers["x-amz-date"]
        made = _seconds(stamp)
    except KeyError as error:
        raise Refused("incomplete", f"The authorization header lacks {error}.") from error
    except ValueError as error:
        raise Refused("incomplete", f"The authorization header is not right: {error}.") from error
    principal = _principal(identity, scope.access_key, now)
    _check_token(principal, request.headers.get("x-amz-security-token", ""))
    _check_skew(made, now)
    if not stamp.startswith(scope.date):
        raise Refused("mismatch", "The date of the credential scope is not that of X-Amz-Date.")
    _check_signed_headers(request, signed_headers)

    def expected(payload_hash: str) -> bytes:
        return signature_v4(
            request,
            request.query,
            signed_headers,
            payload_hash,
            scope=scope,
            stamp=stamp,
            secret=principal.credentials.secret_access_key,
        )

    payload_hash = request.headers.get("x-amz-content-sha256")
    return Claim(principal.caller(scope.region), scope.service, payload_hash, expected, signature)


def _presigned_claim(
    request: Signed, query: Mapping[str, str], identity: Identity, now: float
) -> Claim:
    try:
        scope = Scope.parse(query["X-Amz-Credential"])
        stamp = query["X-Amz-Date"]
        lifetime = int(query["X-Amz-Expires"])
        signed_headers = query["X-Amz-SignedHeaders"]
        signature = query["X-Amz-Signature"]
        made = _seconds(stamp)
    except KeyError as error:
        raise Refused("incomplete", f"The presigned URL lacks {error}.") from error
    except ValueError as error:
        raise Refused("incomplete", f"The presigned URL is not right: {error}.") from error
    if scope.service != "s3":
        raise Refused("incomplete", "Only URLs of S3 can be presigned here")
    if not 0 < lifetime <= MAX_PRESIGNED:
        raise Refused("incomplete", f"X-Amz-Expires must be between 1 and {MAX_PRESIGNED} seconds")
    principal = _principal(identity, scope.access_key, now)
    _check_token(principal, query.get("X-Amz-Security-Token", ""))
    if now > made + lifetime:
        raise Refused("expired-url", "Request has expired")
    if made > now + MAX_SKEW:
        raise Refused("skewed", "The presigned URL is not valid yet")
    _check_signed_headers(request, signed_headers)
    signed_query = tuple(pair for pair in request.query if pair[0] != "X-Amz-Signature")

    def expected(payload_hash: str) -> bytes:
        return signature_v4(
            request,
            signed_query,
            signed_headers,
            payload_hash,
            scope=scope,
            stamp=stamp,
            secret=principal.credentials.secret_access_key,
        )

    caller = principal.caller(scope.region)
    return Claim(caller, scope.service, UNSIGNED_PAYLOAD, expected, signature)


def _presigned_v2_claim(
    request: Signed, query: Mapping[str, str], identity: Identity, now: float
) -> Claim:
    principal = _principal(identity, query["AWSAccessKeyId"], now)
    token = query.get("x-amz-security-token", "")
    _check_token(principal, token)
    try:
        expires = int(query["Expires"])
    except ValueError as error:
        raise Refused("incomplete", "Expires must be a number of seconds") from error
    if now > expires:
        raise Refused("expired-url", "Request has expired")

    def expected(_: str) -> bytes:
        return signature_v2(
            request, query["Expires"], token, principal.credentials.secret_access_key
        )

    # A Version 2 signature names no region. boto3 makes it for buckets of us-east-1.
    caller = principal.caller("us-east-1")
    return Claim(caller, "s3", UNSIGNED_PAYLOAD, expected, query["Signature"])


def _principal(identity: Identity, access_key: str, now: float) -> Principal:
    principal = identity.principal(access_key)
    if principal is None:
        raise Refused("unknown-key", "The security token included in the request is invalid.")
    if principal.expired(now):
        raise Refused("expired", "The security token included in the request is expired")
    return principal


def _check_token(principal: Principal, token: str) -> None:
    expected = principal.credentials.session_token
    if not hmac.compare_digest(expected.encode(), token.encode("utf-8", "surrogateescape")):
        raise Refused("token", "The security token included in the request is invalid.")


def _check_skew(made: float, now: float) -> None:
    if abs(made - now) > MAX_SKEW:
        raise Refused(
            "skewed",
            f"Signature expired or not yet valid: it was made at {_stamp(made)}, and it is "
            f"{_stamp(now)} here. Check the clock.",
        )


def _check_signed_headers(request: Signed, signed_headers: str) -> None:
    # A header that steers the request and is not signed could be changed on the way.
    signed = set(signed_headers.split(";"))
    loose = {"host", *(name for name in request.headers if name.startswith("x-amz-"))} - signed
    if loose:
        raise Refused(
            "unsigned-header",
            f"There were headers present in the request which were not signed: {sorted(loose)}",
        )


def _seconds(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _stamp(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%SZ}"


def _mismatch() -> Refused:
    return Refused(
        "mismatch",
        "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method. Consult the service documentation for "
        "details.",
    )
