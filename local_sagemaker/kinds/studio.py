"""Studio, notebooks and their images: the rows are explained in `local_sagemaker.kinds.kind`."""

from collections.abc import Mapping
from typing import Any

from local_sagemaker.coverage import failure_reason
from local_sagemaker.kinds.kind import Override, Parent


def _not_run(request: Mapping[str, Any]) -> dict[str, Any]:
    del request
    return {"Error": {"Code": "NotRunLocally", "Reason": failure_reason("PartnerApp")}}


_DOMAIN = Parent("Domain", ("DomainId",))

ROWS: dict[str, Override] = {
    "App": Override(
        address=("DomainId", "UserProfileName|SpaceName", "AppType", "AppName"),
        parents=(
            _DOMAIN,
            Parent("UserProfile", ("DomainId", "UserProfileName")),
            Parent("Space", ("DomainId", "SpaceName")),
        ),
        status="Failed",
        descending=False,
    ),
    "AppImageConfig": Override(),
    # What is recorded of a domain, a profile or a space is all there is to it: no application of
    # theirs runs, and none claims to.
    "Domain": Override(
        address=("DomainId",),
        generated={"DomainId": "d-"},
        status="InService",
        aliases={"DomainSettingsForUpdate": "DomainSettings"},
        ignored=("RetentionPolicy",),
    ),
    "Image": Override(status="CREATED", removed={"DeleteProperties": ""}),
    "MlflowApp": Override(name_key="Name", address=("Arn",)),
    "MlflowTrackingServer": Override(name_key="TrackingServerName"),
    "NotebookInstance": Override(
        status="Failed",
        aliases={
            "LifecycleConfigName": "NotebookInstanceLifecycleConfigName",
            "SecurityGroupIds": "SecurityGroups",
            "AdditionalCodeRepositoryEquals": "AdditionalCodeRepositories",
        },
        removed={
            "DisassociateLifecycleConfig": "NotebookInstanceLifecycleConfigName",
            "DisassociateAcceleratorTypes": "AcceleratorTypes",
            "DisassociateDefaultCodeRepository": "DefaultCodeRepository",
            "DisassociateAdditionalCodeRepositories": "AdditionalCodeRepositories",
        },
        parents=(Parent("NotebookInstanceLifecycleConfig", ("LifecycleConfigName",)),),
        sort_by="Name",
        descending=False,
    ),
    "NotebookInstanceLifecycleConfig": Override(descending=False),
    "PartnerApp": Override(
        name_key="Name",
        address=("Arn",),
        generated={"Arn": "app-"},
        status="Failed",
        invented=_not_run,
        aliases={"AppVersion": "Version"},
        ignored=("IncludeAvailableUpgrade",),
    ),
    "Space": Override(
        address=("DomainId", "SpaceName"),
        parents=(_DOMAIN,),
        status="InService",
        aliases={
            f"{name}Summary": name
            for name in ("SpaceSettings", "SpaceSharingSettings", "OwnershipSettings")
        },
        descending=False,
    ),
    "StudioLifecycleConfig": Override(
        aliases={"AppTypeEquals": "StudioLifecycleConfigAppType"},
    ),
    "UserProfile": Override(
        address=("DomainId", "UserProfileName"),
        parents=(_DOMAIN,),
        status="InService",
        descending=False,
    ),
}
