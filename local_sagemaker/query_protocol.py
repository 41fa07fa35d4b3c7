"""The AWS query protocol: form parameters in, XML out. STS and IAM speak it.

It is led by botocore's service model alone and must not know what an operation does.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from local_sagemaker.errors import AWSError
from local_sagemaker.protocol import Reply, request_id
from local_sagemaker.validation import validate

# What XML 1.0 has no way to write; a client could not read an answer with one of these.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class QueryProtocol:
    """Parses and answers requests of one service that speaks the query protocol."""

    def __init__(self, model: ServiceModel) -> None:
        self.model = model
        self._namespace = model.metadata.get("xmlNamespace", "")

    def operation(self, body: bytes) -> OperationModel:
        """Return the operation that the ``Action`` of a form names."""
        name = _form(body).get("Action", "")
        if name not in self.model.operation_names:
            raise AWSError("InvalidAction", f"Could not find operation {name[:80]}")
        return self.model.operation_model(name)

    def parse(self, operation: OperationModel, body: bytes) -> dict[str, Any]:
        """Return the validated parameters of a request."""
        shape = operation.input_shape
        if shape is None:
            return {}
        params: dict[str, Any] = _parse(_form(body), "", shape) or {}
        try:
            validate(params, shape)
        except AWSError as error:
            if error.code != "ValidationException":
                raise
            # The older services call the same thing by another name.
            raise AWSError("ValidationError", error.message) from error
        return params

    def reply(self, operation: OperationModel, result: Mapping[str, Any]) -> Reply:
        """Return the response to a request that succeeded."""
        root = ElementTree.Element(f"{operation.name}Response", xmlns=self._namespace)
        shape = operation.output_shape
        if shape is not None:
            wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result")
            _append(ElementTree.SubElement(root, wrapper), result, shape)
        metadata = ElementTree.SubElement(root, "ResponseMetadata")
        identifier = request_id()
        ElementTree.SubElement(metadata, "RequestId").text = identifier
        return Reply(200, _xml(root), _headers(identifier))

    @staticmethod
    def error(error: AWSError) -> Reply:
        """Return the response to a request that failed."""
        root = ElementTree.Element("ErrorResponse")
        content = ElementTree.SubElement(root, "Error")
        kind = "Sender" if error.status < 500 else "Receiver"
        for name, text in (("Type", kind), ("Code", error.code), ("Message", error.message)):
            ElementTree.SubElement(content, name).text = _legal(text)
        identifier = request_id()
        ElementTree.SubElement(root, "RequestId").text = identifier
        return Reply(error.status, _xml(root), _headers(identifier))


def _headers(identifier: str) -> dict[str, str]:
    return {"Content-Type": "text/xml", "x-amzn-RequestId": identifier}


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict"))
    except ValueError as error:
        raise AWSError("MalformedInput", f"The body is not a form: {error}") from error


def _parse(form: Mapping[str, str], prefix: str, shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        parsed = {}
        for name, member in shape.members.items():
            path = f"{prefix}.{name}" if prefix else name
            value = _parse(form, path, member)
            if value is not None:
                parsed[name] = value
        return parsed if parsed or not prefix else None
    if isinstance(shape, ListShape):
        return _parse_list(form, prefix, shape)
    text = form.get(prefix)
    if text is None:
        return None
    try:
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name in ("float", "double"):
            return float(text)
    except ValueError as error:
        raise AWSError("MalformedInput", f"{prefix} must be a number, not {text!r}") from error
    return text == "true" if shape.type_name == "boolean" else text


def _parse_list(form: Mapping[str, str], prefix: str, shape: ListShape) -> list[Any] | None:
    items: list[Any] = []
    while True:
        value = _parse(form, f"{prefix}.member.{len(items) + 1}", shape.member)
        if value is None:
            return items or None
        items.append(value)


def _append(parent: ElementTree.Element, value: Any, shape: Shape) -> None:
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if value.get(name) is not None:
                wire = member.serialization.get("name", name)
                _append(ElementTree.SubElement(parent, wire), value[name], member)
    elif isinstance(shape, ListShape):
        for item in value:
            _append(ElementTree.SubElement(parent, "member"), item, shape.member)
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            entry = ElementTree.SubElement(parent, "entry")
            ElementTree.SubElement(entry, "key").text = str(key)
            _append(ElementTree.SubElement(entry, "value"), item, shape.value)
    elif shape.type_name == "timestamp":
        parent.text = f"{datetime.fromtimestamp(value, UTC):%Y-%m-%dT%H:%M:%SZ}"
    elif shape.type_name == "boolean":
        parent.text = "true" if value else "false"
    else:
        parent.text = _legal(str(value))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)


def _xml(root: ElementTree.Element) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root)
