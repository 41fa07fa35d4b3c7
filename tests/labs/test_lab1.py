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
from tests.labs.notebooks import outputs, printed, run_every_cell_twice, shown
from tests.labs.path import check_exercises, check_expectations
from tests.labs.started import check_estimate

NOTEBOOK = "lab1_few_shot_learning.ipynb"

pytestmark = [pytest.mark.slow, pytest.mark.notebook]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Return the home of a local SageMaker for this lab alone."""
    home = Home(tmp_path_factory.mktemp("lab1") / "home")
    yield home
    stop(home)


@pytest.fixture(scope="module")
def lab(repository: Path, home: Home) -> NotebookNode:
    """Return the notebook after every cell has run twice."""
    environment = {"LOCAL_SAGEMAKER_HOME": str(home.path), "WORKSHOP_MODE": "local"}
    return run_every_cell_twice(repository / NOTEBOOK, environment)


def test_every_code_cell_ends_with_something_to_look_at(lab: NotebookNode) -> None:
    silent = {"parameters", "train"}
    for cell in lab.cells:
        if cell.cell_type == "code" and cell["id"] not in silent:
            assert cell["outputs"], f"cell {cell['id']} shows nothing"


def test_the_estimate_declares_what_was_started(lab: NotebookNode) -> None:
    check_estimate("few-shot", lab.metadata["started"])


def test_exercises_are_unsolved_as_they_stand_and_their_solutions_pass(lab: NotebookNode) -> None:
    check_exercises(lab)


def test_what_one_sees_is_what_the_text_says(lab: NotebookNode) -> None:
    check_expectations(lab)


def test_no_cell_writes_to_standard_error(lab: NotebookNode) -> None:
    for cell in lab.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", f"cell {cell['id']}: {output['text'][:500]}"


def test_the_job_trained_and_its_metrics_were_collected(lab: NotebookNode) -> None:
    metrics = ast.literal_eval(shown(lab, "show-metrics", "text/plain"))
    assert metrics["train:rows"] == 77 * 8
    assert metrics["test:accuracy"] > 0.6
    assert "[Completed]" in printed(lab, "follow")


def test_the_request_that_is_shown_is_the_one_that_trained(lab: NotebookNode) -> None:
    request = shown(lab, "show-request")
    assert "CreateTrainingJob" in request
    for expected in ("sm_drivers", "RUN_NAME", "MetricDefinitions", "RoleArn"):
        assert expected in request


def test_runs_are_compared_and_more_shots_help(lab: NotebookNode) -> None:
    table = shown(lab, "show-table", "text/plain")
    rows = re.findall(r"-(\d+)-shots-\S+\s+\d+\s+\d+\s+(0\.\d+)", table)
    by_shots = {int(shots): float(accuracy) for shots, accuracy in rows}
    assert by_shots.keys() == {1, 4, 8}, table
    assert by_shots[1] < by_shots[4] < by_shots[8]


def test_pictures_are_drawn(lab: NotebookNode) -> None:
    pictures = ["distribution", "recipes", "runs", "own", "report", "space", "serving"]
    for cell_id in [*(f"plot-{name}" for name in pictures), "confusion-matrix"]:
        assert shown(lab, cell_id, "image/png"), cell_id


def test_confused_intents_are_shown_with_sentences(lab: NotebookNode) -> None:
    table = shown(lab, "show-confusions")
    assert table.count("<tr>") >= 4
    assert "a training example of the answer" in table


def test_recorded_figures_say_where_they_come_from(lab: NotebookNode) -> None:
    for cell_id, command in (("plot-recipes", "few_shot.py"), ("plot-serving", "serving.py")):
        assert re.search(rf"Recorded: python benchmarks/{command}.*20\d\d-", printed(lab, cell_id))


def test_the_endpoint_answers(lab: NotebookNode) -> None:
    answer = ast.literal_eval(shown(lab, "ask", "text/plain"))
    assert answer[0]["label"] == "pin_blocked"
    top = ast.literal_eval(shown(lab, "own-question", "text/plain"))[0]
    assert len(top) == 3
    assert top[0]["score"] >= top[1]["score"] >= top[2]["score"]
    assert "terminate_account" in printed(lab, "csv")
    listed = json.loads(printed(lab, "bare-list").splitlines()[-1])
    lines = [json.loads(line) for line in printed(lab, "jsonlines").split("\n") if line]
    assert [answer["label"] for answer in listed] == ["exchange_rate", "change_pin"]
    # "When will my card arrive" belongs to either of two intents.
    assert lines[-2]["label"] in {"card_arrival", "card_delivery_estimate"}
    assert lines[-1]["label"] == "change_pin"


def test_a_prompt_shows_its_parts_and_is_completed(lab: NotebookNode) -> None:
    prompt = shown(lab, "prompt")
    for part in ("Task description", "Examples", "Query", "6 examples"):
        assert part in prompt
    assert "after" in printed(lab, "complete")
    drawn = ast.literal_eval(shown(lab, "temperatures", "text/plain"))
    assert set(drawn) == {0, 0.5, 1.0, 2.0}
    assert "###" not in "".join(drawn.values())
    assert "###" in printed(lab, "no-end")


def test_the_stand_in_is_never_measured(lab: NotebookNode) -> None:
    assert "Not measured" in printed(lab, "trials")
    assert "No real model" in shown(lab, "plot-trials", "text/plain")
    assert 'set PLACE = "hub"' in printed(lab, "cost")
    table = shown(lab, "cost")
    assert table.count("not measured") == 3
    assert re.search(r">0\.00\d+<", table), table


def test_the_small_problem_has_its_classifier(lab: NotebookNode) -> None:
    right = re.search(r"got (\d\.\d\d) of 12 questions", printed(lab, "small-problem"))
    assert right is not None
    assert float(right[1]) > 0.6


def test_nothing_is_left_running(lab: NotebookNode) -> None:
    assert shown(lab, "delete", "text/plain") == "[]"
    assert outputs(lab, "delete")


def test_cells_are_short(repository: Path) -> None:
    notebook = nbformat.read(repository / NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert len(cell["source"].splitlines()) <= 15, cell["id"]


@pytest.mark.usefixtures("lab")
def test_every_call_is_recorded_for_the_minimal_policy(home: Home) -> None:
    calls.check_or_record("lab1", home.path)


def test_preflight_finds_nothing_in_the_way(lab: NotebookNode) -> None:
    assert "can run: nothing is in the way" in shown(lab, "preflight")


def test_clean_up_leaves_nothing_of_the_lab(lab: NotebookNode, home: Home) -> None:
    assert "Clean" in shown(lab, "clean-up")
    assert "A second look found nothing" in shown(lab, "clean-up")
    assert not left_behind(home.path)
