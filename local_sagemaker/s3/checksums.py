"""The checksums that S3 takes and returns: computing, naming and combining them.

It knows algorithms; it must not know requests or where objects are kept.

Sources: "Checking object integrity in Amazon S3" (user guide) for names, encodings and which
algorithm allows which type; zlib's ``crc32_combine`` for the method of joining two CRCs.
"""

import hashlib
import zlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

try:
    # No types come with it, and it may not be installed.
    from awscrt import checksums as _crt
except ImportError:  # an optional accelerator of botocore; without it two CRCs are not verified
    _crt = None

FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"


class Hasher(Protocol):
    """What hashlib's objects and our CRCs have in common."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """Return the value of all bytes taken."""


@dataclass(frozen=True)
class Checksum:
    """A checksum as S3 keeps it; ``value`` is base64, with ``-parts`` behind it if composite."""

    algorithm: str
    value: str
    kind: str = FULL_OBJECT

    @property
    def header(self) -> str:
        """The header that carries it."""
        return f"x-amz-checksum-{self.algorithm.lower()}"

    @property
    def element(self) -> str:
        """The XML element that carries it."""
        return f"Checksum{self.algorithm}"


@dataclass(frozen=True)
class _Crc:
    function: Callable[[bytes, int], int] | None
    polynomial: int
    width: int


_CRCS = {
    "CRC32": _Crc(zlib.crc32, 0xEDB88320, 32),
    "CRC32C": _Crc(_crt and _crt.crc32c, 0x82F63B78, 32),
    "CRC64NVME": _Crc(_crt and _crt.crc64nvme, 0x9A6C9329AC4BC9B5, 64),
}
_HASHES = {
    "SHA1": hashlib.sha1,
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": hashlib.md5,
}
# Bytes of a value; the xxHash family can be stored and returned, not computed.
_SIZES = {
    **{name: crc.width // 8 for name, crc in _CRCS.items()},
    "SHA1": 20,
    "SHA256": 32,
    "SHA512": 64,
    "MD5": 16,
    "XXHASH64": 8,
    "XXHASH3": 8,
    "XXHASH128": 16,
}
ALGORITHMS = frozenset(_SIZES)


class _CrcHasher:
    def __init__(self, crc: _Crc) -> None:
        self._crc = crc
        self._value = 0

    def update(self, data: bytes, /) -> None:
        assert self._crc.function is not None
        self._value = self._crc.function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._crc.width // 8, "big")


def hasher(algorithm: str) -> Hasher | None:
    """Return a fresh hasher, or None where this machine cannot compute the algorithm."""
    if algorithm in _HASHES:
        return _HASHES[algorithm](usedforsecurity=False)
    crc = _CRCS.get(algorithm)
    return _CrcHasher(crc) if crc and crc.function else None


class Digests:
    """Several hashes of one stream: the MD5 behind an ETag, and any checksums asked for."""

    def __init__(self, algorithms: Iterable[str] = ()) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        hashers = {algorithm: hasher(algorithm) for algorithm in algorithms}
        self._hashers = {name: one for name, one in hashers.items() if one is not None}

    def update(self, data: bytes) -> None:
        """Take more bytes."""
        self._md5.update(data)
        for one in self._hashers.values():
            one.update(data)

    @property
    def md5(self) -> bytes:
        """The 16 bytes of the MD5."""
        return self._md5.digest()

    @property
    def etag(self) -> str:
        """The MD5 in hexadecimal, which is the ETag of an object written in one piece."""
        return self._md5.hexdigest()

    def checksum(self, algorithm: str) -> Checksum | None:
        """Return one of the checksums asked for, or None where it cannot be computed."""
        one = self._hashers.get(algorithm)
        return Checksum(algorithm, b64encode(one.digest()).decode()) if one else None


def valid_value(algorithm: str, value: str) -> bool:
    """Tell whether a base64 text can be a value of this algorithm."""
    try:
        return len(b64decode(value, validate=True)) == _SIZES[algorithm]
    except (Base64Error, ValueError):
        return False


def default_kind(algorithm: str) -> str:
    """Return the type that a multipart upload has where its creator names none."""
    return FULL_OBJECT if algorithm == "CRC64NVME" else COMPOSITE


def allowed_kind(algorithm: str, kind: str) -> bool:
    """Tell whether S3 has this type for this algorithm in multipart uploads."""
    if kind == FULL_OBJECT:
        return algorithm in _CRCS
    return kind == COMPOSITE and algorithm != "CRC64NVME"


def of_parts(
    algorithm: str, kind: str, parts: Sequence[tuple[Checksum | None, int]]
) -> Checksum | None:
    """Return the checksum of an object from those of its parts.

    Parameters
    ----------
    algorithm, kind
        What the upload was created with.
    parts
        Each part's checksum and size in bytes, in order.

    Returns
    -------
    Checksum or None
        None where a part has none, or where a composite one cannot be computed here.
    """
    values = []
    for checksum, size in parts:
        if checksum is None or checksum.algorithm != algorithm:
            return None
        values.append((b64decode(checksum.value), size))
    if kind == FULL_OBJECT:
        crc = _CRCS[algorithm]
        joined = 0
        for value, size in values:
            joined = _shift(crc, joined, size) ^ int.from_bytes(value, "big")
        text = b64encode(joined.to_bytes(crc.width // 8, "big")).decode()
        return Checksum(algorithm, text, FULL_OBJECT)
    one = hasher(algorithm)
    if one is None:
        return None
    for value, _ in values:
        one.update(value)
    return Checksum(algorithm, f"{b64encode(one.digest()).decode()}-{len(values)}", COMPOSITE)


def _shift(crc: _Crc, value: int, length: int) -> int:
    """Return a CRC's contribution once ``length`` further bytes follow what it covers."""
    return _apply(_zeros(crc.polynomial, crc.width, length), value) if length else value


def _apply(matrix: Sequence[int], vector: int) -> int:
    result = 0
    for row in matrix:
        if vector & 1:
            result ^= row
        vector >>= 1
    return result


def _product(outer: Sequence[int], inner: Sequence[int]) -> tuple[int, ...]:
    return tuple(_apply(outer, row) for row in inner)


@lru_cache(maxsize=64)
def _zeros(polynomial: int, width: int, length: int) -> tuple[int, ...]:
    """Return the operator, a matrix over GF(2), that appends ``length`` zero bytes."""
    power: tuple[int, ...] = (polynomial, *(1 << bit for bit in range(width - 1)))
    for _ in range(3):
        power = _product(power, power)
    result: tuple[int, ...] | None = None
    while length:
        if length & 1:
            result = power if result is None else _product(power, result)
        length >>= 1
        if length:
            power = _product(power, power)
    assert result is not None
    return result
