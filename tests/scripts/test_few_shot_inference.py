"""inference.py on a trained model folder, through the four functions that the toolkit calls."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.scripts.few_shot_support import (
    FEW_SHOT,
    ODD_LABEL,
    TEST_ROWS,
    Trained,
    imported_from,
    script_environment,
)

pytestmark = pytest.mark.slow

Ask = Callable[..., str]


@pytest.fixture(scope="module")
def served(trained: Trained) -> Iterator[SimpleNamespace]:
    """Import ``code/`` of the model folder as the toolkit does, and load the model once."""
    with imported_from(trained.model / "code", "inference") as code:
        code.model = code.inference.model_fn(str(trained.model))
        yield code


@pytest.fixture
def ask(served: SimpleNamespace) -> Ask:
    """Send one request through input_fn, predict_fn and output_fn."""

    def send(body: str | bytes, content_type: str | None = None, accept: str | None = None) -> str:
        request = served.inference.input_fn(body, content_type)
        prediction = served.inference.predict_fn(request, served.model)
        answer: str = served.inference.output_fn(prediction, accept)
        return answer

    return send


def test_texts_get_the_labels_they_were_trained_for(ask: Ask) -> None:
    answers = json.loads(ask(json.dumps([text for text, _ in TEST_ROWS])))
    right = [a["label"] == label for a, (_, label) in zip(answers, TEST_ROWS, strict=True)]
    assert sum(right) >= 4
    assert all(0.25 < answer["score"] < 1 for answer in answers)


def test_one_text_and_its_ranking(ask: Ask) -> None:
    [best] = json.loads(ask('{"inputs": "please refund me today"}'))
    assert best["label"] == ODD_LABEL
    ranking = json.loads(ask('{"inputs": "please refund me today", "parameters": {"top_k": 4}}'))
    assert ranking[0] == best
    assert {entry["label"] for entry in ranking} == {
        ODD_LABEL, "card_arrival", "lost-card", "überweisung",
    }  # fmt: skip
    scores = [entry["score"] for entry in ranking]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1)


def test_every_content_type_gives_the_same_answer(ask: Ask) -> None:
    texts = ["Überweisung fehlt, wo ist sie?", "lost my card"]
    expected = json.loads(ask(json.dumps(texts)))
    lines = "\n".join(json.dumps(text) for text in texts).encode()
    answer = ask(lines, "application/jsonlines", "application/jsonlines")
    assert [json.loads(line) for line in answer.splitlines()] == expected
    rows = ask(f'text\n"{texts[0]}"\n{texts[1]}\n', "text/csv", "text/csv").splitlines()
    assert rows == [f"{entry['label']},{entry['score']!r}" for entry in expected]


def test_an_answer_does_not_depend_on_who_else_asked(ask: Ask) -> None:
    alone = json.loads(ask('{"inputs": "lost my card"}'))[0]
    crowd = json.loads(ask(json.dumps(["lost my card", "x " * 400, *["hello there"] * 40])))[0]
    assert crowd == alone  # to the last bit of the score


def test_none_of_these_below_a_threshold(ask: Ask) -> None:
    def answers(threshold: object, **parameters: int) -> object:
        wanted = {"threshold": threshold, **parameters}
        return json.loads(ask(json.dumps({"inputs": "refund me", "parameters": wanted})))

    [best] = json.loads(ask('"refund me"'))
    assert answers(best["score"]) == [best]
    assert answers(1) == [{"label": None, "score": best["score"]}]
    ranking = json.loads(ask('{"inputs": "refund me", "parameters": {"top_k": 4}}'))
    assert answers(ranking[1]["score"], top_k=4) == ranking[:2]
    assert answers(1, top_k=4) == []


def test_nothing_asked_nothing_answered(ask: Ask) -> None:
    assert ask("[]") == "[]"
    assert ask(b"", "application/jsonlines", "application/jsonlines") == ""


def test_top_k_beyond_the_labels_is_refused(ask: Ask) -> None:
    with pytest.raises(ValueError, match="top_k is 5, but the model has 4 labels; ask for 1 to 4"):
        ask('{"inputs": "hi", "parameters": {"top_k": 5}}')


SERVE = """
import sys
unpickled = []
sys.addaudithook(lambda event, args: unpickled.append(args) if event == "pickle.find_class" else 0)
folder, *blocked = sys.argv[1:]
sys.modules.update(dict.fromkeys(blocked))
sys.path.insert(0, folder + "/code")
import inference
if blocked:
    import torch
before = len(unpickled)
model = inference.model_fn(folder)
request = inference.input_fn('["I have lost my card"]', "application/json")
print(inference.output_fn(inference.predict_fn(request, model)))
if blocked:
    threads = torch.get_num_threads()
else:
    threads = model.encoder._session.get_session_options().intra_op_num_threads
print(threads, "torch" in sys.modules, unpickled[before:])
import pickle
pickle.loads(pickle.dumps(print))
print(len(unpickled[before:]))
"""


class Bomb:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("blocked", [(), ("onnxruntime",)])
def test_serving_needs_neither_torch_nor_pickles_and_works_without_onnxruntime(
    trained: Trained, ask: Ask, tmp_path: Path, blocked: tuple[str, ...]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained.model, folder)
    (folder / "model_head.pkl").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    result = subprocess.run(
        [sys.executable, "-c", SERVE, str(folder), *blocked],
        env={k: v for k, v in script_environment({}).items() if k != "OMP_NUM_THREADS"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    serving, answer, state, control = result.stdout.splitlines()
    assert control == "1"  # the hook does see a pickle
    [here], [there] = json.loads(ask('["I have lost my card"]')), json.loads(answer)
    assert there["label"] == here["label"]
    assert there["score"] == pytest.approx(here["score"], abs=1e-6)
    variant = "torch" if blocked else "fp32"
    assert serving.startswith(f"Serving by {variant}. ")
    assert ("onnxruntime not installed: torch serves" in result.stderr) is bool(blocked)
    assert state == f"1 {bool(blocked)} []"  # one thread, torch or not, nothing unpickled
    assert not (tmp_path / "ran").exists()


def test_the_folder_says_how_it_is_served_and_why(trained: Trained) -> None:
    facts = json.loads((trained.model / "serving.json").read_text(encoding="utf-8"))
    assert facts["variant"] == "fp32"
    # The test channel has too few texts to tell how good 8 bits are.
    assert "8 bits are used after a check on 100 texts or more" in facts["reason"]
    assert f"there were {len(TEST_ROWS) + 1}." in facts["reason"]
    assert 0 < facts["fp32_difference"] < 1e-4
    assert facts["reason"] in trained.result.stdout
    metrics = json.loads((trained.model / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["serving"] == facts
    # The graph refers to the weights beside it instead of holding 90 MB; tokens' weights are in it.
    assert (trained.model / "model.onnx").stat().st_size < 250_000


@pytest.mark.parametrize("variant", ["int8", "torch"])
def test_another_variant_can_be_asked_for(
    served: SimpleNamespace, trained: Trained, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    texts = [text for text, _ in TEST_ROWS]
    request = served.inference.input_fn(json.dumps(texts))
    expected = served.inference.predict_fn(request, served.model).ranked
    monkeypatch.setenv("ENCODER_VARIANT", variant)
    model = served.inference.model_fn(str(trained.model))
    assert model.encoder.variant == variant
    tolerance = {"int8": 0.05, "torch": 1e-5}[variant]
    for [(label, score)], [(there, its_score)] in zip(
        expected, served.inference.predict_fn(request, model).ranked, strict=True
    ):
        assert there == label
        assert its_score == pytest.approx(score, abs=tolerance)


def test_a_variant_that_does_not_exist_is_refused(
    served: SimpleNamespace, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCODER_VARIANT", "int4")
    with pytest.raises(ValueError, match="ENCODER_VARIANT is 'int4'; set one of int8, fp32"):
        served.inference.model_fn(str(trained.model))


def test_a_head_that_hides_a_pickle_is_refused(tmp_path: Path) -> None:
    bomb = np.array([Bomb(tmp_path / "ran")], dtype=object)
    np.savez(tmp_path / "head.npz", coef=bomb, intercept=bomb, classes=bomb)
    with imported_from(FEW_SHOT, "linear_head") as code:
        with pytest.raises(ValueError, match="No usable classification head"):
            code.linear_head.LinearHead.load(tmp_path)
        with pytest.raises(ValueError, match="train the model again"):
            code.linear_head.LinearHead.load(tmp_path / "nowhere")
    assert not (tmp_path / "ran").exists()


def test_a_wrong_number_of_threads_is_refused(
    served: SimpleNamespace, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "all")
    with pytest.raises(ValueError, match="OMP_NUM_THREADS is 'all'"):
        served.inference.model_fn(str(trained.model))
