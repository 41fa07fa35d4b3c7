"""Model cards, whose every change of content or status is a version that stays readable.

It must not know what a card says.
"""

import json
from dataclasses import replace
from typing import Any

from local_sagemaker import changes
from local_sagemaker.errors import validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.plain_lists import PlainList
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record

NOUN = "ModelCard"
_LIST = PlainList(
    members=frozenset({"ModelCardVersion", "ModelCardStatus"}),
    name="ModelCardName",
    status="ModelCardStatus",
    identify=lambda item: f"{item['ModelCardVersion']:09d}",
    sort_by="ModelCardVersion",
    named=("ModelCardName",),
)


class ModelCards:
    """The operations on model cards that are not those of every resource."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._generic = resources.operations()

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "CreateModelCard": self.create,
            "DeleteModelCard": self.delete,
            "DescribeModelCard": self.describe,
            "ListModelCardVersions": self.list_versions,
            "UpdateModelCard": self.update,
        }

    def create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Create the first version of a card."""
        _check(params["Content"])
        return self._generic["CreateModelCard"](caller, params)

    def update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Change the content or the status, which makes a new version."""
        if "Content" in params and "ModelCardStatus" in params:
            raise validation_exception(
                "You cannot update both the content and the status of a model card in one call."
            )
        if "Content" in params:
            _check(params["Content"])
        return self._generic["UpdateModelCard"](caller, params)

    def describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return a version of a card, the newest if none is named."""
        params = dict(params)
        metadata_only = params.pop("IncludedData", "AllData") == "MetadataOnly"
        shown = self._generic["DescribeModelCard"](caller, params)
        # The content is required in the answer; an empty card says nothing that is confidential.
        return shown | ({"Content": "{}"} if metadata_only else {})

    def delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a card with all its versions and its export jobs."""
        with self._resources.records.database.transaction():
            card = self._resources.delete(caller, NOUN, params["ModelCardName"])
            for job in self._resources.records.list_kind(
                caller.account, caller.region, "ModelCardExportJob"
            ):
                if job.body["ModelCardName"] == card.key.name:
                    self._resources.records.delete(job.key)
        return {}

    def list_versions(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the versions of a card."""
        card = self._resources.get(caller, NOUN, params["ModelCardName"])
        numbers = range(1, card.body["ModelCardVersion"] + 1)
        items = [self._version(card, number) for number in numbers]
        params = dict(params)
        if params.get("SortBy") == "Version":
            params["SortBy"] = "ModelCardVersion"
        chosen, token = _LIST.page(items, params, card.arn)
        return {"ModelCardVersionSummaryList": chosen, "NextToken": token}

    def _version(self, card: Record, number: int) -> dict[str, Any]:
        # Of the record as it was read: reading it for each version would cost their square.
        version = replace(card)
        changes.go_back("ModelCardVersion", version, number)
        return self._resources.shown(version)


def _check(content: str) -> None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise validation_exception(f"The Content of a model card is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise validation_exception("The Content of a model card must be a JSON object.")
