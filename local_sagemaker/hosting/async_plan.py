"""AsyncInferenceConfig: where the answers of an asynchronous endpoint go.

It knows the configuration and how locations are named; it must not know requests.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import validation_exception

_BUCKET = "s3://"


@dataclass(frozen=True)
class AsyncPlan:
    """What was asked for of an asynchronous endpoint.

    Attributes
    ----------
    output, failure
        The S3 prefixes of outputs and of failures; None where failures go nowhere.
    concurrency
        How many requests an instance may have at once; None for as many as it takes.
    """

    output: str
    failure: str | None = None
    concurrency: int | None = None

    @classmethod
    def read(cls, config: str, content: dict[str, Any]) -> "AsyncPlan":
        """Read the AsyncInferenceConfig of an endpoint configuration.

        Raises
        ------
        AWSError
            ``ValidationException`` for what the local SageMaker does not do.
        """
        output = content["OutputConfig"]
        if output.get("NotificationConfig"):
            raise validation_exception(
                f"The local SageMaker cannot serve the endpoint configuration {config}: its "
                "AsyncInferenceConfig has a NotificationConfig, and no SNS topics are served "
                "here. Leave it out and look for the output in S3, or use AWS for it."
            )
        paths = {name: output.get(name) for name in ("S3OutputPath", "S3FailurePath")}
        for name, path in paths.items():
            if path is not None and not path.startswith(_BUCKET):
                raise validation_exception(f"{name} must begin with s3://; it is {path!r}.")
        if paths["S3OutputPath"] is None:
            raise validation_exception(
                f"The AsyncInferenceConfig of the endpoint configuration {config} has no "
                "S3OutputPath, and the local SageMaker does not choose one. Name a prefix in S3."
            )
        client = content.get("ClientConfig") or {}
        return cls(
            paths["S3OutputPath"],
            paths["S3FailurePath"],
            client.get("MaxConcurrentInvocationsPerInstance"),
        )

    def locations(self, extension: str | None, name: str | None) -> tuple[str, str | None]:
        """Return where the output of a new request goes, and its failure.

        Parameters
        ----------
        extension, name
            The request's S3OutputPathExtension and Filename, or None.
        """
        unique = str(uuid.uuid4())
        folder = "/".join(
            part.strip("/") for part in (self.output.removeprefix(_BUCKET), extension or "") if part
        )
        output = f"{_BUCKET}{folder}/{name or f'{unique}.out'}"
        if self.failure is None:
            return output, None
        return output, f"{self.failure.rstrip('/')}/{unique}-error.out"
