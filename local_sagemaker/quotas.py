"""Service quotas: those of a new AWS account, which has no GPU at all, and requests for more.

What really limits a local job is the scheduler; these figures exist so that code which asks
for quotas first goes the way it would go on AWS. Codes are AWS's own (``quotas.json`` names their
source). A request stays ``PENDING``, as nobody is there to approve it, until `Quotas.grant` is
called. It must not know what runs.
"""

import json
import secrets
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from local_sagemaker.database import Database, now
from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page

SERVICE, SERVICE_NAME = "sagemaker", "Amazon SageMaker"
_MISSING = "NoSuchResourceException"
_TABLES = (
    """
    CREATE TABLE quotas (
        account TEXT NOT NULL, region TEXT NOT NULL, code TEXT NOT NULL, value REAL NOT NULL,
        PRIMARY KEY (account, region, code)
    ) WITHOUT ROWID;
    CREATE TABLE quota_requests (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL,
        region TEXT NOT NULL, code TEXT NOT NULL, desired REAL NOT NULL, status TEXT NOT NULL,
        created REAL NOT NULL, updated REAL NOT NULL, requester TEXT NOT NULL
    )
    """,
)


@dataclass(frozen=True)
class Quota:
    """A quota as every account has it at first."""

    name: str
    code: str
    value: float


class QuotaRefused(Exception):
    """What was to be granted is no quota; the message says why."""


@cache
def known() -> dict[str, Quota]:
    """Return the quotas that this server knows, by code."""
    text = (files("local_sagemaker") / "quotas.json").read_text(encoding="utf-8")
    rows = (
        Quota(row["name"], row["code"], float(row["value"])) for row in json.loads(text)["quotas"]
    )
    return {quota.code: quota for quota in rows}


class Quotas:
    """The operations of Service Quotas on SageMaker's.

    Parameters
    ----------
    database
        Where grants and requests are kept.
    """

    def __init__(self, database: Database) -> None:
        database.migrate("quotas", _TABLES)
        self._database = database

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "GetAWSDefaultServiceQuota": self._get_default,
            "GetRequestedServiceQuotaChange": self._get_request,
            "GetServiceQuota": self._get,
            "ListAWSDefaultServiceQuotas": self._list_defaults,
            "ListRequestedServiceQuotaChangeHistory": self._requests,
            "ListRequestedServiceQuotaChangeHistoryByQuota": self._requests,
            "ListServiceQuotas": self._list,
            "ListServices": self._services,
            "RequestServiceQuotaIncrease": self._request,
        }

    def grant(self, account: str, region: str, wanted: str, value: float) -> dict[str, Any]:
        """Set a quota of an account, and approve what it asked for up to there.

        Parameters
        ----------
        account, region
            Whose and where.
        wanted
            The quota's code or its name.
        value
            The new value.

        Returns
        -------
        dict
            ``name``, ``code``, ``value`` and how many requests were ``approved``.

        Raises
        ------
        QuotaRefused
            When there is no such quota, or the value is negative.
        """
        found = [quota for quota in known().values() if wanted in (quota.code, quota.name)]
        if not found:
            raise QuotaRefused(
                f"there is no quota {wanted!r}: give a name as 'ml.g5.xlarge for endpoint usage', "
                "or a code"
            )
        if not 0 <= value < float("inf"):
            raise QuotaRefused(f"a quota cannot be {value}")
        quota = found[0]
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO quotas VALUES (?, ?, ?, ?) "
                "ON CONFLICT (account, region, code) DO UPDATE SET value = excluded.value",
                (account, region, quota.code, value),
            )
            approved = connection.execute(
                "UPDATE quota_requests SET status = 'APPROVED', updated = ? WHERE account = ? "
                "AND region = ? AND code = ? AND status = 'PENDING' AND desired <= ?",
                (now(), account, region, quota.code, value),
            ).rowcount
        return {"name": quota.name, "code": quota.code, "value": value, "approved": approved}

    def _services(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        del caller, params
        return {"Services": [{"ServiceCode": SERVICE, "ServiceName": SERVICE_NAME}]}

    def _list_defaults(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return _listed(caller, params, {})

    def _list(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return _listed(caller, params, self._granted(caller))

    def _get_default(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return {"Quota": _shown(caller, _quota(params), {})}

    def _get(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return {"Quota": _shown(caller, _quota(params), self._granted(caller))}

    def _granted(self, caller: Caller) -> dict[str, float]:
        rows = self._database.query(
            "SELECT code, value FROM quotas WHERE account = ? AND region = ?",
            (caller.account, caller.region),
        )
        return {row["code"]: row["value"] for row in rows}

    def _request(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        quota, desired = _quota(params), params["DesiredValue"]
        if desired <= self._granted(caller).get(quota.code, quota.value):
            raise AWSError(
                "IllegalArgumentException",
                f"You must provide a quota value greater than the current quota value of "
                f"{quota.name}.",
            )
        with self._database.transaction() as connection:
            pending = "account = ? AND region = ? AND code = ? AND status = 'PENDING'"
            if self._found(pending, (caller.account, caller.region, quota.code)):
                raise AWSError(
                    "ResourceAlreadyExistsException",
                    f"Only one open service quota increase request is allowed per quota: there is "
                    f"one of {quota.name}.",
                )
            identifier, moment = secrets.token_hex(20), now()
            connection.execute(
                "INSERT INTO quota_requests (id, account, region, code, desired, status, created, "
                "updated, requester) VALUES (?, ?, ?, ?, ?, 'PENDING', ?, ?, ?)",
                (
                    *(identifier, caller.account, caller.region, quota.code, desired),
                    *(
                        moment,
                        moment,
                        json.dumps({"accountId": caller.account, "callerArn": caller.arn}),
                    ),
                ),
            )
        return {"RequestedQuota": self._found("id = ?", (identifier,))[0]}

    def _get_request(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        mine = "account = ? AND region = ? AND id = ?"
        found = self._found(mine, (caller.account, caller.region, params["RequestId"]))
        if not found:
            raise AWSError(_MISSING, f"There is no request {params['RequestId']}.")
        return {"RequestedQuota": found[0]}

    def _requests(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        mine = self._found("account = ? AND region = ?", (caller.account, caller.region))
        members = ("ServiceCode", "Status", "QuotaCode")
        found = [one for one in mine if all(params.get(m) in (None, one[m]) for m in members)]
        scope = f"{caller.account}/{caller.region}/requests"
        chosen, token = page(found, params, lambda one: str(one["Id"]), 100, scope=scope)
        return {"RequestedQuotas": chosen, "NextToken": token}

    def _found(self, which: str, parameters: tuple[Any, ...]) -> list[dict[str, Any]]:
        rows = self._database.query(
            f"SELECT * FROM quota_requests WHERE {which} ORDER BY number DESC",  # noqa: S608  (our own text)
            parameters,
        )
        return [
            {
                "Id": row["id"],
                "ServiceCode": SERVICE,
                "ServiceName": SERVICE_NAME,
                "QuotaCode": row["code"],
                "QuotaName": known()[row["code"]].name,
                "DesiredValue": row["desired"],
                "Status": row["status"],
                "Created": row["created"],
                "LastUpdated": row["updated"],
                "Requester": row["requester"],
                "QuotaArn": _arn(row["region"], row["account"], row["code"]),
                "GlobalQuota": False,
                "Unit": "None",
                "QuotaRequestedAtLevel": "ACCOUNT",
            }
            for row in rows
            if row["code"] in known()
        ]


def _listed(caller: Caller, params: dict[str, Any], granted: dict[str, float]) -> dict[str, Any]:
    _check_service(params["ServiceCode"])
    shown = [_shown(caller, quota, granted) for quota in known().values()]
    wanted = params.get("QuotaCode")
    found = [quota for quota in shown if wanted in (None, quota["QuotaCode"])]
    chosen, token = page(found, params, lambda quota: str(quota["QuotaCode"]), default=100)
    return {"Quotas": chosen, "NextToken": token}


def _quota(params: dict[str, Any]) -> Quota:
    _check_service(params["ServiceCode"])
    quota = known().get(params["QuotaCode"])
    if quota is None:
        raise AWSError(_MISSING, f"There is no quota {params['QuotaCode']} of {SERVICE}.")
    return quota


def _check_service(service: str) -> None:
    if service != SERVICE:
        raise AWSError(
            _MISSING,
            f"The local SageMaker knows the quotas of {SERVICE} only, not of {service}.",
        )


def _shown(caller: Caller, quota: Quota, granted: dict[str, float]) -> dict[str, Any]:
    return {
        "ServiceCode": SERVICE,
        "ServiceName": SERVICE_NAME,
        "QuotaArn": _arn(caller.region, caller.account, quota.code),
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": granted.get(quota.code, quota.value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _arn(region: str, account: str, code: str) -> str:
    return f"arn:aws:servicequotas:{region}:{account}:{SERVICE}/{code}"
