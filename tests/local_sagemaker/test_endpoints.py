"""Endpoints through boto3: created, described, updated, deleted on a real server."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from local_sagemaker.settings import default_run_dir
from tests.local_sagemaker.endpoint_support import (
    ACCOUNT,
    ECHO,
    IMAGE,
    Deployer,
    answering,
    archive,
    refused,
    variant,
    wait_for,
)

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"


def test_an_endpoint_is_created_answers_and_is_deleted(deployer: Deployer) -> None:
    config = deployer.config({"ModelName": deployer.model()})
    name = deployer.create(config)
    assert deployer.describe(name)["EndpointStatus"] == "Creating"
    described = deployer.settled(name)
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointArn"] == f"{ARN}:endpoint/{name}"
    assert described["EndpointConfigName"] == config
    assert "FailureReason" not in described
    (shown,) = described["ProductionVariants"]
    assert shown["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    del shown["DeployedImages"]
    assert shown == {
        "VariantName": "AllTraffic",
        "CurrentWeight": 1.0,
        "DesiredWeight": 1.0,
        "CurrentInstanceCount": 1,
        "DesiredInstanceCount": 1,
    }
    listed = deployer.sagemaker.list_endpoints(NameContains=name)["Endpoints"]
    assert [item["EndpointStatus"] for item in listed] == ["InService"]
    assert (
        deployer.invoke(name, "x", ContentType="text/csv")["Body"] == "text/csv|application/json|x"
    )
    before = {process.pid for process in deployer.processes()}
    folders = set(_containers(deployer))
    deployer.delete(name)
    assert len(before) - len(deployer.processes()) == 1
    assert len(folders) - len(set(_containers(deployer))) == 1
    with refused("ValidationException") as error:
        deployer.describe(name)
    assert error["Message"] == f'Could not find endpoint "{ARN}:endpoint/{name}".'


def _containers(deployer: Deployer) -> list[Path]:
    return list((default_run_dir(deployer.local.home) / "c").iterdir())


def test_botocores_waiters_end(deployer: Deployer) -> None:
    name = deployer.create(deployer.config({"ModelName": deployer.model()}))
    patient = {"Delay": 1, "MaxAttempts": 60}
    deployer.sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig=patient
    )
    deployer.sagemaker.delete_endpoint(EndpointName=name)
    deployer.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig=patient)


def test_a_model_that_cannot_be_loaded_fails_with_the_end_of_its_traceback(
    deployer: Deployer,
) -> None:
    code = "def model_fn(model_dir):\n    raise OSError('no weights')\n"
    name = deployer.create(deployer.config({"ModelName": deployer.model(code)}))
    described = deployer.settled(name)
    assert described["EndpointStatus"] == "Failed"
    reason = described["FailureReason"]
    assert reason.startswith(
        "The primary container for production variant AllTraffic did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint."
    )
    assert reason.endswith("    raise OSError('no weights')\nOSError: no weights")
    assert "OSError: no weights" in deployer.log(name)
    with refused("ValidationError"):
        deployer.invoke(name)
    with refused("ValidationException") as error:
        deployer.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=described["EndpointConfigName"]
        )
    assert "it is Failed" in error["Message"]
    deployer.delete(name)


def test_a_long_reason_keeps_its_beginning_and_its_end(deployer: Deployer) -> None:
    code = "def model_fn(model_dir):\n    raise OSError('x' * 5000 + ' the end')\n"
    name = deployer.create(deployer.config({"ModelName": deployer.model(code)}))
    reason = deployer.settled(name)["FailureReason"]
    assert len(reason) == 1024
    assert reason.startswith("The primary container")
    assert reason.endswith(" the end")


def test_an_endpoint_is_not_there_before_its_model_is_loaded(
    deployer: Deployer, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    code = f"""
        import os, time
        def model_fn(model_dir):
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
        def transform_fn(m, d, c, a): return "loaded"
    """
    name = deployer.create(deployer.config({"ModelName": deployer.model(code)}))
    wait_for(deployer.processes)
    with refused("ValidationError") as error:
        deployer.invoke(name)
    assert error["Message"] == f"Endpoint {name} of account {ACCOUNT} not found."
    with refused("ValidationException") as error:
        deployer.sagemaker.delete_endpoint(EndpointName=name)
    assert error["Message"] == f'Cannot update in-progress endpoint "{ARN}:endpoint/{name}".'
    assert deployer.describe(name)["EndpointStatus"] == "Creating"
    gate.touch()
    assert deployer.settled(name)["EndpointStatus"] == "InService"
    assert deployer.invoke(name)["Body"] == "loaded"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda deployer: f"s3://{deployer.bucket}/not/there.tar.gz",
            'Failed to download model data for container "container_1" from URL: "{}".',
        ),
        (
            lambda _: "s3://no-such-bucket-anywhere/model.tar.gz",
            'Failed to download model data for container "container_1" from URL: "{}".',
        ),
        (
            lambda deployer: deployer.put("text.tar.gz", b"no archive"),
            'Failed to extract model data archive from URL "{}".',
        ),
        (
            lambda deployer: deployer.put("evil.tar.gz", archive({"../out": "x"})),
            'Failed to extract model data archive from URL "{}".',
        ),
        (
            # The last eight bytes are gzip's checksum and length.
            lambda deployer: deployer.put(
                "damaged.tar.gz", archive({"code/inference.py": ECHO})[:-8] + bytes(8)
            ),
            'Failed to extract model data archive from URL "{}".',
        ),
    ],
    ids=["no object", "no bucket", "no archive", "leads out", "damaged"],
)
def test_model_data_that_cannot_be_used_fails_the_endpoint(
    deployer: Deployer, make: Callable[[Deployer], str], reason: str
) -> None:
    url = make(deployer)
    model = deployer.model(ModelDataUrl=url)
    described = deployer.settled(deployer.create(deployer.config({"ModelName": model})))
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"].startswith(reason.format(url))


def test_requirements_are_checked_before_the_process_starts(deployer: Deployer) -> None:
    model = deployer.model(files={"code/requirements.txt": "no-such-package-here>=2\n"})
    name = deployer.create(deployer.config({"ModelName": model}))
    described = deployer.settled(name)
    assert described["EndpointStatus"] == "Failed"
    assert "no-such-package-here is not installed" in described["FailureReason"]
    name = deployer.deploy(files={"code/requirements.txt": "boto3<1\n"})
    assert "WARNING: requirements.txt asks for boto3<1" in deployer.log(name)


def test_what_is_not_there_or_not_served_is_refused_at_once(deployer: Deployer) -> None:
    with refused("ValidationException") as error:
        deployer.create("no-such-config")
    assert error["Message"] == (
        f'Could not find endpoint configuration "{ARN}:endpoint-config/no-such-config".'
    )
    with refused("ValidationException") as error:
        deployer.create(deployer.config({"ModelName": "no-such-model"}))
    assert error["Message"] == f'Could not find model "{ARN}:model/no-such-model".'
    model = deployer.model()
    shadow = variant(VariantName="shadow", ModelName=model)
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{deployer.bucket}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    for member, value in {
        "ShadowProductionVariants": [shadow],
        "DataCaptureConfig": capture,
    }.items():
        with refused("ValidationException") as error:
            deployer.create(deployer.config({"ModelName": model}, **{member: value}))
        assert f"it has {member}" in error["Message"]
    capture["EnableCapture"] = False
    name = deployer.create(deployer.config({"ModelName": model}, DataCaptureConfig=capture))
    assert deployer.settled(name)["EndpointStatus"] == "InService"
    deployer.sagemaker.create_model(
        ModelName=f"{model}-two",
        Containers=[{"Image": IMAGE, "ContainerHostname": host} for host in ("a", "b")],
        ExecutionRoleArn="arn:aws:iam::111122223333:role/x",
    )
    with refused("ValidationException") as error:
        deployer.create(deployer.config({"ModelName": f"{model}-two"}))
    assert "it has 2 containers; one is served" in error["Message"]
    with refused("ValidationException"):
        deployer.sagemaker.delete_endpoint(EndpointName="no-such-endpoint")


def test_a_name_can_be_used_once_at_a_time(deployer: Deployer) -> None:
    name = deployer.deploy()
    config = deployer.describe(name)["EndpointConfigName"]
    with refused("ValidationException") as error:
        deployer.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    assert error["Message"] == (f'Cannot create already existing endpoint "{ARN}:endpoint/{name}".')
    deployer.delete(name)
    deployer.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    assert deployer.settled(name)["EndpointStatus"] == "InService"


def test_environment_and_paths_are_those_of_a_container(deployer: Deployer) -> None:
    code = """
        import json, os
        import boto3
        def model_fn(model_dir):
            with open(os.path.join(model_dir, "weights")) as file:
                return file.read()
        def transform_fn(model, data, content_type, accept):
            here = os.environ["SAGEMAKER_BASE_DIR"]
            return json.dumps({
                "model": model,
                "mine": os.environ["MINE"].replace(here, "HERE"),
                "threads": os.environ["OMP_NUM_THREADS"],
                "caller": boto3.client("sts").get_caller_identity()["Arn"],
                "cwd": os.getcwd().replace(here, "HERE"),
            })
    """
    name = deployer.deploy(
        code, files={"weights": "42"}, Environment={"MINE": "/opt/ml/model/weights"}
    )
    assert json.loads(deployer.invoke(name)["Body"]) == {
        "model": "42",
        "mine": "HERE/model/weights",
        "threads": "1",
        "caller": f"arn:aws:sts::{ACCOUNT}:assumed-role/LocalSageMakerExecutionRole/SageMaker",
        "cwd": "HERE/model",
    }


@pytest.mark.parametrize("kind", ["prefix", "object in an archive", "code apart"])
def test_model_data_may_lie_in_s3_in_other_ways(deployer: Deployer, kind: str) -> None:
    code = {"code/inference.py": answering("found")}
    if kind == "prefix":
        deployer.put("flat/code/inference.py", code["code/inference.py"].encode())
        source = {
            "S3Uri": f"s3://{deployer.bucket}/flat/",
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
        }
        name = deployer.deploy(ModelDataSource={"S3DataSource": source})
    elif kind == "object in an archive":
        source = {
            "S3Uri": deployer.put("one.tar.gz", archive(code)),
            "S3DataType": "S3Object",
            "CompressionType": "Gzip",
        }
        name = deployer.deploy(ModelDataSource={"S3DataSource": source})
    else:
        url = deployer.put("apart.tar.gz", archive({"serve.py": answering("found")}))
        name = deployer.deploy(
            ModelDataUrl=deployer.put("empty.tar.gz", archive({"weights": ""})),
            Environment={"SAGEMAKER_SUBMIT_DIRECTORY": url, "SAGEMAKER_PROGRAM": "serve.py"},
        )
    assert deployer.invoke(name)["Body"] == "found"


def test_a_configuration_of_a_model_that_is_not_there_is_refused(deployer: Deployer) -> None:
    with refused("ValidationException") as error:
        deployer.config({"ModelName": "no"})
    assert error["Message"] == f'Could not find model "{ARN}:model/no".'
