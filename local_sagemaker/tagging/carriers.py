"""Who carries tags: the resources of each service, by their ARNs, in order.

Whatever has a row in the table of tags is found there by one range of ARNs, without a look at the
resources themselves; buckets keep their own. It must not know requests or pages.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Protocol

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.s3.buckets import Buckets
from local_sagemaker.store import Records

Tagged = tuple[str, dict[str, str]]
"""An ARN with the tags of its resource, at least one."""

MAX_TAGS = 50
# So many rows are read at once: nobody else reads the database meanwhile.
_BATCH = 2000
_BUCKET = "arn:aws:s3:::"
# No ARN has it, so all ARNs with a prefix lie between the prefix and the two together.
_LAST_LETTER = "\U0010ffff"


class Carrier(Protocol):
    """The resources of one service."""

    service: str

    def tagged(self, caller: Caller, after: str) -> Iterator[Tagged]:
        """Yield what carries tags in the caller's account and region, behind an ARN, in order."""

    def change(
        self, caller: Caller, arn: str, added: Mapping[str, str], removed: Sequence[str]
    ) -> None:
        """Add tags to a resource and remove others; `AWSError` when it is not there."""


class Rows:
    """Resources whose tags lie in the table of tags.

    Parameters
    ----------
    service
        As their ARNs have it.
    records
        Whose table it is.
    exists
        Tells whether there is a resource of this ARN.
    """

    def __init__(self, service: str, records: Records, exists: "Exists") -> None:
        self.service = service
        self._records = records
        self._exists = exists

    def tagged(self, caller: Caller, after: str) -> Iterator[Tagged]:
        """See `Carrier`."""
        prefix = f"arn:aws:{self.service}:{caller.region}:{caller.account}:"
        rows = self._rows(prefix, max(after, prefix))
        for arn, group in groupby(rows, key=lambda row: row[0]):
            yield arn, {key: value for _, key, value in group}

    def change(
        self, caller: Caller, arn: str, added: Mapping[str, str], removed: Sequence[str]
    ) -> None:
        """See `Carrier`."""
        with self._records.database.transaction():
            if not self._exists(caller, arn):
                raise missing(arn)
            _check_number(self._records.tags(arn) | dict(added))
            self._records.put_tags(arn, added)
            self._records.delete_tags(arn, removed)

    def _rows(self, prefix: str, after: str) -> Iterator[tuple[str, str, str]]:
        place = (after, _LAST_LETTER)
        while True:
            rows = self._records.database.query(
                "SELECT arn, key, value FROM tags WHERE (arn, key) > (?, ?) AND arn < ? "
                "ORDER BY arn, key LIMIT ?",
                (*place, prefix + _LAST_LETTER, _BATCH),
            )
            yield from ((row["arn"], row["key"], row["value"]) for row in rows)
            if len(rows) < _BATCH:
                return
            place = (rows[-1]["arn"], rows[-1]["key"])


class Exists(Protocol):
    """Tells whether a resource of the caller's is there."""

    def __call__(self, caller: Caller, arn: str) -> bool:
        """Answer for one ARN."""


class TaggedBuckets:
    """The buckets of S3, whose tags are one of their settings."""

    service = "s3"

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def tagged(self, caller: Caller, after: str) -> Iterator[Tagged]:
        """See `Carrier`."""
        for bucket in self._buckets.list(caller.account):
            arn = _BUCKET + bucket.name
            if bucket.region == caller.region and arn > after and (tags := self._tags(bucket.name)):
                yield arn, tags

    def change(
        self, caller: Caller, arn: str, added: Mapping[str, str], removed: Sequence[str]
    ) -> None:
        """See `Carrier`."""
        name = arn.removeprefix(_BUCKET)
        with self._buckets.changing():
            bucket = self._buckets.find(name)
            if bucket is None or (bucket.account, bucket.region) != (caller.account, caller.region):
                raise missing(arn)
            tags = self._tags(name) | dict(added)
            tags = {key: value for key, value in tags.items() if key not in removed}
            _check_number(tags)
            if tags:
                self._buckets.put_setting(caller.account, name, "tagging", json.dumps(tags))
            else:
                self._buckets.delete_setting(caller.account, name, "tagging")

    def _tags(self, bucket: str) -> dict[str, str]:
        value = self._buckets.setting(bucket, "tagging")
        return dict(sorted(json.loads(value).items())) if value else {}


def missing(arn: str) -> AWSError:
    """Return the error for a resource that is not there, or is not the caller's."""
    return AWSError("InvalidParameterException", f"Could not find resource {arn}.")


def _check_number(tags: Mapping[str, str]) -> None:
    if len(tags) > MAX_TAGS:
        raise AWSError(
            "InvalidParameterException",
            f"{len(tags)} tags are too many: a resource can have at most {MAX_TAGS}.",
        )
