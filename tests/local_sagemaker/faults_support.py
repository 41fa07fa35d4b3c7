"""What the tests of faults share: clients that try once, and what struck them."""

import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ONCE = Config(retries={"total_max_attempts": 1})


def once(service: str, **more: Any) -> Any:
    return boto3.client(service, config=ONCE, **more)


def struck(call: Callable[..., Any], **params: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return response["Error"]["Code"], status, response["Error"].get("Message", "")


def experiment() -> str:
    return f"experiment-{uuid.uuid4().hex}"
