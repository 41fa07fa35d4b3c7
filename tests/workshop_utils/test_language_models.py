"""Language models behind endpoints of the local SageMaker: the stand-in, and one of the hub."""

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from tests.scripts.few_shot_support import ROOT, imported_from
from workshop_utils import completions, language_models
from workshop_utils.completions import EndpointModel, Parameters, complete
from workshop_utils.models import ModelError
from workshop_utils.session import Session

pytestmark = [
    pytest.mark.slow,
    # The SDK leaves the folder it packs code in to the garbage collector.
    pytest.mark.filterwarnings("ignore:Implicitly cleaning up <TemporaryDirectory:ResourceWarning"),
]

STEPS = 20
GREEDY = Parameters(temperature=0, max_new_tokens=8)


@pytest.fixture(scope="module")
def stand_in(ws: Session) -> Iterator[EndpointModel]:
    model = language_models.stand_in(ws, steps=STEPS)
    yield model
    model.endpoint.delete()


def test_the_stand_in_completes_and_is_trained_once(
    ws: Session, stand_in: EndpointModel, capsys: pytest.CaptureFixture[str]
) -> None:
    first = complete(stand_in, "Message: my card\nIntent:", GREEDY)
    assert first.text
    again = language_models.stand_in(ws, steps=STEPS)
    assert again.endpoint.name == stand_in.endpoint.name
    assert "Training" not in capsys.readouterr().out
    assert complete(again, "Message: my card\nIntent:", GREEDY).text == first.text


def test_a_prompt_that_is_too_long_is_told_apart(stand_in: EndpointModel) -> None:
    with pytest.raises(completions.PromptTooLong, match="the model reads 1024 in all"):
        complete(stand_in, "word " * 1500)
    with pytest.raises(completions.CompletionError, match="max_new_tokens is 0"):
        complete(stand_in, "a", Parameters(max_new_tokens=0))


def test_an_endpoint_of_another_kind_of_model_is_named(stand_in: EndpointModel) -> None:
    other = EndpointModel(stand_in.endpoint, "tgi")
    with pytest.raises(completions.CompletionError, match="do_sample"):
        complete(other, "a")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a small model where the hub's client keeps what it has downloaded."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--someone--tiny-neo"
    commit = "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    with imported_from(ROOT / "scripts" / "prompting", "stand_in") as code:
        size = code.stand_in.Size(steps=1)
        trained = code.stand_in.train(["Message: a\nIntent: b\n"], size, 0, lambda *_: None)
        code.stand_in.save(*trained, repository / "snapshots" / commit)
    return tmp_path


@pytest.mark.usefixtures("hub")
def test_a_model_of_the_hub_is_packed_once_and_deployed(
    ws: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    model = language_models.from_hub(ws, "someone/tiny-neo")
    try:
        assert complete(model, "Message: a", GREEDY).text is not None
        assert "Packing" in capsys.readouterr().out
        language_models.from_hub(ws, "someone/tiny-neo")
        assert "Packing" not in capsys.readouterr().out
    finally:
        model.endpoint.delete()


@pytest.mark.usefixtures("hub")
def test_a_model_that_cannot_be_had_says_what_works(ws: Session) -> None:
    with pytest.raises(ModelError, match="prompt the stand-in"):
        language_models.from_hub(ws, "someone/not-there")
