import ast
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

NOTEBOOK = "lab3_human_in_the_loop.ipynb"

pytestmark = [pytest.mark.slow, pytest.mark.notebook]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Return the home of a local SageMaker for this lab alone."""
    home = Home(tmp_path_factory.mktemp("lab3") / "home")
    yield home
    stop(home)


@pytest.fixture(scope="module")
def lab(repository: Path, home: Home) -> NotebookNode:
    """Return the notebook after every cell has run twice."""
    environment = {
        "LOCAL_SAGEMAKER_HOME": str(home.path),
        "WORKSHOP_MODE": "local",
        "WORKSHOP_APPROVAL": "Approved",
    }
    return run_every_cell_twice(repository / NOTEBOOK, environment)


def _rows(page: str) -> list[list[str]]:
    """Return the cells of an HTML table, row by row."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells]


def _card(page: str) -> dict[str, str]:
    return {row[0]: row[1] for row in _rows(page) if len(row) == 2}


def test_every_code_cell_ends_with_something_to_look_at(lab: NotebookNode) -> None:
    for cell in lab.cells:
        if cell.cell_type == "code" and cell["id"] != "parameters":
            assert cell["outputs"], f"cell {cell['id']} shows nothing"


def test_the_estimate_declares_what_was_started(lab: NotebookNode) -> None:
    check_estimate("sentiment", lab.metadata["started"])


def test_exercises_are_unsolved_as_they_stand_and_their_solutions_pass(lab: NotebookNode) -> None:
    check_exercises(lab)


def test_what_one_sees_is_what_the_text_says(lab: NotebookNode) -> None:
    check_expectations(lab)


def test_no_cell_writes_to_standard_error(lab: NotebookNode) -> None:
    for cell in lab.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", f"cell {cell['id']}: {output['text'][:500]}"


def test_refused_jobs_are_retried_and_the_model_is_registered(lab: NotebookNode) -> None:
    steps = {row[0]: row for row in _rows(shown(lab, "steps")) if row}
    assert list(steps)[1:] == ["Prepare", "Train", "Evaluate", "NotWorse", "Register"]
    assert steps["Train"][3] == "3"
    assert steps["Register"][5] == "version 1"
    # The second run of the cell finds the execution of the first.
    assert "is there already" in printed(lab, "start-pipeline")
    assert "as it should be already" in printed(lab, "upsert")


def test_the_service_that_asks_people_is_named(lab: NotebookNode) -> None:
    assert _card(shown(lab, "set-up"))["Service"].startswith("the local SageMaker")
    assert "/portal/#code=" in shown(lab, "portal")


def test_a_decision_is_kept_with_its_reason(lab: NotebookNode) -> None:
    assert _card(shown(lab, "approve"))["Approval"].startswith("Approved: The first model")
    assert _card(shown(lab, "approve-second"))["Approval"].startswith("Approved: Not worse")


def test_the_model_is_unsure_of_just_the_hard_reviews(lab: NotebookNode) -> None:
    table = {row[0]: float(row[1]) for row in _rows(shown(lab, "unsure-kinds"))[1:]}
    assert table["clear"] < 0.15
    assert min(table["mixed"], table["ironic"]) > 2 * table["clear"]


def test_pictures_are_drawn(lab: NotebookNode) -> None:
    names = ["confidences", "calibration", "rule", "champion", "traffic"]
    for name in [*names, "accuracies", "before-after", "trade-off"]:
        assert shown(lab, f"plot-{name}", "image/png"), name


def test_everything_asked_is_answered_by_three(lab: NotebookNode) -> None:
    asked, kept = map(
        int, re.findall(r"(\d+) with people, (\d+) kept back", printed(lab, "split"))[0]
    )
    assert abs(asked - kept) <= 1
    assert f"{asked} of {asked} tasks have ended" in printed(lab, "colleagues")
    assert _card(shown(lab, "collect"))["Answered"] == f"{asked} texts"
    report = ast.literal_eval(shown(lab, "prepared-again", "text/plain"))
    assert report["answers"] == 3 * asked
    lost = report["ties_dropped"] + report["not_clear_dropped"]
    assert report["used"] == report["from_reviews"] == asked - lost


def test_people_read_better_than_the_model_what_it_is_unsure_of(lab: NotebookNode) -> None:
    people, model = map(int, re.findall(r"(\d+)%", printed(lab, "answer-quality")))
    assert people > 90 > model


def test_the_endpoint_is_updated_without_a_dropped_request(lab: NotebookNode) -> None:
    assert _card(shown(lab, "updated"))["Failed"] == "0"
    # The second run of the cell finds the update of the first.
    assert re.search(r"[Vv]ersion 2 (is coming up )?already", printed(lab, "update-endpoint"))


def test_answers_help_with_what_nobody_answered(lab: NotebookNode) -> None:
    # The text leaves room for chance on other machines; with this seed here they do.
    table = {row[0]: [float(cell) for cell in row[1:]] for row in _rows(shown(lab, "after"))[1:]}
    before, after = table["nobody answered these"]
    assert after >= before
    assert table["people answered these"][1] > table["people answered these"][0]


def test_nothing_is_left_running(lab: NotebookNode) -> None:
    assert shown(lab, "delete", "text/plain") == "[]"


def test_cells_are_short_and_ids_and_outputs_are_clean(repository: Path) -> None:
    notebook = nbformat.read(repository / NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        assert not re.fullmatch(r"[0-9a-f]{8}", cell["id"]), cell["id"]
        if cell.cell_type == "code":
            assert len(cell["source"].splitlines()) <= 15, cell["id"]
            assert cell["outputs"] == []


@pytest.mark.usefixtures("lab")
def test_every_call_is_recorded_for_the_minimal_policy(home: Home) -> None:
    calls.check_or_record("lab3", home.path)


def test_preflight_finds_nothing_in_the_way(lab: NotebookNode) -> None:
    assert "can run: nothing is in the way" in shown(lab, "preflight")


def test_clean_up_leaves_nothing_of_the_lab(lab: NotebookNode, home: Home) -> None:
    assert "Clean" in shown(lab, "clean-up")
    assert "A second look found nothing" in shown(lab, "clean-up")
    assert not left_behind(home.path)
