"""S3's XML: writing documents and errors, reading request bodies.

It knows markup, timestamps and escaping; it must not know operations.
"""

import re
import time
import xml.etree.ElementTree as ElementTree
from email.utils import formatdate
from hashlib import sha256
from urllib.parse import quote

from starlette.responses import Response

from local_sagemaker.errors import AWSError
from local_sagemaker.s3.checksums import Checksum
from local_sagemaker.s3.model import malformed_xml

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
# Besides markup: what XML 1.0 forbids or a parser would change. S3 writes those as references
# too, which is why clients ask for encoding-type=url.
_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def escape(value: str) -> str:
    """Return a text as character data."""
    return _SPECIAL.sub(lambda found: _NAMED.get(found[0], f"&#{ord(found[0]):d};"), value)


def text(name: str, value: object) -> str:
    """Return an element with a text, which may be any object with a plain ``str``."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    return f"<{name}>{escape(str(value))}</{name}>"


def group(name: str, *children: str) -> str:
    """Return an element with children that are markup already."""
    return f"<{name}>{''.join(children)}</{name}>"


def document(name: str, *children: str, status: int = 200) -> Response:
    """Return a response with an XML document."""
    content = f'{_DECLARATION}<{name} xmlns="{_NAMESPACE}">{"".join(children)}</{name}>'
    return Response(content.encode(), status, media_type="application/xml")


def error_response(error: AWSError, method: str, resource: str, request_id: str) -> Response:
    """Return an error as S3 words it; without a body for HEAD and for 304."""
    if method == "HEAD" or error.status == 304:
        return Response(status_code=error.status, headers=error_headers(error))
    members = {"Resource": resource} | error.members | {"RequestId": request_id}
    children = [text("Code", error.code), text("Message", error.message)]
    children += [text(name, value) for name, value in members.items()]
    content = _DECLARATION + group("Error", *children)
    return Response(
        content.encode(), error.status, error_headers(error), media_type="application/xml"
    )


def error_headers(error: AWSError) -> dict[str, str]:
    """Return the headers that belong to some errors."""
    if error.code == "InvalidRange":
        return {"content-range": f"bytes */{error.members['ActualObjectSize']}"}
    if error.status == 304:
        return dict(error.members)
    return {}


def parse(body: bytes, *roots: str) -> ElementTree.Element:
    """Return a request's document, without namespaces; ``MalformedXML`` if its root is another."""
    # No document of S3's has a DTD, and one could make a short text expand without end.
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise malformed_xml()
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise malformed_xml() from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag not in roots:
        raise malformed_xml()
    return root


def child(element: ElementTree.Element, name: str) -> str:
    """Return the text of a child that must be there."""
    found = element.find(name)
    if found is None:
        raise malformed_xml()
    return found.text or ""


def iso_time(seconds: float) -> str:
    """Return a time as S3's XML has it; S3 keeps whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def http_time(seconds: float) -> str:
    """Return a time as HTTP headers have it."""
    return formatdate(int(seconds), usegmt=True)


def url_encode(value: str) -> str:
    """Encode a name for ``encoding-type=url``."""
    return quote(value, safe="/")


def canonical_id(account: str) -> str:
    """Return the canonical user id under which S3 shows an account."""
    return sha256(f"local-sagemaker:{account}".encode()).hexdigest()


def owner(account: str) -> str:
    """Return the Owner element of an account."""
    return group("Owner", text("ID", canonical_id(account)))


def checksum_elements(checksum: Checksum | None) -> str:
    """Return the elements of a checksum and its type, or nothing."""
    if checksum is None:
        return ""
    return text(checksum.element, checksum.value) + text("ChecksumType", checksum.kind)
