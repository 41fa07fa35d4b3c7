"""The `context` that user code may take as its last argument: request headers in, headers out.

It offers the methods of Multi Model Server's context that inference scripts use, for one request
at a time (`idx` is always 0: the server never batches).
"""

import logging
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_logger = logging.getLogger(__name__)


class RequestHeaders(dict[str, str]):
    """Headers as they were sent; looked up without regard to case, as HTTP defines them."""

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(items)
        self._folded = {name.lower(): value for name, value in self.items()}

    def __getitem__(self, name: str) -> str:
        return self._folded[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._folded

    def get(self, name: str, default: Any = None) -> Any:
        """Return the header's value, or `default` where it was not sent."""
        return self._folded.get(name.lower(), default)


class RequestProcessor:
    """One request's headers, and the status and headers its answer will have."""

    def __init__(self, headers: RequestHeaders) -> None:
        self._request_headers = headers
        self._response_headers: dict[str, str] = {}
        self._status = 200
        self._phrase: str | None = None

    def get_request_property(self, key: str) -> Any:
        """Return one request header, None where it was not sent."""
        return self._request_headers.get(key)

    def get_request_properties(self) -> RequestHeaders:
        """Return all request headers."""
        return self._request_headers

    def report_status(self, code: int, reason_phrase: str | None = None) -> None:
        """Set the answer's HTTP status."""
        self._status, self._phrase = code, reason_phrase

    def get_response_status_code(self) -> int:
        """Return the answer's HTTP status, 200 unless it was set."""
        return self._status

    def get_response_status_phrase(self) -> str | None:
        """Return the reason phrase given with the status."""
        return self._phrase

    def add_response_property(self, key: str, value: str) -> None:
        """Set one header of the answer."""
        self._response_headers[key] = value

    def get_response_header(self, key: str) -> str | None:
        """Return one header of the answer, None where it was not set."""
        return self._response_headers.get(key)

    def get_response_headers(self) -> dict[str, str]:
        """Return the headers of the answer set so far."""
        return self._response_headers


class Metrics:
    """User code's own metrics; each becomes a line of the log, where CloudWatch would find it."""

    def __init__(self, model_name: str) -> None:
        self._model_name = model_name

    def add_metric(self, name: str, value: float, unit: str, idx: int | None = None) -> None:
        """Log one value with its unit."""
        level = "Model" if idx is None else "Request"
        _logger.info(
            "[METRICS]%s.%s:%s|#ModelName:%s,Level:%s", name, unit, value, self._model_name, level
        )

    def add_counter(self, name: str, value: int, idx: int | None = None) -> None:
        """Log a count."""
        self.add_metric(name, value, "Count", idx)

    def add_time(self, name: str, value: float, idx: int | None = None, unit: str = "ms") -> None:
        """Log a duration in milliseconds (`unit="ms"`) or seconds (`"s"`)."""
        units = {"ms": "Milliseconds", "s": "Seconds"}
        if unit not in units:
            raise ValueError(f'the unit of a time metric is "ms" or "s", not {unit!r}')
        self.add_metric(name, value, units[unit], idx)

    def add_size(self, name: str, value: float, idx: int | None = None, unit: str = "MB") -> None:
        """Log a size in MB, kB, GB or B."""
        units = {"MB": "Megabytes", "kB": "Kilobytes", "GB": "Gigabytes", "B": "Bytes"}
        if unit not in units:
            raise ValueError(f"the unit of a size metric is one of {list(units)}, not {unit!r}")
        self.add_metric(name, value, units[unit], idx)

    def add_percent(self, name: str, value: float, idx: int | None = None) -> None:
        """Log a percentage."""
        self.add_metric(name, value, "Percent", idx)

    def add_error(self, name: str, value: Any) -> None:
        """Log an error as a metric."""
        self.add_metric(name, value, "")


class Context:
    """What Multi Model Server tells user code about the model and the request.

    Parameters
    ----------
    model_dir
        Folder of the unpacked model.
    gpu_id
        Index of the GPU this worker may use, None on a machine without one.
    """

    def __init__(self, model_dir: Path, gpu_id: int | None) -> None:
        self.model_name = "model"
        self.manifest: dict[str, Any] | None = None
        self.system_properties: dict[str, Any] = {
            "model_dir": str(model_dir),
            "gpu_id": gpu_id,
            "batch_size": 1,
            "server_name": "local_sagemaker",
        }
        self.metrics = Metrics(self.model_name)
        self.request_ids: dict[int, str] = {}
        self.request_processor: list[RequestProcessor] = [RequestProcessor(RequestHeaders())]

    def begin(self, headers: RequestHeaders) -> RequestProcessor:
        """Turn to the next request; what the last one set is forgotten."""
        processor = RequestProcessor(headers)
        self.request_processor = [processor]
        self.request_ids = {0: str(uuid.uuid4())}
        return processor

    def get_request_id(self, idx: int = 0) -> str | None:
        """Return an identifier of this request."""
        return self.request_ids.get(idx)

    def get_request_header(self, idx: int, key: str) -> Any:
        """Return one request header, None where it was not sent."""
        return self.request_processor[idx].get_request_property(key)

    def get_all_request_header(self, idx: int) -> RequestHeaders:
        """Return all request headers."""
        return self.request_processor[idx].get_request_properties()

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Set a header of the answer, such as ``X-Amzn-SageMaker-Custom-Attributes``."""
        self.request_processor[idx].add_response_property(key, value)

    def get_response_headers(self, idx: int) -> dict[str, str]:
        """Return the headers of the answer set so far."""
        return self.request_processor[idx].get_response_headers()

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the answer's content type (the toolkit overwrites it with what it encoded)."""
        self.set_response_header(idx, "content-type", value)

    def get_response_content_type(self, idx: int) -> str | None:
        """Return the answer's content type, None where it was not set."""
        return self.get_response_headers(idx).get("content-type")

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the answer's HTTP status."""
        self.request_processor[idx].report_status(code, phrase)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        """Set the answer's HTTP status."""
        for processor in self.request_processor:
            processor.report_status(code, phrase)

    def get_response_status(self, idx: int) -> tuple[int, str | None]:
        """Return the answer's HTTP status and reason phrase."""
        processor = self.request_processor[idx]
        return processor.get_response_status_code(), processor.get_response_status_phrase()
