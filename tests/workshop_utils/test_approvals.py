from typing import Any

import pytest

from workshop_utils import approvals, model_registry
from workshop_utils.model_registry import ModelVersion, NoVersion
from workshop_utils.session import Session

GROUP = "test-approvals"
ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"


def _register(ws: Session, group: str = GROUP) -> ModelVersion:
    client = ws.client("sagemaker")
    made = client.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [
                {
                    "Image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/x:1",
                    "ModelDataUrl": ws.upload(b"no real model", "models", "model.tar.gz"),
                }
            ],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )
    return model_registry.version(ws, made["ModelPackageArn"])


@pytest.fixture
def pending(ws: Session) -> Any:
    ws.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    yield _register(ws)
    model_registry.delete(ws, GROUP)


def test_a_decision_is_kept_with_its_reason(ws: Session, pending: ModelVersion) -> None:
    with pytest.raises(NoVersion, match="version 1 waits for it"):
        model_registry.latest_approved(ws, GROUP)
    approved = approvals.decide(pending, "Approved", "looks good")
    assert (approved.number, approved.approval, approved.note) == (1, "Approved", "looks good")
    assert model_registry.latest_approved(ws, GROUP).arn == pending.arn
    assert "Approved: looks good" in approved._repr_html_()


def test_what_is_decided_is_not_asked_again(
    pending: ModelVersion, capsys: pytest.CaptureFixture[str]
) -> None:
    rejected = approvals.decide(pending, "Rejected", "no")
    assert approvals.decide(rejected, "ask", "yes").approval == "Rejected"
    assert "Rejected already" in capsys.readouterr().out


@pytest.mark.parametrize(("said", "status"), [("maybe y", "Approved"), ("NO", "Rejected")])
def test_somebody_is_asked_until_they_answer(
    pending: ModelVersion, monkeypatch: pytest.MonkeyPatch, said: str, status: str
) -> None:
    words = said.split()
    monkeypatch.setattr("builtins.input", lambda _: words.pop(0))
    assert approvals.decide(pending, "ask", "reason").approval == status
    assert not words


def test_where_nobody_is_it_says_how_to_decide_beforehand(
    pending: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(approvals.NobodyToAsk, match="WORKSHOP_APPROVAL"):
        approvals.decide(pending, "ask", "reason")
    with pytest.raises(ValueError, match="'maybe'"):
        approvals.decide(pending, "maybe", "reason")


def test_the_newest_version_comes_first_and_a_group_goes_with_all_of_them(ws: Session) -> None:
    ws.client("sagemaker").create_model_package_group(ModelPackageGroupName="test-order")
    numbers = [_register(ws, "test-order").number for _ in range(11)]
    assert numbers == list(range(1, 12))
    assert [one.number for one in model_registry.versions(ws, "test-order")] == numbers[::-1]
    assert len(model_registry.table(ws, "test-order")) == 11
    model_registry.delete(ws, "test-order")
    model_registry.delete(ws, "test-order")
    assert model_registry.versions(ws, "test-order") == []
    assert model_registry.champion(ws, "test-order") is None
