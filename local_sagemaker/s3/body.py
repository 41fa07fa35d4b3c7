"""A request's body on its way in: checked against what the client said of it, and stored.

Disk work and hashing run in worker threads, at most two chunks of a body are in memory, and a
body that is cut short or differs from its hashes leaves nothing behind. It must not know
operations.
"""

import asyncio
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from starlette.requests import Request

from local_sagemaker.errors import AWSError
from local_sagemaker.s3.blobs import CHUNK
from local_sagemaker.s3.checksums import ALGORITHMS, Checksum, Digests, valid_value
from local_sagemaker.s3.content import Incoming
from local_sagemaker.s3.model import invalid_request, not_implemented
from local_sagemaker.s3.objects import Objects
from local_sagemaker.s3.request import read_algorithm

MAX_DOCUMENT = 8 << 20
"""Largest XML body in bytes; completing an upload of 10,000 parts needs under 3 MB."""
MAX_BODY = 5 << 30
"""Largest object or part of one request, in bytes ("Uploading objects", S3 user guide)."""

_UNSIGNED = "UNSIGNED-PAYLOAD"
_CHECKSUM = "x-amz-checksum-"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Promise:
    """What a client says about the body it is going to send.

    Attributes
    ----------
    size
        Bytes.
    sha256
        Hexadecimal, or None where the body is not signed.
    md5
        Base64, or None.
    checksum
        The checksum in a header, or None.
    """

    size: int
    sha256: str | None
    md5: str | None
    checksum: Checksum | None

    @classmethod
    def read(
        cls, headers: Mapping[str, str], payload_hash: str, *, checksums: bool = True
    ) -> "Promise":
        """Return the promise that a request makes.

        Parameters
        ----------
        headers
            The request's.
        payload_hash
            What its signature says of the body.
        checksums
            Whether checksum headers are about the body; those of CompleteMultipartUpload are
            about the object.
        """
        if payload_hash.startswith("STREAMING-"):
            raise not_implemented(
                f"A body in signed or trailing chunks ({payload_hash}); boto3 does not send one "
                "over http. It"
            )
        length = headers.get("content-length", "")
        if not length.isdecimal():
            raise AWSError(
                "MissingContentLength", "You must provide the Content-Length HTTP header.", 411
            )
        size = int(length)
        if size > MAX_BODY:
            raise AWSError(
                "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed size",
                ProposedSize=size,
                MaxSizeAllowed=MAX_BODY,
            )
        return cls(
            size=size,
            sha256=None if payload_hash == _UNSIGNED else payload_hash,
            md5=_read_md5(headers),
            checksum=read_checksum(headers) if checksums else None,
        )

    @property
    def algorithms(self) -> list[str]:
        """The checksums to compute while the body comes in."""
        return [self.checksum.algorithm] if self.checksum else []

    def check(self, size: int, digest: str, digests: Digests) -> None:
        """Raise S3's error unless the body is the promised one.

        Parameters
        ----------
        size
            Bytes that came.
        digest
            Their SHA-256 in hexadecimal.
        digests
            Their MD5 and the checksums of `algorithms`.
        """
        if size != self.size:
            raise incomplete_body()
        if self.sha256 is not None and self.sha256 != digest:
            raise AWSError(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                ClientComputedContentSHA256=self.sha256,
                S3ComputedContentSHA256=digest,
            )
        if self.md5 is not None and b64decode(self.md5) != digests.md5:
            raise AWSError(
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
                ExpectedDigest=self.md5,
                CalculatedDigest=b64encode(digests.md5).decode(),
            )
        if self.checksum is not None:
            computed = digests.checksum(self.checksum.algorithm)
            # What this machine cannot compute is kept as the client says.
            if computed is not None and computed != self.checksum:
                raise AWSError(
                    "BadDigest",
                    f"The {self.checksum.algorithm} you specified did not match the calculated "
                    "checksum.",
                )


class Reception:
    """Takes one body into the object store. Every method is to run in a worker thread."""

    def __init__(self, objects: Objects, promise: Promise) -> None:
        self._objects = objects
        self._promise = promise
        self._stack = ExitStack()
        self._incoming: Incoming | None = None

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._open().write(data)

    def finish(self, data: bytes, store: Callable[[Incoming], Result]) -> Result:
        """Append the last bytes, check the whole, and have it stored."""
        incoming = self._open()
        with self._stack:
            incoming.write(data)
            self._promise.check(incoming.size, incoming.sha256, incoming.digests)
            return store(incoming)

    def discard(self) -> None:
        """Forget what came; harmless after `finish`."""
        self._stack.close()

    def _open(self) -> Incoming:
        if self._incoming is None:
            receiving = self._objects.receive(self._promise.algorithms)
            self._incoming = self._stack.enter_context(receiving)
        return self._incoming


async def receive(
    request: Request, reception: Reception, store: Callable[[Incoming], Result], workers: Executor
) -> Result:
    """Stream a request's body into the store while the next chunk comes in."""
    loop = asyncio.get_running_loop()
    buffer = bytearray()
    pending: asyncio.Future[None] | None = None
    try:
        async for chunk in request.stream():
            buffer += chunk
            if len(buffer) >= CHUNK:
                if pending is not None:
                    await pending
                pending = loop.run_in_executor(workers, reception.write, bytes(buffer))
                buffer.clear()
        if pending is not None:
            await pending
        return await loop.run_in_executor(workers, reception.finish, bytes(buffer), store)
    except BaseException:
        if pending is not None:
            await asyncio.wait([pending])
        await loop.run_in_executor(workers, reception.discard)
        raise


async def receive_document(request: Request, promise: Promise) -> bytes:
    """Return the verified body of a request that carries XML."""
    if promise.size > MAX_DOCUMENT:
        raise AWSError("MaxMessageLengthExceeded", "Your request was too big.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
    digests = Digests(promise.algorithms)
    digests.update(bytes(body))
    promise.check(len(body), sha256(body).hexdigest(), digests)
    return bytes(body)


def incomplete_body() -> AWSError:
    """Return the error for a body that ended early."""
    return AWSError(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )


def read_checksum(headers: Mapping[str, str]) -> Checksum | None:
    """Return the checksum of a body that a request's headers name, or None."""
    found = [
        Checksum(name.removeprefix(_CHECKSUM).upper(), value)
        for name, value in headers.items()
        if name.startswith(_CHECKSUM) and name.removeprefix(_CHECKSUM).upper() in ALGORITHMS
    ]
    if len(found) > 1:
        raise invalid_request(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    asked = read_algorithm(headers, "x-amz-sdk-checksum-algorithm")
    if not found:
        if asked and asked != "MD5":
            raise invalid_request(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
                "x-amz-trailer headers were found."
            )
        return None
    checksum = found[0]
    if not valid_value(checksum.algorithm, checksum.value):
        raise invalid_request(f"Value for {checksum.header} header is invalid.")
    return checksum


def _read_md5(headers: Mapping[str, str]) -> str | None:
    value = headers.get("content-md5")
    if value is None:
        return None
    try:
        valid = len(b64decode(value, validate=True)) == 16
    except (Base64Error, ValueError):
        valid = False
    if not valid:
        raise AWSError("InvalidDigest", "The Content-MD5 you specified is not valid.")
    return value
