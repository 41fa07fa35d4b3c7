"""From AWS's descriptions of endpoints and jobs to the lines of a bill.

Pure functions from AWS's members to `Charge`; it must not ask AWS anything.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from workshop_utils import prices
from workshop_utils.bill import Charge

SERVING = (
    "Creating",
    "InService",
    "Updating",
    "SystemUpdating",
    "RollingBack",
    "UpdateRollbackFailed",
)
"""Statuses of an endpoint that has, or is getting, machines."""
_SPOT = "spot: charged less, by how much is known at the end"


def of_endpoint(
    endpoint: Mapping[str, Any],
    config: Mapping[str, Any],
    region: str,
    seconds: float | None = None,
) -> Iterator[Charge]:
    """Yield a line for each variant of an endpoint, shadows included.

    Parameters
    ----------
    endpoint, config
        The answers of DescribeEndpoint and DescribeEndpointConfig. The former has the numbers of
        instances that there are now, the latter their types.
    region
        Whose prices count.
    seconds
        How long requests to a serverless endpoint have been computing, if that is known.
    """
    if endpoint["EndpointStatus"] not in SERVING:
        return
    summaries = {
        variant["VariantName"]: variant
        for key in ("ProductionVariants", "ShadowProductionVariants")
        for variant in endpoint.get(key, ())
    }
    for key in ("ProductionVariants", "ShadowProductionVariants"):
        for wanted in config.get(key, ()):
            now = summaries.get(wanted["VariantName"], {})
            yield _of_variant(endpoint, {**wanted, **now}, region, seconds)


def _of_variant(
    endpoint: Mapping[str, Any], variant: Mapping[str, Any], region: str, seconds: float | None
) -> Charge:
    name = str(endpoint["EndpointName"])
    since: datetime = endpoint["CreationTime"]
    serverless = variant.get("CurrentServerlessConfig") or variant.get("ServerlessConfig")
    if serverless:
        memory = float(serverless["MemorySizeInMB"]) / 1024
        used = "how much it was used is not known" if seconds is None else ""
        return Charge(
            kind="serverless endpoint",
            name=name,
            what=f"{memory:g} GB while it computes, nothing while nobody asks",
            price=prices.rate("serverless", region),
            units_per_hour=0,
            since=since,
            units=None if seconds is None else seconds * memory,
            note=used or f"{seconds:.1f} s computed",
        )
    count = variant.get("CurrentInstanceCount", variant.get("InitialInstanceCount", 1))
    instance_type = str(variant["InstanceType"])
    return Charge(
        kind="endpoint",
        name=name,
        what=f"{count} x {instance_type}",
        price=prices.hourly("hosting", instance_type, region),
        units_per_hour=float(count),
        since=since,
        note="coming up" if endpoint["EndpointStatus"] == "Creating" else "",
    )


def of_training_job(job: Mapping[str, Any], region: str) -> Iterator[Charge]:
    """Yield the lines of a training job's machines, and of the warm pool it keeps.

    Parameters
    ----------
    job
        The answer of DescribeTrainingJob.
    region
        Whose prices count.
    """
    ended = job.get("TrainingEndTime")
    spot = bool(job.get("EnableManagedSpotTraining"))
    pool = job.get("WarmPoolStatus", {}).get("Status")
    for instance_type, count in _training_machines(job["ResourceConfig"]):
        yield _of_job(
            ("training job", "training"),
            str(job["TrainingJobName"]),
            (instance_type, count),
            (job.get("TrainingStartTime"), ended),
            region,
            # What the service says it bills: a spot job's saving is in that figure.
            seconds=job.get("BillableTimeInSeconds") if ended else None,
            note=_SPOT if spot and not ended else "",
        )
        if ended and pool == "Available":
            keep = job["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0)
            yield Charge(
                kind="warm pool",
                name=str(job["TrainingJobName"]),
                what=f"{count} x {instance_type}, kept for the next job",
                price=prices.hourly("warm-pool", instance_type, region),
                units_per_hour=float(count),
                since=ended,
                note=f"for {keep / 60:.0f} min after the job",
            )


def of_processing_job(job: Mapping[str, Any], region: str) -> Iterator[Charge]:
    """Yield the line of a processing job: the answer of DescribeProcessingJob."""
    cluster = job["ProcessingResources"]["ClusterConfig"]
    yield _of_job(
        ("processing job", "processing"),
        str(job["ProcessingJobName"]),
        (str(cluster["InstanceType"]), int(cluster["InstanceCount"])),
        (job.get("ProcessingStartTime"), job.get("ProcessingEndTime")),
        region,
    )


def of_transform_job(job: Mapping[str, Any], region: str) -> Iterator[Charge]:
    """Yield the line of a transform job: the answer of DescribeTransformJob."""
    cluster = job["TransformResources"]
    yield _of_job(
        ("transform job", "transform"),
        str(job["TransformJobName"]),
        (str(cluster["InstanceType"]), int(cluster["InstanceCount"])),
        (job.get("TransformStartTime"), job.get("TransformEndTime")),
        region,
    )


def of_notebook_instance(summary: Mapping[str, Any], region: str) -> Iterator[Charge]:
    """Yield the line of a notebook instance that runs: a summary of ListNotebookInstances."""
    yield Charge(
        kind="notebook instance",
        name=str(summary["NotebookInstanceName"]),
        what=f"1 x {summary['InstanceType']}",
        price=prices.hourly("notebook", str(summary["InstanceType"]), region),
        units_per_hour=1.0,
        since=summary.get("LastModifiedTime") or summary.get("CreationTime"),
        ours=False,
    )


def of_studio_app(summary: Mapping[str, Any], region: str) -> Iterator[Charge]:
    """Yield the line of a Studio application that has a machine: a summary of ListApps."""
    instance_type = str(summary.get("ResourceSpec", {}).get("InstanceType", "system"))
    if instance_type == "system":
        return
    owner = summary.get("SpaceName") or summary.get("UserProfileName") or summary["AppName"]
    yield Charge(
        kind=f"Studio's {summary['AppType']}",
        name=str(owner),
        what=f"1 x {instance_type}",
        price=prices.hourly("studio", instance_type, region),
        units_per_hour=1.0,
        since=summary.get("CreationTime"),
        ours=False,
    )


def _of_job(
    what: tuple[str, str],
    name: str,
    machines: tuple[str, int],
    span: tuple[datetime | None, datetime | None],
    region: str,
    *,
    seconds: float | None = None,
    note: str = "",
) -> Charge:
    kind, component = what
    instance_type, count = machines
    began, ended = span
    if began and ended and seconds is None:
        seconds = (ended - began).total_seconds()
    waits = began is None and ended is None
    return Charge(
        kind=kind,
        name=name,
        what=f"{count} x {instance_type}" + ("" if seconds is None else f" for {seconds:.0f} s"),
        price=prices.hourly(component, instance_type, region),
        # Machines that are only being looked for are not billed yet, but soon will be.
        units_per_hour=0.0 if ended else float(count),
        since=began,
        units=0.0 if ended and seconds is None else _hours(seconds, count),
        note="waiting for machines" if waits else note,
    )


def _hours(seconds: float | None, count: int) -> float | None:
    return None if seconds is None else seconds * count / 3600


def _training_machines(resources: Mapping[str, Any]) -> list[tuple[str, int]]:
    groups = resources.get("InstanceGroups") or [resources]
    return [(str(group["InstanceType"]), int(group["InstanceCount"])) for group in groups]
