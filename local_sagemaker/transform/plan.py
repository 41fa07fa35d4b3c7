"""What a transform job is to do: read from its request, checked, with the service's defaults.

It knows the members of CreateTransformJob and what of them is not done here; it must not know how
a job is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import validation_exception
from local_sagemaker.hosting.variants import MAX_PROCESSES
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.transform import execution_parameters
from local_sagemaker.transform.data_processing import DataProcessing
from local_sagemaker.transform.execution_parameters import ExecutionParameters
from local_sagemaker.transform.mini_batches import LARGEST_PAYLOAD, MEGABYTE, Splitting

# botocore's model of ModelClientConfig.
_TIMEOUT, _RETRIES = 600, 3
_SPLIT = ("None", "Line")
_NO_PROCESSING = {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}


def completed(params: dict[str, Any]) -> dict[str, Any]:
    """Return a request with the defaults that DescribeTransformJob shows."""
    return {
        **params,
        "TransformInput": {
            "CompressionType": "None",
            "SplitType": "None",
            **params["TransformInput"],
        },
        "TransformOutput": {"AssembleWith": "None", **params["TransformOutput"]},
        "DataProcessing": {**_NO_PROCESSING, **params.get("DataProcessing", {})},
    }


def check(request: Mapping[str, Any]) -> None:
    """Refuse what the service model allows but the service does not; ``ValidationException``."""
    execution_parameters.check(request)
    kind = _source(request)["S3DataType"]
    if kind not in ("S3Prefix", "ManifestFile"):
        raise validation_exception(
            f"A transform job reads S3Prefix and ManifestFile, not S3DataType {kind}."
        )
    for name, value in _media_types(request).items():
        if not (value.isascii() and value.isprintable()):
            raise validation_exception(
                f"{name} {value!r} cannot be sent: it is not printable ASCII."
            )
    S3Location.parse(_source(request)["S3Uri"])
    S3Location.parse(request["TransformOutput"]["S3OutputPath"])
    DataProcessing.read(request)


def refusal(request: Mapping[str, Any]) -> str | None:
    """Return why a request asks for something that the service does and this server does not."""
    split = request["TransformInput"]["SplitType"]
    if split not in _SPLIT:
        return f"SplitType {split}; only {' and '.join(_SPLIT)} are split locally"
    if request.get("MaxPayloadInMB") == 0:
        return "MaxPayloadInMB 0 streams payloads of any size; set a size of up to 100 MB"
    if "DataCaptureConfig" in request:
        return "DataCaptureConfig; leave it out"
    return None


@dataclass(frozen=True)
class TransformPlan:
    """What is done, once the container has been asked how.

    Attributes
    ----------
    source
        An ``S3DataSource``.
    gzip
        Whether the objects are compressed.
    output
        Where outputs go.
    lines
        AssembleWith Line: whether each mini-batch's output ends with a newline.
    headers
        Of each request.
    timeout, retries
        ModelClientConfig: seconds that an answer may take, and how often a request is repeated.
    processing
        Filters and join.
    parameters
        How requests are sent.
    instances
        InstanceCount.
    split
        SplitType Line: whether each line is a record.
    """

    source: dict[str, Any]
    gzip: bool
    output: S3Location
    lines: bool
    headers: tuple[tuple[str, str], ...]
    timeout: float
    retries: int
    processing: DataProcessing
    parameters: ExecutionParameters
    instances: int
    split: bool

    @classmethod
    def read(cls, request: Mapping[str, Any], parameters: ExecutionParameters) -> "TransformPlan":
        """Read a completed and checked request.

        Parameters
        ----------
        request
            The parameters of CreateTransformJob.
        parameters
            What was settled with the container.
        """
        source, target = request["TransformInput"], request["TransformOutput"]
        client = request.get("ModelClientConfig", {})
        types = _media_types(request)
        headers = {"Content-Type": types["ContentType"], "Accept": types["Accept"]}
        return cls(
            source=_source(request),
            gzip=source["CompressionType"] == "Gzip",
            output=S3Location.parse(target["S3OutputPath"]),
            lines=target["AssembleWith"] == "Line",
            headers=tuple((name, value) for name, value in headers.items() if value),
            timeout=invocation_timeout(request),
            retries=client.get("InvocationsMaxRetries", _RETRIES),
            processing=DataProcessing.read(request),
            parameters=parameters,
            instances=request["TransformResources"]["InstanceCount"],
            split=source["SplitType"] == "Line",
        )

    @property
    def wanted_processes(self) -> int:
        """How many requests are worked on at once on AWS: each here has a process."""
        return self.parameters.concurrent * self.instances

    @property
    def processes(self) -> int:
        """How many processes serve on this machine."""
        return min(self.wanted_processes, MAX_PROCESSES)

    @property
    def ahead(self) -> int:
        """How many requests may be under way or answered and not yet written.

        More than there are processes, so that a slow answer does not keep the others idle; the
        larger the payloads, the fewer, for all of them are in memory.
        """
        fitting = LARGEST_PAYLOAD // (self.parameters.payload_mb * MEGABYTE)
        return max(self.processes + 1, min(4 * self.processes, fitting))

    @property
    def splitting(self) -> Splitting:
        """How an object becomes requests."""
        processing = self.processing
        return Splitting(
            by_lines=self.split or processing.by_lines,
            one_batch=not self.split,
            single=self.split and self.parameters.strategy == "SINGLE_RECORD",
            limit=self.parameters.payload_mb * MEGABYTE,
            payload=processing.payload,
            filtered=processing.changes_payload,
            keeping=processing.changes_answer,
        )


def invocation_timeout(request: Mapping[str, Any]) -> float:
    """Return how many seconds an answer may take."""
    client = request.get("ModelClientConfig", {})
    return float(client.get("InvocationsTimeoutInSeconds", _TIMEOUT))


def first_processes(request: Mapping[str, Any]) -> int:
    """Return how many processes are needed whatever the container proposes."""
    concurrent = execution_parameters.asked(request).get("MaxConcurrentTransforms", 1)
    return min(int(concurrent) * int(_instances(request)), MAX_PROCESSES)


def _instances(request: Mapping[str, Any]) -> Any:
    return request["TransformResources"]["InstanceCount"]


def _media_types(request: Mapping[str, Any]) -> dict[str, str]:
    return {
        "ContentType": request["TransformInput"].get("ContentType", ""),
        "Accept": request["TransformOutput"].get("Accept", ""),
    }


def _source(request: Mapping[str, Any]) -> dict[str, Any]:
    source: dict[str, Any] = request["TransformInput"]["DataSource"]["S3DataSource"]
    return source
