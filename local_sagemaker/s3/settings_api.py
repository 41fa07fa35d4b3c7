"""S3's operations on the settings of a bucket.

A setting is kept and returned. What it would do beyond that must be true already or is recorded
only, as its docstring says; else the setting is refused. It must not know objects' contents.
"""

import json

from starlette.responses import Response

from local_sagemaker.errors import AWSError
from local_sagemaker.s3.bucket_api import Handler, tagging
from local_sagemaker.s3.buckets import Buckets
from local_sagemaker.s3.model import malformed_xml, not_implemented
from local_sagemaker.s3.request import Call, parse_tagging
from local_sagemaker.s3.xml import child, document, group, parse, text

_MAX_TAGS = 50
# What no bucket here has, because it cannot be put: reading says so as S3 does, removing is done.
_ABSENT = {
    "BucketPolicy": ("NoSuchBucketPolicy", "The bucket policy does not exist"),
    "BucketPolicyStatus": ("NoSuchBucketPolicy", "The bucket policy does not exist"),
    "BucketCors": ("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    "BucketLifecycle": (
        "NoSuchLifecycleConfiguration",
        "The lifecycle configuration does not exist",
    ),
    "BucketWebsite": (
        "NoSuchWebsiteConfiguration",
        "The specified bucket does not have a website configuration",
    ),
    "BucketReplication": (
        "ReplicationConfigurationNotFoundError",
        "The replication configuration was not found",
    ),
    "ObjectLockConfiguration": (
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ),
}
_PLAIN = {
    "GetBucketLogging": ("BucketLoggingStatus", ""),
    "GetBucketNotificationConfiguration": ("NotificationConfiguration", ""),
    "GetBucketAccelerateConfiguration": ("AccelerateConfiguration", ""),
    "GetBucketRequestPayment": (
        "RequestPaymentConfiguration",
        text("Payer", "BucketOwner"),
    ),
}
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_NO_CONTENT = 204


class SettingsApi:
    """The operations, by name."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def operations(self) -> dict[str, Handler]:
        """Return the handlers."""
        handlers: dict[str, Handler] = {
            "GetBucketVersioning": self.get_versioning,
            "PutBucketVersioning": self.put_versioning,
            "GetBucketTagging": self.get_tagging,
            "PutBucketTagging": self.put_tagging,
            "DeleteBucketTagging": self._deleter("tagging"),
            "GetBucketEncryption": self.get_encryption,
            "PutBucketEncryption": self.put_encryption,
            "DeleteBucketEncryption": self._deleter("encryption"),
            "GetPublicAccessBlock": self.get_public_access_block,
            "PutPublicAccessBlock": self.put_public_access_block,
            "DeletePublicAccessBlock": self.delete_public_access_block,
            "GetBucketOwnershipControls": self.get_ownership,
            "PutBucketOwnershipControls": self.put_ownership,
        }
        for noun, (code, message) in _ABSENT.items():
            suffix = "Configuration" if noun == "BucketLifecycle" else ""
            handlers[f"Get{noun}{suffix}"] = self._absent(code, message)
            if noun not in ("BucketPolicyStatus", "ObjectLockConfiguration"):
                handlers[f"Delete{noun}"] = self._deleter(noun)
        for operation, (root, content) in _PLAIN.items():
            handlers[operation] = self._constant(root, content)
        return handlers

    def get_versioning(self, call: Call) -> Response:
        """Answer GetBucketVersioning."""
        status = self._setting(call, "versioning")
        return document("VersioningConfiguration", text("Status", status) if status else "")

    def put_versioning(self, call: Call) -> Response:
        """Answer PutBucketVersioning; versions are not kept, so only ``Suspended`` is true."""
        root = parse(call.body, "VersioningConfiguration")
        status = child(root, "Status")
        if status == "Enabled" or root.findtext("MfaDelete") == "Enabled":
            raise not_implemented("versioning (PutBucketVersioning with Status Enabled)")
        if status != "Suspended":
            raise malformed_xml()
        self._buckets.put_setting(call.account, call.bucket, "versioning", status)
        return Response()

    def get_tagging(self, call: Call) -> Response:
        """Answer GetBucketTagging."""
        value = self._setting(call, "tagging")
        if value is None:
            raise AWSError("NoSuchTagSet", "The TagSet does not exist", 404, BucketName=call.bucket)
        return tagging(json.loads(value))

    def put_tagging(self, call: Call) -> Response:
        """Answer PutBucketTagging."""
        tags = parse_tagging(call.body, _MAX_TAGS)
        if tags:
            value = json.dumps(tags)
            self._buckets.put_setting(call.account, call.bucket, "tagging", value)
        else:
            self._buckets.delete_setting(call.account, call.bucket, "tagging")
        return Response(status_code=_NO_CONTENT)

    def get_encryption(self, call: Call) -> Response:
        """Answer GetBucketEncryption: what was put, for nothing is encrypted by itself here."""
        value = self._setting(call, "encryption")
        if value is None:
            raise AWSError(
                "ServerSideEncryptionConfigurationNotFoundError",
                "The server side encryption configuration was not found",
                404,
                BucketName=call.bucket,
            )
        rule = json.loads(value)
        default = group(
            "ApplyServerSideEncryptionByDefault",
            text("SSEAlgorithm", rule["algorithm"]),
            text("KMSMasterKeyID", rule["key"]) if rule["key"] else "",
        )
        enabled = text("BucketKeyEnabled", rule["bucket_key"])
        return document("ServerSideEncryptionConfiguration", group("Rule", default, enabled))

    def put_encryption(self, call: Call) -> Response:
        """Answer PutBucketEncryption: it is recorded, the blobs stay as they are."""
        root = parse(call.body, "ServerSideEncryptionConfiguration")
        rule = root.find("Rule")
        default = rule.find("ApplyServerSideEncryptionByDefault") if rule is not None else None
        if rule is None or default is None:
            raise malformed_xml()
        algorithm = child(default, "SSEAlgorithm")
        if algorithm not in ("AES256", "aws:kms", "aws:kms:dsse"):
            raise malformed_xml()
        value = {
            "algorithm": algorithm,
            "key": default.findtext("KMSMasterKeyID") or "",
            "bucket_key": rule.findtext("BucketKeyEnabled", "false").lower() == "true",
        }
        self._buckets.put_setting(call.account, call.bucket, "encryption", json.dumps(value))
        return Response()

    def get_public_access_block(self, call: Call) -> Response:
        """Answer GetPublicAccessBlock; as on AWS a new bucket blocks all of it."""
        value = self._setting(call, "publicAccessBlock")
        blocks = json.loads(value) if value else dict.fromkeys(_BLOCKS, True)
        if not blocks:
            raise AWSError(
                "NoSuchPublicAccessBlockConfiguration",
                "The public access block configuration was not found",
                404,
                BucketName=call.bucket,
            )
        return document(
            "PublicAccessBlockConfiguration", *(text(name, blocks[name]) for name in _BLOCKS)
        )

    def put_public_access_block(self, call: Call) -> Response:
        """Answer PutPublicAccessBlock; nothing here can be made public in any case."""
        root = parse(call.body, "PublicAccessBlockConfiguration")
        blocks = {name: root.findtext(name, "false").lower() == "true" for name in _BLOCKS}
        self._buckets.put_setting(
            call.account, call.bucket, "publicAccessBlock", json.dumps(blocks)
        )
        return Response()

    def delete_public_access_block(self, call: Call) -> Response:
        """Answer DeletePublicAccessBlock."""
        self._buckets.put_setting(call.account, call.bucket, "publicAccessBlock", "{}")
        return Response(status_code=_NO_CONTENT)

    def get_ownership(self, call: Call) -> Response:
        """Answer GetBucketOwnershipControls: there are no lists of access control."""
        self._buckets.require(call.account, call.bucket)
        return document(
            "OwnershipControls", group("Rule", text("ObjectOwnership", "BucketOwnerEnforced"))
        )

    def put_ownership(self, call: Call) -> Response:
        """Answer PutBucketOwnershipControls: only what holds anyway."""
        self._buckets.require(call.account, call.bucket)
        rule = parse(call.body, "OwnershipControls").find("Rule")
        if rule is None:
            raise malformed_xml()
        ownership = child(rule, "ObjectOwnership")
        if ownership != "BucketOwnerEnforced":
            raise not_implemented(f"object ownership {ownership}")
        return Response()

    def _setting(self, call: Call, name: str) -> str | None:
        self._buckets.require(call.account, call.bucket)
        return self._buckets.setting(call.bucket, name)

    def _deleter(self, name: str) -> Handler:
        def delete(call: Call) -> Response:
            self._buckets.delete_setting(call.account, call.bucket, name)
            return Response(status_code=_NO_CONTENT)

        return delete

    def _absent(self, code: str, message: str) -> Handler:
        def get(call: Call) -> Response:
            self._buckets.require(call.account, call.bucket)
            raise AWSError(code, message, 404, BucketName=call.bucket)

        return get

    def _constant(self, root: str, content: str) -> Handler:
        def get(call: Call) -> Response:
            self._buckets.require(call.account, call.bucket)
            return document(root, content)

        return get
