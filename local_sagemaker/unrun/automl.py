"""Autopilot jobs, whose two generations of operations are about the same jobs.

A job of either generation is one record, with the members of the generation that created it. How
it fails is its row in `local_sagemaker.kinds.jobs`; here is only how the two show it.
"""

from typing import Any

from local_sagemaker.errors import validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record

NOUN = "AutoMLJob"
# What both generations say of a channel.
_CHANNEL = ("ChannelType", "ContentType", "CompressionType", "DataSource")


class AutoMLJobs:
    """The operations on Autopilot jobs that are not those of every job."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "CreateAutoMLJobV2": self._create_v2,
            "DescribeAutoMLJob": self._describe,
            "DescribeAutoMLJobV2": self._describe_v2,
        }

    def _create_v2(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        body = {key: value for key, value in params.items() if key != "Tags"}
        given = params["AutoMLProblemTypeConfig"].items()
        (problem,) = (name for name, config in given if config is not None)
        body["AutoMLProblemTypeConfigName"] = problem.removesuffix("JobConfig")
        record = self._resources.create(caller, NOUN, params, body=body)
        return {"AutoMLJobArn": record.arn}

    def _describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        record = self._get(caller, params)
        if "AutoMLProblemTypeConfig" in record.body:
            raise validation_exception(
                f"AutoML job {record.key.name} was created with CreateAutoMLJobV2; describe it "
                "with DescribeAutoMLJobV2."
            )
        return self._resources.shown(record)

    def _describe_v2(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        record = self._get(caller, params)
        shown = self._resources.shown(record)
        return shown if "AutoMLProblemTypeConfig" in record.body else shown | _as_v2(record.body)

    def _get(self, caller: Caller, params: dict[str, Any]) -> Record:
        return self._resources.get(caller, NOUN, params["AutoMLJobName"])


def _as_v2(body: dict[str, Any]) -> dict[str, Any]:
    """Return a job of the first generation, which is always about tables, in the second's words."""
    channels = body["InputDataConfig"]
    config = body.get("AutoMLJobConfig", {})
    tabular = {"TargetAttributeName": channels[0]["TargetAttributeName"]}
    tabular |= {key: config[key] for key in ("Mode", "CompletionCriteria") if key in config}
    candidates = config.get("CandidateGenerationConfig", {})
    if "AlgorithmsConfig" in candidates:
        tabular["CandidateGenerationConfig"] = {"AlgorithmsConfig": candidates["AlgorithmsConfig"]}
    if "FeatureSpecificationS3Uri" in candidates:
        tabular["FeatureSpecificationS3Uri"] = candidates["FeatureSpecificationS3Uri"]
    for key in ("ProblemType", "GenerateCandidateDefinitionsOnly"):
        if key in body:
            tabular[key] = body[key]
    shared = ("SecurityConfig", "DataSplitConfig")
    return {
        "AutoMLJobInputDataConfig": [
            {key: channel[key] for key in _CHANNEL if key in channel} for channel in channels
        ],
        "AutoMLProblemTypeConfig": {"TabularJobConfig": tabular},
        "AutoMLProblemTypeConfigName": "Tabular",
        **{key: config[key] for key in shared if key in config},
    }
