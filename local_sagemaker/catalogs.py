"""What an account has from elsewhere: a Service Catalog portfolio, subscriptions, catalogs.

The portfolio is a switch that is remembered. Nobody can subscribe to a workteam of AWS
Marketplace here, and no other account shares a catalog, so there are none of either.
"""

from functools import partial
from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.plain_lists import nothing
from local_sagemaker.store import Key, Record, RecordExists, Records

_SWITCH = "SagemakerServicecatalogPortfolio"


class Catalogs:
    """The operations on what an account has from elsewhere."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            f"Enable{_SWITCH}": partial(self._switch, "Enabled"),
            f"Disable{_SWITCH}": partial(self._switch, "Disabled"),
            f"Get{_SWITCH}Status": self._status,
            "DescribeSubscribedWorkteam": self._subscribed,
            "ListResourceCatalogs": partial(self._none, "ResourceCatalogs"),
            "ListSubscribedWorkteams": partial(self._none, "SubscribedWorkteams"),
        }

    def _switch(self, status: str, caller: Caller, _params: dict[str, Any]) -> dict[str, Any]:
        key, moment = _key(caller), now()

        def change(record: Record) -> None:
            record.status = status

        with self._records.database.transaction():
            try:
                self._records.insert(Record(key, "", moment, moment, status=status))
            except RecordExists:
                self._records.update(key, change)
        return {}

    def _status(self, caller: Caller, _params: dict[str, Any]) -> dict[str, Any]:
        record = self._records.get(_key(caller))
        return {"Status": "Disabled" if record is None else record.status}

    @staticmethod
    def _subscribed(_caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        raise validation_exception(
            f"Could not find subscribed workteam {params['WorkteamArn']}: the local SageMaker has "
            "no AWS Marketplace to subscribe to one."
        )

    @staticmethod
    def _none(member: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return nothing(member, params, f"{caller.account}/{caller.region}/{member}")


def _key(caller: Caller) -> Key:
    return Key(caller.account, caller.region, _SWITCH, "status")
