"""The operations of the Resource Groups Tagging API: filters, pages and errors.

What carries tags, and how each service keeps them, is `local_sagemaker.tagging.carriers`' matter.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page, page_behind
from local_sagemaker.tagging.carriers import Carrier, Tagged, missing

_PAGE = 100
_MAX_TYPES = 100
_WITH_ARNS = ("ResourceTypeFilters", "TagFilters", "ResourcesPerPage", "PaginationToken")
_NOT_DONE = {
    "TagsPerPage": "use ResourcesPerPage, as AWS recommends",
    "IncludeComplianceDetails": "there are no tag policies here",
    "ExcludeCompliantResources": "there are no tag policies here",
}


class Tagging:
    """Answers the ``resourcegroupstaggingapi`` service.

    Parameters
    ----------
    carriers
        The services whose resources carry tags.
    """

    def __init__(self, carriers: Sequence[Carrier]) -> None:
        # So they are in the order of their ARNs.
        self._carriers = sorted(carriers, key=lambda carrier: carrier.service)

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "GetResources": self._resources,
            "GetTagKeys": self._keys,
            "GetTagValues": self._values,
            "TagResources": self._tag,
            "UntagResources": self._untag,
        }

    def _resources(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        for name, why in _NOT_DONE.items():
            if params.get(name):
                raise _invalid(f"{name} is not answered by the local SageMaker: {why}.")
        if "ResourceARNList" in params:
            return self._named(caller, params)
        size = params.get("ResourcesPerPage", _PAGE)
        if not 1 <= size <= _PAGE:
            raise _invalid(f"ResourcesPerPage must be from 1 to {_PAGE}, not {size}.")
        types = params.get("ResourceTypeFilters", [])
        if len(types) > _MAX_TYPES:
            raise _invalid(f"ResourceTypeFilters can hold at most {_MAX_TYPES} types.")
        wanted = params.get("TagFilters", [])
        if any("Key" not in tag_filter for tag_filter in wanted):
            raise _invalid("Each of TagFilters must have a Key.")

        def fetch(last: str | None, number: int) -> list[Tagged]:
            found = (
                (arn, tags)
                for arn, tags in self._tagged(caller, last or "", types)
                if all(_fits(tags, tag_filter) for tag_filter in wanted)
            )
            return list(islice(found, number))

        asked = {"TagFilters": wanted, "ResourceTypeFilters": types, "MaxResults": size}
        asked["NextToken"] = params.get("PaginationToken")
        try:
            chosen, token = page_behind(fetch, asked, lambda one: one[0], scope=_scope(caller))
        except AWSError as error:
            raise _bad_token() from error
        return {
            "ResourceTagMappingList": [_shown(arn, tags) for arn, tags in chosen],
            "PaginationToken": token or "",
        }

    def _named(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        for name in _WITH_ARNS:
            if params.get(name):
                raise _invalid(f"{name} and ResourceARNList cannot be given together.")
        asked = set(params["ResourceARNList"])
        found = [_shown(arn, tags) for arn, tags in self._tagged(caller) if arn in asked]
        return {"ResourceTagMappingList": found, "PaginationToken": ""}

    def _tagged(
        self, caller: Caller, after: str = "", types: Sequence[str] = ()
    ) -> Iterator[Tagged]:
        for carrier in self._carriers:
            kinds = [name for name in types if name.partition(":")[0] == carrier.service]
            if types and not kinds:
                continue
            for arn, tags in carrier.tagged(caller, after):
                if not kinds or carrier.service in kinds or _resource_type(arn) in kinds:
                    yield arn, tags

    def _keys(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        found = sorted({key for _, tags in self._tagged(caller) for key in tags})
        chosen, token = self._page(caller, "keys", found, params)
        return {"TagKeys": chosen, "PaginationToken": token}

    def _values(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        key = params["Key"]
        found = sorted({tags[key] for _, tags in self._tagged(caller) if key in tags})
        chosen, token = self._page(caller, f"values of {key}", found, params)
        return {"TagValues": chosen, "PaginationToken": token}

    def _page(
        self, caller: Caller, what: str, found: list[str], params: dict[str, Any]
    ) -> tuple[list[str], str]:
        asked = {"NextToken": params.get("PaginationToken")}
        scope = f"{_scope(caller)}/{what}"
        try:
            chosen, token = page(found, asked, str, _PAGE, scope=scope)
        except AWSError as error:
            raise _bad_token() from error
        return chosen, token or ""

    def _tag(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        reserved = [key for key in params["Tags"] if key.lower().startswith("aws:")]
        if reserved:
            raise _invalid(f"The tag key {reserved[0]!r} starts with aws:, which is AWS's.")
        return self._change(caller, params["ResourceARNList"], params["Tags"], [])

    def _untag(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._change(caller, params["ResourceARNList"], {}, params["TagKeys"])

    def _change(
        self, caller: Caller, arns: list[str], added: Mapping[str, str], removed: list[str]
    ) -> dict[str, Any]:
        """Change each resource by itself: one that fails does not keep others from changing."""
        failed = {}
        carriers = {carrier.service: carrier for carrier in self._carriers}
        for arn in arns:
            service = _part(arn, 2)
            try:
                if service not in carriers:
                    raise missing(arn)
                carriers[service].change(caller, arn, added, removed)
            except AWSError as error:
                failed[arn] = {
                    "StatusCode": error.status,
                    "ErrorCode": "InvalidParameterException",
                    "ErrorMessage": error.message,
                }
        return {"FailedResourcesMap": failed}


def _fits(tags: Mapping[str, str], tag_filter: Mapping[str, Any]) -> bool:
    key, values = tag_filter["Key"], tag_filter.get("Values")
    return key in tags and (not values or tags[key] in values)


def _resource_type(arn: str) -> str:
    """Return ``service:type`` as filters have it; S3's ARNs do not say that they are buckets'."""
    service, resource = _part(arn, 2), _part(arn, 5)
    kind = "bucket" if service == "s3" else resource.partition(":")[0].partition("/")[0]
    return f"{service}:{kind}"


def _part(arn: str, number: int) -> str:
    return [*arn.split(":", 5), "", "", "", "", "", ""][number]


def _scope(caller: Caller) -> str:
    return f"{caller.account}/{caller.region}/tags"


def _shown(arn: str, tags: Mapping[str, str]) -> dict[str, Any]:
    shown = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {"ResourceARN": arn, "Tags": shown}


def _invalid(message: str) -> AWSError:
    return AWSError("InvalidParameterException", message)


def _bad_token() -> AWSError:
    return _invalid(
        "The PaginationToken is not valid: pass the last page's, with the same filters."
    )
