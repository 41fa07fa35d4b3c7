"""Faults on purpose: what real clients see of them, whom they strike, and how they are set."""

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from local_sagemaker import LocalSageMaker
from local_sagemaker.control import ask
from local_sagemaker.faults.capacity import RequestedInstances
from local_sagemaker.faults.catalog import SERVICES, find_error
from local_sagemaker.faults.client import FaultError
from local_sagemaker.home import Home, HomeError, ServerInfo
from local_sagemaker.identity import Caller
from local_sagemaker.protocol import service_model
from local_sagemaker.store import Database, Records
from tests.local_sagemaker.core_support import client_of, send
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.training_support import ROLE, Jobs

ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture
def faulty(local: LocalSageMaker) -> Iterator[LocalSageMaker]:
    """The session's server, on which this test may set faults; none is left."""
    yield local
    local.faults.clear()


@pytest.fixture(scope="module")
def jobs(local: LocalSageMaker) -> Jobs:
    return Jobs(local)


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


METRIC_QUERY = {
    "MetricName": "m",
    "ResourceArn": "arn:aws:sagemaker:us-east-1:111122223333:experiment/e",
    "MetricStat": "Last",
    "Period": "OneMinute",
    "XAxisType": "Timestamp",
}
# One operation of each service, and how each answers two errors that all have.
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sagemaker": ("ListModels", "list_models", {}),
    "sagemaker-runtime": ("InvokeEndpoint", "invoke_endpoint", {"EndpointName": "e", "Body": b""}),
    "sagemaker-metrics": (
        "BatchGetMetrics",
        "batch_get_metrics",
        {"MetricQueries": [METRIC_QUERY]},
    ),
    "sagemaker-a2i-runtime": (
        "DescribeHumanLoop",
        "describe_human_loop",
        {"HumanLoopName": "loop"},
    ),
    "s3": ("ListObjectsV2", "list_objects_v2", {"Bucket": "some-bucket"}),
    "sts": ("GetCallerIdentity", "get_caller_identity", {}),
    "iam": ("ListRoles", "list_roles", {}),
    "logs": ("DescribeLogGroups", "describe_log_groups", {}),
    "service-quotas": ("ListServiceQuotas", "list_service_quotas", {"ServiceCode": "sagemaker"}),
}
JSON_CODES = {
    "ThrottlingException": ("ThrottlingException", 400),
    "InternalFailure": ("InternalFailure", 500),
    "ServiceUnavailable": ("ServiceUnavailable", 503),
    "ExpiredToken": ("ExpiredTokenException", 403),
    "AccessDenied": ("AccessDeniedException", 403),
}
QUERY_CODES = JSON_CODES | {
    "ThrottlingException": ("Throttling", 400),
    "ExpiredToken": ("ExpiredToken", 403),
    "AccessDenied": ("AccessDenied", 403),
}
S3_CODES = QUERY_CODES | {
    "ThrottlingException": ("SlowDown", 503),
    "InternalFailure": ("InternalError", 500),
    "ExpiredToken": ("ExpiredToken", 400),
}
# This one's model has an error of that name itself.
A2I_CODES = JSON_CODES | {"ThrottlingException": ("ThrottlingException", 429)}
CODES = {
    "s3": S3_CODES,
    "sts": QUERY_CODES,
    "iam": QUERY_CODES,
    "sagemaker-a2i-runtime": A2I_CODES,
}


def test_every_service_that_can_be_struck_is_called_here() -> None:
    assert set(CALLS) == set(SERVICES)


@pytest.mark.parametrize("service", CALLS)
def test_common_errors_in_the_words_of_each_protocol(faulty: LocalSageMaker, service: str) -> None:
    operation, method, params = CALLS[service]
    call = getattr(once(service), method)
    for error, (code, status) in CODES.get(service, JSON_CODES).items():
        with faulty.faults.add(operation, error, service=service) as fault:
            assert struck(call, **params)[:2] == (code, status)
            assert fault.struck == 1
    assert faulty.faults.list() == []


@pytest.mark.parametrize(
    ("service", "operation", "error", "code", "status"),
    [
        ("sagemaker", "CreateTrainingJob", "ResourceInUse", "ResourceInUse", 400),
        ("sagemaker", "DescribeExperiment", "ResourceNotFound", "ResourceNotFound", 400),
        ("sagemaker-runtime", "InvokeEndpoint", "ModelError", "ModelError", 424),
        ("sagemaker-runtime", "InvokeEndpoint", "ServiceUnavailable", "ServiceUnavailable", 503),
        ("sagemaker-runtime", "InvokeEndpoint", "InternalFailure", "InternalFailure", 500),
        ("s3", "CreateBucket", "BucketAlreadyExists", "BucketAlreadyExists", 409),
        ("s3", "GetObject", "NoSuchKey", "NoSuchKey", 404),
        # By the name of its shape, and by the code that goes over the wire.
        ("iam", "GetRole", "NoSuchEntityException", "NoSuchEntity", 404),
        ("iam", "GetRole", "NoSuchEntity", "NoSuchEntity", 404),
        ("sts", "AssumeRole", "RegionDisabledException", "RegionDisabledException", 403),
    ],
)
def test_modelled_errors_have_the_model_s_status(
    service: str, operation: str, error: str, code: str, status: int
) -> None:
    answer = find_error(service, operation, error)
    assert (answer.code, answer.status) == (code, status)
    assert answer.message


def test_a_modelled_error_is_the_client_s_own_exception(faulty: LocalSageMaker) -> None:
    sagemaker, runtime = once("sagemaker"), once("sagemaker-runtime")
    with (
        faulty.faults.add("DescribeExperiment", "ResourceNotFound", message="as I say"),
        pytest.raises(sagemaker.exceptions.ResourceNotFound, match="as I say"),
    ):
        sagemaker.describe_experiment(ExperimentName="e")
    with (
        faulty.faults.add("InvokeEndpoint", "ModelError"),
        pytest.raises(runtime.exceptions.ModelError) as caught,
    ):
        runtime.invoke_endpoint(EndpointName="e", Body=b"")
    assert caught.value.response["OriginalStatusCode"] == 500


def test_a_client_that_retries_succeeds_at_the_third_try(faulty: LocalSageMaker) -> None:
    fault = faulty.faults.add("CreateExperiment", "ThrottlingException", times=2)
    config = Config(retries={"mode": "standard", "total_max_attempts": 3})
    answer = boto3.client("sagemaker", config=config).create_experiment(ExperimentName=experiment())
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert fault.struck == 2
    (listed,) = faulty.faults.list()
    assert not listed["active"]
    assert faulty.status()["faults"] == []


def test_it_strikes_before_anything_happens(faulty: LocalSageMaker) -> None:
    sagemaker, s3, name = once("sagemaker"), once("s3"), experiment()
    with faulty.faults.add("CreateExperiment", "InternalFailure"):
        assert struck(sagemaker.create_experiment, ExperimentName=name)[0] == "InternalFailure"
    assert struck(sagemaker.describe_experiment, ExperimentName=name)[0] == "ResourceNotFound"
    bucket = f"bucket-{uuid.uuid4()}"
    s3.create_bucket(Bucket=bucket)
    with faulty.faults.add("PutObject", "InternalFailure"):
        params = {"Bucket": bucket, "Key": "k", "Body": b"x" * 3_000_000}
        assert struck(s3.put_object, **params)[0] == "InternalError"
    # The body that nobody read does not disturb the connection.
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


class TestAfterTheEffect:
    """What only tests of idempotency can find."""

    def test_the_answer_is_an_error(self, faulty: LocalSageMaker) -> None:
        sagemaker, name = once("sagemaker"), experiment()
        with faulty.faults.add("CreateExperiment", "InternalFailure", after=True):
            assert struck(sagemaker.create_experiment, ExperimentName=name)[0] == "InternalFailure"
        assert sagemaker.describe_experiment(ExperimentName=name)["ExperimentName"] == name

    @pytest.mark.parametrize("after", [False, True])
    def test_the_connection_is_closed(self, faulty: LocalSageMaker, after: bool) -> None:
        sagemaker, name = once("sagemaker"), experiment()
        with (
            faulty.faults.add("CreateExperiment", "ConnectionClosed", after=after) as fault,
            pytest.raises(ConnectionClosedError),
        ):
            sagemaker.create_experiment(ExperimentName=name)
        assert fault is not None
        found = sagemaker.list_experiments(MaxResults=100)["ExperimentSummaries"]
        assert (name in [one["ExperimentName"] for one in found]) is after

    def test_a_retry_meets_what_the_first_try_made(self, faulty: LocalSageMaker) -> None:
        faulty.faults.add("CreateExperiment", "ConnectionClosed", after=True, times=1)
        name = experiment()
        code, _, message = struck(boto3.client("sagemaker").create_experiment, ExperimentName=name)
        assert code == "ValidationException"
        assert name in message

    def test_of_a_download(self, faulty: LocalSageMaker) -> None:
        s3, bucket = once("s3"), f"bucket-{uuid.uuid4()}"
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 1_000_000)
        with faulty.faults.add("GetObject", "InternalFailure", after=True):
            assert struck(s3.get_object, Bucket=bucket, Key="k")[0] == "InternalError"
        assert len(s3.get_object(Bucket=bucket, Key="k")["Body"].read()) == 1_000_000

    def test_what_was_refused_stays_refused_as_it_was(self, faulty: LocalSageMaker) -> None:
        with faulty.faults.add("DescribeExperiment", "InternalFailure", after=True):
            call = once("sagemaker").describe_experiment
            assert struck(call, ExperimentName="never-made")[0] == "ResourceNotFound"


class TestLatency:
    def test_alone(self, faulty: LocalSageMaker) -> None:
        with faulty.faults.add("ListModels", latency=0.3, times=1) as fault:
            began = time.monotonic()
            assert "Models" in once("sagemaker").list_models()
            assert time.monotonic() - began >= 0.3
            assert fault.struck == 1

    def test_it_holds_up_nobody_else(self, faulty: LocalSageMaker) -> None:
        slow = threading.Thread(target=once("sagemaker").list_models, daemon=True)
        with faulty.faults.add("ListModels", latency=4, times=1) as fault:
            slow.start()
            while not fault.struck:
                time.sleep(0.01)
            # Asked and answered while the other waits.
            assert "Models" in once("sagemaker").list_models()
            assert slow.is_alive()

    def test_before_an_error(self, faulty: LocalSageMaker) -> None:
        with faulty.faults.add("ListModels", "ServiceUnavailable", latency=0.3):
            began = time.monotonic()
            assert struck(once("sagemaker").list_models)[0] == "ServiceUnavailable"
            assert time.monotonic() - began >= 0.3


class TestWhoIsStruck:
    def test_exactly_so_many_of_many_at_once(self, faulty: LocalSageMaker) -> None:
        faulty.faults.add("ListModels", "ServiceUnavailable", times=17)
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=16)
        sagemaker = boto3.client("sagemaker", config=config)

        def fails(_: int) -> bool:
            try:
                sagemaker.list_models()
            except ClientError:
                return True
            return False

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(fails, range(64))) == 17

    def test_a_share_that_a_seed_repeats(self, faulty: LocalSageMaker) -> None:
        sagemaker = once("sagemaker")

        def outcomes() -> list[bool]:
            found = []
            with faulty.faults.add("ListModels", "InternalFailure", probability=0.4, seed=7):
                for _ in range(40):
                    try:
                        sagemaker.list_models()
                        found.append(True)
                    except ClientError:
                        found.append(False)
            return found

        first = outcomes()
        assert outcomes() == first
        assert 5 < first.count(False) < 30

    def test_an_account(self, faulty: LocalSageMaker) -> None:
        role = "arn:aws:iam::444455556666:role/Other"
        issued = client_of("sts").assume_role(RoleArn=role, RoleSessionName="other")["Credentials"]
        other = once(
            "sagemaker",
            aws_access_key_id=issued["AccessKeyId"],
            aws_secret_access_key=issued["SecretAccessKey"],
            aws_session_token=issued["SessionToken"],
        )
        with faulty.faults.add("ListModels", "AccessDenied", account="444455556666"):
            assert "Models" in once("sagemaker").list_models()
            code, _, message = struck(other.list_models)
        assert code == "AccessDeniedException"
        assert "arn:aws:sts::444455556666:assumed-role/Other/other is not authorized" in message

    def test_all_of_a_service(self, faulty: LocalSageMaker) -> None:
        with faulty.faults.add("*", "ServiceUnavailable", service="sagemaker"):
            assert struck(once("sagemaker").list_models)[0] == "ServiceUnavailable"
            assert struck(once("sagemaker").list_endpoints)[0] == "ServiceUnavailable"
            assert once("sts").get_caller_identity()["Account"] == "111122223333"

    def test_the_first_of_two_that_are_set(self, faulty: LocalSageMaker) -> None:
        faulty.faults.add("ListModels", "ServiceUnavailable", times=1)
        faulty.faults.add("ListModels", "InternalFailure", times=1)
        call = once("sagemaker").list_models
        assert [struck(call)[0], struck(call)[0]] == ["ServiceUnavailable", "InternalFailure"]
        assert "Models" in call()

    def test_nobody_who_is_not_signed_in(self, faulty: LocalSageMaker) -> None:
        with faulty.faults.add("ListModels", "ServiceUnavailable") as fault:
            stranger = once("sagemaker", aws_access_key_id="AKIA", aws_secret_access_key="no")
            assert struck(stranger.list_models)[0] == "UnrecognizedClientException"
            assert fault.struck == 0


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


class TestWhatCannotBeSet:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("CreateTraningJob", "InternalFailure"), "Near it: CreateTrainingJob,"),
            (("createtrainingjob", "InternalFailure"), "Near it: CreateTrainingJob,"),
            (("CreateTrainingJob", "Trottling"), "Near it: ThrottlingException."),
            (("CreateTrainingJob", "NoSuchKey"), "It has: AccessDenied, .*ResourceInUse"),
            (("ListModels", "CapacityError"), "can strike CreateEndpoint, CreateTrainingJob"),
            (("TagResource", "InternalFailure"), "is an operation of .*: name one service"),
            (("*", "InternalFailure"), "'\\*' needs a service"),
            (("ListModels",), "needs an error, a latency, or both"),
        ],
    )
    def test_names(self, faulty: LocalSageMaker, arguments: tuple[str, ...], says: str) -> None:
        with pytest.raises(FaultError, match=says):
            faulty.faults.add(*arguments)
        assert faulty.faults.list() == []

    @pytest.mark.parametrize(
        ("more", "says"),
        [
            ({"service": "ec2"}, "there is no service 'ec2' here"),
            ({"service": "s3"}, "no operation 'ListModels' of s3"),
            ({"times": 0}, "times must be at least 1, not 0"),
            ({"times": True}, "times cannot be True"),
            ({"message": "half of a pair: \udcff"}, "is not JSON: 'utf-8' codec can't encode"),
            ({"probability": 0}, "probability must be above 0"),
            ({"probability": 1.5}, "probability must be above 0"),
            ({"probability": float("nan")}, "probability must be above 0"),
            ({"latency": -1}, "latency must be from 0 to 600"),
            ({"account": "12"}, "an account has 12 digits"),
        ],
    )
    def test_values(self, faulty: LocalSageMaker, more: dict[str, Any], says: str) -> None:
        with pytest.raises(FaultError, match=says):
            faulty.faults.add("ListModels", "InternalFailure", **more)

    def test_one_that_is_not_there_cannot_be_removed(self, faulty: LocalSageMaker) -> None:
        with pytest.raises(FaultError, match="there is no fault f0"):
            faulty.faults.remove("f0")

    def test_without_the_token(self, faulty: LocalSageMaker) -> None:
        body = b'{"operation": "ListModels", "error": "InternalFailure"}'
        host = faulty.url.removeprefix("http://")
        for method, path in (
            ("POST", "/_local/faults"),
            ("GET", "/_local/faults"),
            ("DELETE", "/_local/faults"),
        ):
            for headers in ({}, {"Authorization": "Bearer guess"}):
                answer = send(faulty, method, path, {"Host": host, **headers}, body)
                assert answer.status == 403
        assert faulty.faults.list() == []

    @pytest.mark.parametrize("content", [[], "text", {"operation": 1}, {"nonsense": 1}, {}])
    def test_garbage(self, faulty: LocalSageMaker, content: Any) -> None:
        info = Home(faulty.home).server()
        assert info is not None
        with pytest.raises(Exception, match=r"fault|cannot be 1"):
            ask(info, "POST", "/_local/faults", content)

    def test_an_old_token(self, faulty: LocalSageMaker) -> None:
        with pytest.raises(HomeError, match="answered 403"):
            ask(ServerInfo(1, faulty.url, "old"), "GET", "/_local/faults")


def test_a_notebook_s_card_names_them(faulty: LocalSageMaker) -> None:
    assert "Faults" not in faulty._repr_html_()
    with faulty.faults.add("ListModels", "InternalFailure", times=2):
        assert "sagemaker ListModels, InternalFailure, 2 times" in faulty._repr_html_()


def test_a_block_may_clear_what_it_set(faulty: LocalSageMaker) -> None:
    with faulty.faults.add("ListModels", "InternalFailure") as fault:
        assert faulty.faults.clear() == 1
    with pytest.raises(FaultError, match="there is no fault"):
        assert fault.struck


def test_a_restart_forgets_them(fresh: LocalSageMaker) -> None:
    fresh.faults.add("ListModels", "InternalFailure")
    home = fresh.home
    fresh.close()
    with LocalSageMaker(home) as again:
        assert again.faults.list() == []
        assert "Models" in once("sagemaker").list_models()


def test_on_the_command_line(faulty: LocalSageMaker) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "local_sagemaker", "fault", *arguments]
        return subprocess.run(
            [*command, "--home", str(faulty.home)], capture_output=True, text=True, check=False
        )

    assert run("list").stdout == "No fault is set.\n"
    # The home may be named on either side of the action.
    before = [sys.executable, "-m", "local_sagemaker", "fault", "--home", str(faulty.home), "list"]
    assert subprocess.run(before, capture_output=True, text=True, check=True).stdout == (
        "No fault is set.\n"
    )
    done = run("add", "CreateTrainingJob", "ThrottlingException", "--times", "2")
    assert done.returncode == 0, done.stderr
    identifier = done.stdout.partition(":")[0]
    assert done.stdout.splitlines() == [
        f"{identifier}: sagemaker CreateTrainingJob, ThrottlingException, 2 times",
        f"Remove it with `python -m local_sagemaker fault remove {identifier}`.",
    ]
    assert (
        run("list").stdout.split()
        == (
            f"{identifier} sagemaker CreateTrainingJob, ThrottlingException, 2 times; struck 0"
        ).split()
    )
    assert f'"id": "{identifier}"' in run("list", "--json").stdout
    done = run("add", "CreateTraningJob", "ThrottlingException")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Near it: CreateTrainingJob" in done.stderr
    assert done.stderr.count("\n") == 1
    assert run("remove", "f0").returncode == 1
    assert run("remove", identifier).stdout == f"{identifier} is removed.\n"
    faulty.faults.add("ListModels", latency=1)
    assert run("remove", "--all").stdout == "1 fault removed.\n"
    assert run("remove").returncode == 2


def test_without_a_server(tmp_path: Any) -> None:
    command = [sys.executable, "-m", "local_sagemaker", "fault", "list", "--home"]
    done = subprocess.run(
        [*command, str(tmp_path / "none")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no local SageMaker runs in" in done.stderr
    assert "python -m local_sagemaker start" in done.stderr


def test_every_error_that_is_modelled_can_be_answered() -> None:
    """No operation of the services here has an error that could not be set."""
    for service in SERVICES:
        model = service_model(service)
        for operation in model.operation_names:
            for shape in model.operation_model(operation).error_shapes:
                answer = find_error(service, operation, shape.name)
                assert 400 <= answer.status < 600
                assert answer.code == shape.error_code
