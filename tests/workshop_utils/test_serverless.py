"""Which models get a serverless endpoint, how long waking one takes, and when it expires."""

import io
import tarfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workshop_utils import display, endpoints, latency, marks, serverless
from workshop_utils.endpoints import Endpoint, EndpointFailed
from workshop_utils.hosting import Serverless, inference_image
from workshop_utils.session import Session

_MEGABYTE = 1024 * 1024
_VPC = {"Subnets": ["subnet-0a1b2c3d"], "SecurityGroupIds": ["sg-0a1b2c3d"]}
_SCRIPT = """
import json
def model_fn(folder): return 1
def predict_fn(data, model): return [{"label": "yes", "score": 1.0}]
"""


def _archive(script: str = _SCRIPT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(script)
        archive.addfile(member, io.BytesIO(script.encode()))
    return packed.getvalue()


@pytest.fixture
def archive(ws: Session) -> str:
    """Return the address of a small model."""
    return ws.upload(_archive(), "serverless", uuid.uuid4().hex, "model.tar.gz")


@pytest.fixture
def model(ws: Session, archive: str) -> Iterator[Any]:
    """Return a function that makes a model and returns its name; they are deleted again."""
    client, made = ws.client("sagemaker"), []

    def make(container: dict[str, Any] | None = None, **given: Any) -> str:
        name = f"nlp-workshop-serverless-{uuid.uuid4().hex[:8]}"
        small = {"Image": inference_image(ws.region, "ml.m5.xlarge"), "ModelDataUrl": archive}
        client.create_model(
            ModelName=name,
            ExecutionRoleArn=ws.role,
            **({"PrimaryContainer": small if container is None else container} | given),
        )
        made.append(name)
        return name

    yield make
    for name in made:
        client.delete_model(ModelName=name)


@pytest.mark.parametrize(
    ("megabytes", "memory"),
    [(0, 2048), (1, 3072), (90, 3072), (512, 3072), (513, 4096), (2048, 6144)],
)
def test_memory_grows_with_the_archive_in_steps(megabytes: int, memory: int) -> None:
    assert serverless.fitting(megabytes * _MEGABYTE) == Serverless(memory)


def test_what_is_too_large_or_of_unknown_size_does_not_fit() -> None:
    assert serverless.fitting(2049 * _MEGABYTE) is None
    assert serverless.fitting(None) is None


def test_a_small_model_for_cpus_is_serverless_unless_somebody_says_otherwise(
    ws: Session, model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    name = model()
    assert serverless.choose(ws, name, None) == Serverless(3072)
    assert "A serverless endpoint with 3072 MB" in capsys.readouterr().out
    assert serverless.choose(ws, name, True) == Serverless(3072)
    assert serverless.choose(ws, name, Serverless(1024, 1)) == Serverless(1024, 1)
    assert serverless.choose(ws, name, False) is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"VpcConfig": _VPC}, "in a VPC"),
        ({"EnableNetworkIsolation": True}, "network isolation"),
    ],
)
def test_a_vpc_or_network_isolation_selects_machines_and_says_so_where_asked(
    ws: Session, model: Any, given: dict[str, Any], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = model(**given)
    assert serverless.choose(ws, name, None) is None
    assert capsys.readouterr().out == ""
    assert serverless.choose(ws, name, Serverless()) is None
    said = capsys.readouterr().out
    assert said.startswith("An endpoint with machines instead of a serverless one")
    assert why in said


def test_other_models_that_need_machines(
    ws: Session, model: Any, archive: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cpu = inference_image(ws.region, "ml.m5.xlarge")
    unpacked = {
        "S3DataSource": {
            "S3Uri": archive.rpartition("/")[0] + "/",
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
        }
    }
    gpu = inference_image(ws.region, "ml.g4dn.xlarge")
    for container, why in (
        ({"Image": gpu, "ModelDataUrl": archive}, "for GPUs"),
        ({"Image": cpu, "ModelDataSource": unpacked}, "unpacked"),
        ({"Image": cpu}, "no archive"),
        ({"Image": cpu, "ModelDataUrl": f"s3://{ws.bucket}/not/there.tar.gz"}, "no archive"),
    ):
        assert serverless.choose(ws, model(container), True) is None
        assert why in capsys.readouterr().out


@pytest.mark.slow
def test_deploying_is_serverless_by_default_cold_then_warm_and_expires(
    ws: Session, archive: str
) -> None:
    with display.requests() as seen:
        endpoint = endpoints.deploy(ws, archive, name="tiny", hours=2)
    try:
        [config] = seen.of("CreateEndpointConfig")
        [variant] = config.parameters["ProductionVariants"]
        assert variant["ServerlessConfig"] == {"MemorySizeInMB": 3072, "MaxConcurrency": 4}
        measured = latency.cold_and_warm(endpoint, "how are you?", 10)
        assert measured.was_cold
        assert measured.first_ms > measured.warm_median_ms
        assert len(measured.frame) == 11
        assert "waited for a start" in measured._repr_html_()
        assert not latency.cold_and_warm(endpoint, "how are you?", 10).was_cold
        first = _expiries(ws, endpoint)
        assert len(set(first)) == 1
        assert _about(first[0], 2)
        # Whoever deploys it again needs it for longer.
        assert endpoints.deploy(ws, archive, name="tiny", hours=30) == endpoint
        again = _expiries(ws, endpoint)
        assert len(again) == 3
        assert all(_about(moment, 30) for moment in again)
    finally:
        endpoint.delete()
    assert endpoint.status() is None


@pytest.mark.slow
def test_an_instance_type_selects_machines(ws: Session, archive: str) -> None:
    with display.requests() as seen:
        endpoint = endpoints.deploy(ws, archive, name="tiny", instance_type="ml.m5.large")
    try:
        [config] = seen.of("CreateEndpointConfig")
        assert config.parameters["ProductionVariants"][0]["InstanceType"] == "ml.m5.large"
        assert all(_about(moment, marks.HOURS) for moment in _expiries(ws, endpoint))
    finally:
        endpoint.delete()


@pytest.mark.slow
def test_a_serverless_model_that_does_not_load_leaves_nothing(ws: Session) -> None:
    broken = _archive("def model_fn(folder): raise RuntimeError('no such weights')")
    uri = ws.upload(broken, "serverless", "broken", "model.tar.gz")
    with pytest.raises(EndpointFailed, match="no such weights") as failure:
        endpoints.deploy(ws, uri, name="tiny", serverless=True)
    name = str(failure.value).split()[0]
    assert Endpoint(ws, name).status() is None


def test_measuring_needs_a_second_request(ws: Session) -> None:
    with pytest.raises(ValueError, match="at least"):
        latency.cold_and_warm(Endpoint(ws, "nobody"), "x", 0)


def _expiries(ws: Session, endpoint: Endpoint) -> list[datetime]:
    client = ws.client("sagemaker")
    arns = (
        client.describe_endpoint(EndpointName=endpoint.name)["EndpointArn"],
        client.describe_endpoint_config(EndpointConfigName=endpoint.name)["EndpointConfigArn"],
        client.describe_model(ModelName=endpoint.name)["ModelArn"],
    )
    found = [marks.expires(client.list_tags(ResourceArn=arn)["Tags"]) for arn in arns]
    return [moment for moment in found if moment is not None]


def _about(moment: datetime, hours: float) -> bool:
    left = moment - datetime.now(UTC)
    return timedelta(hours=hours) - timedelta(minutes=10) < left <= timedelta(hours=hours)
