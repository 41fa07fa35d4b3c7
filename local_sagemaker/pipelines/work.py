"""What the types of steps do: the operations behind them, and those that are not run here.

One row per type. It must not know how a step is carried out.
"""

import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass

CONDITION, FAIL, REGISTER = "Condition", "Fail", "RegisterModel"


@dataclass(frozen=True)
class Work:
    """A type of step that makes a resource of SageMaker.

    Attributes
    ----------
    noun
        The resource's kind: its operations are ``Create<noun>`` and ``Describe<noun>``, and
        ``Stop<noun>`` where it is waited for.
    name_key
        The member that names it.
    arn_key
        The member that Create answers its ARN in.
    metadata
        The member of a step's metadata that the ARN is shown in.
    status_key
        The member with its status, for what takes time; None for what is there at once.
    """

    noun: str
    name_key: str
    arn_key: str
    metadata: str
    status_key: str | None = None


def _job(noun: str) -> Work:
    return Work(noun, f"{noun}Name", f"{noun}Arn", noun, f"{noun}Status")


WORKS: Mapping[str, Work] = {
    "Training": _job("TrainingJob"),
    "Processing": _job("ProcessingJob"),
    "Transform": _job("TransformJob"),
    "Model": Work("Model", "ModelName", "ModelArn", "Model"),
    REGISTER: Work("ModelPackage", "ModelPackageName", "ModelPackageArn", REGISTER),
}

NOT_RUN: Mapping[str, str] = {
    "AutoML": "Autopilot's algorithms run on AWS",
    "Callback": "there is no SQS queue to tell somebody by",
    "ClarifyCheck": "the images that check exist on AWS only",
    "Cleanup": "it deletes what other steps made on AWS",
    "EMR": "it needs a cluster of Amazon EMR",
    "EMRServerless": "it needs an application of Amazon EMR Serverless",
    "Endpoint": "deploy the registered model when the pipeline has ended",
    "EndpointConfig": "deploy the registered model when the pipeline has ended",
    "ForEach": "write the steps out",
    "InferenceComponent": "a variant's instances are not shared by models here",
    "Job": "what it runs is a service of AWS",
    "Lambda": "there are no functions of AWS Lambda",
    "Lineage": "lineage is recorded by the jobs themselves",
    "QualityCheck": "the images that check exist on AWS only",
    "Tuning": "tuning is not executed",
}
"""Types of steps that AWS runs and this server does not, and why."""

TYPES = frozenset({*WORKS, *NOT_RUN, CONDITION, FAIL})

# Names of jobs have no underscores, names of steps may.
_NO_NAME = re.compile(r"[^A-Za-z0-9-]")
_STEP_CHARACTERS = 20
_LONGEST_NAME = 63
_ALPHABET = string.ascii_letters + string.digits


def resource_name(execution: str, step: str, prefix: str | None = None) -> str:
    """Return a new name for what a step makes.

    Parameters
    ----------
    execution
        The execution's identifier.
    step
        The step's name, of which the first twenty characters are shown.
    prefix
        A name that the definition has for it, in place of ``pipelines``.
    """
    end = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    tail = f"{execution}-{_NO_NAME.sub('-', step)[:_STEP_CHARACTERS]}-{end}"
    head = (prefix or "pipelines")[: _LONGEST_NAME - len(tail) - 1].rstrip("-")
    return f"{head}-{tail}"
