"""Pictures draw what they are given."""

import json
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest

from workshop_utils import plots, recorded


def _png(figure: object) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")  # type: ignore[attr-defined]  # any matplotlib figure
    return buffer.getvalue()


def test_plots_draw_what_they_are_given() -> None:
    counts = pd.Series({"b": 3, "a": 9, "c": 5})
    figure = plots.distribution(counts, "rows")
    assert [bar.get_height() for bar in figure.axes[0].patches] == [3, 5, 9]
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["b", "a"]
    assert _png(figure).startswith(b"\x89PNG")

    by_label = pd.DataFrame({"f1": [0.2, 0.9, 0.5]}, index=["x", "y", "z"])
    figure = plots.scores_by_label(by_label, worst=2)
    assert sorted(bar.get_width() for bar in figure.axes[0].patches) == [0.2, 0.5]

    runs = pd.DataFrame({"test:accuracy": [0.5, 0.8], "test:macro_f1": [0.4, 0.7]}, index=[1, 8])
    figure = plots.runs(runs, ["test:accuracy", "test:macro_f1"])
    assert sorted(bar.get_width() for bar in figure.axes[0].patches) == [0.4, 0.5, 0.7, 0.8]


def test_trials_are_dots_by_wording_beside_the_classifier() -> None:
    table = pd.DataFrame(
        {"wording": ["a", "a", "b"], "order": [0, 1, 0], "accuracy": [0.25, 0.75, 0.5]}
    )
    figure = plots.trials(table, baseline=0.9)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [line.get_xdata()[0] for line in axes.lines] == [0.9]
    assert _png(figure).startswith(b"\x89PNG")


@pytest.fixture
def results(tmp_path: Path) -> recorded.FewShotResults:
    def point(recipe: str, shots: int, seed: int, accuracy: float, steps: int = 10) -> object:
        return {
            "recipe": recipe,
            "shots": shots,
            "seed": seed,
            "accuracy": accuracy,
            "all_steps_cpu_s": 150.0,
            "steps": steps,
            "all_steps": 10,
            "measured": {"machine": "a machine", "date": "2026-11-20T10:00Z"},
        }

    points = [
        point("quick", 1, 0, 0.5),
        point("quick", 1, 1, 0.7),
        point("quick", 8, 0, 0.8),
        point("slow", 8, 0, 0.6, steps=4),
    ]
    path = tmp_path / "few_shot.json"
    path.write_text(json.dumps({"command": "python x.py", "points": points}))
    return recorded.few_shot(path)


def test_recorded_results_are_means_over_seeds_with_their_source(
    results: recorded.FewShotResults,
) -> None:
    assert results.source == "python x.py, a machine, 2026-11-20"
    table = results.table().set_index(["recipe", "shots"])
    assert table.loc[("quick", 1), "accuracy"] == pytest.approx(0.6)
    assert table.loc[("quick", 1), "seeds"] == 2
    assert not table.loc[("slow", 8), "complete"]


def test_recipes_are_lines_and_what_was_cut_short_is_hollow(
    results: recorded.FewShotResults,
) -> None:
    figure = plots.recipes(results, own=(4, 0.75))
    axes = figure.axes[0]
    quick, star = axes.lines
    assert list(quick.get_ydata()) == pytest.approx([0.6, 0.8])
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (4, 0.75)
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend[0].startswith("quick (2 min of CPU time at 8 shots)")
    assert legend[1].endswith("cut short")
    assert legend[2] == "your run"
    assert _png(figure).startswith(b"\x89PNG")


def test_results_that_are_not_there_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"benchmarks/few_shot\.py"):
        recorded.few_shot(tmp_path / "few_shot.json")


def test_serving_results_are_drawn_with_their_source(tmp_path: Path) -> None:
    def level(connections: int, memory: float) -> object:
        return {
            "connections": connections,
            "p50_ms": 2.0 * connections,
            "p95_ms": 4.0 * connections,
            "requests_per_second": 300.0,
            "cpu_ms_per_request": 1.5,
            "memory_mb": memory,
        }

    content = {
        "command": "python y.py",
        "machine": "a machine",
        "date": "2026-11-20",
        "servers": [
            {
                "server": name,
                "start_to_first_answer_s": 0.5,
                "levels": [level(1, memory), level(8, memory)],
            }
            for name, memory in (("ours, small", 100.0), ("theirs", 1100.0))
        ],
        "accuracy": {"accuracy": {"int8": 0.8}},
    }
    path = tmp_path / "serving.json"
    path.write_text(json.dumps(content))
    found = recorded.serving(path)
    assert found.source == "python y.py, a machine, 2026-11-20"
    assert found.accuracy == {"int8": 0.8}
    row = found.table.set_index("server").loc["theirs"]
    assert (row["p50_ms"], row["cpu_ms"], row["memory_mb"]) == (2.0, 1.5, 1100.0)
    figure = plots.serving(found)
    widths = [[bar.get_width() for bar in axes.patches] for axes in figure.axes]
    # The first server is drawn last, which is at the top.
    assert widths == [[2.0, 2.0], [1.5, 1.5], [1100.0, 100.0]]
    assert _png(figure).startswith(b"\x89PNG")

    with pytest.raises(FileNotFoundError, match=r"benchmarks/serving\.py writes it"):
        recorded.serving(tmp_path / "none.json")


def test_the_recorded_results_of_this_repository_can_be_drawn() -> None:
    assert _png(plots.serving(recorded.serving())).startswith(b"\x89PNG")
    assert _png(plots.recipes(recorded.few_shot())).startswith(b"\x89PNG")
