"""An AWS account's real S3 as the place for answers, where A2I is closed to that account.

It works with whatever boto3 session it is given, so the person who reviews needs no other rights
than those of the notebook. It knows S3's API; it must not know what an answer is.
"""

import threading
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from local_sagemaker.human_review.outputs import (
    OutputDelayed,
    OutputRefused,
    Owner,
    elsewhere,
)
from local_sagemaker.jobs.s3_locations import S3Location

if TYPE_CHECKING:
    import boto3

# A worker waits for the next task as long as this takes; a longer failure is tried again later.
_CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 2},
    signature_version="s3v4",
)
# What another minute, or new credentials, may put right.
_PASSING = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
    }
)
_FORBIDDEN, _SERVER_ERROR = 403, 500
# HeadBucket says only that, because it has no body.
_MISSING = frozenset({"404", "NoSuchBucket", "NotFound"})
_ELSEWHERE = frozenset({"301", "PermanentRedirect", "AuthorizationHeaderMalformed"})


class AccountOutputs:
    """The buckets of the account that a boto3 session belongs to.

    Parameters
    ----------
    session
        Its credentials are used, whatever role a flow definition names.
    endpoint_url
        Where S3 is; AWS's own if None.
    """

    def __init__(self, session: "boto3.Session", endpoint_url: str | None = None) -> None:
        self._session = session
        self._endpoint_url = endpoint_url
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def check(self, owner: Owner, location: S3Location) -> None:
        """Find out whether answers can be written below an address; see `Outputs.check`."""
        try:
            answer = self._client(owner.region).head_bucket(Bucket=location.bucket)
        except (ClientError, BotoCoreError) as error:
            raise _worded(error, location, owner) from error
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        region = headers.get("x-amz-bucket-region", owner.region)
        if region != owner.region:
            raise OutputRefused(elsewhere(location, region, owner.region))

    def put(self, owner: Owner, location: S3Location, data: bytes, kms_key: str | None) -> None:
        """Write an object, encrypted with a key of KMS if one is named; see `Outputs.put`."""
        encryption = (
            {} if kms_key is None else {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}
        )
        try:
            self._client(owner.region).put_object(
                Bucket=location.bucket,
                Key=location.key,
                Body=data,
                ContentType="application/json",
                **encryption,
            )
        except (ClientError, BotoCoreError) as error:
            raise _worded(error, location, owner) from error

    def read_access(self, owner: Owner, location: S3Location, seconds: int) -> str:
        """Return a URL that opens an object for some time; see `Outputs.read_access`."""
        try:
            url = self._client(owner.region).generate_presigned_url(
                "get_object",
                Params={"Bucket": location.bucket, "Key": location.key},
                ExpiresIn=seconds,
            )
        except (ClientError, BotoCoreError) as error:
            raise OutputRefused(f"No link to {location} can be signed: {error}") from error
        return str(url)

    def _client(self, region: str) -> Any:
        # One for each region: making one takes a while, and a session's methods are not for
        # several threads at once.
        with self._lock:
            if region not in self._clients:
                self._clients[region] = self._session.client(
                    "s3", region_name=region, endpoint_url=self._endpoint_url, config=_CONFIG
                )
            return self._clients[region]


def _worded(
    error: ClientError | BotoCoreError, location: S3Location, owner: Owner
) -> OutputRefused | OutputDelayed:
    if not isinstance(error, ClientError):
        if isinstance(error, NoCredentialsError):
            return OutputDelayed("There are no AWS credentials to write it with")
        return OutputDelayed(f"S3 cannot be reached: {error}")
    code = str(error.response.get("Error", {}).get("Code", ""))
    metadata = error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    if code in _PASSING or status >= _SERVER_ERROR:
        return OutputDelayed(f"S3 did not take {location}: {error}")
    if code in _MISSING:
        return OutputRefused(
            f"The bucket {location.bucket} of the output path does not exist. Create it, or name "
            "another one."
        )
    region = metadata.get("HTTPHeaders", {}).get("x-amz-bucket-region")
    if code in _ELSEWHERE or (region and region != owner.region):
        return OutputRefused(elsewhere(location, region or "another region", owner.region))
    if status == _FORBIDDEN:
        return OutputRefused(
            f"S3 refuses {location}: {error}. The bucket belongs to another account, or these "
            "credentials lack s3:ListBucket and s3:PutObject on it."
        )
    return OutputRefused(f"S3 refuses {location}: {error}")
