"""Where answers go: a protocol, and the server's own S3 as the first way to keep it.

The second, an AWS account's real S3, is `local_sagemaker.human_review.account_outputs`. It knows
buckets and objects; it must not know what an answer is.
"""

import threading
import time
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Identity
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.s3.objects import Objects


@dataclass(frozen=True)
class Owner:
    """On whose behalf S3 is used.

    Attributes
    ----------
    account, region
        Of the flow definition.
    role
        The ARN of the role that it names.
    """

    account: str
    region: str
    role: str


class OutputRefused(Exception):
    """S3 will not take it as things are; the message says why and what to do."""


class OutputDelayed(Exception):
    """S3 could not be reached now; the message says why. It is tried again."""


class Outputs(Protocol):
    """Where human loops write, and what their templates may read."""

    def check(self, owner: Owner, location: S3Location) -> None:
        """Find out whether answers can be written below an address.

        Raises
        ------
        OutputRefused
            When the bucket is not there, belongs to somebody else, or is in another region.
        OutputDelayed
            When that cannot be found out now.
        """

    def put(self, owner: Owner, location: S3Location, data: bytes, kms_key: str | None) -> None:
        """Write an object; once this returns, it is there.

        Raises
        ------
        OutputRefused, OutputDelayed
            When it is not.
        """

    def read_access(self, owner: Owner, location: S3Location, seconds: int) -> str:
        """Return a URL that opens an object to a browser for some time.

        Raises
        ------
        OutputRefused
            When it cannot be opened.
        """


class LocalOutputs:
    """The server's own buckets.

    Parameters
    ----------
    objects
        Where they are.
    identity
        Issues the keys that sign URLs.
    url
        Where a browser reaches the server.
    """

    def __init__(self, objects: Objects, identity: Identity, url: str) -> None:
        self._objects = objects
        self._identity = identity
        self._url = url
        self._lock = threading.Lock()
        # By owner and lifetime of the URLs, with the moment at which each ends.
        self._keys: dict[tuple[Owner, int], tuple[Credentials, float]] = {}

    def check(self, owner: Owner, location: S3Location) -> None:
        """Find out whether answers can be written below an address; see `Outputs.check`."""
        try:
            bucket = self._objects.buckets.require(owner.account, location.bucket)
        except AWSError as error:
            raise OutputRefused(_refusal(error, location)) from error
        if bucket.region != owner.region:
            raise OutputRefused(elsewhere(location, bucket.region, owner.region))

    def put(self, owner: Owner, location: S3Location, data: bytes, kms_key: str | None) -> None:
        """Write an object; see `Outputs.put`. Nothing is encrypted here, whatever the key."""
        del kms_key
        try:
            self._objects.put_bytes(
                owner.account, owner.region, location.bucket, location.key, data
            )
        except AWSError as error:
            raise OutputRefused(_refusal(error, location)) from error
        except OSError as error:
            raise OutputDelayed(f"{location} cannot be written: {error}") from error

    def read_access(self, owner: Owner, location: S3Location, seconds: int) -> str:
        """Return a URL that opens an object for some time; see `Outputs.read_access`."""
        path = quote(f"/{location.bucket}/{location.key}", safe="/~")
        request = AWSRequest("GET", self._url + path)
        key = self._key(owner, seconds)
        S3SigV4QueryAuth(key, "s3", owner.region, expires=seconds).add_auth(request)
        return str(request.url)

    def _key(self, owner: Owner, seconds: int) -> Credentials:
        """Return a key that is good for some time; one page may ask for many URLs."""
        with self._lock:
            known = self._keys.get((owner, seconds))
            if known is not None and known[1] > time.time() + seconds:
                return known[0]
            lifetime = 2 * seconds
            session = f"{owner.role.rpartition('/')[2]}/HumanReview"
            issued = self._identity.issue(
                owner.account,
                f"arn:aws:sts::{owner.account}:assumed-role/{session}",
                "AROAHUMANREVIEW:HumanReview",
                lifetime=lifetime,
            )
            key = Credentials(issued.access_key_id, issued.secret_access_key, issued.session_token)
            self._keys[owner, seconds] = (key, time.time() + lifetime)
            return key


def elsewhere(location: S3Location, found: str, wanted: str) -> str:
    """Return the refusal of a bucket in another region."""
    return (
        f"The bucket {location.bucket} is in {found}, and the flow definition in {wanted}: "
        f"answers are written in one region only. Use a bucket in {wanted}."
    )


def _refusal(error: AWSError, location: S3Location) -> str:
    if error.code == "NoSuchBucket":
        return (
            f"The bucket {location.bucket} of the output path does not exist. Create it, or name "
            "another one."
        )
    return f"S3 refuses {location}: {error.code}: {error.message}"
