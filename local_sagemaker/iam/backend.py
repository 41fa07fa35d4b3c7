"""moto's IAM inside this process, imported on first use: every answer from a given time and seed.

moto draws identifiers from one random source and dates from one function; both are set for each
request, so the same requests in the same order give the same state. This module must not know
where requests come from or that they are kept.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from local_sagemaker.iam.journal import Entry
from local_sagemaker.iam.simulation import Principal
from local_sagemaker.identity import EXECUTION_ROLE, UserKey
from local_sagemaker.protocol import Reply

_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):(user|role|group)/(?:.*/)?([\w+=,.@-]+)")
_REQUEST_ID = re.compile(rb"<RequestId>.*?</RequestId>")
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


class MotoIam:
    """The IAM of all accounts in memory; not thread-safe, and one per process."""

    def __init__(self) -> None:
        from moto.core.config import default_user_config
        from moto.core.model_instances import reset_model_data
        from moto.iam import models
        from moto.moto_api._internal import mock_random
        from moto.moto_server.werkzeug_app import create_backend_app

        # Roles are commonly given AmazonSageMakerFullAccess and its like.
        default_user_config["iam"]["load_aws_managed_policies"] = True
        self._application: Wsgi = create_backend_app("iam")
        # What moto lacks must be seen by the caller, not turned into a page of HTML.
        vars(self._application)["config"]["PROPAGATE_EXCEPTIONS"] = True
        self._backends = models.iam_backends
        self._forget_instances = reset_model_data
        self._random = mock_random
        self._time = 0.0
        if "utcnow" not in vars(models):
            raise RuntimeError(
                "moto.iam.models has no utcnow() any more, by which the local SageMaker gives "
                "IAM's resources their dates again after a restart. Use moto 5.2."
            )
        vars(models)["utcnow"] = lambda: datetime.fromtimestamp(self._time, UTC).replace(
            tzinfo=None
        )

    def open(self, opening: Entry) -> None:
        """Make an account anew: as AWS has it, with the execution role of the local SageMaker."""
        self.close(opening.account)
        self._set(opening)
        backend = self._backends[opening.account]["aws"]
        backend.create_role(
            role_name=EXECUTION_ROLE,
            assume_role_policy_document=json.dumps(_TRUST),
            path="/",
            permissions_boundary=None,
            description="The execution role of the local SageMaker",
            tags=[],
            max_session_duration="3600",
        )
        # The local SageMaker lets whoever signs do everything; a simulation must say so too.
        backend.attach_role_policy(_ADMINISTRATOR, EXECUTION_ROLE)

    def close(self, account: str) -> None:
        """Give up what is in memory of an account, some megabytes of AWS's own policies."""
        self._backends.pop(account, None)
        # moto remembers all that it ever made, for a web page that is not served here.
        self._forget_instances()

    def answer(self, entry: Entry) -> Reply:
        """Answer a request as it was, or would have been, answered at its time."""
        from werkzeug.test import EnvironBuilder, run_wsgi_app

        self._set(entry)
        date = f"{datetime.fromtimestamp(entry.time, UTC):%Y%m%d}"
        # moto reads the key and the region from it; the signature was checked before.
        authorization = (
            f"AWS4-HMAC-SHA256 Credential={entry.access_key}/{date}/{entry.region}/iam/"
            "aws4_request, SignedHeaders=host, Signature=checked"
        )
        builder = EnvironBuilder(
            method="POST",
            path="/",
            base_url="https://iam.amazonaws.com",
            data=entry.body,
            content_type=_FORM,
            headers=[("Authorization", authorization), ("X-Moto-Account-Id", entry.account)],
        )
        environ = builder.get_environ()
        chunks, status, headers = run_wsgi_app(self._application, environ, buffered=True)
        content_type = headers.get("Content-Type", "text/xml")
        return Reply(int(status.split()[0]), b"".join(chunks), {"Content-Type": content_type})

    def user_keys(self, account: str) -> list[UserKey]:
        """Return the active access keys of an account's users."""
        return [
            UserKey(key.access_key_id, key.secret_access_key, user.arn, user.id)
            for backend in self._backends[account].values()
            for user in backend.users.values()
            for key in user.access_keys
            if key.status == "Active"
        ]

    def trust_policies(self, account: str) -> dict[str, str]:
        """Return the trust policies of an account's roles by name."""
        return {
            role.name: str(role.assume_role_policy_document)
            for backend in self._backends[account].values()
            for role in backend.roles.values()
        }

    def principal(self, account: str, arn: str) -> Principal | None:
        """Return the policies of a user, a role or a group by its ARN; None if there is none."""
        found = _PRINCIPAL.fullmatch(arn)
        if found is None or found[1] != account:
            return None
        backend = self._backends[account]["aws"]
        kind, name = found[2], found[3]
        entities: dict[str, Iterable[Any]] = {
            "role": backend.roles.values(),
            "user": backend.users.values(),
            "group": backend.groups.values(),
        }
        entity = next((one for one in entities[kind] if one.arn == arn), None)
        if entity is None:
            return None
        sources: list[Any] = [entity]
        if kind == "user":
            sources += backend.get_groups_for_user(name)
        policies: dict[str, str] = {}
        for source in sources:
            for policy in source.managed_policies.values():
                policies[policy.name] = _document(policy)
            for inline, document in source.policies.items():
                policies[f"{kind}_{source.name}_{inline}"] = document
        context = {"aws:username": [name]} if kind == "user" else {}
        # moto called it otherwise before 5.2.
        former = getattr(entity, "permissions_boundary", None)
        bound = getattr(entity, "permissions_boundary_arn", former)
        boundary = backend.managed_policies.get(bound) if bound else None
        return Principal(policies, None if boundary is None else _document(boundary), context)

    def _set(self, entry: Entry) -> None:
        self._time = entry.time
        self._random.seed(int(entry.seed, 16))


def _document(policy: Any) -> str:
    (text,) = [v.document for v in policy.versions if v.version_id == policy.default_version_id]
    return str(text)


def digest(reply: Reply) -> str:
    """Return what tells an answer from another one, its request id aside."""
    content = _REQUEST_ID.sub(b"", reply.body)
    return hashlib.sha256(b"%d %s" % (reply.status, content)).hexdigest()
