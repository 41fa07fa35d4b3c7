"""Model packages: versions in a group, numbered for good, and packages that stand alone.

A version is called ``<group>/<number>``; a number that was used is not used again. Nothing here
runs: a package that asks for validation has failed it, because no transform job checked it. It
must not know how models are served.
"""

from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record

NOUN = "ModelPackage"
GROUP = "ModelPackageGroup"
# botocore, UpdateModelPackageInput.AdditionalInferenceSpecificationsToAdd: "Total number of
# additional Inference Specifications can not exceed 15."
MAX_ADDITIONAL = 15
_NOT_VALIDATED = (
    "not run locally: a package is not validated; create a model of it and a transform job."
)
_NOBODY: dict[str, Any] = {}
_PLAIN = (
    "ApprovalDescription",
    "InferenceSpecification",
    "ModelApprovalStatus",
    "ModelCard",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
    "SourceUri",
)


class ModelPackages:
    """The operations on model packages, and the deletion of their groups."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._records = resources.records
        self._create_any_model = resources.operations()["CreateModel"]

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "BatchDescribeModelPackage": self.batch_describe,
            "CreateModel": self.create_model,
            "CreateModelPackage": self.create,
            "DeleteModelPackageGroup": self.delete_group,
            "DescribeModelPackage": self.describe,
            "ListModelPackages": self.list_packages,
            "UpdateModelPackage": self.update,
        }

    def create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Create a version in a group, or a package that stands alone.

        The same ``ClientToken`` again answers the package that it made.
        """
        group = params.get("ModelPackageGroupName")
        if (group is None) == (params.get("ModelPackageName") is None):
            raise validation_exception(
                "A model package needs either a ModelPackageGroupName, for a version in a group, "
                "or a ModelPackageName."
            )
        with self._records.database.transaction():
            made = self._made(caller, params.get("ClientToken"))
            if made is None and group is not None:
                made = self._create_version(caller, group, params)
            elif made is None:
                made = self._create_alone(caller, params)
        return {"ModelPackageArn": made.arn}

    def create_model(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Create a model; the packages that it is made of must be there, and versions approved."""
        containers = [*params.get("Containers", ()), params.get("PrimaryContainer") or {}]
        with self._records.database.transaction():
            for container in containers:
                if "ModelPackageName" not in container:
                    continue
                package = self._resources.get(caller, NOUN, container["ModelPackageName"])
                approval = package.body.get("ModelApprovalStatus", "Approved")
                if approval != "Approved" or package.status != "Completed":
                    raise validation_exception(
                        f"ModelPackage {package.arn} cannot be deployed: its status is "
                        f"{package.status}, its approval status {approval}. UpdateModelPackage "
                        "with ModelApprovalStatus=Approved approves a version."
                    )
            return self._create_any_model(caller, params)

    def describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return a package, named by its name, ``<group>/<number>`` or its ARN."""
        record = self._resources.get(caller, NOUN, params["ModelPackageName"])
        shown = self._resources.shown(record)
        if params.get("IncludedData") == "MetadataOnly" and "ModelCard" in shown:
            # What the content says is not metadata; its status is.
            shown["ModelCard"] = {
                key: value for key, value in shown["ModelCard"].items() if key != "ModelCardContent"
            }
        return shown

    def batch_describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the packages that are there, and an error for each other ARN."""
        found: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for arn in params["ModelPackageArnList"]:
            record = self._records.get(self._resources.key(caller, NOUN, arn))
            if record is None:
                missing = self._resources.missing(caller, NOUN, arn)
                errors[arn] = {"ErrorCode": missing.code, "ErrorResponse": missing.message}
                continue
            shown = self._resources.shown(record)
            # Both members are required in the answer, whatever the package has.
            found[arn] = {
                "ModelPackageGroupName": record.key.name.partition("/")[0],
                "InferenceSpecification": {"Containers": []},
            } | shown
        return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": errors}

    def list_packages(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return packages: of a group if one is named, else those of the type that is asked."""
        group = params.get("ModelPackageGroupName")
        chosen = self._records.list_kind(caller.account, caller.region, NOUN)
        if group is not None:
            name = self._resources.get(caller, GROUP, group).key.name
            chosen = [record for record in chosen if record.body.get(f"{GROUP}Name") == name]
        kind = params.get("ModelPackageType") or ("Unversioned" if group is None else "Both")
        if kind != "Both":
            versioned = kind == "Versioned"
            chosen = [record for record in chosen if (f"{GROUP}Name" in record.body) == versioned]
        approval = params.get("ModelApprovalStatus")
        if approval is not None:
            chosen = [r for r in chosen if r.body.get("ModelApprovalStatus") == approval]
        answer = self._resources.listed(caller, NOUN, params, chosen)
        for summary in answer["ModelPackageSummaryList"]:
            if summary[f"{GROUP}Name"] is not None:
                # A version has no name of its own. Describe must show one; a list need not.
                del summary["ModelPackageName"]
        return answer

    def update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Change a package; properties are merged, further specifications are added."""

        def change(record: Record) -> None:
            if "ModelApprovalStatus" in params and f"{GROUP}Name" not in record.body:
                raise _no_approval(record.key.name)
            body = record.body | {key: params[key] for key in _PLAIN if key in params}
            properties = body.get("CustomerMetadataProperties", {})
            properties = properties | params.get("CustomerMetadataProperties", {})
            for key in params.get("CustomerMetadataPropertiesToRemove", ()):
                properties.pop(key, None)
            if properties or "CustomerMetadataProperties" in body:
                body["CustomerMetadataProperties"] = properties
            added = params.get("AdditionalInferenceSpecificationsToAdd")
            if added:
                existing = body.get("AdditionalInferenceSpecifications", [])
                body["AdditionalInferenceSpecifications"] = _joined(existing, added)
            record.body = body | {"LastModifiedBy": _NOBODY}

        record = self._resources.change(caller, NOUN, params["ModelPackageArn"], change)
        return {"ModelPackageArn": record.arn}

    def delete_group(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a group that has no versions any more."""
        with self._records.database.transaction():
            record = self._resources.get(caller, GROUP, params["ModelPackageGroupName"])
            packages = self._records.list_kind(caller.account, caller.region, NOUN)
            count = sum(p.body.get(f"{GROUP}Name") == record.key.name for p in packages)
            if count:
                raise AWSError(
                    "ConflictException",
                    f"ModelPackageGroup {record.arn} cannot be deleted: it has {count} model "
                    "package(s). Delete them first.",
                )
            self._resources.delete(caller, GROUP, record.key.name)
        return {}

    def _made(self, caller: Caller, token: str | None) -> Record | None:
        """Return the package that was made with a client's token."""
        if token is None:
            return None
        packages = self._records.list_kind(caller.account, caller.region, NOUN)
        return next((p for p in packages if p.private.get("ClientToken") == token), None)

    def _create_version(self, caller: Caller, group: str, params: dict[str, Any]) -> Record:
        if params.get("Tags"):
            raise validation_exception(
                "A version of a model package uses the tags of its group: give no Tags together "
                "with ModelPackageGroupName."
            )

        def count(record: Record) -> None:
            record.private["versions"] = record.private.get("versions", 0) + 1

        counted = self._resources.change(caller, GROUP, group, count)
        number = counted.private["versions"]
        body = {
            "ModelPackageGroupName": counted.key.name,
            "ModelPackageVersion": number,
            "ModelApprovalStatus": params.get("ModelApprovalStatus", "PendingManualApproval"),
        }
        return self._create(caller, f"{counted.key.name}/{number}", params, body)

    def _create_alone(self, caller: Caller, params: dict[str, Any]) -> Record:
        if "ModelApprovalStatus" in params:
            raise _no_approval(params["ModelPackageName"])
        return self._create(caller, params["ModelPackageName"], params, {})

    def _create(
        self, caller: Caller, name: str, params: dict[str, Any], body: dict[str, Any]
    ) -> Record:
        profiles = (params.get("ValidationSpecification") or {}).get("ValidationProfiles", [])
        checks = [
            {
                "Name": profile["ProfileName"],
                "Status": "Failed",
                "FailureReason": _NOT_VALIDATED,
            }
            for profile in profiles
        ]
        body |= {
            "CreatedBy": _NOBODY,
            "ModelPackageStatusDetails": {"ValidationStatuses": checks, "ImageScanStatuses": []},
            "ModelPackageRegistrationType": params.get(
                "ModelPackageRegistrationType", "Registered"
            ),
        }
        return self._resources.create(
            caller,
            NOUN,
            params,
            name=name,
            status="Failed" if checks else "Completed",
            body=body,
            private={"ClientToken": params.get("ClientToken")},
        )


def _joined(existing: list[dict[str, Any]], added: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all further specifications, or refuse too many and names that repeat."""
    joined = existing + added
    names = [specification["Name"] for specification in joined]
    if len(set(names)) < len(names):
        raise validation_exception(
            "The names of additional inference specifications must be unique in a model package."
        )
    if len(joined) > MAX_ADDITIONAL:
        raise validation_exception(
            f"A model package can have at most {MAX_ADDITIONAL} additional inference "
            f"specifications; these would be {len(joined)}."
        )
    return joined


def _no_approval(name: str) -> AWSError:
    return validation_exception(
        f"ModelApprovalStatus does not apply to {name}: only versions in a model package group "
        "are approved."
    )
