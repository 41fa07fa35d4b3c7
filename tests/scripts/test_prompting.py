"""The prompting scripts: training the stand-in, and completing prompts as the endpoint does."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.scripts.few_shot_support import ROOT, imported_from, script_environment, write_csv

pytestmark = pytest.mark.slow

PROMPTING = ROOT / "scripts" / "prompting"
ROWS = [("my card never came", "card_arrival"), ("change my pin please", "change_pin")]
PROMPT = "Message: where is my card\nIntent:"

Ask = Callable[..., str]


def run_train(*arguments: str | Path, **env: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROMPTING / "train.py"), *map(str, arguments)],
        env=script_environment(dict(env)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train two steps, the way a job does: what it writes is all that is looked at here."""
    root = tmp_path_factory.mktemp("stand-in")
    write_csv(root / "in" / "train.csv", ROWS)
    result = run_train("--steps", 2, SM_CHANNEL_TRAIN=root / "in", SM_MODEL_DIR=root / "model")
    assert result.returncode == 0, result.stderr
    assert "stage=train; step=2/2; train:loss=" in result.stdout
    return root / "model"


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[SimpleNamespace]:
    with imported_from(folder / "code", "inference", "causal_model") as code:
        code.model = code.inference.model_fn(str(folder))
        yield code


@pytest.fixture
def ask(served: SimpleNamespace) -> Ask:
    def send(inputs: object, **parameters: object) -> str:
        body = json.dumps({"inputs": inputs, "parameters": parameters})
        request = served.inference.input_fn(body, "application/json")
        answer = served.inference.predict_fn(request, served.model)
        text: str = served.inference.output_fn(answer, "application/json")
        return text

    return send


def generated(answer: str) -> str:
    [entry] = json.loads(answer)
    text: str = entry["generated_text"]
    return text


def test_what_is_trained_is_a_gpt_neo_without_pickles(folder: Path) -> None:
    assert json.loads((folder / "config.json").read_text())["model_type"] == "gpt_neo"
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"model.safetensors", "tokenizer.json", "inference.py"} <= names
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in names)


def test_the_most_probable_tokens_are_always_the_same(ask: Ask) -> None:
    first = ask(PROMPT, max_new_tokens=12, details=True)
    assert first == ask(PROMPT, max_new_tokens=12, details=True)
    [entry] = json.loads(first)
    assert entry["details"]["generated_tokens"] == 12
    assert entry["details"]["finish_reason"] == "length"


def test_a_seed_draws_the_same_tokens_and_another_one_others(ask: Ask) -> None:
    draw = {"temperature": 2.0, "max_new_tokens": 20}
    assert ask(PROMPT, seed=1, **draw) == ask(PROMPT, seed=1, **draw)
    assert ask(PROMPT, seed=1, **draw) != ask(PROMPT, seed=2, **draw)


def test_a_small_top_p_leaves_only_the_most_probable_token(ask: Ask) -> None:
    greedy = ask(PROMPT, max_new_tokens=10)
    assert ask(PROMPT, temperature=1.0, top_p=1e-6, max_new_tokens=10, seed=3) == greedy


def test_generation_stops_exactly_at_the_end_sequence(ask: Ask) -> None:
    draw = {"temperature": 2.0, "seed": 5}
    whole = generated(ask(PROMPT, max_new_tokens=30, **draw))
    for start in range(3, len(whole) - 3, 15):
        end = whole[start : start + 2]
        [entry] = json.loads(ask(PROMPT, max_new_tokens=30, end_sequence=end, details=True, **draw))
        assert entry["generated_text"] == whole.partition(end)[0]
        assert entry["details"]["finish_reason"] == "stop_sequence"
        assert entry["details"]["generated_tokens"] <= 30


def test_the_end_sequence_in_the_prompt_does_not_stop_it(ask: Ask) -> None:
    text = generated(ask(f"###\n{PROMPT}", max_new_tokens=5, end_sequence="Intent"))
    assert text == generated(ask(f"###\n{PROMPT}", max_new_tokens=5)).partition("Intent")[0]


def test_a_list_of_prompts_is_answered_in_order(ask: Ask) -> None:
    answers = json.loads(ask([PROMPT, "Message: pin"], max_new_tokens=5, return_full_text=True))
    assert [len(answer) for answer in answers] == [1, 1]
    assert answers[0][0]["generated_text"].startswith(PROMPT)
    assert answers[1][0]["generated_text"].startswith("Message: pin")
    assert json.loads(ask([])) == []


def test_any_text_is_a_prompt(ask: Ask) -> None:
    for text in ("日本語 🙂", "\x00", " ", "<|endoftext|>"):
        generated(ask(text, max_new_tokens=2))


def test_a_prompt_that_is_too_long_is_named_with_figures(ask: Ask) -> None:
    with pytest.raises(ValueError, match=r"PromptTooLongError: the prompt has \d+ tokens .* 1024"):
        ask("word " * 1200)
    with pytest.raises(ValueError, match=r"ask for at most \d+ new tokens"):
        ask(PROMPT, max_new_tokens=1024)


def test_a_bad_table_ends_the_training_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,intent\na,b\n")
    result = run_train("--train", tmp_path, "--model-dir", tmp_path / "out")
    assert result.returncode == 1
    assert "has no column label" in result.stderr
    assert "Traceback" not in result.stderr
