"""Instances that run out: limits set as faults, told at once or by a job that finds none."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.database import Database
from local_sagemaker.faults.capacity import RequestedInstances
from local_sagemaker.identity import Caller
from local_sagemaker.store import Records
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.faults_support import once, struck
from tests.local_sagemaker.training_support import ROLE, Jobs


@pytest.fixture
def faulty(local: LocalSageMaker) -> Iterator[LocalSageMaker]:
    """The session's server, on which this test may set faults; none is left."""
    yield local
    local.faults.clear()


@pytest.fixture(scope="module")
def jobs(local: LocalSageMaker) -> Jobs:
    return Jobs(local)


class TestCapacity:
    def test_a_request_is_read_however_deep_it_is(self, tmp_path: Path) -> None:
        database = Database(tmp_path / "state.db")
        requested = RequestedInstances(Records(database))
        caller = Caller("111122223333", "us-east-1", "arn", "id", "key")
        deep: Any = {"InstanceType": "ml.m5.large"}
        for _ in range(5_000):
            deep = {"a": [deep], "InstanceType": "ml.g5.xlarge"}
        assert requested(caller, deep) == ["ml.m5.large", "ml.g5.xlarge"]
        database.close()

    def test_a_limit_of_an_instance_type(self, faulty: LocalSageMaker, jobs: Jobs) -> None:
        limit = faulty.faults.add(
            "CreateTrainingJob", "ResourceLimitExceeded", instance_type="ml.g5.xlarge"
        )
        resources = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
        code, status, message = struck(
            lambda: jobs.command("true", ResourceConfig=resources),
        )
        assert (code, status) == ("ResourceLimitExceeded", 400)
        assert message.startswith(
            "The account-level service limit 'ml.g5.xlarge for training job usage' is 0 Instances"
        )
        assert limit.struck == 1
        assert jobs.wait(jobs.command("true"))["TrainingJobStatus"] == "Completed"

    def test_a_limit_in_the_words_of_another_kind(self, faulty: LocalSageMaker) -> None:
        call = once("sagemaker").create_notebook_instance
        params = {"NotebookInstanceName": "n", "InstanceType": "ml.p5.48xlarge", "RoleArn": ROLE}
        with faulty.faults.add("CreateNotebookInstance", "ResourceLimitExceeded"):
            assert "'ml.p5.48xlarge for notebook instance usage'" in struck(call, **params)[2]

    def test_a_limit_behind_an_endpoint_configuration(self, faulty: LocalSageMaker) -> None:
        sagemaker, name = once("sagemaker"), f"limited-{uuid.uuid4().hex}"
        sagemaker.create_model(
            ModelName=name, PrimaryContainer={"Image": "some:1"}, ExecutionRoleArn=ROLE
        )
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.g5.2xlarge",
        }
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        endpoint = {"EndpointName": name, "EndpointConfigName": name}
        add = faulty.faults.add
        with (
            add("CreateEndpoint", "ResourceLimitExceeded", instance_type="ml.g5.xlarge") as other,
            add("CreateEndpoint", "ResourceLimitExceeded", instance_type="ml.g5.2xlarge"),
        ):
            code, _, message = struck(sagemaker.create_endpoint, **endpoint)
            assert other.struck == 0
        assert code == "ResourceLimitExceeded"
        assert "'ml.g5.2xlarge for endpoint usage'" in message

    def test_a_job_that_is_accepted_and_finds_no_instance(
        self, faulty: LocalSageMaker, jobs: Jobs
    ) -> None:
        with faulty.faults.add("CreateTrainingJob", "CapacityError", times=1) as fault:
            name = jobs.command("true")
            job = jobs.wait(name)
            assert fault.struck == 1
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"] == (
            "CapacityError: Unable to provision requested ML compute capacity. Please retry using "
            "a different ML instance type."
        )
        assert jobs.wait(jobs.command("true"))["TrainingJobStatus"] == "Completed"

    def test_an_endpoint_that_is_accepted_and_finds_no_instance(
        self, faulty: LocalSageMaker, deployer: Deployer
    ) -> None:
        reason = (
            "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity "
            "error. Please retry using a different ML instance type or after some time."
        )
        config = deployer.config({"ModelName": deployer.model()})
        with faulty.faults.add("CreateEndpoint", "CapacityError", times=1):
            failed = deployer.settled(deployer.create(config))
        assert (failed["EndpointStatus"], failed["FailureReason"]) == ("Failed", reason)
        name = deployer.create(config)
        assert deployer.settled(name)["EndpointStatus"] == "InService"
        with faulty.faults.add("UpdateEndpoint", "CapacityError", times=1):
            deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
            # It goes on with what it has.
            kept = deployer.settled(name)
        assert (kept["EndpointStatus"], kept["FailureReason"]) == ("InService", reason)
        assert deployer.runtime.invoke_endpoint(EndpointName=name, Body=b"x")
