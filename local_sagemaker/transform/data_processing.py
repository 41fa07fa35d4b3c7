"""DataProcessing: which part of each record a model gets, and what is kept of record and answer.

It knows the three formats that the service can take apart (CSV, JSON, JSON Lines); it must not
know how a model is asked. A record is bytes without a line end; a CSV record is an array of
strings, and is written again with quotes only where CSV needs them.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import validation_exception
from local_sagemaker.transform.json_paths import JSONPath, PathError, PathMismatch
from local_sagemaker.transform.mini_batches import LARGEST_PAYLOAD

CSV, JSON = "text/csv", "application/json"
JSON_LINES = ("application/jsonlines", "application/x-jsonlines")
_FORMATS = (CSV, JSON, *JSON_LINES)
# Names that the service gives (AWS's developer guide, see `json_paths`).
_INPUT, _OUTPUT = "SageMakerInput", "SageMakerOutput"
# Python's own limit would refuse a column of 128 KiB.
csv.field_size_limit(LARGEST_PAYLOAD)


class ProcessingError(Exception):
    """A record or an answer is not what its content type or a filter needs."""


@dataclass(frozen=True)
class DataProcessing:
    """What was asked for.

    Attributes
    ----------
    input_filter, output_filter
        Which part of a record, and of what is written.
    join
        Whether records are written together with their answers.
    format
        Media type of records and answers; empty where neither is taken apart.
    document
        Whether an object is one JSON value rather than one record a line.
    """

    input_filter: JSONPath
    output_filter: JSONPath
    join: bool
    format: str
    document: bool

    @classmethod
    def read(cls, request: Mapping[str, Any]) -> "DataProcessing":
        """Read the parameters of CreateTransformJob.

        Raises
        ------
        AWSError
            ``ValidationException`` for paths that are none and formats that do not go together.
        """
        asked = request.get("DataProcessing", {})
        source, target = request["TransformInput"], request["TransformOutput"]
        given, kept = _path(asked, "InputFilter"), _path(asked, "OutputFilter")
        join = asked.get("JoinSource", "None") == "Input"
        if not join and given.whole and kept.whole:
            return cls(given, kept, join=False, format="", document=False)
        kind = media_type(source.get("ContentType"))
        if kind not in _FORMATS:
            raise validation_exception(
                f"DataProcessing needs a ContentType of {', '.join(_FORMATS)}; it is "
                f"{source.get('ContentType')!r}."
            )
        split, assembled = source.get("SplitType", "None"), target.get("AssembleWith", "None")
        if join and split != assembled:
            raise validation_exception(
                "JoinSource Input needs the same SplitType and AssembleWith; they are "
                f"{split} and {assembled}."
            )
        accepted = media_type(target.get("Accept"))
        if join and accepted and accepted != kind:
            raise validation_exception(
                "JoinSource Input needs answers in the format of the input: ContentType is "
                f"{kind} and Accept is {accepted}."
            )
        document = kind == JSON and split == "None"
        return cls(given, kept, join=join, format=kind, document=document)

    @property
    def changes_payload(self) -> bool:
        """Whether a model gets something else than the records."""
        return not self.input_filter.whole

    @property
    def changes_answer(self) -> bool:
        """Whether something else than the answers is written."""
        return self.join or not self.output_filter.whole

    @property
    def by_lines(self) -> bool:
        """Whether records are told apart by lines also where the input is not split."""
        return bool(self.format) and not self.document

    def payload(self, record: bytes) -> bytes:
        """Return what a model gets of a record; `ProcessingError` when that is not there."""
        if not self.changes_payload:
            return record
        return self._write(_filtered(self.input_filter, self._read(record, "the record")))

    def written(self, records: Sequence[bytes], answer: bytes) -> bytes:
        """Return what is written for records and their answer.

        Parameters
        ----------
        records
            As they are in the input.
        answer
            The body with which the model answered all of them.

        Raises
        ------
        ProcessingError
            When the answer does not hold one record for each.
        """
        if not self.changes_answer:
            return answer
        outputs = self._taken_apart(answer, len(records))
        lines = []
        for record, output in zip(records, outputs, strict=True):
            value = self._read(output, "the answer")
            if self.join:
                value = self._joined(self._read(record, "the record"), value)
            lines.append(self._write(_filtered(self.output_filter, value)))
        return b"\n".join(lines) + (b"\n" if answer.endswith(b"\n") else b"")

    def _taken_apart(self, answer: bytes, count: int) -> list[bytes]:
        if count == 1 and self.format != CSV:
            # Its JSON may be spread over lines.
            return [answer]
        lines = [line.removesuffix(b"\r") for line in answer.removesuffix(b"\n").split(b"\n")]
        if len(lines) != count:
            lines = [line for line in lines if line.strip()]
        if len(lines) != count:
            raise ProcessingError(
                f"the container answered {len(lines)} lines to {count} records; filters and joins "
                "need one for each"
            )
        return lines

    def _read(self, record: bytes, what: str) -> Any:
        try:
            text = record.decode("utf-8-sig")
            return _csv_row(text) if self.format == CSV else json.loads(text)
        except (ValueError, RecursionError, csv.Error) as error:
            shown = record[:80].decode(errors="replace")
            raise ProcessingError(f"{what} {shown!r} is not {self.format}: {error}") from error

    def _write(self, value: Any) -> bytes:
        if self.format != CSV:
            return _json(value)
        line = io.StringIO()
        row = value if isinstance(value, list) else [value]
        csv.writer(line, lineterminator="").writerow(row)
        return line.getvalue().encode()

    def _joined(self, record: Any, output: Any) -> Any:
        if self.format == CSV:
            return [*record, *output]
        if isinstance(record, dict):
            return {**record, _OUTPUT: output}
        return {_INPUT: record, _OUTPUT: output}


def media_type(header: str | None) -> str:
    """Return a content type without its parameters, in lower case; empty for none."""
    return (header or "").partition(";")[0].strip().lower()


def _path(asked: Mapping[str, Any], name: str) -> JSONPath:
    try:
        return JSONPath.parse(asked.get(name, "$"))
    except PathError as error:
        raise validation_exception(f"{name} is not a JSONPath that is supported: {error}") from None


def _filtered(path: JSONPath, value: Any) -> Any:
    try:
        return path.of(value)
    except PathMismatch as error:
        raise ProcessingError(str(error)) from None


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which JSON can carry as an escape and UTF-8 cannot.
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError as error:
        raise ProcessingError(f"a record is nested too deeply: {error}") from error


def _csv_row(text: str) -> list[str]:
    rows = list(csv.reader([text], strict=True))
    return rows[0] if rows else []
