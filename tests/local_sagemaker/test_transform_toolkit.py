"""Batch transform with a model that has no script: the Hugging Face toolkit's default handler."""

import json
from pathlib import Path

import pytest

from local_sagemaker import LocalSageMaker
from tests import tiny_models
from tests.local_sagemaker.endpoint_support import Deployer, archive
from tests.local_sagemaker.transform_support import Transformer

pytestmark = pytest.mark.slow


def test_rows_of_json_are_classified_one_by_one(local: LocalSageMaker, tmp_path: Path) -> None:
    saved = tiny_models.classifier(tmp_path)
    files = {path.name: path.read_bytes() for path in saved.iterdir() if path.is_file()}
    transformer = Transformer(Deployer(local))
    data = transformer.deployer.put("tiny.tar.gz", archive(files))
    model = transformer.deployer.model(
        ModelDataUrl=data, Environment={"HF_TASK": "text-classification"}
    )
    rows = [{"id": number, "inputs": f"text number {number}"} for number in range(30)]
    uri = transformer.prefix({"rows.jsonl": "\n".join(map(json.dumps, rows)).encode()})
    (output,) = transformer.completed(
        model,
        uri,
        source={"SplitType": "Line", "ContentType": "application/json"},
        output={"AssembleWith": "Line", "Accept": "application/json"},
        BatchStrategy="SingleRecord",
        DataProcessing={
            "JoinSource": "Input",
            "OutputFilter": "$['id','SageMakerOutput']",
        },
    ).values()
    found = [json.loads(line) for line in output.splitlines()]
    assert [row["id"] for row in found] == list(range(30))
    for row in found:
        (best,) = row["SageMakerOutput"]
        assert best["label"] in ("no", "yes")
        assert 0.5 <= best["score"] <= 1.0
