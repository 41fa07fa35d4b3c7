"""S3's GetObjectAttributes: what is known of an object, and of the parts it came in.

It must not know how objects are read or written.
"""

from starlette.responses import Response

from local_sagemaker.s3.bucket_api import Handler, read_limit
from local_sagemaker.s3.checksums import Checksum
from local_sagemaker.s3.model import StoredObject, invalid_argument
from local_sagemaker.s3.multipart import MAX_PARTS
from local_sagemaker.s3.objects import Objects
from local_sagemaker.s3.request import Call
from local_sagemaker.s3.xml import document, group, http_time, text

_ATTRIBUTES = {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}
_MAX_PARTS = 1000


class AttributesApi:
    """The operation, by name."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def operations(self) -> dict[str, Handler]:
        """Return the handlers."""
        return {"GetObjectAttributes": self.get_attributes}

    def get_attributes(self, call: Call) -> Response:
        """Answer GetObjectAttributes."""
        stored = self._objects.head(call.account, call.bucket, call.key)
        asked = {
            name.strip() for name in call.headers.get("x-amz-object-attributes", "").split(",")
        }
        if not asked <= _ATTRIBUTES:
            wrong = ",".join(sorted(asked - _ATTRIBUTES))
            raise invalid_argument("Invalid attribute name specified.", "ObjectAttributes", wrong)
        children = []
        if "ETag" in asked:
            children.append(text("ETag", stored.info.etag))
        if "Checksum" in asked and stored.checksum:
            children.append(group("Checksum", _checksum_attribute(stored.checksum)))
        if "ObjectParts" in asked and stored.parts is not None:
            children.append(self._parts(call, stored))
        if "StorageClass" in asked:
            children.append(text("StorageClass", stored.info.storage_class))
        if "ObjectSize" in asked:
            children.append(text("ObjectSize", stored.size))
        response = document("GetObjectAttributesResponse", *children)
        response.headers["last-modified"] = http_time(stored.info.modified)
        return response

    def _parts(self, call: Call, stored: StoredObject) -> str:
        """Return the ObjectParts element; as on AWS parts are shown if they have checksums."""
        segments = self._objects.index.segments(stored.number)
        limit = read_limit(call.headers, "x-amz-max-parts", _MAX_PARTS)
        marker = read_limit(call.headers, "x-amz-part-number-marker", MAX_PARTS, default=0)
        numbered = [entry for entry in enumerate(segments, 1) if entry[0] > marker]
        shown = numbered[:limit]
        elements = [
            group(
                "Part",
                text(checksum.element, checksum.value),
                text("PartNumber", number),
                text("Size", segment.size),
            )
            for number, (segment, checksum) in shown
            if checksum is not None
        ]
        return group(
            "ObjectParts",
            text("IsTruncated", len(numbered) > len(shown)),
            text("MaxParts", limit),
            text("NextPartNumberMarker", shown[-1][0] if shown else 0),
            text("PartNumberMarker", marker),
            text("PartsCount", stored.parts),
            *elements,
        )


def _checksum_attribute(checksum: Checksum) -> str:
    # Here alone S3 leaves out the number of parts behind a composite value.
    plain = checksum.value.partition("-")[0]
    return text(checksum.element, plain) + text("ChecksumType", checksum.kind)
