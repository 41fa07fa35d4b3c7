"""The two wire formats of SageMaker's services: AWS JSON 1.1 and rest-json.

It turns an HTTP request into an operation's parameters and a result or an error into an HTTP
response, led by botocore's service model alone. It must not know what an operation does.
"""

import base64
import binascii
import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import unquote

from botocore.loaders import Loader, create_loader
from botocore.model import (
    ListShape,
    MapShape,
    OperationModel,
    ServiceModel,
    Shape,
    StructureShape,
)

from local_sagemaker.errors import AWSError
from local_sagemaker.validation import validate

# JSON has no such numbers; AWS's protocols write them as these strings, by their repr in Python.
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


@cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service, loaded once."""
    # Without a session: it would read the user's AWS configuration, and fail with it.
    return ServiceModel(_loader().load_service_model(service, "service-2"), service)


@cache
def _loader() -> Loader:
    # One for all, because each looks through the folders of all services.
    return create_loader()


@dataclass(frozen=True)
class Reply:
    """An HTTP response before it is sent."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class JsonProtocol:
    """AWS JSON 1.1: everything is POSTed to ``/``, the target header names the operation."""

    content_type = "application/x-amz-json-1.1"

    def __init__(self, model: ServiceModel) -> None:
        self.model = model

    def operation(self, target: str) -> OperationModel:
        """Return the operation that an ``X-Amz-Target`` header names."""
        name = target.rpartition(".")[2]
        if name not in self.model.operation_names:
            raise AWSError("UnknownOperationException", f"There is no operation {name[:80]!r}")
        return self.model.operation_model(name)

    def parse(self, operation: OperationModel, body: bytes) -> dict[str, Any]:
        """Return the validated parameters of a request."""
        content = _load_json(body)
        shape = operation.input_shape
        if shape is None:
            return {}
        params: dict[str, Any] = _parsed(content, shape)
        validate(params, shape)
        return params

    def reply(self, operation: OperationModel, result: Mapping[str, Any]) -> Reply:
        """Return the response to a request that succeeded."""
        content = _serialise_output(result, operation.output_shape)
        return Reply(200, _dump_json(content), {"Content-Type": self.content_type})

    @staticmethod
    def error(error: AWSError) -> Reply:
        """Return the response to a request that failed."""
        content = {"__type": error.code, "message": error.message} | error.members
        headers = {"Content-Type": JsonProtocol.content_type}
        return Reply(error.status, _dump_json(content), headers)


class RestJsonProtocol:
    """rest-json: method and path name the operation, parameters lie all over the request."""

    content_type = "application/json"

    def __init__(self, model: ServiceModel) -> None:
        self.model = model
        self._routes = [
            (operation.http["method"], _route(operation.http["requestUri"]), operation)
            for operation in map(model.operation_model, model.operation_names)
        ]

    def match(self, method: str, raw_path: str) -> tuple[OperationModel, dict[str, str]] | None:
        """Return the operation of a request and the parameters in its path, or None."""
        for verb, pattern, operation in self._routes:
            found = pattern.fullmatch(raw_path)
            if found and verb == method:
                return operation, {name: unquote(text) for name, text in found.groupdict().items()}
        return None

    def parse(
        self,
        operation: OperationModel,
        labels: Mapping[str, str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> dict[str, Any]:
        """Return the validated parameters of a request; header names are lower case."""
        shape = operation.input_shape
        if shape is None:
            return {}
        params: dict[str, Any] = {}
        payload = shape.serialization.get("payload")
        in_body = {}
        for name, member in shape.members.items():
            place = member.serialization.get("location")
            wire = member.serialization.get("name", name)
            if place == "uri" and wire in labels:
                params[name] = _from_text(labels[wire], member)
            elif place == "querystring" and wire in query:
                params[name] = _from_text(query[wire], member)
            elif place == "header" and wire.lower() in headers:
                params[name] = _from_text(headers[wire.lower()], member)
            elif place is None:
                in_body[name] = member
        if payload is not None:
            blob = shape.members[payload].type_name == "blob"
            params[payload] = body if blob else _parsed(_load_json(body), shape.members[payload])
        elif in_body:
            content = _load_json(body)
            for name, member in in_body.items():
                wire = member.serialization.get("name", name)
                if content.get(wire) is not None:
                    params[name] = _parsed(content[wire], member)
        validate(params, shape)
        return params

    def reply(self, operation: OperationModel, result: Mapping[str, Any]) -> Reply:
        """Return the response to a request that succeeded."""
        shape = operation.output_shape
        status = int(operation.http.get("responseCode", 200))
        headers = {"Content-Type": self.content_type}
        if shape is None:
            return Reply(status, b"", {})
        payload = shape.serialization.get("payload")
        content: dict[str, Any] = {}
        for name, member in shape.members.items():
            if result.get(name) is None or name == payload:
                continue
            wire = member.serialization.get("name", name)
            if member.serialization.get("location") == "header":
                headers[wire] = str(result[name])
            else:
                content[wire] = _serialise(result[name], member)
        if payload is not None:
            return Reply(status, bytes(result.get(payload) or b""), headers)
        return Reply(status, _dump_json(content), headers)

    @staticmethod
    def error(error: AWSError) -> Reply:
        """Return the response to a request that failed."""
        content = {"Message": error.message} | error.members
        headers = {"Content-Type": RestJsonProtocol.content_type, "x-amzn-ErrorType": error.code}
        return Reply(error.status, _dump_json(content), headers)


def request_id() -> str:
    """Return a new identifier for one request."""
    return str(uuid.uuid4())


def _route(template: str) -> re.Pattern[str]:
    path = template.partition("?")[0]
    parts = re.split(r"\{(\w+)\+?\}", path)
    pieces = [
        f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    ]
    return re.compile("".join(pieces))


def _load_json(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        content = json.loads(body)
        if b"\\u" in body:
            # Half of a surrogate pair is no character: nothing could store it or answer it.
            json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise AWSError("SerializationException", f"The body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise AWSError("SerializationException", "The body must be a JSON object")
    return content


def _dump_json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def _parsed(value: Any, shape: Shape) -> Any:
    try:
        return _parse(value, shape)
    except RecursionError as error:
        # Search's expressions may hold expressions.
        raise AWSError("SerializationException", "The request is nested too deeply.") from error


def _parse(value: Any, shape: Shape) -> Any:
    """Turn JSON into parameters; values of a wrong type pass through for the validator to name."""
    if value is None:
        return None
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        if shape.is_document_type:
            return value
        return {
            name: _parse(value[wire], member)
            for name, member in shape.members.items()
            if value.get(wire := member.serialization.get("name", name)) is not None
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_parse(item, shape.member) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _parse(item, shape.value) for key, item in value.items()}
    if shape.type_name == "timestamp":
        return _timestamp(value)
    if shape.type_name in ("float", "double"):
        return _float(value)
    if shape.type_name == "blob":
        try:
            return base64.b64decode(value, validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            raise AWSError("SerializationException", f"{shape.name} must be base 64") from error
    return value


def _float(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number and value not in _NOT_FINITE.values():
        return value
    try:
        return float(value)
    except OverflowError as error:
        raise AWSError("SerializationException", "A number is too large for a double") from error


def _timestamp(value: Any) -> float:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).timestamp()
        when = datetime.fromisoformat(str(value))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise AWSError(
            "SerializationException", f"{str(value)[:80]!r} is not a timestamp"
        ) from error


def _from_text(text: str, shape: Shape) -> Any:
    try:
        text.encode()
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name in ("float", "double"):
            return float(text)
    except UnicodeEncodeError as error:
        raise AWSError("SerializationException", f"{text[:80]!a} is not UTF-8") from error
    except ValueError as error:
        raise AWSError("SerializationException", f"{text[:80]!r} is not a number") from error
    if shape.type_name == "boolean":
        return text == "true"
    if shape.type_name == "timestamp":
        return _timestamp(text)
    return text


def _serialise_output(result: Mapping[str, Any], shape: StructureShape | None) -> Any:
    return {} if shape is None else _serialise(result, shape)


def _serialise(value: Any, shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        if shape.is_document_type:
            return value
        missing = [name for name in shape.required_members if value.get(name) is None]
        if missing:
            raise AWSError(
                "InternalFailure",
                f"The local SageMaker's answer lacks {', '.join(missing)} of {shape.name}. This "
                "is a defect of the local SageMaker, not of the request.",
                500,
            )
        return {
            member.serialization.get("name", name): _serialise(value[name], member)
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if isinstance(shape, ListShape):
        return [_serialise(item, shape.member) for item in value]
    if isinstance(shape, MapShape):
        return {key: _serialise(item, shape.value) for key, item in value.items()}
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    if shape.serialization.get("timestampFormat") == "iso8601":
        moment = datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds")
        return moment.replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return _NOT_FINITE[repr(value)]
    return value
