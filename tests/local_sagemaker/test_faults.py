"""Faults on purpose: what real clients see of them, whom they strike, and how they are set."""

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from local_sagemaker import LocalSageMaker
from local_sagemaker.faults.catalog import SERVICES, find_error
from local_sagemaker.protocol import service_model
from tests.local_sagemaker.core_support import client_of
from tests.local_sagemaker.faults_support import experiment, once, struck


@pytest.fixture
def faulty(local: LocalSageMaker) -> Iterator[LocalSageMaker]:
    """The session's server, on which this test may set faults; none is left."""
    yield local
    local.faults.clear()


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
    "cloudwatch": ("ListMetrics", "list_metrics", {}),
    "resourcegroupstaggingapi": ("GetResources", "get_resources", {}),
    "scheduler": ("ListSchedules", "list_schedules", {}),
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


# These services' models have an error of that name themselves.
MODELLED_CODES = JSON_CODES | {"ThrottlingException": ("ThrottlingException", 429)}


CODES = {
    "s3": S3_CODES,
    "sts": QUERY_CODES,
    "iam": QUERY_CODES,
    "sagemaker-a2i-runtime": MODELLED_CODES,
    "scheduler": MODELLED_CODES,
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


def test_every_error_that_is_modelled_can_be_answered() -> None:
    """No operation of the services here has an error that could not be set."""
    for service in SERVICES:
        model = service_model(service)
        for operation in model.operation_names:
            for shape in model.operation_model(operation).error_shapes:
                answer = find_error(service, operation, shape.name)
                assert 400 <= answer.status < 600
                assert answer.code == shape.error_code
