"""The feature store: what a kind's row says is in `local_sagemaker.kinds.kind`."""

from collections.abc import Mapping
from typing import Any

from local_sagemaker.kinds.kind import Override


def _no_store(request: Mapping[str, Any]) -> dict[str, Any]:
    # Describe pages through the features; all of them are on its first page.
    shown: dict[str, Any] = {"NextToken": ""}
    if "OfflineStoreConfig" in request:
        # Nothing writes features to S3 here.
        shown["OfflineStoreStatus"] = {"Status": "Disabled"}
    return shown


ROWS: dict[str, Override] = {
    "FeatureGroup": Override(
        ignored=("NextToken",),
        status="Created",
        invented=_no_store,
        aliases={"OfflineStoreStatusEquals": "OfflineStoreStatus.Status"},
        added={"FeatureAdditions": "FeatureDefinitions"},
        exists="Resource Already Exists: FeatureGroup with name {name} already exists. Choose a "
        "different name.",
    ),
}
