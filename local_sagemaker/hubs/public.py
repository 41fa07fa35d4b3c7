"""SageMakerPublicHub: the hub that every account sees, as a view of the JumpStart catalogue.

It stands before the operations on hubs of one's own and answers for this hub alone. It must not
know how the catalogue is kept, nor change it.
"""

import json
from collections.abc import Mapping
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.filters import not_done
from local_sagemaker.hubs.contents import CONTENTS, version_numbers
from local_sagemaker.identity import Caller
from local_sagemaker.jumpstart.catalog import OWNER, Catalog, Version
from local_sagemaker.jumpstart.document import SCHEMA_VERSION, document
from local_sagemaker.jumpstart.specification import entry_of, keywords
from local_sagemaker.operations import Handler

NAME = "SageMakerPublicHub"
_MODEL = "Model"
_WRITING = (
    "CreateHub",
    "DeleteHub",
    "DeleteHubContent",
    "ImportHubContent",
    "UpdateHub",
    "UpdateHubContent",
)


class PublicHub:
    """The operations on hubs, where they are about this one.

    Parameters
    ----------
    catalog
        What is in it.
    others
        The operations on all other hubs.
    """

    def __init__(self, catalog: Catalog, others: Mapping[str, Handler]) -> None:
        self._catalog = catalog
        self._others = others

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        here: dict[str, Handler] = {
            "DescribeHub": self.describe,
            "DescribeHubContent": self.describe_content,
            "ListHubContents": self.list_contents,
            "ListHubContentVersions": self.list_versions,
        } | dict.fromkeys(_WRITING, _refuse)
        return {name: self._choosing(name, handler) for name, handler in here.items()}

    def _choosing(self, operation: str, handler: Handler) -> Handler:
        def answer(caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
            named = _named(caller, params["HubName"])
            if named == NAME:
                return handler(caller, params | {"HubName": NAME})
            return self._others[operation](caller, params | {"HubName": named})

        return answer

    def describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return what the hub is."""
        del params
        moments = [version.modified for version in self._catalog.every()]
        return {
            "HubName": NAME,
            "HubArn": _arn(caller),
            "HubDisplayName": NAME,
            "HubDescription": "JumpStart's models of this machine.",
            "HubSearchKeywords": [],
            "HubStatus": "InService",
            "CreationTime": min(moments),
            "LastModifiedTime": max(moments),
        }

    def describe_content(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return a version of a model, the newest if none is named."""
        versions = self._versions(params)
        wanted = params.get("HubContentVersion")
        if wanted is not None:
            versions = [one for one in versions if one.spec["version"] == wanted]
        if not versions:
            raise _missing(params)
        newest = versions[-1]
        return _summary(caller, newest) | {
            "HubName": NAME,
            "HubArn": _arn(caller),
            "HubContentDocument": json.dumps(document(newest.spec, caller.region)),
            "HubContentMarkdown": _markdown(newest),
            "LastModifiedTime": newest.modified,
        }

    def list_contents(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the models, each in its newest version."""
        versions = self._catalog.newest() if params["HubContentType"] == _MODEL else []
        return _page(caller, versions, params)

    def list_versions(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the versions of a model."""
        versions = self._versions(params)
        if not versions:
            raise _missing(params)
        least = params.get("MinVersion")
        if least is not None:
            versions = [
                one
                for one in versions
                if version_numbers(one.spec["version"]) >= version_numbers(least)
            ]
        return _page(caller, versions, params)

    def _versions(self, params: dict[str, Any]) -> list[Version]:
        if params["HubContentName"].startswith("arn:"):
            raise not_done("An ARN as HubContentName")
        if params["HubContentType"] != _MODEL:
            return []
        return self._catalog.versions(params["HubContentName"])


def _named(caller: Caller, name: str) -> str:
    """Return the name of a hub that is named by it or by its ARN."""
    if not name.startswith("arn:"):
        return name
    *_, region, account, resource = [*name.split(":", 5), "", "", ""][3:6]
    kind, _, found = resource.partition("/")
    # The SDK makes the public hub's ARN with the account of whoever asks.
    mine = account == caller.account or (found == NAME and account == OWNER)
    if kind != "hub" or region != caller.region or not mine:
        raise validation_exception(f"The ARN {name} names no hub of this account and region.")
    return found


def _arn(caller: Caller) -> str:
    return f"arn:aws:sagemaker:{caller.region}:{OWNER}:hub/{NAME}"


def _refuse(caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
    del params
    raise AWSError(
        "AccessDeniedException",
        f"The account {caller.account} cannot change {NAME}. Locally, a model of one's own is put "
        "into it by `python -m local_sagemaker publish`.",
    )


def _summary(caller: Caller, version: Version) -> dict[str, Any]:
    spec = version.spec
    entry = entry_of(spec)
    path = f"{NAME}/{_MODEL}/{entry.model_id}/{spec['version']}"
    return {
        "HubContentName": entry.model_id,
        "HubContentArn": f"arn:aws:sagemaker:{caller.region}:{OWNER}:hub-content/{path}",
        "HubContentVersion": spec["version"],
        "HubContentType": _MODEL,
        "DocumentSchemaVersion": SCHEMA_VERSION,
        "HubContentDisplayName": entry.display_name[:255],
        "HubContentDescription": entry.description,
        "HubContentSearchKeywords": keywords(spec),
        "HubContentStatus": "Available",
        "SupportStatus": "Supported",
        "CreationTime": version.modified,
    }


def _markdown(version: Version) -> str:
    entry = entry_of(version.spec)
    lines = [f"# {entry.display_name}", entry.description]
    lines.append(f"License: {entry.license or 'not said'}")
    return "\n\n".join(line for line in lines if line)


def _page(caller: Caller, versions: list[Version], params: dict[str, Any]) -> dict[str, Any]:
    most = params.get("MaxSchemaVersion")
    if most is not None and version_numbers(SCHEMA_VERSION) > version_numbers(most):
        versions = []
    items = [_summary(caller, version) for version in versions]
    chosen, token = CONTENTS.page(items, params, _arn(caller))
    return {"HubContentSummaries": chosen, "NextToken": token}


def _missing(params: dict[str, Any]) -> AWSError:
    version = params.get("HubContentVersion", "")
    return AWSError(
        "ResourceNotFound",
        f"Hub content {NAME}/{params['HubContentType']}/{params['HubContentName']}/{version} does "
        "not exist. `python -m local_sagemaker models` shows the models that do.",
    )
