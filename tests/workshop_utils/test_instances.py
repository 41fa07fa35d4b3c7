import warnings

import pytest
from botocore.exceptions import ClientError
from sagemaker.core import image_uris

from workshop_utils import display, endpoints, estimators, instances
from workshop_utils.session import Session


def test_auto_takes_a_cpu_and_says_so_where_the_gpu_quota_is_zero(
    ws: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert instances.for_training(ws) == "ml.m5.xlarge"
    assert "quota of ml.g4dn.xlarge for training jobs is 0" in capsys.readouterr().out


def test_auto_takes_the_gpu_of_an_account_that_has_one(
    ws: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "training_quota", lambda *_: 2.0)
    assert instances.for_training(ws) == "ml.g4dn.xlarge"


def test_a_type_is_taken_as_it_is_and_a_retired_one_with_a_warning(ws: Session) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert instances.for_training(ws, "ml.c5.xlarge") == "ml.c5.xlarge"
    with pytest.warns(UserWarning, match="retired P3"):
        assert instances.for_training(ws, "ml.p3.2xlarge") == "ml.p3.2xlarge"


def test_the_quota_of_a_cpu_is_read_from_the_account(ws: Session) -> None:
    assert instances.training_quota(ws, "ml.m5.xlarge") > 0


@pytest.mark.parametrize(
    ("instance_type", "image"),
    [
        ("ml.g4dn.xlarge", "huggingface-pytorch-training:2.8.0-transformers4.56.2-gpu-py312-cu129"),
        ("ml.p3.2xlarge", "huggingface-pytorch-training:2.8.0-transformers4.56.2-gpu-py312-cu129"),
        ("ml.m5.xlarge", "/pytorch-training:2.8.0-cpu-py312"),
    ],
)
def test_the_training_image_fits_the_instance(instance_type: str, image: str) -> None:
    assert image in estimators.training_image("eu-west-1", instance_type)


def test_the_inference_image_fits_the_instance() -> None:
    assert "-cpu-" in endpoints.inference_image("us-east-1", "ml.m5.xlarge")
    assert "-gpu-" in endpoints.inference_image("us-east-1", "ml.g4dn.xlarge")


def test_the_inference_image_has_transformers_5_whatever_the_sdk_knows() -> None:
    # A model that was saved with transformers 5 does not load in the images before it.
    assert endpoints.inference_image("eu-west-1", "ml.m5.xlarge").endswith(
        "/huggingface-pytorch-inference:2.6.0-transformers5.5.3-cpu-py312-ubuntu22.04"
    )


@pytest.mark.parametrize("instance_type", ["ml.m5.xlarge", "ml.g4dn.xlarge"])
def test_the_inference_image_is_the_one_of_an_sdk_that_knows_it(instance_type: str) -> None:
    try:
        known = image_uris.retrieve(
            framework="huggingface",
            region="ap-south-1",
            version="5.5.3",
            base_framework_version="pytorch2.6.0",
            py_version="py312",
            instance_type=instance_type,
            image_scope="inference",
        )
    except ValueError:
        pytest.skip("this SDK does not know the image (3.12, the lower end of the range)")
    assert endpoints.inference_image("ap-south-1", instance_type) == known


def test_a_quota_is_asked_for_once(ws: Session) -> None:
    instances.training_quota(ws, "ml.c5.xlarge")
    with display.requests() as seen:
        instances.training_quota(ws, "ml.c5.xlarge")
    assert len(seen) == 0


def test_auto_takes_a_cpu_where_the_quota_may_not_be_read(
    ws: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(*_: object) -> float:
        error = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
        raise ClientError(error, "ListServiceQuotas")

    monkeypatch.setattr(instances, "training_quota", denied)
    assert instances.for_training(ws) == "ml.m5.xlarge"
    assert "cannot be read (AccessDeniedException)" in capsys.readouterr().out


def test_each_use_has_a_quota_of_its_own(ws: Session) -> None:
    for use in ("training job", "endpoint", "transform job"):
        assert instances.quota(ws, "ml.m5.xlarge", use) > 0
        assert instances.quota(ws, "ml.g5.2xlarge", use) == 0


def test_what_the_account_may_not_start_is_refused_in_one_sentence(ws: Session) -> None:
    instances.require(ws, "ml.m5.xlarge", "endpoint")
    with pytest.raises(instances.QuotaTooLow) as told:
        instances.require(ws, "ml.g5.2xlarge", "endpoint", 2)
    assert "may use 0 ml.g5.2xlarge" in str(told.value)
    assert "2 is asked for" in str(told.value)
    assert "'ml.g5.2xlarge for endpoint usage'" in str(told.value)


def test_a_model_is_served_on_its_own_type_where_that_is_possible(
    ws: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert instances.for_serving(ws, "ml.m5.xlarge", ["ml.c5.xlarge"]) == "ml.m5.xlarge"
    assert capsys.readouterr().out == ""
    supported = ["ml.p3.2xlarge", "ml.g5.2xlarge", "ml.m5.xlarge"]
    assert instances.for_serving(ws, "ml.p3.2xlarge", supported) == "ml.m5.xlarge"
    assert "instead of ml.p3.2xlarge" in capsys.readouterr().out
    with pytest.raises(instances.QuotaTooLow, match="may start none"):
        instances.for_serving(ws, "ml.g5.2xlarge", ["ml.g5.xlarge"])


def test_who_may_not_read_quotas_may_still_try(
    ws: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> float:
        error = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
        raise ClientError(error, "ListServiceQuotas")

    monkeypatch.setattr(instances, "quota", denied)
    instances.require(ws, "ml.g5.2xlarge", "endpoint")
    assert instances.for_serving(ws, "ml.g5.2xlarge", ["ml.m5.xlarge"]) == "ml.g5.2xlarge"
