"""The way into an account: a role that is assumed there, and the session that comes of it.

It knows STS and how botocore reads its service models; it must not know what is done inside.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader

from workshop_utils.accounts.listed import Account
from workshop_utils.session import Session, SignedIn

ROLE = "nlp-workshop-instructor"
EXECUTION_ROLE = "nlp-workshop-execution"
"""The names that aws/workshop-account.yaml gives its two roles."""
LAB = "accounts"
# An account is done in seconds; a role that is assumed by a role lasts an hour at most.
_SECONDS = 3600
_VISITOR = "nlp-workshop-accounts"


class EntryRefused(Exception):
    """An account cannot be entered; the message says why and what to look at."""


@dataclass(frozen=True)
class Door:
    """How accounts are entered.

    Attributes
    ----------
    signed_in
        Who enters.
    role
        The role to act as in each account.
    external_id
        What the role's trust policy may ask for besides.
    execution_role
        The role in each account that its jobs act as.
    """

    signed_in: SignedIn
    role: str = ROLE
    external_id: str | None = None
    execution_role: str = EXECUTION_ROLE
    _making: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    @contextmanager
    def open(self, account: Account) -> Iterator[Session]:
        """Give a session of an account; its connections are closed afterwards.

        Raises
        ------
        EntryRefused
            When the role cannot be assumed, with the reason.
        """
        arn = self._arn(account, self.role)
        asked = {"RoleArn": arn, "RoleSessionName": _VISITOR, "DurationSeconds": _SECONDS}
        if self.external_id is not None:
            asked["ExternalId"] = self.external_id
        try:
            answer = self._sts.assume_role(**asked)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise EntryRefused(f"{code}: {self._why(code, arn)}") from error
        except BotoCoreError as error:
            raise EntryRefused(f"{arn} cannot be assumed: {error}") from error
        given = answer["Credentials"]
        inside = replace(
            self.signed_in,
            account=account.number,
            caller=answer["AssumedRoleUser"]["Arn"],
            boto=self._boto(given),
        )
        session = inside.session(LAB, role=self._arn(account, self.execution_role))
        try:
            yield session
        finally:
            session.disconnect()

    def _why(self, code: str, arn: str) -> str:
        if code != "AccessDenied":
            return f"{arn} cannot be assumed"
        # AWS does not say which of these it is.
        asked = "" if self.external_id is None else " with this external id"
        return f"there is no role {self.role} that trusts {self.signed_in.account}{asked}"

    def _arn(self, account: Account, role: str) -> str:
        partition = self.signed_in.boto.get_partition_for_region(self.signed_in.region)
        return f"arn:{partition}:iam::{account.number}:role/{role}"

    @cached_property
    def _sts(self) -> Any:
        return self.signed_in.boto.client("sts", region_name=self.signed_in.region)

    def _boto(self, key: dict[str, Any]) -> Any:
        # Botocore's registries are not made for several threads that make sessions at once.
        with self._making:
            session = botocore.session.get_session()
            session.register_component("data_loader", self._models)
            return boto3.Session(
                aws_access_key_id=key["AccessKeyId"],
                aws_secret_access_key=key["SecretAccessKey"],
                aws_session_token=key["SessionToken"],
                region_name=self.signed_in.region,
                botocore_session=session,
            )

    @cached_property
    def _models(self) -> "_SharedModels":
        return _SharedModels(extra_search_paths=[str(Path(boto3.__file__).parent / "data")])


class _SharedModels(Loader):  # type: ignore[misc]  # botocore has no types
    """The descriptions of AWS's services, read once for all accounts.

    Each session reads its own otherwise: 200 ms of CPU per account for the ten services that are
    looked at, and 30 ms with these (measured on 29 November 2026 with botocore 1.44).
    """

    def __init__(self, extra_search_paths: list[str]) -> None:
        self._reading = Lock()
        super().__init__(extra_search_paths=extra_search_paths)

    @property
    def search_paths(self) -> list[str]:
        # A copy: every boto3 session adds boto3's own folder to it, which is there already.
        return list(super().search_paths)

    def load_service_model(self, *asked: Any, **named: Any) -> Any:
        """Read a service's description; whoever comes meanwhile waits for it."""
        with self._reading:
            return super().load_service_model(*asked, **named)
