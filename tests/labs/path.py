"""What holds in every lab that was run: exercises can be solved, figures are as its text says."""

from nbformat import NotebookNode


def check_exercises(lab: NotebookNode) -> None:
    """Check that each exercise is unsolved as it stands, with a hint, and passes when solved."""
    verdicts = lab.metadata["verdicts"]
    assert len(verdicts) == 3
    for exercise, (as_it_stands, solved) in verdicts.items():
        assert as_it_stands.startswith("Not yet."), (exercise, as_it_stands)
        assert "Hint: " in as_it_stands, (exercise, as_it_stands)
        assert solved.startswith("Passed."), (exercise, solved)


def check_expectations(lab: NotebookNode) -> None:
    """Check that each figure is in the range that the text names."""
    expected = {
        cell["id"]: cell.metadata["expect"] for cell in lab.cells if "expect" in cell.metadata
    }
    assert expected.keys() == lab.metadata["seen"].keys()
    for cell_id, expect in expected.items():
        figure = lab.metadata["seen"][cell_id]
        assert expect["low"] <= figure <= expect["high"], (cell_id, expect["figure"], figure)
