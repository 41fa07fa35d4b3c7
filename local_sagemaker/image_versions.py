"""Versions of Studio images and their aliases, numbered from 1 and never numbered again.

A version is a note about an image in a registry; nothing is pulled. It must not know what an
image is used for.
"""

from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page
from local_sagemaker.plain_lists import PlainList
from local_sagemaker.resources import Resources
from local_sagemaker.store import Key, Record

NOUN = "ImageVersion"
IMAGE = "Image"
_DETAILS = (
    "Horovod",
    "JobType",
    "MLFramework",
    "Processor",
    "ProgrammingLang",
    "ReleaseNotes",
    "VendorGuidance",
)
_LIST = PlainList(
    members=frozenset({"Version"}),
    name="Version",
    identify=lambda item: f"{item['Version']:09d}",
    named=("ImageName",),
)


class ImageVersions:
    """The operations on image versions and aliases, and the deletion of images."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._records = resources.records

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "CreateImageVersion": self.create,
            "DeleteImage": self.delete_image,
            "DeleteImageVersion": self.delete,
            "DescribeImageVersion": self.describe,
            "ListAliases": self.list_aliases,
            "ListImageVersions": self.list_versions,
            "UpdateImageVersion": self.update,
        }

    def create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Add a version to an image; the same ``ClientToken`` again answers the one it made."""
        token = params["ClientToken"]
        with self._records.database.transaction():
            image = self._image(caller, params)
            versions = self._of(image)
            made = next((v for v in versions if v.private["ClientToken"] == token), None)
            if made is None:
                made = self._new(caller, image, params)
        return {"ImageVersionArn": made.arn}

    def describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return a version by its number or an alias, the newest if neither is given."""
        image = self._image(caller, params)
        if "Version" in params or "Alias" in params:
            return _shown(self._find(image, params))
        versions = self._of(image)
        if not versions:
            raise AWSError("ResourceNotFound", f"The image {image.key.name} has no version.")
        return _shown(versions[-1])

    def update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Change what a version is described as, and its aliases."""
        with self._records.database.transaction():
            image = self._image(caller, params)
            found = self._find(image, params)
            added = set(params.get("AliasesToAdd", ()))
            self._check_free(image, added, found)

            def change(record: Record) -> None:
                record.body |= {key: params[key] for key in _DETAILS if key in params}
                aliases = set(record.private["Aliases"]) | added
                record.private["Aliases"] = sorted(aliases - set(params.get("AliasesToDelete", ())))

            self._records.update(found.key, change)
        return {"ImageVersionArn": found.arn}

    def delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a version and its aliases."""
        with self._records.database.transaction():
            image = self._image(caller, params)
            self._records.delete(self._find(image, params).key)
        return {}

    def delete_image(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete an image with all its versions."""
        with self._records.database.transaction():
            image = self._image(caller, params)
            for version in self._of(image):
                self._records.delete(version.key)
            self._resources.delete(caller, IMAGE, image.key.name)
        return {}

    def list_versions(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the versions of an image."""
        image = self._image(caller, params)
        items = [_shown(version) for version in self._of(image)]
        chosen, token = _LIST.page(items, params, image.arn)
        return {"ImageVersions": chosen, "NextToken": token}

    def list_aliases(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the aliases of an image, of one version if one is named."""
        image = self._image(caller, params)
        versions = self._of(image)
        if "Version" in params:
            versions = [self._find(image, {"Version": params["Version"]})]
        aliases = sorted(alias for version in versions for alias in version.private["Aliases"])
        if "Alias" in params:
            aliases = [alias for alias in aliases if alias == params["Alias"]]
        chosen, token = page(aliases, params, str, scope=image.arn)
        return {"SageMakerImageVersionAliases": chosen, "NextToken": token}

    def _image(self, caller: Caller, params: dict[str, Any]) -> Record:
        return self._resources.get(caller, IMAGE, params["ImageName"])

    def _of(self, image: Record) -> list[Record]:
        """Return the versions of an image, oldest first."""
        every = self._records.list_kind(image.key.account, image.key.region, NOUN)
        return sorted(
            (version for version in every if version.body["ImageArn"] == image.arn),
            key=lambda version: int(version.body["Version"]),
        )

    def _find(self, image: Record, params: dict[str, Any]) -> Record:
        number, alias = params.get("Version"), params.get("Alias")
        if (number is None) == (alias is None):
            raise validation_exception("An image version is named by its Version or by an Alias.")
        for version in self._of(image):
            if version.body["Version"] == number or alias in version.private["Aliases"]:
                return version
        raise AWSError(
            "ResourceNotFound",
            f"The image {image.key.name} has no version {number if alias is None else alias}.",
        )

    def _check_free(self, image: Record, aliases: set[str], but: Record | None) -> None:
        for version in self._of(image):
            taken = aliases & set(version.private["Aliases"])
            if taken and (but is None or version.key != but.key):
                raise AWSError(
                    "ResourceInUse",
                    f"The alias {min(taken)} belongs to version {version.body['Version']} of the "
                    f"image {image.key.name}. Take it away there first.",
                )

    def _new(self, caller: Caller, image: Record, params: dict[str, Any]) -> Record:
        aliases = set(params.get("Aliases", ()))
        self._check_free(image, aliases, None)

        def count(record: Record) -> None:
            record.private["versions"] = record.private.get("versions", 0) + 1

        number = self._records.update(image.key, count).private["versions"]
        moment = now()
        name = image.key.name
        record = Record(
            key=Key(caller.account, caller.region, NOUN, f"{name}/{number}"),
            # The service model's pattern for this ARN has no capital letters.
            arn=f"{image.arn.replace(':image/', ':image-version/').lower()}/{number}",
            created=moment,
            modified=moment,
            status="CREATED",
            body={
                "ImageArn": image.arn,
                "Version": number,
                "BaseImage": params["BaseImage"],
                "ContainerImage": params["BaseImage"],
                **{key: params[key] for key in _DETAILS if key in params},
            },
            private={"ClientToken": params["ClientToken"], "Aliases": sorted(aliases)},
        )
        self._records.insert(record)
        return record


def _shown(record: Record) -> dict[str, Any]:
    return record.body | {
        "ImageVersionArn": record.arn,
        "ImageVersionStatus": record.status,
        "CreationTime": record.created,
        "LastModifiedTime": record.modified,
    }
