"""STS: who am I, and AssumeRole into any account.

It knows the credential store and whom roles trust. A role that nobody made may be assumed by every
caller, which is how accounts come to be.
"""

from typing import Any

from local_sagemaker.iam.trust import Trust
from local_sagemaker.identity import Caller, Credentials, Identity
from local_sagemaker.operations import Handler

_HOUR = 3600
_SESSION = 43_200


class Sts:
    """The operations of STS that local work needs."""

    def __init__(self, identity: Identity, trust: Trust) -> None:
        self._identity = identity
        self._trust = trust

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "GetCallerIdentity": self._get_caller_identity,
            "AssumeRole": self._assume_role,
            "GetSessionToken": self._get_session_token,
        }

    def _get_caller_identity(self, caller: Caller, _: dict[str, Any]) -> dict[str, Any]:
        return {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}

    def _assume_role(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._trust.check(caller, params["RoleArn"], params.get("ExternalId"))
        credentials, principal = self._identity.assume_role(
            params["RoleArn"], params["RoleSessionName"], params.get("DurationSeconds", _HOUR)
        )
        return {
            "Credentials": _shown(credentials),
            "AssumedRoleUser": {"AssumedRoleId": principal.user_id, "Arn": principal.arn},
        }

    def _get_session_token(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        credentials = self._identity.issue(
            caller.account,
            caller.arn,
            caller.user_id,
            lifetime=params.get("DurationSeconds", _SESSION),
        )
        return {"Credentials": _shown(credentials)}


def _shown(credentials: Credentials) -> dict[str, Any]:
    return {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "SessionToken": credentials.session_token,
        "Expiration": credentials.expiration,
    }
