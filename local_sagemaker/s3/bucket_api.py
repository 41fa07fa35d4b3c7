"""S3's operations on buckets, but for their settings.

It turns calls into work on `Objects` and answers in XML.
"""

from collections.abc import Callable, Mapping

from starlette.responses import Response

from local_sagemaker.errors import AWSError
from local_sagemaker.s3.model import (
    invalid_argument,
)
from local_sagemaker.s3.objects import Objects
from local_sagemaker.s3.request import Call
from local_sagemaker.s3.xml import (
    canonical_id,
    document,
    group,
    iso_time,
    owner,
    parse,
    text,
)

Handler = Callable[[Call], Response]

_MAX_BUCKETS = 10_000
_NO_CONTENT = 204
_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


class BucketApi:
    """The operations, by name; every one takes a `Call` and returns the response."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._buckets = objects.buckets

    def operations(self) -> dict[str, Handler]:
        """Return the handlers."""
        return {
            "ListBuckets": self.list_buckets,
            "CreateBucket": self.create_bucket,
            "HeadBucket": self.head_bucket,
            "DeleteBucket": self.delete_bucket,
            "GetBucketLocation": self.get_location,
            "GetBucketAcl": self.get_acl,
            "PutBucketAcl": self.put_acl,
        }

    def list_buckets(self, call: Call) -> Response:
        """Answer ListBuckets."""
        prefix = call.query.get("prefix", "")
        region = call.query.get("bucket-region")
        after = call.query.get("continuation-token", "")
        limit = read_limit(call.query, "max-buckets", _MAX_BUCKETS)
        found = [
            bucket
            for bucket in self._buckets.list(call.account)
            if bucket.name.startswith(prefix)
            and bucket.name > after
            and region in (None, bucket.region)
        ]
        elements = [
            group(
                "Bucket",
                text("Name", bucket.name),
                text("CreationDate", iso_time(bucket.created)),
                text("BucketRegion", bucket.region),
                text("BucketArn", _arn(bucket.name)),
            )
            for bucket in found[:limit]
        ]
        children = [owner(call.account), group("Buckets", *elements)]
        if prefix:
            children.append(text("Prefix", prefix))
        if limit and len(found) > limit:
            children.append(text("ContinuationToken", found[limit - 1].name))
        return document("ListAllMyBucketsResult", *children)

    def create_bucket(self, call: Call) -> Response:
        """Answer CreateBucket."""
        region = _region(call)
        existing = self._buckets.find(call.bucket)
        # Only us-east-1 answers an owner's second request like the first.
        again = existing is not None and existing.account == call.account
        if not (again and existing and existing.region == region == "us-east-1"):
            self._buckets.create(call.account, region, call.bucket)
        return Response(
            headers={"location": f"/{call.bucket}", "x-amz-bucket-arn": _arn(call.bucket)}
        )

    def head_bucket(self, call: Call) -> Response:
        """Answer HeadBucket."""
        bucket = self._buckets.readable(call.account, call.bucket)
        headers = {
            "x-amz-bucket-region": bucket.region,
            "x-amz-bucket-arn": _arn(call.bucket),
            "x-amz-access-point-alias": "false",
        }
        return Response(headers=headers, media_type="application/xml")

    def delete_bucket(self, call: Call) -> Response:
        """Answer DeleteBucket."""
        self._objects.delete_bucket(call.account, call.bucket)
        return Response(status_code=_NO_CONTENT)

    def get_location(self, call: Call) -> Response:
        """Answer GetBucketLocation; us-east-1 is an empty text."""
        bucket = self._buckets.readable(call.account, call.bucket)
        return document("LocationConstraint", "" if bucket.region == "us-east-1" else bucket.region)

    def get_acl(self, call: Call) -> Response:
        """Answer GetBucketAcl: the owner has full control, nobody else any."""
        self._buckets.require(call.account, call.bucket)
        return owner_acl(call.account)

    def put_acl(self, call: Call) -> Response:
        """Answer PutBucketAcl: only a canned list that says what holds anyway."""
        self._buckets.require(call.account, call.bucket)
        check_acl(call)
        return Response()


def tagging(tags: Mapping[str, str]) -> Response:
    """Return a Tagging document."""
    elements = [group("Tag", text("Key", key), text("Value", tags[key])) for key in tags]
    return document("Tagging", group("TagSet", *elements))


def owner_acl(account: str) -> Response:
    """Return the access control list of everything: its owner has full control."""
    identifier = text("ID", canonical_id(account))
    grantee = f'<Grantee {_XSI} xsi:type="CanonicalUser">{identifier}</Grantee>'
    grant = group("Grant", grantee, text("Permission", "FULL_CONTROL"))
    return document("AccessControlPolicy", owner(account), group("AccessControlList", grant))


def check_acl(call: Call) -> None:
    """Refuse an access control list unless it is a canned one that `check_call` let through."""
    if "x-amz-acl" not in call.headers:
        raise AWSError("AccessControlListNotSupported", "The bucket does not allow ACLs")


def read_limit(
    query: Mapping[str, str], name: str, maximum: int, *, default: int | None = None
) -> int:
    """Return a number of a listing: how many entries it may have, or behind which one to start.

    Parameters
    ----------
    query, name
        Where it is.
    maximum
        What larger numbers are taken for.
    default
        Where there is none; the maximum if left out.
    """
    value = query.get(name)
    if value is None or value == "":
        return maximum if default is None else default
    try:
        number = int(value)
    except ValueError as error:
        raise invalid_argument(
            f"Provided {name} not an integer or within integer range", name, value
        ) from error
    if number >= 2**31:
        raise invalid_argument(
            f"Provided {name} not an integer or within integer range", name, value
        )
    if number < 0:
        raise invalid_argument(
            f"Argument {name} must be an integer between 0 and 2147483647", name, value
        )
    return min(number, maximum)


def _arn(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"


def _region(call: Call) -> str:
    """Return the region that a new bucket is for; the rules are those of CreateBucket."""
    here = call.caller.region
    asked = ""
    if call.body.strip():
        root = parse(call.body, "CreateBucketConfiguration", "CreateBucketRequest")
        asked = root.findtext("LocationConstraint") or ""
    if asked == "EU":
        asked = "eu-west-1"
    if asked == here == "us-east-1":
        raise AWSError(
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
            LocationConstraint=asked,
        )
    # The endpoint of us-east-1 makes buckets anywhere, others only in their own region.
    if here == "us-east-1":
        return asked or here
    if asked != here:
        raise AWSError(
            "IllegalLocationConstraintException",
            f"The {asked or 'unspecified'} location constraint is incompatible for the region "
            "specific endpoint this request was sent to.",
        )
    return here
