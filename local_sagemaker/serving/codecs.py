"""Default `input_fn` and `output_fn`: bytes to Python and back, by content type.

The rules are those of the Hugging Face inference toolkit. Heavy libraries (NumPy, Pillow) are
imported only by the content types that need them.
"""

import base64
import csv
import datetime
import io
import json
import sys
from typing import Any

JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"
ANY = "*/*"
TEXT_TYPES = frozenset({JSON, CSV})
IMAGE_TYPES = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/tiff",
        "image/bmp",
        "image/gif",
        "image/webp",
        "image/x-image",
    }
)
AUDIO_TYPES = frozenset({"audio/x-flac", "audio/mpeg", "audio/wave", "audio/ogg", "audio/x-audio"})
_CSV_COLUMNS = ("question", "context", "inputs")


class UnsupportedFormatError(Exception):
    """A content type that the default functions neither read nor write."""

    def __init__(self, content_type: str | None) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by this framework. Send or ask for "
            f"{JSON} or {CSV}, or write an input_fn that reads it and an output_fn that writes it."
        )


def decode(body: Any, content_type: str | None) -> Any:
    """Turn a request's body into what the default `predict_fn` takes.

    Parameters
    ----------
    body
        `str` for JSON and CSV, bytes otherwise.
    content_type
        The request's content type, compared as it was sent.

    Returns
    -------
    Any
        The parsed JSON; ``{"inputs": [...]}`` for CSV, images and audio; an array for NPY.

    Raises
    ------
    UnsupportedFormatError
        For any other content type.
    ValueError
        If the body is not what its content type says.
    """
    if content_type == JSON:
        return json.loads(body)
    if content_type == CSV:
        return _decode_csv(body)
    if content_type in IMAGE_TYPES:
        from PIL import Image

        return {"inputs": Image.open(io.BytesIO(body)).convert("RGB")}
    if content_type in AUDIO_TYPES:
        return {"inputs": bytes(body)}
    if content_type == NPY:
        import numpy

        # The toolkit would unpickle object arrays here: a request could then run any code.
        return numpy.load(io.BytesIO(body), allow_pickle=False)
    raise UnsupportedFormatError(content_type)


def _decode_csv(text: str) -> dict[str, list[Any]]:
    lines = text.splitlines()
    header = lines[0].lower() if lines else ""
    if not any(column in header for column in _CSV_COLUMNS):
        raise ValueError(
            "The first line of a CSV request must name its columns, and one of them must be "
            f'"inputs", "question" or "context"; it is {header!r}.'
        )
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows:
        raise ValueError("The CSV request has a header line and no rows.")
    if "inputs" in rows[0]:
        return {"inputs": [row["inputs"] for row in rows]}
    return {"inputs": rows}


def encode(prediction: Any, accept: str) -> str | bytes:
    """Turn a prediction into a response's body.

    Parameters
    ----------
    prediction
        What `predict_fn` returned. NumPy and torch values become lists and numbers in JSON.
    accept
        Content type to write.

    Returns
    -------
    str or bytes
        Compact JSON without NaN and infinities, CSV with a header from a list of dictionaries,
        NPY, or an image.

    Raises
    ------
    UnsupportedFormatError
        For any other content type.
    ValueError
        If the prediction has no such form: NaN in JSON, or rows that are no dictionaries in CSV.
    """
    if accept == JSON:
        return json.dumps(
            prediction,
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
            default=_json_default,
        )
    if accept == CSV:
        return _encode_csv(prediction)
    if accept in IMAGE_TYPES:
        kind = "PNG" if accept == "image/x-image" else accept.partition("/")[2].upper()
        with io.BytesIO() as image:
            prediction.save(image, format=kind)
            return image.getvalue()
    if accept == NPY:
        import numpy

        with io.BytesIO() as array:
            numpy.save(array, prediction, allow_pickle=False)
            return array.getvalue()
    raise UnsupportedFormatError(accept)


def _encode_csv(prediction: Any) -> str:
    rows = prediction if isinstance(prediction, list) else list(prediction)
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError(
            f"{CSV} is written from a list of dictionaries, one per row; the prediction is "
            f"{type(prediction).__name__}. Ask for {JSON} or write an output_fn."
        )
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _json_default(value: Any) -> Any:
    # `tolist` covers NumPy's arrays and scalars and torch's tensors without importing either.
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, datetime.datetime):
        return str(value)
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(value, pillow.Image):
        return base64.b64encode(encode(value, "image/png")).decode()  # type: ignore[arg-type]  # bytes for an image
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
