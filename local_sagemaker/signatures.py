"""Checks that a request was signed by a key of the credential store.

Signature Version 4 in the header or the query, and Signature Version 2 in the query of a
presigned S3 URL (which boto3 still makes in us-east-1). It reads the request line, headers and
hashes; the bytes of the body are checked against the signed hash by whoever reads them.

Sources: "Authenticating Requests (AWS Signature Version 4)" and "Signing and authenticating
REST requests" (Signature Version 2) of the S3 API reference.
"""

import hashlib
import hmac
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from local_sagemaker.identity import Caller, Identity, Principal

MAX_SKEW = 900.0
MAX_PRESIGNED = 604_800
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_ALGORITHM = "AWS4-HMAC-SHA256"
# Query parameters that belong to the resource in a Version 2 signature.
_V2_SUBRESOURCES = frozenset(
    {
        "acl",
        "cors",
        "delete",
        "encryption",
        "lifecycle",
        "location",
        "logging",
        "notification",
        "partNumber",
        "policy",
        "requestPayment",
        "restore",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
    }
)


class Refused(Exception):
    """The request is not validly signed.

    Attributes
    ----------
    reason
        One of ``missing``, ``incomplete``, ``unknown-key``, ``token``, ``expired``,
        ``mismatch``, ``skewed``: protocols have their own words for each.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Signed:
    """A request as the client signed it.

    Attributes
    ----------
    method
        HTTP verb.
    raw_path
        The path as it came over the wire, still percent-encoded.
    query
        Decoded parameters in the order they came.
    headers
        Lower-case names.
    """

    method: str
    raw_path: bytes
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Verified:
    """The outcome: who calls which service, and the body's hash that was signed."""

    caller: Caller
    service: str
    payload_hash: str


def parse_query(raw: bytes) -> tuple[tuple[str, str], ...]:
    """Decode a raw query string; ``+`` is a plus sign, as AWS reads it."""
    pairs = []
    for item in raw.split(b"&"):
        if item:
            name, _, value = item.partition(b"=")
            pairs.append((_decode(name), _decode(value)))
    return tuple(pairs)


def verify(
    request: Signed,
    identity: Identity,
    body_hash: Callable[[], str] | None = None,
    now: float | None = None,
) -> Verified:
    """Return who signed a request.

    Parameters
    ----------
    request
        What was signed.
    identity
        The keys that count.
    body_hash
        Returns the hex SHA-256 of the body, for services that sign it without naming it in a
        header. The body must not be read before the signature is checked where the header
        names its hash, as S3's does.
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
        return _verify_header(request, identity, body_hash, now)
    if query.get("X-Amz-Algorithm") == _ALGORITHM:
        return _verify_presigned(request, query, identity, now)
    if {"AWSAccessKeyId", "Signature", "Expires"} <= query.keys():
        return _verify_presigned_v2(request, query, identity, now)
    raise Refused("missing", "Missing Authentication Token")


def _verify_header(
    request: Signed, identity: Identity, body_hash: Callable[[], str] | None, now: float
) -> Verified:
    scheme, _, rest = request.headers["authorization"].partition(" ")
    if scheme != _ALGORITHM:
        raise Refused("incomplete", f"Unsupported authorization scheme {scheme[:40]!r}")
    parts = (part.partition("=") for part in rest.split(","))
    fields = {name.strip(): value.strip() for name, _, value in parts}
    try:
        scope = _Scope.parse(fields["Credential"])
        signed_headers = fields["SignedHeaders"]
        signature = fields["Signature"]
        stamp = request.headers["x-amz-date"]
    except (KeyError, ValueError) as error:
        raise Refused("incomplete", f"The authorization header is incomplete: {error}") from error
    principal = _principal(identity, scope.access_key, now)
    _check_token(principal, request.headers.get("x-amz-security-token", ""))
    _check_skew(stamp, scope, now)
    payload_hash = request.headers.get("x-amz-content-sha256", "")
    if not payload_hash:
        payload_hash = body_hash() if body_hash else hashlib.sha256(b"").hexdigest()
    canonical = _canonical_request(request, request.query, signed_headers, payload_hash, scope)
    _check_signature(principal, scope, stamp, canonical, signature)
    return Verified(principal.caller(scope.region), scope.service, payload_hash)


def _verify_presigned(
    request: Signed, query: Mapping[str, str], identity: Identity, now: float
) -> Verified:
    try:
        scope = _Scope.parse(query["X-Amz-Credential"])
        stamp = query["X-Amz-Date"]
        lifetime = int(query["X-Amz-Expires"])
        signed_headers = query["X-Amz-SignedHeaders"]
        signature = query["X-Amz-Signature"]
        start = _seconds(stamp)
    except (KeyError, ValueError) as error:
        raise Refused("incomplete", f"The presigned URL is incomplete: {error}") from error
    if scope.service != "s3":
        raise Refused("incomplete", "Only URLs of S3 can be presigned here")
    if not 0 < lifetime <= MAX_PRESIGNED:
        raise Refused("incomplete", "X-Amz-Expires must be between 1 and 604800 seconds")
    principal = _principal(identity, scope.access_key, now)
    _check_token(principal, query.get("X-Amz-Security-Token", ""))
    if now > start + lifetime:
        raise Refused("expired-url", "Request has expired")
    if start > now + MAX_SKEW:
        raise Refused("skewed", "The presigned URL is not valid yet")
    signed_query = tuple(pair for pair in request.query if pair[0] != "X-Amz-Signature")
    canonical = _canonical_request(request, signed_query, signed_headers, UNSIGNED_PAYLOAD, scope)
    _check_signature(principal, scope, stamp, canonical, signature)
    return Verified(principal.caller(scope.region), scope.service, UNSIGNED_PAYLOAD)


def _verify_presigned_v2(
    request: Signed, query: Mapping[str, str], identity: Identity, now: float
) -> Verified:
    principal = _principal(identity, query["AWSAccessKeyId"], now)
    _check_token(principal, query.get("x-amz-security-token", ""))
    try:
        expires = int(query["Expires"])
    except ValueError as error:
        raise Refused("incomplete", "Expires must be a number of seconds") from error
    if now > expires:
        raise Refused("expired-url", "Request has expired")
    amz_headers = {
        name: value for name, value in request.headers.items() if name.startswith("x-amz-")
    }
    if "x-amz-security-token" in query:
        amz_headers["x-amz-security-token"] = query["x-amz-security-token"]
    resource = request.raw_path.decode("latin-1")
    sub = sorted(pair for pair in request.query if pair[0] in _V2_SUBRESOURCES)
    if sub:
        resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in sub)
    to_sign = "\n".join(
        [
            request.method,
            request.headers.get("content-md5", ""),
            request.headers.get("content-type", ""),
            query["Expires"],
            *(f"{name}:{value.strip()}" for name, value in sorted(amz_headers.items())),
            resource,
        ]
    )
    secret = principal.credentials.secret_access_key
    digest = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha1).digest()
    if not hmac.compare_digest(b64encode(digest).decode(), query["Signature"]):
        raise _mismatch()
    return Verified(principal.caller("us-east-1"), "s3", UNSIGNED_PAYLOAD)


@dataclass(frozen=True)
class _Scope:
    access_key: str
    date: str
    region: str
    service: str

    @classmethod
    def parse(cls, credential: str) -> "_Scope":
        access_key, date, region, service, terminator = credential.split("/")
        if terminator != "aws4_request":
            raise ValueError("the credential scope must end with aws4_request")
        return cls(access_key, date, region, service)

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def _principal(identity: Identity, access_key: str, now: float) -> Principal:
    principal = identity.principal(access_key)
    if principal is None:
        raise Refused("unknown-key", "The security token included in the request is invalid.")
    if principal.expired(now):
        raise Refused("expired", "The security token included in the request is expired")
    return principal


def _check_token(principal: Principal, token: str) -> None:
    expected = principal.credentials.session_token
    if not hmac.compare_digest(expected.encode(), token.encode()):
        raise Refused("token", "The security token included in the request is invalid.")


def _check_skew(stamp: str, scope: _Scope, now: float) -> None:
    try:
        when = _seconds(stamp)
    except ValueError as error:
        raise Refused("incomplete", f"X-Amz-Date {stamp[:40]!r} is not a date") from error
    if stamp[:8] != scope.date:
        raise _mismatch()
    if abs(when - now) > MAX_SKEW:
        raise Refused(
            "skewed",
            f"Signature expired or not yet valid: it was made at {stamp}, and it is "
            f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ} here. Check the machine's clock.",
        )


def _seconds(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _canonical_request(
    request: Signed,
    query: tuple[tuple[str, str], ...],
    signed_headers: str,
    payload_hash: str,
    scope: _Scope,
) -> str:
    path = request.raw_path.decode("latin-1") or "/"
    # Every service but S3 signs the path encoded once more than it travels.
    if scope.service != "s3":
        path = quote(path, safe="/~-._")
    else:
        path = quote(unquote_to_bytes(path), safe="/~-._")
    pairs = sorted((_encode(name), _encode(value)) for name, value in query)
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n"
        for name in signed_headers.split(";")
    )
    return "\n".join(
        [
            request.method,
            path,
            "&".join(f"{name}={value}" for name, value in pairs),
            headers,
            signed_headers,
            payload_hash,
        ]
    )


def _check_signature(
    principal: Principal, scope: _Scope, stamp: str, canonical: str, signature: str
) -> None:
    to_sign = "\n".join(
        [_ALGORITHM, stamp, str(scope), hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = _signing_key(
        principal.credentials.secret_access_key, scope.date, scope.region, scope.service
    )
    expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        raise _mismatch()


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _mismatch() -> Refused:
    return Refused(
        "mismatch",
        "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method. Consult the service documentation for "
        "details.",
    )


def _decode(raw: bytes) -> str:
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape")


def _encode(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe="~-._")
