"""Serverless endpoints through boto3: in service without a process, cold, warm, asleep again."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.commands.status import card
from tests.local_sagemaker.endpoint_support import (
    ROLE,
    Deployer,
    answering,
    refused,
    variant,
    wait_for,
)

_SIZE = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
_SLOW = """
    import time
    def model_fn(d): pass
    def transform_fn(m, data, c, a):
        time.sleep(float(data))
        return "slept"
"""


def serverless(deployer: Deployer, model: str, **size: int) -> str:
    """Create a serverless endpoint of a model; return its name."""
    name = deployer.create(deployer.config({"ModelName": model, "ServerlessConfig": _SIZE | size}))
    assert deployer.settled(name)["EndpointStatus"] == "InService"
    return name


def figures(deployer: Deployer, name: str) -> dict[str, Any]:
    """Return what status shows of an endpoint's only variant."""
    (found,) = [e for e in deployer.local.status()["endpoints"] if e["name"] == name]
    (shown,) = found["variants"]
    assert isinstance(shown, dict)
    return shown


class TestLife:
    def test_it_is_in_service_without_a_process_and_the_first_request_starts_one(
        self, deployer: Deployer
    ) -> None:
        name = serverless(deployer, deployer.model(answering("here")))
        shown = figures(deployer, name)
        assert (shown["serverless"], shown["processes"], shown["cold_starts"]) == (True, 0, 0)
        assert "serverless, asleep, 0 cold starts" in card(deployer.local.status())
        with ThreadPoolExecutor(2) as several:
            asked = [several.submit(deployer.invoke, name) for _ in range(2)]
            assert [future.result()["Body"] for future in asked] == ["here", "here"]
        shown = figures(deployer, name)
        assert (shown["processes"], shown["cold_starts"], shown["invocations"]) == (1, 1, 2)
        assert shown["cold_start_ms"]["max"] > 0
        assert shown["latency_ms"]["max"] >= shown["cold_start_ms"]["max"] * 0.9
        assert "serverless, 1 awake, 1 cold starts" in card(deployer.local.status())
        assert "A process starts when a request needs one" in deployer.log(name)

    def test_a_model_that_cannot_serve_is_never_in_service(self, deployer: Deployer) -> None:
        model = deployer.model("raise OSError('no weights')")
        name = deployer.create(deployer.config({"ModelName": model, "ServerlessConfig": _SIZE}))
        described = deployer.settled(name)
        assert described["EndpointStatus"] == "Failed"
        assert described["FailureReason"].endswith("OSError: no weights")

    def test_an_image_for_gpus_does_not_come_up(self, deployer: Deployer) -> None:
        image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6-gpu-py312"
        model = deployer.model(answering("x"), Image=image)
        name = deployer.create(deployer.config({"ModelName": model, "ServerlessConfig": _SIZE}))
        described = deployer.settled(name)
        assert described["EndpointStatus"] == "Failed"
        assert "made for GPUs" in described["FailureReason"]

    def test_requests_beyond_the_concurrency_are_throttled(self, deployer: Deployer) -> None:
        name = serverless(deployer, deployer.model(_SLOW), MaxConcurrency=1)
        deployer.invoke(name, "0")
        with ThreadPoolExecutor(1) as other:
            asked = other.submit(deployer.invoke, name, "1")
            wait_for(lambda: figures(deployer, name)["in_flight"])
            with refused("ThrottlingException") as error:
                deployer.invoke(name, "0")
            assert asked.result()["Body"] == "slept"
        assert error["Message"] == "Rate exceeded"
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert deployer.invoke(name, "0")["Body"] == "slept"

    @pytest.mark.slow
    def test_a_start_that_fails_is_a_model_error_and_the_endpoint_stays(
        self, deployer: Deployer
    ) -> None:
        # It loads once, for the proof, and never again.
        model = deployer.model(
            """
            import os
            mark = "loaded-once"
            if os.path.exists(mark): raise OSError("not twice")
            open(mark, "w").close()
            def model_fn(d): pass
            def transform_fn(m, d, c, a): return "never"
            """
        )
        name = serverless(deployer, model)
        for _ in range(2):
            with refused("ModelError") as error:
                deployer.invoke(name)
            assert error["OriginalStatusCode"] == 500
            assert "OSError: not twice" in error["OriginalMessage"]
        assert deployer.describe(name)["EndpointStatus"] == "InService"
        deployer.delete(name)


@pytest.mark.slow
class TestUpdates:
    def test_instances_take_over_in_place_and_the_way_back_is_closed(
        self, deployer: Deployer
    ) -> None:
        name = serverless(deployer, deployer.model(answering("serverless")))
        assert deployer.invoke(name)["Body"] == "serverless"
        before = deployer.describe(name)["EndpointConfigName"]
        machines = deployer.config({"ModelName": deployer.model(answering("instances"))})
        deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=machines)
        (shown,) = deployer.settled(name)["ProductionVariants"]
        assert shown["CurrentInstanceCount"] == 1
        assert "CurrentServerlessConfig" not in shown
        assert deployer.invoke(name)["Body"] == "instances"
        with refused("ValidationException") as error:
            deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=before)
        assert "cannot be converted to a serverless one" in error["Message"]
        assert deployer.describe(name)["EndpointStatus"] == "InService"

    def test_an_update_during_a_cold_start_answers_who_waits(self, deployer: Deployer) -> None:
        slow = deployer.model(
            "import time\ndef model_fn(d): time.sleep(2)\n"
            "def transform_fn(m, d, c, a): return 'old'"
        )
        name = serverless(deployer, slow)
        new = deployer.config(
            {"ModelName": deployer.model(answering("new")), "ServerlessConfig": _SIZE}
        )
        with ThreadPoolExecutor(1) as other:
            asked = other.submit(deployer.invoke, name)
            wait_for(lambda: figures(deployer, name)["in_flight"])
            deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new)
            assert asked.result()["Body"] == "old"
        deployer.settled(name)
        assert deployer.invoke(name)["Body"] == "new"
        assert figures(deployer, name)["processes"] == 1

    def test_a_deletion_during_a_cold_start_ends_the_wait(self, deployer: Deployer) -> None:
        slow = deployer.model(
            "import time\ndef model_fn(d): time.sleep(3)\n"
            "def transform_fn(m, d, c, a): return 'late'"
        )
        name = serverless(deployer, slow)
        before = len(deployer.processes())
        failed: list[str] = []

        def ask() -> None:
            try:
                deployer.invoke(name)
            except ClientError as error:
                failed.append(error.response["Error"]["Message"])

        thread = threading.Thread(target=ask)
        thread.start()
        wait_for(lambda: len(deployer.processes()) > before)
        deployer.delete(name)
        thread.join()
        assert failed == [f"Endpoint {name} of account 111122223333 not found."]
        assert len(deployer.processes()) == before

    def test_provisioned_concurrency_is_kept_and_can_be_changed(self, deployer: Deployer) -> None:
        name = serverless(deployer, deployer.model(answering("x")), ProvisionedConcurrency=1)
        assert figures(deployer, name)["processes"] == 1
        deployer.invoke(name)
        assert figures(deployer, name)["cold_starts"] == 0

        def change(**update: int) -> None:
            deployer.sagemaker.update_endpoint_weights_and_capacities(
                EndpointName=name,
                DesiredWeightsAndCapacities=[
                    {"VariantName": "AllTraffic", "ServerlessUpdateConfig": update}
                ],
            )
            deployer.settled(name)

        change(ProvisionedConcurrency=2)
        (shown,) = deployer.describe(name)["ProductionVariants"]
        assert shown["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 2
        assert figures(deployer, name)["processes"] == 2
        with refused("ValidationException") as error:
            change(MaxConcurrency=1)
        assert "less than or equal to the maximum" in error["Message"]


@pytest.mark.slow
def test_it_falls_asleep_and_is_back_after_a_restart_without_a_process(
    fresh_home: LocalSageMaker,
) -> None:
    deployer = Deployer(fresh_home)
    name = serverless(deployer, deployer.model(answering("here")))
    for _ in range(2):
        assert deployer.invoke(name)["Body"] == "here"
        wait_for(lambda: not deployer.processes())
        assert deployer.describe(name)["EndpointStatus"] == "InService"
    assert "there was no request for 1 s" in deployer.log(name)
    deployer.invoke(name)
    (process,) = deployer.processes()
    fresh_home.close()
    assert not psutil.pid_exists(process.pid)
    fresh_home.start()
    assert deployer.settled(name)["EndpointStatus"] == "InService"
    assert deployer.processes() == []
    assert deployer.invoke(name)["Body"] == "here"
    (process,) = deployer.processes()
    process.kill()
    process.wait()
    assert deployer.invoke(name)["Body"] == "here"
    fresh_home.close()
    assert deployer.processes() == []


@pytest.fixture
def fresh_home(fresh: LocalSageMaker, monkeypatch: pytest.MonkeyPatch) -> LocalSageMaker:
    """Return a local SageMaker whose serverless endpoints sleep after a second."""
    fresh.close()
    monkeypatch.setenv("LOCAL_SAGEMAKER_SERVERLESS_IDLE_SECONDS", "1")
    fresh.start()
    return fresh


class TestRules:
    @pytest.mark.parametrize(
        ("size", "said"),
        [
            ({"MemorySizeInMB": 1500}, "valid values are in 1 GB increments: 1024 MB"),
            ({"MemorySizeInMB": 7168}, "less than or equal to 6144"),
            ({"MemorySizeInMB": 512}, "greater than or equal to 1024"),
            ({"MaxConcurrency": 0}, "greater than or equal to 1"),
            ({"MaxConcurrency": 201}, "less than or equal to 200"),
            ({"ProvisionedConcurrency": 3}, "less than or equal to the maximum"),
        ],
    )
    def test_sizes_that_there_are_not(
        self, deployer: Deployer, size: dict[str, int], said: str
    ) -> None:
        model = deployer.model()
        with refused("ValidationException") as error:
            _unchecked(deployer, {"ModelName": model, "ServerlessConfig": _SIZE | size})
        assert said in error["Message"]

    @pytest.mark.parametrize(
        "beside",
        [
            {"InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 1},
            {"VolumeSizeInGB": 10},
        ],
    )
    def test_nothing_of_instances_beside_it(
        self, deployer: Deployer, beside: dict[str, Any]
    ) -> None:
        model = deployer.model()
        with refused("ValidationException") as error:
            deployer.config({"ModelName": model, "ServerlessConfig": _SIZE, **beside})
        assert "cannot be given beside ServerlessConfig" in error["Message"]

    def test_one_variant(self, deployer: Deployer) -> None:
        model = deployer.model()
        first = {"ModelName": model, "ServerlessConfig": _SIZE}
        for second in ({"ServerlessConfig": _SIZE}, {}):
            with refused("ValidationException") as error:
                deployer.config(first, {"ModelName": model, "VariantName": "Other", **second})
            assert "a serverless endpoint has one production variant" in error["Message"]

    @pytest.mark.parametrize(
        "given",
        [
            {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://some-bucket/out"}}},
            {
                "DataCaptureConfig": {
                    "EnableCapture": True,
                    "InitialSamplingPercentage": 100,
                    "DestinationS3Uri": "s3://some-bucket/captured",
                    "CaptureOptions": [{"CaptureMode": "Input"}],
                }
            },
        ],
    )
    def test_features_it_does_not_have(self, deployer: Deployer, given: dict[str, Any]) -> None:
        model = deployer.model()
        with refused("ValidationException") as error:
            deployer.config({"ModelName": model, "ServerlessConfig": _SIZE}, **given)
        assert f"{next(iter(given))} is not supported" in error["Message"]

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"EnableNetworkIsolation": True}, "network isolation"),
            (
                {"VpcConfig": {"Subnets": ["subnet-12345"], "SecurityGroupIds": ["sg-12345"]}},
                "VPCs are not supported",
            ),
        ],
    )
    def test_models_it_cannot_serve(
        self, deployer: Deployer, given: dict[str, Any], said: str
    ) -> None:
        name = f"{deployer.model()}-kept-in"
        deployer.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image"},
            ExecutionRoleArn=ROLE,
            **given,
        )
        with refused("ValidationException") as error:
            deployer.config({"ModelName": name, "ServerlessConfig": _SIZE})
        assert said in error["Message"]


def _unchecked(deployer: Deployer, given: dict[str, Any]) -> None:
    """Create an endpoint configuration without boto3's own check of the ranges."""
    config = Config(parameter_validation=False)
    client = boto3.client("sagemaker", endpoint_url=deployer.local.url, config=config)
    client.create_endpoint_config(
        EndpointConfigName="never-there", ProductionVariants=[variant(**given)]
    )
