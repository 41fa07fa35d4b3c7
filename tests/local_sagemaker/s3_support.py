"""What the tests of S3 share: a second account, blobs on disk, the server's process."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import psutil

from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home

OTHER_ACCOUNT = "222233334444"


def other_client() -> Any:
    """Return an S3 client of another account."""
    answer = boto3.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/Guest", RoleSessionName="guest"
    )
    keys = answer["Credentials"]
    return boto3.client(
        "s3",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def blobs(folder: Path) -> list[str]:
    """Return the names of all files in the store, unfinished ones included."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that the server does on its own."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


def server_process(local: LocalSageMaker) -> psutil.Process:
    """Return the process of a running server."""
    info = Home(local.home).server()
    assert info is not None
    return psutil.Process(info.pid)
