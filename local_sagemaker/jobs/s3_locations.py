"""Addresses of objects and prefixes: ``s3://bucket/key``.

It knows how they are written; it must not know what is there.
"""

from dataclasses import dataclass

from local_sagemaker.errors import validation_exception


@dataclass(frozen=True)
class S3Location:
    """A bucket and a key, or a prefix of keys, which may be empty."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> "S3Location":
        """Read an address; ``ValidationException`` for anything but ``s3://bucket[/key]``."""
        scheme, _, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise validation_exception(
                f"The local SageMaker reads and writes addresses of the form s3://bucket/key, "
                f"not {uri!r}."
            )
        return cls(bucket, key)

    def below(self, *names: str) -> "S3Location":
        """Return the address of something below this one, taken as a folder."""
        key = "/".join([part for part in (self.key.rstrip("/"), *names) if part])
        return S3Location(self.bucket, key)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"
