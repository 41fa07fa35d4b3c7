"""Clusters and reserved capacity: what a kind's row says is in `local_sagemaker.kinds.kind`."""

from collections.abc import Mapping
from typing import Any

from local_sagemaker.kinds.kind import Override, Parent


def _no_instances(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cluster's groups as they are: none of the instances that were asked for is there."""
    groups = request.get("InstanceGroups", ())
    scaling = request.get("AutoScaling")
    return {
        **({"AutoScaling": {**scaling, "Status": "Failed"}} if scaling else {}),
        "InstanceGroups": [
            {
                "InstanceGroupName": group["InstanceGroupName"],
                "CurrentCount": 0,
                "TargetCount": group["InstanceCount"],
                "Status": "Failed",
                **{
                    name: group[name]
                    for name in (
                        "InstanceType",
                        "LifeCycleConfig",
                        "ExecutionRole",
                        "TrainingPlanArn",
                    )
                    if name in group
                },
            }
            for group in groups
        ],
    }


_CLUSTER = Parent("Cluster", ("ClusterArn",))

ROWS: dict[str, Override] = {
    "Cluster": Override(
        arn_generated=True,
        status="Failed",
        invented=_no_instances,
        aliases={
            "TrainingPlanArn": "InstanceGroups.TrainingPlanArn",
            "TrainingPlanArns": "InstanceGroups.TrainingPlanArn",
        },
        descending=False,
    ),
    "ClusterSchedulerConfig": Override(
        name_key="Name",
        address=("ClusterSchedulerConfigId",),
        generated={"ClusterSchedulerConfigId": ""},
        parents=(_CLUSTER,),
        status="CreateFailed",
        version_key="ClusterSchedulerConfigVersion",
    ),
    "ComputeQuota": Override(
        name_key="Name",
        address=("ComputeQuotaId",),
        generated={"ComputeQuotaId": ""},
        parents=(_CLUSTER,),
        status="CreateFailed",
        version_key="ComputeQuotaVersion",
    ),
    "TrainingPlan": Override(),
}
