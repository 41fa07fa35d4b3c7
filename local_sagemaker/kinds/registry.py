"""What is made once and looked up often: the rows are explained in `local_sagemaker.kinds.kind`."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from local_sagemaker.kinds.kind import Override

_NOT_VALIDATED = "not run locally: an algorithm's validation needs the training images of AWS."
_NOT_PROVISIONED = "not run locally: Service Catalog products are provisioned on AWS."


def _validation(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return an algorithm's state: completed, unless the caller asked for a validation of it."""
    profiles = request.get("ValidationSpecification", {}).get("ValidationProfiles", ())
    failures = [
        {
            "Name": profile["ProfileName"],
            "Status": "Failed",
            "FailureReason": _NOT_VALIDATED,
        }
        for profile in profiles
    ]
    return {
        "AlgorithmStatus": "Failed" if failures else "Completed",
        "AlgorithmStatusDetails": {"ValidationStatuses": failures},
    }


def _provisioning(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a project's state: completed, unless it was to provision something."""
    wanted = "ServiceCatalogProvisioningDetails" in request or request.get("TemplateProviders")
    if not wanted:
        return {"ProjectStatus": "CreateCompleted"}
    return {
        "ProjectStatus": "CreateFailed",
        "ServiceCatalogProvisionedProductDetails": {
            "ProvisionedProductStatusMessage": _NOT_PROVISIONED
        },
    }


def _own(member: str, value: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells resources of one's own from those that AWS or others share."""
    del request
    return {member: value}


ROWS: dict[str, Override] = {
    "Algorithm": Override(invented=_validation, descending=False),
    "CodeRepository": Override(sort_by="Name", descending=False),
    "Hub": Override(status="InService", aliases={"AccountIdOwner": ".account"}),
    "ModelCard": Override(version_key="ModelCardVersion", ignored=("IncludedData",)),
    "ModelPackage": Override(
        status="Completed",
        exists="ModelPackage already exists: {arn}",
        exists_code="ValidationException",
        missing="ModelPackage {arn} does not exist.",
        missing_code="ValidationException",
        descending=False,
    ),
    "ModelPackageGroup": Override(
        status="Completed",
        invented=partial(_own, "CrossAccountFilterOption", "SameAccount"),
        aliases={"CrossAccountFilterOption": "CrossAccountFilterOption"},
        exists="Model Package Group already exists: {arn}",
        exists_code="ValidationException",
        missing="ModelPackageGroup {arn} does not exist.",
        missing_code="ValidationException",
        descending=False,
    ),
    "Pipeline": Override(
        status="Active",
        invented=partial(_own, "ManagedBy", "CUSTOMER"),
        aliases={"ManagedBy": "ManagedBy", "LastExecutionTime": "LastRunTime"},
        exists="Pipeline names must be unique within an AWS account and region. Pipeline with "
        "name ({name}) already exists.",
        exists_code="ValidationException",
    ),
    "Project": Override(
        generated={"ProjectId": "p-"},
        invented=_provisioning,
        kept=("TemplateProviders",),
        descending=False,
    ),
}
