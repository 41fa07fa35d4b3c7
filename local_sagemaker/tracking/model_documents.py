"""What Search shows of a model: the model, and what is made of it.

These are the documents of the service's model dashboard: a model with its endpoints and its last
batch transform. It reads records only; it must not know how any of them is run.
"""

from typing import Any

from local_sagemaker.identity import Caller
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record


class ModelDocuments:
    """Builds the documents of models."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._records = resources.records

    def models(self, caller: Caller, records: list[Record]) -> list[dict[str, Any]]:
        """Return the documents of models, from one consistent view of the database."""
        with self._records.database.transaction():
            endpoints = self._endpoints(caller)
            transforms = self._transforms(caller)
            return [
                {
                    "Model": self._resources.shown(record) | {"Tags": self._tags(record)},
                    "Endpoints": endpoints.get(record.key.name, []),
                    "LastBatchTransformJob": transforms.get(record.key.name),
                }
                for record in records
            ]

    def _tags(self, record: Record) -> list[dict[str, str]]:
        tags = self._records.tags(record.arn)
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    def _endpoints(self, caller: Caller) -> dict[str, list[dict[str, Any]]]:
        """Return the endpoints of each model that any has, by the model's name."""
        owner = (caller.account, caller.region)
        configs = {
            config.key.name: config.body["ProductionVariants"]
            for config in self._records.list_kind(*owner, "EndpointConfig")
        }
        found: dict[str, list[dict[str, Any]]] = {}
        for endpoint in self._records.list_kind(*owner, "Endpoint"):
            # A configuration may be deleted as soon as its endpoint is there.
            variants = configs.get(endpoint.body.get("EndpointConfigName", ""), [])
            for model in {variant["ModelName"] for variant in variants if "ModelName" in variant}:
                found.setdefault(model, []).append(self._resources.shown(endpoint))
        return found

    def _transforms(self, caller: Caller) -> dict[str, dict[str, Any]]:
        jobs = self._records.list_kind(caller.account, caller.region, "TransformJob")
        # Oldest first, so that the last one of a model stays.
        return {job.body["ModelName"]: self._resources.shown(job) for job in jobs}
