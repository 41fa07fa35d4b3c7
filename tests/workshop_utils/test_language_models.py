"""Language models behind endpoints of the local SageMaker: the stand-in, and one of the hub."""

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.client_caches import forget_clients
from tests import tiny_models
from workshop_utils import completions, datasets, language_models
from workshop_utils.completions import EndpointModel, Parameters, complete
from workshop_utils.models import ModelError
from workshop_utils.session import Session, start

pytestmark = pytest.mark.slow

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


def test_a_stand_in_that_cannot_be_trained_says_why(
    ws: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "train.csv").write_text("text\nno labels\n")
    monkeypatch.setattr(datasets, "DATA", tmp_path)
    with pytest.raises(ModelError, match="has no column label"):
        language_models.stand_in(ws, steps=STEPS)


def test_a_prompt_that_is_too_long_is_told_apart(stand_in: EndpointModel) -> None:
    with pytest.raises(completions.PromptTooLong, match="the model reads 1024 in all"):
        complete(stand_in, "word " * 1500)
    with pytest.raises(completions.CompletionError, match="max_new_tokens is 0"):
        complete(stand_in, "a", Parameters(max_new_tokens=0))


def test_an_endpoint_of_another_kind_of_model_is_named(stand_in: EndpointModel) -> None:
    other = EndpointModel(stand_in.endpoint, "tgi")
    with pytest.raises(completions.CompletionError, match="do_sample"):
        complete(other, "a")


def test_a_model_that_cannot_be_had_says_what_works(
    ws: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for place in (
        lambda: language_models.from_hub(ws, "someone/not-there"),
        lambda: language_models.from_container(ws, "someone/not-there"),
    ):
        with pytest.raises(ModelError, match=r"someone/not-there.*prompt the stand-in"):
            place()
    with pytest.raises(ModelError, match=r"EleutherAI/gpt-neo-125m.*prompt the stand-in"):
        language_models.from_jumpstart(ws)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home of the hub's cache with a small GPT-Neo under the real one's name."""
    home = tmp_path_factory.mktemp("hub")
    saved = tiny_models.gpt_neo(home / "saved")
    tiny_models.put_in_cache(saved, home, language_models.GPT_NEO)
    return home


@pytest.fixture(scope="module")
def with_weights(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Return a session on a server whose containers find the weights in the hub's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(hub))
        home = tmp_path_factory.mktemp("local_sagemaker") / "home"
        with LocalSageMaker(home=home) as running:
            patch.setenv("LOCAL_SAGEMAKER_HOME", str(running.home))
            forget_clients()
            yield start("few-shot")
    forget_clients()


@pytest.fixture
def downloaded(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hub's client in this process find the weights too."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("downloaded")
def test_a_model_of_the_hub_completes_alike_in_each_place(
    with_weights: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same weights, prompted as this workshop's script, a bare container and JumpStart do."""
    packed = language_models.from_hub(with_weights)
    assert "Packing" in capsys.readouterr().out
    container = language_models.from_container(with_weights)
    jumpstart = language_models.from_jumpstart(with_weights)
    places = [packed, container, jumpstart]
    assert [place.dialect for place in places] == ["workshop", "pipeline", "tgi"]
    texts = {complete(place, "Message: a", GREEDY).text for place in places}
    assert len(texts) == 1
    [text] = texts
    assert text
    # Each stops where it is told to, or what goes beyond is cut off.
    stop = Parameters(temperature=0, max_new_tokens=8, end_sequence=text[3])
    for place in places:
        assert complete(place, "Message: a", stop).text == text.partition(text[3])[0]
    drawn = Parameters(temperature=1.5, max_new_tokens=8, seed=1)
    for place in (packed, jumpstart):
        first, second = (complete(place, "Message: a", drawn).text for _ in range(2))
        assert first == second
    for place in places:
        with pytest.raises(completions.PromptTooLong):
            complete(place, "word " * 200, GREEDY)
    language_models.from_hub(with_weights)
    assert language_models.from_jumpstart(with_weights) == jumpstart
    assert "Packing" not in capsys.readouterr().out
