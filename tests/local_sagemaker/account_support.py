"""Accounts for tests: as many as wanted, each with its own session, and filled with records."""

import itertools
import json
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

_NUMBERS = itertools.count(300_000_000_000)
_LOADER = botocore.session.Session().get_component("data_loader")
_CONFIG = Config(max_pool_connections=32)
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image"
# One round of `fill` makes these kinds; the endpoint that is created fails at once.
KINDS = (
    "ModelPackageGroup",
    "Experiment",
    "TrialComponent",
    "Model",
    "Pipeline",
    "HumanTaskUi",
    "LogGroup",
    "Bucket",
    "Object",
    "EndpointConfig",
)


@dataclass(frozen=True)
class TestAccount:
    """One account on the running server, acted in as one of its roles."""

    # Pytest does not collect it.
    __test__ = False

    number: str
    session: Any

    @property
    def role(self) -> str:
        """The ARN of the role that `session` acts as."""
        return f"arn:aws:iam::{self.number}:role/Instructor"

    @cached_property
    def clients(self) -> dict[str, Any]:
        """The clients made so far: making one takes longer than most requests."""
        return {}

    def client(self, service: str) -> Any:
        """Return a client of this account."""
        if service not in self.clients:
            self.clients[service] = self.session.client(service, config=_CONFIG)
        return self.clients[service]


def new_account(number: str | None = None) -> TestAccount:
    """Return an account that nobody has used, or the one of a number."""
    number = number or f"{next(_NUMBERS):012d}"
    key = boto3.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{number}:role/Instructor", RoleSessionName="test"
    )["Credentials"]
    shared = botocore.session.Session()
    # Each session would read the service models anew, which takes longer than all requests.
    shared.register_component("data_loader", _LOADER)
    session = boto3.Session(
        botocore_session=shared,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["SessionToken"],
        region_name="us-east-1",
    )
    return TestAccount(number, session)


def new_accounts(number: int) -> list[TestAccount]:
    """Return accounts that nobody has used."""
    return [new_account() for _ in range(number)]


def fill(
    account: TestAccount,
    number: int = 200,
    *,
    prefix: str = "nlp-workshop",
    tags: dict[str, str] | None = None,
) -> list[str]:
    """Make records of many kinds, none of which starts a process; return what they are called.

    Parameters
    ----------
    account
        Where.
    number
        How many, kinds in turn.
    prefix
        What their names begin with.
    tags
        On all that can carry tags.
    """
    made = []
    run = uuid.uuid4().hex[:6]
    for count in range(number):
        kind = KINDS[count % len(KINDS)]
        name = f"{prefix}-{run}-{count:03d}"
        _make(account, kind, name, tags or {})
        made.append(name)
    return made


def fill_all(accounts: Sequence[TestAccount], number: int = 200, **more: Any) -> None:
    """Fill accounts side by side."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda account: fill(account, number, **more), accounts))


def _make(account: TestAccount, kind: str, name: str, tags: dict[str, str]) -> None:
    sagemaker = account.client("sagemaker")
    listed = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
    if kind == "Model":
        container = {"Image": IMAGE}
        sagemaker.create_model(
            ModelName=name, PrimaryContainer=container, ExecutionRoleArn=account.role, **listed
        )
    elif kind == "EndpointConfig":
        model = f"{name}-m"
        _make(account, "Model", model, tags)
        variant = {"VariantName": "All", "ModelName": model, "InstanceType": "ml.m5.large"}
        variants = [variant | {"InitialInstanceCount": 1}]
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=variants, **listed
        )
    elif kind == "Pipeline":
        sagemaker.create_pipeline(
            PipelineName=name,
            PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": []}),
            RoleArn=account.role,
            ClientRequestToken=uuid.uuid4().hex,
            **listed,
        )
    elif kind == "HumanTaskUi":
        sagemaker.create_human_task_ui(
            HumanTaskUiName=name, UiTemplate={"Content": "<p>task</p>"}, **listed
        )
    elif kind == "LogGroup":
        account.client("logs").create_log_group(
            logGroupName=f"/aws/{name}", **({"tags": tags} if tags else {})
        )
    elif kind == "Bucket":
        bucket = f"{name}-{account.number}"
        account.client("s3").create_bucket(Bucket=bucket)
        if tags:
            account.client("s3").put_bucket_tagging(
                Bucket=bucket, Tagging={"TagSet": listed["Tags"]}
            )
    elif kind == "Object":
        bucket = f"{name}-{account.number}"
        account.client("s3").create_bucket(Bucket=bucket)
        account.client("s3").put_object(Bucket=bucket, Key=name, Body=b"content")
    else:
        words = {
            "ModelPackageGroup": "model_package_group",
            "Experiment": "experiment",
            "TrialComponent": "trial_component",
        }[kind]
        getattr(sagemaker, f"create_{words}")(**{f"{kind}Name": name}, **listed)
