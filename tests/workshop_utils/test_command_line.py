"""``python -m workshop_utils`` without a notebook."""

import pytest

from local_sagemaker import LocalSageMaker
from workshop_utils.__main__ import main


@pytest.fixture
def home(local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands use the shared server."""
    monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))


@pytest.mark.parametrize("command", ["run-lab1", "run-lab2"])
def test_help_says_what_can_be_changed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "--keep-endpoint" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_a_model_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run-lab2", "--model", "huggingface-zstc-nobody"]) == 1
    assert "has no huggingface-zstc-nobody" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_lab_2_runs_from_end_to_end(
    local: LocalSageMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run-lab2"]) == 0
    said = capsys.readouterr().out
    for part in ("no NLI model", "400 of 400 rows", "Lab 2, zero-shot classification"):
        assert part in said
    assert not [one for one in local.status()["endpoints"] if "bi-encoder" in one["name"]]
