"""The Hugging Face inference toolkit's rules: which functions a model has and how they are called.

One handler holds one loaded model. It knows nothing of HTTP: bytes and headers in, an answer out.
"""

import importlib
import importlib.util
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

from local_sagemaker.serving import codecs
from local_sagemaker.serving.context import Context, RequestHeaders
from local_sagemaker.serving.errors import INTERNAL_SERVER, error_body

_logger = logging.getLogger(__name__)

DEFAULT_PROGRAM = "inference.py"
# Arguments of each function without the context it may take as one more.
_ARGUMENTS = {"model_fn": 1, "input_fn": 2, "predict_fn": 2, "output_fn": 2, "transform_fn": 4}
# What a module may offer besides: the plain SageMaker inference toolkit's hooks around loading, and
# what a batch transform asks containers for, which no toolkit lets a script say.
_HOOK_ARGUMENTS = {"pre_model_fn": 1, "model_warmup_fn": 2, "execution_parameters_fn": 0}
_NOT_WITH_TABLES = frozenset({"zero-shot-classification", "table-question-answering"})


@dataclass(frozen=True)
class Answer:
    """What one request is answered with.

    Attributes
    ----------
    status, content_type, headers
        Of the HTTP answer.
    body
        All of it, or what comes before `rest`.
    rest
        The other parts of a streamed answer, each sent as soon as user code yields it; None for an
        answer that is complete.
    """

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    rest: Iterator[bytes] | None = None


def code_directory(model_dir: Path, submit_directory: str | None) -> Path:
    """Return the folder of the user's code.

    Parameters
    ----------
    model_dir
        Folder of the unpacked model.
    submit_directory
        ``SAGEMAKER_SUBMIT_DIRECTORY``: a path or ``file://`` URI, empty or None for
        ``<model_dir>/code``. A path under ``/opt/ml/model`` means the model's folder.
    """
    if not submit_directory or submit_directory.startswith("s3://"):
        # Whoever starts the process brings code from S3; it comes to lie in code/.
        return model_dir / "code"
    path = submit_directory.removeprefix("file://")
    container_model_dir = "/opt/ml/model"
    if path == container_model_dir or path.startswith(container_model_dir + "/"):
        return model_dir / path[len(container_model_dir) :].lstrip("/")
    return Path(path)


def module_name(program: str | None) -> str:
    """Return the user module's name for ``SAGEMAKER_PROGRAM`` (``inference`` where it is unset)."""
    return (program or DEFAULT_PROGRAM).removesuffix(".py")


class Handler:
    """A model with the functions that serve it.

    Parameters
    ----------
    model_dir
        Folder of the unpacked model.

    Raises
    ------
    TypeError
        If a function of the user's module takes a number of arguments the rules do not know.
    ValueError
        If `transform_fn` stands beside `input_fn`, `predict_fn` or `output_fn`, or the model's
        task cannot be told.
    """

    def __init__(self, model_dir: Path) -> None:
        self.model_dir = model_dir
        self.context = Context(model_dir, gpu_id=0 if Path("/dev/nvidia0").exists() else None)
        self._default_accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or codecs.JSON
        self._functions: dict[str, Callable[..., Any]] = {
            "input_fn": _default_input,
            "predict_fn": _default_predict,
            "output_fn": codecs.encode,
        }
        self._model: Any = None
        self._find_functions()

    def _find_functions(self) -> None:
        code = code_directory(self.model_dir, os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY"))
        sys.path[:0] = [str(code), str(self.model_dir)]
        program = os.environ.get("SAGEMAKER_PROGRAM")
        name = module_name(program)
        if importlib.util.find_spec(name) is None:
            if program:
                _logger.warning("SAGEMAKER_PROGRAM is %s, but %s has no such module", program, code)
            _logger.info("No inference script %s: the default functions are used", name)
            return
        module = importlib.import_module(name)
        _logger.info("Inference script: %s", getattr(module, "__file__", name))
        found = {
            name: function
            for name in (*_ARGUMENTS, *_HOOK_ARGUMENTS)
            if (function := getattr(module, name, None)) is not None
        }
        if "transform_fn" in found and found.keys() & {"input_fn", "predict_fn", "output_fn"}:
            raise ValueError(
                "Cannot use transform_fn implementation in conjunction with input_fn, "
                "predict_fn, and/or output_fn implementation"
            )
        for name, function in found.items():
            expected = (_ARGUMENTS | _HOOK_ARGUMENTS)[name]
            self._functions[name] = self._bind(function, expected)
            _logger.info("%s: the inference script's own", name)

    def _bind(self, function: Callable[..., Any], expected: int) -> Callable[..., Any]:
        """Return the function as one of `expected` arguments, whether it wants a context or not."""
        given = len(signature(function).parameters)
        if given == expected:
            return function
        if given == expected + 1:
            return lambda *arguments: function(*arguments, self.context)
        raise TypeError(
            f"{function.__name__} definition takes {expected} or {expected + 1} arguments "
            f"but {given} were given."
        )

    def load(self) -> None:
        """Load the model and warm it up.

        A model of the user's own is asked nothing unless the module offers `model_warmup_fn`: no
        input of it is ever guessed. A pipeline knows a request of its task.
        """
        model_dir = str(self.model_dir)
        if prepare := self._functions.get("pre_model_fn"):
            prepare(model_dir)
        if load := self._functions.get("model_fn"):
            self._model = load(model_dir)
        else:
            from local_sagemaker.serving.pipelines import load_pipeline

            self._model = load_pipeline(self.model_dir)
        if warm_up := self._functions.get("model_warmup_fn"):
            warm_up(model_dir, self._model)

    def execution_parameters(self) -> bytes | None:
        """Return the answer to ``GET /execution-parameters``; None where the module has none.

        It is what `execution_parameters_fn` returns, as JSON: ``MaxConcurrentTransforms``,
        ``MaxPayloadInMB`` and ``BatchStrategy``, each of which may be left out.
        """
        offered = self._functions.get("execution_parameters_fn")
        return None if offered is None else json.dumps(offered()).encode()

    def answer(self, headers: RequestHeaders, body: bytes) -> Answer:
        """Answer one invocation; an exception of the user's code becomes a 400.

        Parameters
        ----------
        headers
            The request's headers.
        body
            The request's body. JSON and CSV reach the functions as `str`, anything else as bytes.

        Returns
        -------
        Answer
            The result in the asked-for content type, or Multi Model Server's error. Where
            `transform_fn` or `output_fn` returns an iterator, its items are the answer's parts.
        """
        request = self.context.begin(headers)
        try:
            content_type = headers.get("content-type")
            accept = headers.get("accept")
            if not accept or accept == codecs.ANY:
                accept = self._default_accept
            data = body.decode("utf-8") if content_type in codecs.TEXT_TYPES else bytearray(body)
            result = self._transform(data, content_type, accept)
            if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], str):
                result, accept = result
            rest = _parts(result) if isinstance(result, Iterator) else None
            if rest is not None:
                # What fails before the first part is an error like any other.
                result = next(rest, b"")
        except Exception as error:  # noqa: BLE001 - whatever user code raises is the answer
            _logger.error("Prediction error\n%s", traceback.format_exc().rstrip())
            return failure(400, INTERNAL_SERVER, str(error))
        try:
            encoded = _to_bytes(result)
        except (TypeError, ValueError):
            _logger.error("The model's output cannot be sent\n%s", traceback.format_exc().rstrip())
            return failure(503, INTERNAL_SERVER, "Unsupported model output data type.")
        status = request.get_response_status_code()
        return Answer(status, accept, encoded, dict(request.get_response_headers()), rest)

    def _transform(self, data: Any, content_type: str | None, accept: str) -> Any:
        own = self._functions
        if transform := own.get("transform_fn"):
            return transform(self._model, data, content_type, accept)
        decoded = own["input_fn"](data, content_type)
        prediction = own["predict_fn"](decoded, self._model)
        return own["output_fn"](prediction, accept)


def failure(status: int, kind: str, message: str) -> Answer:
    """Return an error as Multi Model Server words it."""
    return Answer(status, codecs.JSON, error_body(status, kind, message))


def _default_input(data: Any, content_type: str | None) -> Any:
    task = os.environ.get("HF_TASK")
    if content_type == codecs.CSV and task in _NOT_WITH_TABLES:
        raise ValueError(f"{codecs.CSV} cannot carry what {task} takes; send {codecs.JSON}.")
    return codecs.decode(data, content_type)


def _default_predict(data: Any, model: Any) -> Any:
    inputs = data.pop("inputs", data)
    parameters = data.pop("parameters", None)
    try:
        return model(inputs) if parameters is None else model(inputs, **parameters)
    except (IndexError, RuntimeError) as error:
        # How torch fails on a text that is longer than the model.
        from local_sagemaker.serving.pipelines import explained

        raise explained(error, model, inputs, parameters) from error


def _parts(results: Iterator[Any]) -> Iterator[bytes]:
    for result in results:
        yield _to_bytes(result)


def _to_bytes(result: Any) -> bytes:
    if isinstance(result, (bytes, bytearray, memoryview)):
        return bytes(result)
    if isinstance(result, str):
        return result.encode("utf-8")
    return json.dumps(result, indent=2).encode("utf-8")
