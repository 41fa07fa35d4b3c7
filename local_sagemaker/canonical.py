"""The arithmetic of AWS's signatures: what of a request is signed, and what its signature is.

Signature Version 4, and Signature Version 2 of presigned S3 URLs. It must not know who may sign.

Sources: "Authenticating Requests (AWS Signature Version 4)" and "Signing and authenticating
REST requests" (Signature Version 2) of the S3 API reference.
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
# A scope's region becomes part of ARNs, and its parts go into file names of logs.
_SCOPE = re.compile(
    r"(?P<access_key>\w{1,128})/(?P<date>\d{8})/(?P<region>[a-z0-9-]{1,32})/"
    r"(?P<service>[a-z0-9-]{1,64})/aws4_request",
    re.ASCII,
)
# Query parameters that belong to the resource in a Version 2 signature.
_V2_SUBRESOURCES = frozenset(
    {
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "encryption",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "restore",
        "select",
        "select-type",
        "storageClass",
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
        Lower-case names; the values of a header that came twice are joined with a comma.
    """

    method: str
    raw_path: bytes
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Scope:
    """What a Version 4 signature is good for."""

    access_key: str
    date: str
    region: str
    service: str

    @classmethod
    def parse(cls, credential: str) -> "Scope":
        """Read a ``Credential``; ``ValueError`` when it is not one."""
        match = _SCOPE.fullmatch(credential)
        if match is None:
            raise ValueError("Credential must be KEY/DATE/REGION/SERVICE/aws4_request")
        return cls(**match.groupdict())

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def parse_query(raw: bytes) -> tuple[tuple[str, str], ...]:
    """Decode a raw query string; ``+`` is a plus sign, as AWS reads it."""
    pairs = []
    for item in raw.split(b"&"):
        if item:
            name, _, value = item.partition(b"=")
            pairs.append((_decode(name), _decode(value)))
    return tuple(pairs)


def signature_v4(
    request: Signed,
    query: tuple[tuple[str, str], ...],
    signed_headers: str,
    payload_hash: str,
    *,
    scope: Scope,
    stamp: str,
    secret: str,
) -> bytes:
    """Return the Version 4 signature of a request, in hex.

    Parameters
    ----------
    request
        Method, path and headers.
    query
        The parameters that are signed.
    signed_headers
        Lower-case names of the headers that are signed, separated by semicolons.
    payload_hash
        The hex SHA-256 of the body, or what stands for it.
    scope, stamp
        What the signature is good for, and ``X-Amz-Date``.
    secret
        The secret of the scope's key.
    """
    canonical = _canonical_request(request, query, signed_headers, payload_hash, scope)
    hashed = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    to_sign = "\n".join([ALGORITHM, stamp, str(scope), hashed])
    key = _signing_key(secret, scope.date, scope.region, scope.service)
    return hmac.new(key, to_sign.encode("utf-8", "surrogateescape"), "sha256").hexdigest().encode()


def signature_v2(request: Signed, expires: str, token: str, secret: str) -> bytes:
    """Return the Version 2 signature of a presigned S3 URL, in base 64.

    Parameters
    ----------
    request
        The whole request.
    expires
        The query parameter ``Expires``.
    token
        The session token that the query carries, or an empty string.
    secret
        The key's secret.
    """
    amz_headers = {
        name: value for name, value in request.headers.items() if name.startswith("x-amz-")
    }
    # botocore puts such headers into the query of a presigned URL, signed like headers.
    amz_headers |= {name: value for name, value in request.query if name.startswith("x-amz-")}
    if token:
        amz_headers["x-amz-security-token"] = token
    resource = request.raw_path.decode("latin-1")
    sub = sorted(pair for pair in request.query if pair[0] in _V2_SUBRESOURCES)
    if sub:
        resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in sub)
    lines = [
        request.method,
        request.headers.get("content-md5", ""),
        request.headers.get("content-type", ""),
        expires,
        *(f"{name}:{value.strip()}" for name, value in sorted(amz_headers.items())),
        resource,
    ]
    to_sign = "\n".join(lines).encode("utf-8", "surrogateescape")
    return b64encode(hmac.new(secret.encode(), to_sign, hashlib.sha1).digest())


def _canonical_request(
    request: Signed,
    query: tuple[tuple[str, str], ...],
    signed_headers: str,
    payload_hash: str,
    scope: Scope,
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


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _decode(raw: bytes) -> str:
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape")


def _encode(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe="~-._")
