"""A production variant: as a configuration asks for it, as a record keeps it, as Describe shows it.

It knows numbers and names; it must not know how a variant is run.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from local_sagemaker.containers.machine import usable_cores
from local_sagemaker.hosting.models import ModelSource
from local_sagemaker.hosting.serverless import check_update

MEGABYTE = 1024 * 1024
# AWS's developer guide: 6 MB and 4 MB per request, and four minutes until a container is healthy.
REALTIME_PAYLOAD = 6 * MEGABYTE
SERVERLESS_PAYLOAD = 4 * MEGABYTE
ASYNC_PAYLOAD = 1024 * MEGABYTE
STARTUP_TIMEOUT = 240.0
# Each process holds the model in memory, and more processes than cores gain little.
MAX_PROCESSES = max(2, usable_cores())


@dataclass(frozen=True)
class VariantPlan:
    """What was asked for of one production variant.

    Attributes
    ----------
    name
        The variant's name.
    source
        Its model.
    instances
        How many instances were asked for; 1 for a serverless variant.
    weight
        Its share of the requests.
    startup_timeout
        Seconds within which it must be healthy.
    serverless
        Its ServerlessConfig, None for a real-time variant.
    """

    name: str
    source: ModelSource
    instances: int = 1
    weight: float = 1.0
    startup_timeout: float = STARTUP_TIMEOUT
    serverless: dict[str, Any] | None = None

    @classmethod
    def of(cls, variant: dict[str, Any], source: ModelSource) -> "VariantPlan":
        """Read a ProductionVariant of an endpoint configuration."""
        timeout = variant.get("ContainerStartupHealthCheckTimeoutInSeconds", STARTUP_TIMEOUT)
        return cls(
            name=variant["VariantName"],
            source=source,
            instances=variant.get("InitialInstanceCount", 1),
            weight=variant.get("InitialVariantWeight", 1.0),
            startup_timeout=float(timeout),
            serverless=variant.get("ServerlessConfig"),
        )

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "VariantPlan":
        """Read what `to_dict` returned."""
        return cls(**{**content, "source": ModelSource(**content["source"])})

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        return asdict(self)

    @property
    def wanted_processes(self) -> int:
        """How many processes it would be without this machine's limit; at once, if serverless."""
        if self.max_concurrency is not None:
            return self.max_concurrency
        return self.instances * self.source.positive("SAGEMAKER_MODEL_SERVER_WORKERS", 1)

    @property
    def processes(self) -> int:
        """How many processes serve it on this machine."""
        return min(self.wanted_processes, MAX_PROCESSES)

    @property
    def extent(self) -> tuple[int, int]:
        """How many processes there are at least and at most; differs for a serverless variant."""
        if self.serverless is None:
            return self.processes, self.processes
        return min(self.serverless.get("ProvisionedConcurrency", 0), self.processes), self.processes

    @property
    def max_payload(self) -> int:
        """Largest request in bytes."""
        return SERVERLESS_PAYLOAD if self.serverless else REALTIME_PAYLOAD

    @property
    def max_concurrency(self) -> int | None:
        """How many requests a serverless variant takes at once; None for a real-time variant."""
        return int(self.serverless["MaxConcurrency"]) if self.serverless else None

    def resized(self, wanted: dict[str, Any]) -> "VariantPlan":
        """Return it with a DesiredWeightAndCapacity applied."""
        serverless = self.serverless
        if serverless is not None and "ServerlessUpdateConfig" in wanted:
            serverless = serverless | wanted["ServerlessUpdateConfig"]
            check_update(serverless)
        return replace(
            self,
            weight=wanted.get("DesiredWeight", self.weight),
            instances=wanted.get("DesiredInstanceCount", self.instances),
            serverless=serverless,
        )

    def summary(self, processes: int, deployed: float) -> dict[str, Any]:
        """Return it as DescribeEndpoint shows it.

        Parameters
        ----------
        processes
            How many processes serve it.
        deployed
            When it was deployed, in seconds since the epoch.
        """
        content: dict[str, Any] = {
            "VariantName": self.name,
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
        }
        if self.source.image:
            content["DeployedImages"] = [
                {"SpecifiedImage": self.source.image, "ResolutionTime": deployed}
            ]
        if self.serverless is not None:
            return content | {
                "CurrentServerlessConfig": self.serverless,
                "DesiredServerlessConfig": self.serverless,
            }
        running = min(self.instances, processes)
        return content | {"CurrentInstanceCount": running, "DesiredInstanceCount": self.instances}


def retained(
    plans: Sequence[VariantPlan],
    current: Sequence[VariantPlan],
    excluded: Sequence[dict[str, Any]],
) -> list[VariantPlan]:
    """Return plans with the instance counts and weights that variants of their names have now.

    Parameters
    ----------
    plans
        Of the new configuration.
    current
        Of the endpoint as it is.
    excluded
        UpdateEndpoint's ExcludeRetainedVariantProperties.
    """
    left_out = {item["VariantPropertyType"] for item in excluded}
    before = {plan.name: plan for plan in current}
    found = []
    for plan in plans:
        old = before.get(plan.name, plan)
        instances = plan.instances if "DesiredInstanceCount" in left_out else old.instances
        weight = plan.weight if "DesiredWeight" in left_out else old.weight
        found.append(replace(plan, instances=instances, weight=weight))
    return found
