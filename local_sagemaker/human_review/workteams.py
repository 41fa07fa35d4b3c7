"""The private workforce and its teams, of which one is there from the start.

Everybody who signs in to the portal is in every team: who answers on this machine is not for an
identity provider of AWS to say. It knows records of workforces and teams; it must not know
flow definitions or workers.
"""

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.resources import Resources
from local_sagemaker.store import Key, Record

WORKFORCE, TEAM = "Workforce", "Workteam"
FIRST_WORKFORCE, FIRST_TEAM = "default", "private-team"
# CreateWorkteam in botocore's documentation.
MOST_TEAMS = 25
_SEED = "PrivateWorkforceSeed"
_VERBS = ("Create", "Describe", "Update", "Delete")


class Workteams:
    """The operations on workforces and teams.

    Parameters
    ----------
    resources
        Where the records are.
    portal
        The portal's address without its scheme, as AWS shows it in ``SubDomain``.
    issuer
        Who vouches for the workers of the first workforce.
    """

    def __init__(self, resources: Resources, portal: str, issuer: str) -> None:
        self._resources = resources
        self._generic = resources.operations()
        self._portal = portal
        self._issuer = issuer
        self._lock = threading.Lock()
        self._seeded: set[tuple[str, str]] = set()

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        names = [f"{verb}{noun}" for noun in (WORKFORCE, TEAM) for verb in _VERBS]
        handlers = {
            name: partial(self._shown, name)
            for name in (*names, "ListWorkforces", "ListWorkteams")
            if name in self._generic
        }
        return handlers | {
            "CreateWorkforce": self._create_workforce,
            "CreateWorkteam": self._create_team,
            "DeleteWorkforce": self._delete_workforce,
        }

    def check(self, caller: Caller, arn: str) -> None:
        """Refuse a team that is not one of the caller's.

        Raises
        ------
        AWSError
            ``ValidationException``.
        """
        self._seed(caller)
        if any(f":workteam/{crowd}/" in arn for crowd in ("public-crowd", "vendor-crowd")):
            raise validation_exception(
                f"The local SageMaker has private teams only, and {arn} is none. ListWorkteams "
                "shows them."
            )
        if self._resources.records.get(self._resources.key(caller, TEAM, arn)) is None:
            raise validation_exception(
                f"The workteam {arn} does not exist in account {caller.account} and region "
                f"{caller.region}. ListWorkteams shows those that do."
            )

    def _shown(self, operation: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Answer as any kind is answered, and tell where the portal is."""
        self._seed(caller)
        answer = self._generic[operation](caller, params)
        for noun in (WORKFORCE, TEAM):
            if noun in answer:
                answer[noun] = self._placed(answer[noun])
            if f"{noun}s" in answer:
                answer[f"{noun}s"] = [self._placed(item) for item in answer[f"{noun}s"]]
        return answer

    def _placed(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {**item, "SubDomain": self._portal}

    def _create_workforce(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._seed(caller)
        with self._resources.records.database.transaction():
            found = self._workforce(caller)
            if found is not None:
                raise validation_exception(
                    f"Account {caller.account} has a private workforce in {caller.region}: "
                    f"{found.arn}. There can be only one; delete it first."
                )
            return self._generic["CreateWorkforce"](caller, params)

    def _create_team(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._seed(caller)
        records = self._resources.records
        with records.database.transaction():
            if len(records.list_kind(caller.account, caller.region, TEAM)) >= MOST_TEAMS:
                raise AWSError(
                    "ResourceLimitExceeded",
                    f"There are {MOST_TEAMS} work teams in account {caller.account} and region "
                    f"{caller.region}, and no more can be. Delete one first.",
                )
            workforce = self._workforce(caller)
            if workforce is None:
                raise validation_exception(
                    f"There is no workforce in account {caller.account} and region "
                    f"{caller.region}. Create one with CreateWorkforce."
                )
            named = {"WorkforceName": workforce.key.name} | params
            return self._generic["CreateWorkteam"](caller, named)

    def _delete_workforce(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._seed(caller)
        records = self._resources.records
        with records.database.transaction():
            self._resources.get(caller, WORKFORCE, params["WorkforceName"])
            teams = records.list_kind(caller.account, caller.region, TEAM)
            if teams:
                # The model names no error for it; its documentation does.
                raise AWSError(
                    "ResourceInUse",
                    f"The workforce {params['WorkforceName']} has {len(teams)} work teams, "
                    f"{teams[0].arn} for one. Delete them first.",
                )
            return self._generic["DeleteWorkforce"](caller, params)

    def _workforce(self, caller: Caller) -> Record | None:
        found = self._resources.records.list_kind(caller.account, caller.region, WORKFORCE)
        return found[0] if found else None

    def _seed(self, caller: Caller) -> None:
        """Make the first workforce and team, once: those who delete them have none."""
        place = (caller.account, caller.region)
        with self._lock:
            if place in self._seeded:
                return
        records = self._resources.records
        key = Key(*place, _SEED, "made")
        with records.database.transaction():
            if records.get(key) is None:
                moment = now()
                records.insert(Record(key, "", moment, moment))
                self._make(caller)
        with self._lock:
            self._seeded.add(place)

    def _make(self, caller: Caller) -> None:
        if self._workforce(caller) is not None:
            return
        self._resources.create(
            caller,
            WORKFORCE,
            {"WorkforceName": FIRST_WORKFORCE},
            body={"OidcConfig": {"ClientId": "portal", "Issuer": self._issuer}},
        )
        self._resources.create(
            caller,
            TEAM,
            {
                "WorkteamName": FIRST_TEAM,
                "WorkforceName": FIRST_WORKFORCE,
                "MemberDefinitions": [{"OidcMemberDefinition": {"Groups": ["everybody"]}}],
                "Description": "Everybody who signs in to the review portal.",
            },
        )
