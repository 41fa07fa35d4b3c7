"""Where a lab runs and as whom: mode, account, role, bucket, prefix and tags.

This is the only module that knows about modes, and the only one that knows of the local
SageMaker. Every other module is handed a `Session` and cannot tell the difference.
"""

import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from workshop_utils.display import card

if TYPE_CHECKING:
    from sagemaker.core.helper.session_helper import Session as SageMakerSession

    from local_sagemaker import LocalSageMaker
    from workshop_utils.bill import Bill

Mode = Literal["local", "aws"]

PREFIX = "nlp-workshop"
STUDIO_METADATA = Path("/opt/ml/metadata/resource-metadata.json")
"""Studio writes this file into every space; its presence means that AWS pays for this kernel."""
_ROLE_VARIABLE = "WORKSHOP_ROLE_ARN"
_BUCKET_VARIABLE = "WORKSHOP_BUCKET"
# A variable of a published model's container: what the model was built from.
_MADE_OF = "WORKSHOP_MADE_OF"
# The longest name that endpoints, jobs and models have in common (botocore: 63 characters).
_NAME_LIMIT = 63
# AWS throttles accounts, of which a workshop has many people in one. Connections for the threads
# that ask at once.
_PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 6}, max_pool_connections=20)


class SessionError(Exception):
    """The lab cannot run here yet; the message says what is missing and what to do."""


class OwnReviews(Protocol):
    """A review service of ours that runs beside AWS."""

    @property
    def portal(self) -> str:
        """The link that opens the portal for a person."""

    @property
    def script_link(self) -> str:
        """The same for a script on this machine."""

    def client(self, service: str) -> Any:
        """Return a client of ``sagemaker`` or ``sagemaker-a2i-runtime`` that talks to it."""


@dataclass(frozen=True)
class Session:
    """The fixed facts of one lab.

    Attributes
    ----------
    mode
        ``local`` or ``aws``. For people to read; code must not ask.
    lab
        The lab's name, part of every name and tag.
    region, account, caller
        Where it runs and as whom.
    role
        ARN of the execution role that jobs and endpoints act as.
    bucket, prefix
        Everything the lab keeps in S3 is below ``s3://bucket/prefix/``.
    """

    mode: Mode
    lab: str
    region: str
    account: str
    caller: str
    role: str
    bucket: str
    prefix: str
    boto: Any = field(repr=False)
    local: "LocalSageMaker | None" = field(default=None, repr=False)
    _clients: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _making: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags that every resource of the lab carries, in AWS's form."""
        return [{"Key": "workshop", "Value": PREFIX}, {"Key": "workshop:lab", "Value": self.lab}]

    @cached_property
    def sagemaker(self) -> "SageMakerSession":
        """The SageMaker SDK's session."""
        from sagemaker.core.helper.session_helper import Session as SageMakerSession

        return SageMakerSession(
            boto_session=self.boto,
            default_bucket=self.bucket,
            default_bucket_prefix=self.prefix,
        )

    def client(self, service: str) -> Any:
        """Return a boto3 client of the lab's region, the same one for every caller."""
        # Clients may be used by several threads; making them may not.
        with self._making:
            if service not in self._clients:
                self._clients[service] = self.boto.client(service, config=_PATIENT)
            return self._clients[service]

    def name(self, base: str) -> str:
        """Return a new name for a resource: prefix, base, time and a few random letters.

        Parameters
        ----------
        base
            What it is for, for instance ``few-shot``; other characters than letters, digits
            and hyphens become hyphens.
        """
        cleaned = re.sub(r"[^a-zA-Z0-9]+", "-", base).strip("-")
        suffix = f"{time.strftime('%y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        head = f"{PREFIX}-{cleaned}"[: _NAME_LIMIT - len(suffix) - 1].rstrip("-")
        return f"{head}-{suffix}"

    def uri(self, *parts: str) -> str:
        """Return the S3 URI of a key below the lab's prefix."""
        return "/".join([f"s3://{self.bucket}", self.prefix, *parts])

    def upload(self, source: Path | bytes, *parts: str) -> str:
        """Store a file, or bytes, below the lab's prefix; return its S3 URI."""
        uri = self.uri(*parts)
        key = uri.removeprefix(f"s3://{self.bucket}/")
        if isinstance(source, bytes):
            self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=source)
        else:
            self.client("s3").upload_file(str(source), self.bucket, key)
        return uri

    def read(self, uri: str) -> bytes:
        """Return the content of an object in S3."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        content: bytes = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def publish(
        self, model_id: str, made_of: str, build: Callable[[Path], Path], about: Mapping[str, str]
    ) -> bool:
        """Put a model of one's own into the JumpStart hub, where that is ours to write.

        Parameters
        ----------
        model_id
            ``<framework>-<task>-<name>``.
        made_of
            A digest of everything that the model is built from: one that is there already is not
            built again.
        build
            Builds the model in an empty folder; returns its folder or archive.
        about
            ``name``, ``description`` and ``license``.

        Returns
        -------
        bool
            Whether the hub has it now. AWS's public hub has the models that AWS puts there.

        Raises
        ------
        SessionError
            When the hub refuses it.
        """
        if self.local is None:
            return False
        from local_sagemaker.jumpstart.published import PublishError

        present = {model.model_id: model.environment for model in self.local.published_models()}
        if present.get(model_id, {}).get(_MADE_OF) == made_of:
            return True
        with tempfile.TemporaryDirectory() as scratch:
            try:
                self.local.publish_model(
                    build(Path(scratch)),
                    model_id,
                    environment={_MADE_OF: made_of},
                    report=print,
                    **about,
                )
            except PublishError as error:
                raise SessionError(f"{model_id} cannot be published: {error}") from error
        return True

    def review_portal(self) -> str | None:
        """Return the link to the page where people review, if what runs here brings one."""
        return None if self.local is None else self.local.portal_url

    def start_reviews(self) -> OwnReviews:
        """Start the review service that comes with the workshop, beside the account, or find it.

        Raises
        ------
        SessionError
            When it does not start, with the reason.
        """
        from local_sagemaker.account_review import AccountReview
        from local_sagemaker.daemon import StartError
        from local_sagemaker.home import HomeError

        try:
            return AccountReview(self.account, self.region).start()
        except (StartError, HomeError) as error:
            raise SessionError(f"The review service does not start: {error}") from error

    def break_on_purpose(self, operation: str, error: str, times: int) -> bool:
        """Let the next requests of an operation fail, where the service is ours to break.

        Parameters
        ----------
        operation, error
            For instance ``CreateTrainingJob`` and ``ResourceLimitExceeded``.
        times
            How many requests fail; 0 to let none fail any more. What an earlier call left is
            forgotten.

        Returns
        -------
        bool
            Whether they will. AWS does not fail on request.
        """
        if self.local is None:
            return False
        for fault in self.local.faults.list():
            if fault["operation"] == operation and fault.get("error") == error:
                self.local.faults.remove(fault["id"])
        if times:
            self.local.faults.add(operation, error, times=times)
        return True

    @property
    def billed(self) -> bool:
        """Whether somebody pays for what is started here."""
        return self.mode == "aws"

    def cost(self) -> "Bill":
        """Return what is billing right now: per hour, since when, and how much so far."""
        from workshop_utils.costs import running

        return running(self)

    def disconnect(self) -> None:
        """Close the connections of the clients made so far; whoever asks again gets new ones."""
        with self._making:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()

    def close(self) -> None:
        """Stop the local SageMaker if this session started it; what it keeps stays on disk."""
        if self.local is not None:
            self.local.close()

    def _repr_html_(self) -> str:
        where = (
            "on this machine, in the local SageMaker: nothing is billed"
            if self.mode == "local"
            else "on AWS: what you start is billed until you delete it"
        )
        rows = {
            "Runs": where,
            "Account": f"{self.account}, {self.region}",
            "Caller": self.caller,
            "Role": self.role,
            "Bucket": f"s3://{self.bucket}/{self.prefix}/",
            "Tags": ", ".join(f"{tag['Key']}={tag['Value']}" for tag in self.tags),
        }
        return card(f"Workshop session: {self.lab}", rows)

    def __str__(self) -> str:
        return f"{self.lab} on {self.mode} ({self.account}, {self.region}), s3://{self.bucket}"


@dataclass(frozen=True)
class SignedIn:
    """Whom somebody is signed in as, before there is a lab.

    Attributes
    ----------
    mode
        ``local`` or ``aws``. For people to read; code must not ask.
    region, account, caller
        Where and as whom.
    """

    mode: Mode
    region: str
    account: str
    caller: str
    boto: Any = field(repr=False)
    local: "LocalSageMaker | None" = field(default=None, repr=False)

    def session(self, lab: str, role: str, bucket: str | None = None) -> Session:
        """Return the session of a lab; nothing is asked or made.

        Parameters
        ----------
        lab, role
            The lab's name and the ARN of its execution role.
        bucket
            Where its files are; SageMaker's default bucket of this account and region if None.
        """
        return Session(
            mode=self.mode,
            lab=lab,
            region=self.region,
            account=self.account,
            caller=self.caller,
            role=role,
            bucket=bucket or f"sagemaker-{self.region}-{self.account}",
            prefix=f"{PREFIX}/{lab}",
            boto=self.boto,
            local=self.local,
        )

    def close(self) -> None:
        """Stop the local SageMaker if signing in started it; what it keeps stays on disk."""
        if self.local is not None:
            self.local.close()


def start(lab: str, mode: str | None = None) -> Session:
    """Find out where to run, and get everything ready there.

    Parameters
    ----------
    lab
        The lab's name, for instance ``few-shot``.
    mode
        ``local``, ``aws`` or ``auto``; ``$WORKSHOP_MODE`` if None, and ``auto`` if that is not
        set either. ``auto`` is AWS inside SageMaker Studio and local everywhere else, so nothing
        billable comes to be outside Studio unless AWS was asked for by name.

    Raises
    ------
    SessionError
        When the mode is not known, or there are no credentials, region, role or bucket.
    """
    signed_in = sign_in(mode)
    boto, region = signed_in.boto, signed_in.region
    bucket = os.environ.get(_BUCKET_VARIABLE)
    if bucket:
        _check_bucket(boto, bucket, region)
    else:
        bucket = f"sagemaker-{region}-{signed_in.account}"
        _ensure_default_bucket(boto, bucket, region, signed_in.account)
    return signed_in.session(lab, _execution_role(boto), bucket)


def sign_in(mode: str | None = None) -> SignedIn:
    """Find out where to run and as whom; nothing is made there.

    Parameters
    ----------
    mode
        As for `start`.

    Raises
    ------
    SessionError
        When the mode is not known, or there are no credentials or region.
    """
    _quiet_libraries()
    chosen = choose_mode(mode)
    local = None
    if chosen == "local":
        local = _start_locally()
    boto = boto3.Session()
    region = boto.region_name
    if region is None:
        raise SessionError("No AWS region is set. Set AWS_DEFAULT_REGION, for instance us-east-1.")
    try:
        identity = boto.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise SessionError(
            f"AWS does not know who you are: {error}. Configure credentials (`aws configure`), or "
            "set WORKSHOP_MODE=local to work without an account."
        ) from error
    return SignedIn(chosen, region, identity["Account"], identity["Arn"], boto, local)


def choose_mode(mode: str | None = None) -> Mode:
    """Return the mode that is asked for, or the one that fits this machine."""
    wanted = mode or os.environ.get("WORKSHOP_MODE") or "auto"
    if wanted == "auto":
        return "aws" if STUDIO_METADATA.exists() else "local"
    if wanted == "local":
        return "local"
    if wanted == "aws":
        return "aws"
    raise SessionError(f"WORKSHOP_MODE is {wanted!r}; it must be auto, local or aws.")


def _quiet_libraries() -> None:
    # The SDK switches logging on for everybody, and tells of every step it takes. What goes wrong
    # is raised.
    for name in ("sagemaker", "sagemaker.config", "botocore", "boto3", "httpx"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _start_locally() -> "LocalSageMaker":
    from local_sagemaker import LocalSageMaker
    from local_sagemaker.daemon import StartError
    from local_sagemaker.home import HomeError

    try:
        # Whoever does not close the session leaves the server running, as a notebook does: it
        # outlives the kernel, and so do its endpoints.
        return LocalSageMaker().start()
    except (StartError, HomeError) as error:
        raise SessionError(f"The local SageMaker does not start: {error}") from error


def _execution_role(boto: Any) -> str:
    from sagemaker.core.helper.session_helper import Session as SageMakerSession
    from sagemaker.core.helper.session_helper import get_execution_role

    role = os.environ.get(_ROLE_VARIABLE)
    if role:
        return role
    try:
        found: str = get_execution_role(SageMakerSession(boto_session=boto))
    except (ValueError, BotoCoreError, ClientError) as error:
        raise SessionError(
            f"You are not signed in with a role that SageMaker can act as ({error}). Set "
            f"{_ROLE_VARIABLE} to the ARN of an execution role."
        ) from error
    return found


def _check_bucket(boto: Any, bucket: str, region: str) -> None:
    try:
        found = boto.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        raise SessionError(
            f"{_BUCKET_VARIABLE} is {bucket}, which does not exist or is not yours to use "
            f"({error}). Set it to a bucket that is, or unset it."
        ) from error
    place = found.get("BucketRegion", region)
    if place != region:
        raise SessionError(
            f"{_BUCKET_VARIABLE} is {bucket}, which is in {place}; jobs in {region} need one that "
            "is there. Set another one, or unset it."
        )


def _ensure_default_bucket(boto: Any, bucket: str, region: str, account: str) -> None:
    s3 = boto.client("s3")
    # Anybody can guess this name and take it first; data must not go to such a bucket.
    owned = {"Bucket": bucket, "ExpectedBucketOwner": account}
    # us-east-1 is the one region that must not be named.
    place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        try:
            s3.head_bucket(**owned)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else place))
            s3.get_waiter("bucket_exists").wait(**owned)
    except (ClientError, WaiterError) as error:
        raise SessionError(
            f"The bucket {bucket} can be neither used nor made ({error}). Set {_BUCKET_VARIABLE} "
            f"to a bucket in {region} that is yours to use."
        ) from error
