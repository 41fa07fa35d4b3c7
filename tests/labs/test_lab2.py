import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from local_sagemaker.daemon import stop
from local_sagemaker.home import Home
from tests.labs import calls
from tests.labs.left_behind import left_behind
from tests.labs.notebooks import printed, run_every_cell_twice, shown
from tests.labs.path import check_exercises, check_expectations
from tests.labs.started import check_estimate

NOTEBOOK = "lab2_zero_shot_jumpstart.ipynb"

pytestmark = [pytest.mark.slow, pytest.mark.notebook]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Return the home of a local SageMaker for this lab alone."""
    home = Home(tmp_path_factory.mktemp("lab2") / "home")
    yield home
    stop(home)


@pytest.fixture(scope="module")
def lab(repository: Path, home: Home) -> NotebookNode:
    """Return the notebook after every cell has run twice."""
    environment = {"LOCAL_SAGEMAKER_HOME": str(home.path), "WORKSHOP_MODE": "local"}
    return run_every_cell_twice(repository / NOTEBOOK, environment)


def test_every_code_cell_ends_with_something_to_look_at(lab: NotebookNode) -> None:
    for cell in lab.cells:
        if cell.cell_type == "code" and cell["id"] != "parameters":
            assert cell["outputs"], f"cell {cell['id']} shows nothing"


def test_the_estimate_declares_what_was_started(lab: NotebookNode) -> None:
    check_estimate("zero-shot", lab.metadata["started"])


def test_exercises_are_unsolved_as_they_stand_and_their_solutions_pass(lab: NotebookNode) -> None:
    check_exercises(lab)


def test_what_one_sees_is_what_the_text_says(lab: NotebookNode) -> None:
    check_expectations(lab)


def test_no_cell_writes_to_standard_error(lab: NotebookNode) -> None:
    for cell in lab.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", f"cell {cell['id']}: {output['text'][:500]}"


def test_models_are_found_and_described(lab: NotebookNode) -> None:
    assert "huggingface-zstc-facebook-bart-large-mnli" in shown(lab, "find")
    about = shown(lab, "about")
    assert "MIT" in about
    assert "ml.m5.xlarge" in about


def test_the_model_is_named_as_what_it_is(lab: NotebookNode) -> None:
    said = printed(lab, "build-model")
    assert "facebook-bart-large-mnli cannot be had here" in said
    assert "It is no NLI model" in said
    assert "MiniLM bi-encoder" in shown(lab, "build-model")


def test_the_jumpstart_request_is_answered(lab: NotebookNode) -> None:
    answer = ast.literal_eval(shown(lab, "ask-raw", "text/plain"))
    assert answer["labels"][0] == "travel"
    assert sum(answer["scores"]) == pytest.approx(1)
    assert printed(lab, "ask-raw").startswith("travel")


def test_pictures_are_drawn(lab: NotebookNode) -> None:
    plots = ["confusion", "described", "growth", "worth"]
    for cell_id in ["ask-task", "descriptions", "multi-label", *(f"plot-{p}" for p in plots)]:
        assert shown(lab, cell_id, "image/png"), cell_id


def test_a_resolution_that_fits_two_categories_gets_both(lab: NotebookNode) -> None:
    found = ast.literal_eval(printed(lab, "multi-label").removeprefix("above one half: "))
    assert set(found) == {"Education/Training", "Career"}


def test_mistakes_are_explained(lab: NotebookNode) -> None:
    assert len(printed(lab, "mistakes").splitlines()) == 4
    assert '"candidate_labels"' in printed(lab, "dialect")


def test_the_batch_answers_every_row_once(lab: NotebookNode) -> None:
    # The second run of the cell finds the job of the first.
    assert re.search("runs already|has answered already", printed(lab, "batch-run"))
    assert re.search(r"Rows</th>\s*<td[^>]*>400<", shown(lab, "batch-run"))
    assert "no answer" not in printed(lab, "joined")
    own = shown(lab, "own-labels")
    assert "1 of 3 rows have no answer, the first one row 1" in printed(lab, "own-labels")
    for predicted in ("food", "sports"):
        assert predicted in own


def test_descriptions_help_and_guessing_is_beaten(lab: NotebookNode) -> None:
    named = ast.literal_eval(shown(lab, "accuracy", "text/plain"))
    assert named["right"] > 0.4
    assert named["either category"] > named["right"]
    table = shown(lab, "described", "text/plain").splitlines()
    right = {line.split()[0]: float(line.split()[1]) for line in table[1:]}
    assert right["described"] > right["names"]


def test_no_language_model_is_made_up(lab: NotebookNode) -> None:
    prompt = shown(lab, "prompt-zero")
    assert "Classify the following text as either career, finance, health or family." in prompt
    assert "0 examples" in prompt
    assert "No language model was asked" in printed(lab, "ask-language-model")


def test_recorded_results_say_where_they_are_from(lab: NotebookNode) -> None:
    assert "python benchmarks/zero_shot.py" in printed(lab, "plot-growth")
    said = printed(lab, "worth")
    assert "the same encoder's vectors, without names: worse with 1, as good with 2" in said


def test_the_quota_is_a_sentence(lab: NotebookNode) -> None:
    assert "ml.g5.2xlarge for endpoint usage" in printed(lab, "quota")


def test_nothing_is_left_running(lab: NotebookNode) -> None:
    assert shown(lab, "delete", "text/plain") == "[]"


def test_cells_are_short_and_ids_and_outputs_are_clean(repository: Path) -> None:
    notebook = nbformat.read(repository / NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        assert not re.fullmatch(r"[0-9a-f]{8}", cell["id"]), cell["id"]
        if cell.cell_type == "code":
            assert len(cell["source"].splitlines()) <= 15, cell["id"]
            assert cell["outputs"] == []
    json.loads((repository / NOTEBOOK).read_text(encoding="utf-8"))


@pytest.mark.usefixtures("lab")
def test_every_call_is_recorded_for_the_minimal_policy(home: Home) -> None:
    calls.check_or_record("lab2", home.path)


def test_preflight_finds_nothing_in_the_way(lab: NotebookNode) -> None:
    assert "can run: nothing is in the way" in shown(lab, "preflight")


def test_clean_up_leaves_nothing_of_the_lab(lab: NotebookNode, home: Home) -> None:
    assert "Clean" in shown(lab, "clean-up")
    assert "A second look found nothing" in shown(lab, "clean-up")
    assert not left_behind(home.path)
