"""IAM: moto's, imported on the first call, with the answers that moto lacks.

moto keeps its state in memory; the execution role is put there for each account that asks, so
that the SDK's ``get_execution_role()`` finds it. Nothing here judges a policy: the local
SageMaker allows what is signed.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import EXECUTION_ROLE, Caller
from local_sagemaker.operations import Handler
from local_sagemaker.protocol import Reply

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Iam:
    """IAM for all accounts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._application: Wsgi | None = None
        self._seeded: set[str] = set()

    def operations(self) -> dict[str, Handler]:
        """Return the handlers of operations that moto does not have."""
        return {"SimulatePrincipalPolicy": self._simulate_principal_policy}

    def forward(self, caller: Caller, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Answer a request that was signed by a caller through moto.

        Parameters
        ----------
        caller
            Whose account is asked.
        body
            The form of the request.
        headers
            Lower-case names; moto reads the content type and the credential scope.
        """
        with self._lock:
            application = self._mounted()
            self._seed(caller.account)
            try:
                return _call(application, caller.account, body, headers)
            except Exception as error:
                # Not a 5xx: it would fail again however often a client repeats it.
                raise AWSError(
                    "NotImplemented",
                    "moto, which answers for IAM in the local SageMaker, does not know this: "
                    f"{type(error).__name__}: {error}. Use AWS for it.",
                ) from error

    def _mounted(self) -> Wsgi:
        if self._application is None:
            from moto.core.config import default_user_config
            from moto.moto_server.werkzeug_app import create_backend_app

            # Roles are commonly given AmazonSageMakerFullAccess and its like.
            default_user_config["iam"]["load_aws_managed_policies"] = True
            application = create_backend_app("iam")
            # What moto lacks must be seen here, not turned into a page of HTML.
            application.config["PROPAGATE_EXCEPTIONS"] = True
            self._application = application
        return self._application

    def _seed(self, account: str) -> None:
        if account in self._seeded:
            return
        from moto.iam.models import iam_backends

        iam_backends[account]["aws"].create_role(
            role_name=EXECUTION_ROLE,
            assume_role_policy_document=json.dumps(_TRUST),
            path="/",
            permissions_boundary=None,
            description="The execution role of the local SageMaker",
            tags=[],
            max_session_duration="3600",
        )
        self._seeded.add(account)

    def _simulate_principal_policy(self, _: Caller, params: dict[str, Any]) -> dict[str, Any]:
        resources = params.get("ResourceArns") or ["*"]
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": "allowed",
                "MatchedStatements": [],
                "MissingContextValues": [],
            }
            for action in params["ActionNames"]
            for resource in resources
        ]
        return {"EvaluationResults": results, "IsTruncated": False}


def _call(application: Wsgi, account: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    from werkzeug.test import EnvironBuilder, run_wsgi_app

    builder = EnvironBuilder(
        method="POST",
        path="/",
        base_url="https://iam.amazonaws.com",
        data=body,
        content_type=headers.get("content-type"),
        headers=[
            ("Authorization", headers.get("authorization", "")),
            ("X-Moto-Account-Id", account),
        ],
    )
    chunks, status, answered = run_wsgi_app(application, builder.get_environ(), buffered=True)
    return Reply(
        int(status.split()[0]),
        b"".join(chunks),
        {"Content-Type": answered.get("Content-Type", "text/xml")},
    )
