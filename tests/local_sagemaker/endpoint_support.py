"""What the tests of endpoints share: deploying an inference script and asking it."""

import io
import socket
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from textwrap import dedent
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.settings import default_run_dir

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image"
ACCOUNT = "111122223333"

ECHO = """
    def model_fn(model_dir):
        return "a model"

    def transform_fn(model, data, content_type, accept, context):
        name = "X-Amzn-SageMaker-Custom-Attributes"
        sent = context.get_request_header(0, name)
        if sent is not None:
            context.set_response_header(0, name, f"echo {sent}")
        return f"{content_type}|{accept}|{data}", accept
"""


def answering(text: str) -> str:
    """Return an inference script that always answers one text."""
    return f"def model_fn(d): pass\ndef transform_fn(m, data, c, a): return {text!r}"


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """Return a ``.tar.gz`` of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else dedent(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class Deployer:
    """Deploys inference scripts on a local SageMaker through boto3."""

    def __init__(self, local: LocalSageMaker) -> None:
        self.local = local
        # Retries would hide an error, or send a request twice.
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=32)
        self.sagemaker = boto3.client("sagemaker", endpoint_url=local.url, config=config)
        self.runtime = boto3.client("sagemaker-runtime", endpoint_url=local.url, config=config)
        self.s3 = boto3.client("s3", endpoint_url=local.url)
        self.logs = boto3.client("logs", endpoint_url=local.url)
        self.bucket = f"models-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.deployed: list[str] = []

    def put(self, key: str, content: bytes) -> str:
        """Write an object; return its address."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def model(self, code: str = ECHO, /, **container: Any) -> str:
        """Create a model from an inference script, or as the container says; return its name."""
        name = f"model-{uuid.uuid4().hex[:8]}"
        files = {"code/inference.py": code, **container.pop("files", {})}
        if "ModelPackageName" not in container:
            container.setdefault("Image", IMAGE)
        if not {"ModelDataUrl", "ModelDataSource", "ModelPackageName"} & container.keys():
            container["ModelDataUrl"] = self.put(f"{name}/model.tar.gz", archive(files))
        self.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer=container,
            ExecutionRoleArn=ROLE,
        )
        return name

    def config(self, *variants: dict[str, Any], **parameters: Any) -> str:
        """Create an endpoint configuration; return its name."""
        name = f"config-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[variant(**given) for given in variants],
            **parameters,
        )
        return name

    def create(self, config: str) -> str:
        """Create an endpoint without waiting for it; return its name."""
        name = f"endpoint-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self.deployed.append(name)
        return name

    def deploy(self, code: str = ECHO, /, **container: Any) -> str:
        """Deploy an inference script and wait until it is in service; return its name."""
        name = self.create(self.config({"ModelName": self.model(code, **container)}))
        assert self.settled(name)["EndpointStatus"] == "InService"
        return name

    def describe(self, name: str) -> dict[str, Any]:
        """Return what DescribeEndpoint answers."""
        content: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return content

    def settled(self, name: str) -> dict[str, Any]:
        """Wait until nothing is done to an endpoint any more; return what it then is."""
        while True:
            content = self.describe(name)
            if content["EndpointStatus"] in ("InService", "OutOfService", "Failed"):
                return content
            time.sleep(0.02)

    def invoke(self, name: str, body: bytes | str = b"", **parameters: Any) -> dict[str, Any]:
        """Invoke an endpoint; the answer's ``Body`` is text."""
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, **parameters)
        return {**answer, "Body": answer["Body"].read().decode()}

    def delete(self, name: str) -> None:
        """Delete an endpoint and wait until it is gone."""
        self.sagemaker.delete_endpoint(EndpointName=name)
        self._wait_until_gone(name)

    def clear(self) -> None:
        """Delete all endpoints that are left."""
        # All at once: each takes as long as its processes need to end.
        for name in self.deployed:
            try:
                self.settled(name)
                self.sagemaker.delete_endpoint(EndpointName=name)
            except ClientError as error:
                assert "Could not find" in str(error)  # noqa: PT017  (no test, but its clean-up)
        for name in self.deployed:
            self._wait_until_gone(name)

    def _wait_until_gone(self, name: str) -> None:
        while True:
            try:
                self.describe(name)
            except ClientError:
                return
            time.sleep(0.02)

    def processes(self) -> list[psutil.Process]:
        """Return the serving processes of this server."""
        folder = str(default_run_dir(self.local.home))
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if "local_sagemaker.serving" in (command := process.info["cmdline"] or [])
            and any(word.startswith(folder) for word in command)
        ]

    def log(self, name: str) -> str:
        """Return all lines of an endpoint's logs."""
        group = f"/aws/sagemaker/Endpoints/{name}"
        events = self.logs.filter_log_events(logGroupName=group)["events"]
        return "\n".join(event["message"] for event in events)


def variant(**given: Any) -> dict[str, Any]:
    """Return a production variant with what was left out."""
    if "ServerlessConfig" in given:
        return {"VariantName": "AllTraffic", **given}
    return {
        "VariantName": "AllTraffic",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.xlarge",
        **given,
    }


@contextmanager
def refused(code: str) -> Iterator[dict[str, Any]]:
    """Expect an error of a code; its response is put into the dictionary."""
    found: dict[str, Any] = {}
    with pytest.raises(ClientError) as raised:
        yield found
    found.update(raised.value.response)
    found["Message"] = found["Error"]["Message"]
    assert found["Error"]["Code"] == code, raised.value


def sent(
    deployer: Deployer, path: str, body: str, own: dict[str, str] | None = None
) -> socket.socket:
    """Send a whole request, signed but for headers of its own; return the connection."""
    session = boto3.Session()
    url = f"{deployer.local.url}{path}"
    request = AWSRequest("POST", url, data=body.encode())
    credentials = session.get_credentials()
    assert credentials is not None
    SigV4Auth(credentials, "sagemaker", "us-east-1").add_auth(request)
    parts = urlsplit(url)
    headers = {**dict(request.headers), **(own or {}), "Host": parts.netloc}
    headers["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection = socket.create_connection((parts.hostname, parts.port))
    connection.sendall(f"POST {parts.path} HTTP/1.1\r\n{head}\r\n{body}".encode())
    return connection


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    while not condition():
        time.sleep(0.05)
