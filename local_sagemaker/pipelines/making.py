"""Makes the resource of one attempt of a step: a job, a model, a version in the registry.

It turns a step's arguments into a request and finds what a request made; it must not know when a
step is tried, nor wait.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.pipelines.calls import Calls
from local_sagemaker.pipelines.expressions import Scope, resolve
from local_sagemaker.pipelines.fitting import fitted
from local_sagemaker.pipelines.work import REGISTER, Work, resource_name

_GROUP = "ModelPackageGroup"


@dataclass(frozen=True)
class Making:
    """What a step of an execution makes.

    Attributes
    ----------
    calls, caller
        How, and in whose name, it is asked for.
    work
        What it is.
    execution, execution_arn, step
        For which step it is: part of its name and its tags.
    tracked
        ``ExperimentConfig`` of a job; empty for none.
    """

    calls: Calls
    caller: Caller
    work: Work
    execution: str
    execution_arn: str
    step: str
    tracked: Mapping[str, str]

    def new_name(self, arguments: Mapping[str, Any]) -> str:
        """Return a name for another attempt; a name in the arguments is how it begins."""
        if self._registers:
            # A version is numbered by its group. This is a token that makes a repeated request,
            # of this attempt or the next, the same one.
            return uuid.uuid5(uuid.NAMESPACE_URL, f"{self.execution_arn}/{self.step}").hex
        prefix = arguments.get(self.work.name_key)
        return resource_name(self.execution, self.step, prefix if isinstance(prefix, str) else None)

    def request(self, written: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
        """Return a step's arguments with the values of their expressions."""
        shape = self.calls.input_shape(f"Create{self.work.noun}")
        arguments: dict[str, Any] = fitted(written, resolve(written, scope), shape)
        if self.tracked and self.work.status_key is not None:
            arguments["ExperimentConfig"] = {
                **self.tracked,
                **arguments.get("ExperimentConfig", {}),
            }
        return arguments

    def make(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Ask for it; return its ARN.

        Parameters
        ----------
        name
            Of the attempt, from `new_name`.
        arguments
            The request without what is the pipeline's business.

        Raises
        ------
        AWSError
            The operation's refusal.
        """
        request = dict(arguments)
        if self._registers:
            self._ensure_group(request.get(f"{_GROUP}Name"))
            request["ClientToken"] = name
        else:
            request[self.work.name_key] = name
            request["Tags"] = [*request.get("Tags", ()), *self._tags()]
        answer = self.calls(self.caller, f"Create{self.work.noun}", request)
        return str(answer[self.work.arn_key])

    def result(self, name: str, arn: str) -> dict[str, Any]:
        """Return what describes what an attempt has made."""
        return self.describe(arn if self._registers else name)

    def made(self, name: str) -> str | None:
        """Return the ARN of what an attempt has made, or None where that is to be asked for."""
        if self._registers:
            return None
        try:
            return str(self.describe(name)[self.work.arn_key])
        except AWSError:
            return None

    def describe(self, name: str) -> dict[str, Any]:
        """Return what Describe answers of it."""
        return self.calls.undisturbed(
            self.caller, f"Describe{self.work.noun}", {self.work.name_key: name}
        )

    def stop(self, name: str) -> None:
        """Ask for its end; it may have ended meanwhile."""
        try:
            self.calls.undisturbed(self.caller, f"Stop{self.work.noun}", {self.work.name_key: name})
        except AWSError:
            # It is waited for anyway, and its status then tells.
            return

    @property
    def _registers(self) -> bool:
        return self.work.metadata == REGISTER

    def _tags(self) -> list[dict[str, str]]:
        return [
            {"Key": "sagemaker:pipeline-execution-arn", "Value": self.execution_arn},
            {"Key": "sagemaker:pipeline-step-name", "Value": self.step},
        ]

    def _ensure_group(self, group: Any) -> None:
        """Create the group that a version is to be in, as the pipeline service does."""
        if not isinstance(group, str):
            return
        try:
            self.calls.undisturbed(self.caller, f"Describe{_GROUP}", {f"{_GROUP}Name": group})
        except AWSError:
            name = group.rpartition("/")[2]
            try:
                self.calls.undisturbed(self.caller, f"Create{_GROUP}", {f"{_GROUP}Name": name})
            except AWSError:
                # Another step made it, or its name is none: what needs it says so.
                return
