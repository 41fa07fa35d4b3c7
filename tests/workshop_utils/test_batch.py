"""Tables through real transform jobs of the local SageMaker, and back."""

import json
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import Deployer
from workshop_utils import batch, batch_files, display, transform_jobs
from workshop_utils.batch import BatchError, BatchFailed
from workshop_utils.instances import QuotaTooLow
from workshop_utils.session import Session

# Answers a row, or a list of rows, in capitals. It keeps the row that says "error" to itself and
# gives up the whole request for one that says "poison"; "slow" takes its time.
SHOUT = """
import json, time

def model_fn(folder):
    return None

def shout(text):
    if "poison" in text:
        raise ValueError(f"{text} is poison")
    if "slow" in text:
        time.sleep(1.5)
    return {"error": f"{text} cannot be said"} if "error" in text else {"said": text.upper()}

def transform_fn(model, data, content_type, accept):
    if content_type == "application/json":
        return json.dumps(shout(json.loads(data)["text"]), ensure_ascii=False), accept
    answers = [shout(json.loads(line)["text"]) for line in data.split(b"\\n") if line]
    return "".join(json.dumps(answer) + "\\n" for answer in answers), accept
"""
BROKEN = "def model_fn(folder):\n    raise RuntimeError('the model is broken')\n"


class Shouted:
    """Asks for a text in capitals."""

    name = "shouted"
    columns = ("said", "length")
    reads = ("text",)

    def record(self, row: Mapping[str, Any]) -> dict[str, Any]:
        if not row["text"]:
            raise ValueError("there is no text")
        return {"text": row["text"]}

    def values(self, row: Mapping[str, Any], answer: Any) -> tuple[str, int]:
        if "error" in answer:
            raise ValueError(answer["error"])
        assert answer["said"] == row["text"].upper()
        return answer["said"], len(answer["said"])


@pytest.fixture(scope="module")
def deployer(local: LocalSageMaker) -> Iterator[Deployer]:
    made = Deployer(local)
    yield made
    made.clear()


@pytest.fixture(scope="module")
def model(deployer: Deployer) -> str:
    return deployer.model(SHOUT)


def jobs_of(ws: Session, names: Sequence[str]) -> list[dict[str, Any]]:
    client = ws.client("sagemaker")
    return [client.describe_transform_job(TransformJobName=name) for name in names]


def test_every_row_comes_back_in_its_place(
    ws: Session, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["one", "zwei 🎉", "trois\u2028\nlignes", "четыре", "五"]
    frame = pd.DataFrame({"text": texts, "n": range(5)}, index=["b", "a", "b", "c", "a"])
    before = frame.copy()
    result = batch.start(ws, model, frame[frame["n"] >= 0], Shouted(), records="many").wait()
    assert list(result.frame["said"]) == [text.upper() for text in texts]
    assert list(result.frame["length"]) == [len(text.upper()) for text in texts]
    assert list(result.frame.index) == ["b", "a", "b", "c", "a"]
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(result.frame[["text", "n"]], before)
    assert result.failures.empty
    assert "[Completed] 5 of 5 rows" in capsys.readouterr().out
    [job] = jobs_of(ws, result.jobs)
    # The room's board tells by it what was asked.
    assert "-parts-shouted-" in job["TransformJobName"]
    assert job["BatchStrategy"] == "MultiRecord"
    tags = ws.client("sagemaker").list_tags(ResourceArn=job["TransformJobArn"])["Tags"]
    assert {"Key": "workshop", "Value": "nlp-workshop"} in tags


@pytest.mark.slow
def test_the_same_call_again_starts_no_job(
    ws: Session, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.DataFrame({"text": ["again", "error", "and again"]})
    first = batch.start(ws, model, frame, Shouted()).wait()
    with display.requests() as seen:
        second = batch.start(ws, model, frame, Shouted()).wait()
    assert len(seen.of("CreateTransformJob")) == 0
    assert "there already" in capsys.readouterr().out
    pd.testing.assert_frame_equal(first.frame, second.frame)
    pd.testing.assert_frame_equal(first.failures, second.failures)
    assert second.jobs == first.jobs
    other = batch.start(ws, model, frame.head(1), Shouted()).wait()
    assert other.jobs != first.jobs


def test_rows_that_cannot_be_asked_or_answered_are_told_by_number(
    ws: Session, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["fine", "", "error 2", "fine too", "x" * 1_100_000]
    frame = pd.DataFrame({"text": texts}, index=[7, 7, 8, 8, 8])
    result = batch.start(ws, model, frame, Shouted(), records="many").wait()
    assert list(result.failures["row"]) == [1, 2, 4]
    said = list(result.failures["reason"])
    assert said[:2] == ["there is no text", "error 2 cannot be said"]
    assert "a request takes 1,048,576" in said[2]
    assert list(result.frame["said"].fillna("-")) == ["FINE", "-", "-", "FINE TOO", "-"]
    assert result.frame["length"].isna().sum() == 3
    assert "3 of 5 rows have no answer, the first one row 1" in capsys.readouterr().out
    assert "error 2 cannot be said" in result._repr_html_()


def test_an_answer_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    answers = batch_files.Answers(pd.DataFrame({"text": ["a", "b", "c"]}), Shouted(), {})
    said = tmp_path / "part.out"
    said.write_text('{"said": "A"}\n' + "[" * 100_000 + '\n{"said": "C"}\n')
    answers.read(said, range(3))
    assert list(answers.joined()["said"].fillna("-")) == ["A", "-", "C"]
    assert list(answers.failed()["row"]) == [1]


@pytest.mark.slow
@pytest.mark.parametrize("records", ["one", "many"])
def test_a_row_that_the_model_refuses_costs_no_other(
    ws: Session, model: str, records: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [f"{records} {number}" for number in range(12)]
    texts[3], texts[10] = "poison 3", "poison 10"
    frame = pd.DataFrame({"text": texts})
    result = batch.start(ws, model, frame, Shouted(), records=records).wait()
    assert list(result.failures["row"]) == [3, 10]
    for row, reason in result.failures.itertuples(index=False):
        assert f"poison {row} is poison" in reason
    answered = result.frame.drop(index=[3, 10])
    assert list(answered["said"]) == list(answered["text"].str.upper())
    assert len(result.jobs) == 2
    assert "Sending 12 rows once more" in capsys.readouterr().out
    assert batch.start(ws, model, frame, Shouted(), records=records).wait().jobs == result.jobs


@pytest.mark.slow
def test_a_large_table_travels_in_parts(
    ws: Session, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "PART_ROWS", 10)
    texts = [f"part {number}" for number in range(95)]
    texts[50] = ""
    result = batch.start(ws, model, pd.DataFrame({"text": texts}), Shouted(), records="many").wait()
    said = result.frame["said"].drop(index=50)
    assert list(said) == [text.upper() for text in texts if text]
    assert list(result.failures["row"]) == [50]


@pytest.mark.slow
def test_keys_and_concurrency_are_passed_on(ws: Session, model: str) -> None:
    frame = pd.DataFrame({"text": ["secret"]})
    key = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    result = batch.start(ws, model, frame, Shouted(), kms_key=key, concurrency=2).wait()
    [job] = jobs_of(ws, result.jobs)
    assert job["TransformOutput"]["KmsKeyId"] == key
    assert job["TransformResources"]["VolumeKmsKeyId"] == key
    assert job["MaxConcurrentTransforms"] == 2
    assert job["BatchStrategy"] == "SingleRecord"
    bucket, _, prefix = result.place.location.removeprefix("s3://").partition("/")
    head = ws.client("s3").head_object(Bucket=bucket, Key=f"{prefix}in/part-00000.jsonl")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"] == key


@pytest.mark.slow
def test_an_interrupted_call_finds_its_job_again(
    ws: Session,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frame = pd.DataFrame({"text": ["slow and steady"]})

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(transform_jobs, "follow", interrupted)
        with pytest.raises(KeyboardInterrupt):
            batch.start(ws, model, frame, Shouted()).wait()
    with display.requests() as seen:
        result = batch.start(ws, model, frame, Shouted()).wait()
    assert "runs already" in capsys.readouterr().out
    assert len(seen.of("CreateTransformJob")) == 0
    assert list(result.frame["said"]) == ["SLOW AND STEADY"]


def test_a_batch_is_answered_while_nobody_waits(
    ws: Session, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.DataFrame({"text": ["slow", "and steady"]})
    sent = batch.start(ws, model, frame, Shouted())
    assert sent.job is not None
    assert sent.job in sent._repr_html_()
    assert jobs_of(ws, [sent.job])[0]["TransformJobStatus"] == "InProgress"
    waiter = ws.client("sagemaker").get_waiter("transform_job_completed_or_stopped")
    waiter.wait(TransformJobName=sent.job, WaiterConfig={"Delay": 1, "MaxAttempts": 100})
    with display.requests() as seen:
        found = batch.start(ws, model, frame, Shouted())
    assert len(seen.of("CreateTransformJob")) == 0
    assert found.job == sent.job
    assert "has answered already" in capsys.readouterr().out
    assert list(sent.wait(5.0).frame["said"]) == ["SLOW", "AND STEADY"]
    pd.testing.assert_frame_equal(sent.wait().frame, found.wait().frame)


def test_an_empty_table_needs_no_job(ws: Session, model: str) -> None:
    result = batch.start(ws, model, pd.DataFrame({"text": []}), Shouted()).wait()
    assert result.jobs == ()
    assert list(result.frame.columns) == ["text", "said", "length"]
    assert result.failures.empty
    nothing = batch.start(ws, model, pd.DataFrame({"text": ["", ""]}), Shouted()).wait()
    assert nothing.jobs == ()
    assert list(nothing.failures["row"]) == [0, 1]


def test_columns_that_do_not_fit_are_said_before_anything_is_sent(ws: Session) -> None:
    with pytest.raises(BatchError, match="'text' is not there"):
        batch.start(ws, "none", pd.DataFrame({"words": ["a"]}), Shouted()).wait()
    twice = pd.DataFrame([["a", "b"]], columns=["text", "text"])
    with pytest.raises(BatchError, match="more than once"):
        batch.start(ws, "none", twice, Shouted()).wait()
    with pytest.raises(BatchError, match="rename them"):
        batch.start(ws, "none", pd.DataFrame({"text": ["a"], "said": ["A"]}), Shouted()).wait()


def test_machines_beyond_the_quota_are_refused(ws: Session, model: str) -> None:
    frame = pd.DataFrame({"text": ["too large"]})
    with pytest.raises(QuotaTooLow, match="transform job usage"):
        batch.start(ws, model, frame, Shouted(), instance_type="ml.g5.2xlarge").wait()


def test_a_model_that_is_not_there_is_said(ws: Session) -> None:
    with pytest.raises(BatchFailed, match=r"was refused: .*nobody-made-this"):
        batch.start(ws, "nobody-made-this", pd.DataFrame({"text": ["a"]}), Shouted()).wait()


@pytest.mark.slow
def test_a_model_that_does_not_start_fails_the_batch_and_nothing_is_kept(
    ws: Session, deployer: Deployer
) -> None:
    broken = deployer.model(BROKEN)
    frame = pd.DataFrame({"text": ["a", "b"]})
    for _ in range(2):
        with display.requests() as seen, pytest.raises(BatchFailed, match="the model is broken"):
            batch.start(ws, broken, frame, Shouted()).wait()
        assert len(seen.of("CreateTransformJob")) == 1


@pytest.mark.slow
def test_a_refusal_of_every_row_fails_the_batch(ws: Session, model: str) -> None:
    frame = pd.DataFrame({"text": ["poison a", "poison b"]})
    with pytest.raises(BatchFailed, match="is poison"):
        batch.start(ws, model, frame, Shouted()).wait()


@pytest.mark.slow
def test_what_was_sent_can_be_deleted(ws: Session, model: str) -> None:
    frame = pd.DataFrame({"text": ["goodbye"]})
    result = batch.start(ws, model, frame, Shouted()).wait()
    bucket, _, prefix = result.place.location.removeprefix("s3://").partition("/")
    client = ws.client("s3")
    assert client.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"] == 3
    result.delete()
    assert client.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"] == 0
    assert list(result.frame["said"]) == ["GOODBYE"]


def test_a_table_is_never_held_twice(tmp_path: Path) -> None:
    rows = 20_000
    frame = pd.DataFrame({"text": [f"row {number} " + "x" * 200 for number in range(rows)]})
    tracemalloc.start()
    parts = batch_files.write(frame, Shouted(), tmp_path, 1_000_000, 2000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert parts.rows == rows
    assert len(parts.files) == 10
    # The texts have 5 MB; a number for each row and a file's buffer are all that may stay.
    assert peak < 1_000_000
    last = json.loads((tmp_path / parts.files[-1].name).read_bytes().splitlines()[-1])
    assert last["text"].startswith("row 19999 ")


def test_answers_that_do_not_fit_the_rows_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", "b"]})
    answers = batch_files.Answers(frame, Shouted(), {})
    path = tmp_path / "part.out"
    path.write_text('{"said": "A"}\n\n')
    with pytest.raises(BatchFailed, match="1 answers to 2 rows"):
        answers.read(path, [0, 1])
