"""Which operation of S3 a request is for, by its method, path, query and headers.

It names every operation there is, so that one which is not implemented can be refused by name.
It must not know what an operation does.

Source: the ``http`` traits of botocore's S3 model; a test compares.
"""

from collections.abc import Mapping

from local_sagemaker.errors import AWSError

_BUCKET = {
    "abac": {"GET": "GetBucketAbac", "PUT": "PutBucketAbac"},
    "accelerate": {
        "GET": "GetBucketAccelerateConfiguration",
        "PUT": "PutBucketAccelerateConfiguration",
    },
    "acl": {"GET": "GetBucketAcl", "PUT": "PutBucketAcl"},
    "cors": {"GET": "GetBucketCors", "PUT": "PutBucketCors", "DELETE": "DeleteBucketCors"},
    "delete": {"POST": "DeleteObjects"},
    "encryption": {
        "GET": "GetBucketEncryption",
        "PUT": "PutBucketEncryption",
        "DELETE": "DeleteBucketEncryption",
    },
    "lifecycle": {
        "GET": "GetBucketLifecycleConfiguration",
        "PUT": "PutBucketLifecycleConfiguration",
        "DELETE": "DeleteBucketLifecycle",
    },
    "location": {"GET": "GetBucketLocation"},
    "logging": {"GET": "GetBucketLogging", "PUT": "PutBucketLogging"},
    "metadataAnnotationTable": {"PUT": "UpdateBucketMetadataAnnotationTableConfiguration"},
    "metadataConfiguration": {
        "GET": "GetBucketMetadataConfiguration",
        "POST": "CreateBucketMetadataConfiguration",
        "DELETE": "DeleteBucketMetadataConfiguration",
    },
    "metadataInventoryTable": {"PUT": "UpdateBucketMetadataInventoryTableConfiguration"},
    "metadataJournalTable": {"PUT": "UpdateBucketMetadataJournalTableConfiguration"},
    "metadataTable": {
        "GET": "GetBucketMetadataTableConfiguration",
        "POST": "CreateBucketMetadataTableConfiguration",
        "DELETE": "DeleteBucketMetadataTableConfiguration",
    },
    "notification": {
        "GET": "GetBucketNotificationConfiguration",
        "PUT": "PutBucketNotificationConfiguration",
    },
    "object-lock": {"GET": "GetObjectLockConfiguration", "PUT": "PutObjectLockConfiguration"},
    "ownershipControls": {
        "GET": "GetBucketOwnershipControls",
        "PUT": "PutBucketOwnershipControls",
        "DELETE": "DeleteBucketOwnershipControls",
    },
    "policy": {"GET": "GetBucketPolicy", "PUT": "PutBucketPolicy", "DELETE": "DeleteBucketPolicy"},
    "policyStatus": {"GET": "GetBucketPolicyStatus"},
    "publicAccessBlock": {
        "GET": "GetPublicAccessBlock",
        "PUT": "PutPublicAccessBlock",
        "DELETE": "DeletePublicAccessBlock",
    },
    "replication": {
        "GET": "GetBucketReplication",
        "PUT": "PutBucketReplication",
        "DELETE": "DeleteBucketReplication",
    },
    "requestPayment": {"GET": "GetBucketRequestPayment", "PUT": "PutBucketRequestPayment"},
    "session": {"GET": "CreateSession"},
    "tagging": {
        "GET": "GetBucketTagging",
        "PUT": "PutBucketTagging",
        "DELETE": "DeleteBucketTagging",
    },
    "uploads": {"GET": "ListMultipartUploads"},
    "versioning": {"GET": "GetBucketVersioning", "PUT": "PutBucketVersioning"},
    "versions": {"GET": "ListObjectVersions"},
    "website": {
        "GET": "GetBucketWebsite",
        "PUT": "PutBucketWebsite",
        "DELETE": "DeleteBucketWebsite",
    },
}
# These are many per bucket: GET lists them unless an id is given.
_NUMBERED = {
    "analytics": "BucketAnalyticsConfiguration",
    "intelligent-tiering": "BucketIntelligentTieringConfiguration",
    "inventory": "BucketInventoryConfiguration",
    "metrics": "BucketMetricsConfiguration",
}
_OBJECT = {
    "acl": {"GET": "GetObjectAcl", "PUT": "PutObjectAcl"},
    "annotation": {
        "GET": "ListObjectAnnotations",
        "PUT": "PutObjectAnnotation",
        "DELETE": "DeleteObjectAnnotation",
    },
    "attributes": {"GET": "GetObjectAttributes"},
    "encryption": {"PUT": "UpdateObjectEncryption"},
    "legal-hold": {"GET": "GetObjectLegalHold", "PUT": "PutObjectLegalHold"},
    "renameObject": {"PUT": "RenameObject"},
    "restore": {"POST": "RestoreObject"},
    "retention": {"GET": "GetObjectRetention", "PUT": "PutObjectRetention"},
    "select": {"POST": "SelectObjectContent"},
    "tagging": {
        "GET": "GetObjectTagging",
        "PUT": "PutObjectTagging",
        "DELETE": "DeleteObjectTagging",
    },
    "torrent": {"GET": "GetObjectTorrent"},
    "uploads": {"POST": "CreateMultipartUpload"},
    "uploadId": {
        "GET": "ListParts",
        "PUT": "UploadPart",
        "POST": "CompleteMultipartUpload",
        "DELETE": "AbortMultipartUpload",
    },
}
_PLAIN_BUCKET = {
    "GET": "ListObjects",
    "HEAD": "HeadBucket",
    "PUT": "CreateBucket",
    "DELETE": "DeleteBucket",
    "POST": "PostObject",
}
_PLAIN_OBJECT = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "PUT": "PutObject",
    "DELETE": "DeleteObject",
}


def operation_name(
    method: str, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> str:
    """Return the operation's name; ``MethodNotAllowed`` where there is none.

    Parameters
    ----------
    method, bucket, key
        ``bucket`` and ``key`` are empty where the path has none.
    query, headers
        Decoded; header names in lower case.
    """
    if not bucket:
        if method == "GET":
            return "ListBuckets"
        raise _not_allowed(method)
    if key:
        return _object_operation(method, query, headers)
    return _bucket_operation(method, query)


def _bucket_operation(method: str, query: Mapping[str, str]) -> str:
    for name in query:
        if name in _NUMBERED:
            verb = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}.get(method)
            if verb is None:
                raise _not_allowed(method)
            if verb == "Get" and "id" not in query:
                return f"List{_NUMBERED[name]}s"
            return f"{verb}{_NUMBERED[name]}"
        if name in _BUCKET:
            return _method(_BUCKET[name], method)
    if method == "GET" and query.get("list-type") == "2":
        return "ListObjectsV2"
    return _method(_PLAIN_BUCKET, method)


def _object_operation(method: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    copies = "x-amz-copy-source" in headers
    for name in query:
        if name in _OBJECT:
            operation = _method(_OBJECT[name], method)
            if operation == "UploadPart" and copies:
                return "UploadPartCopy"
            if operation == "ListObjectAnnotations" and "annotationName" in query:
                return "GetObjectAnnotation"
            return operation
    operation = _method(_PLAIN_OBJECT, method)
    return "CopyObject" if operation == "PutObject" and copies else operation


def _method(operations: Mapping[str, str], method: str) -> str:
    if method not in operations:
        raise _not_allowed(method)
    return operations[method]


def _not_allowed(method: str) -> AWSError:
    return AWSError(
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
        405,
        Method=method,
    )
