"""The slide deck: one file, of today, that fits its slides and needs nothing else."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

DECK = Path("docs", "slides.html")


@pytest.fixture
def tool(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the tool as a module."""
    monkeypatch.syspath_prepend(repository / "tools")
    yield importlib.import_module("slides")
    sys.modules.pop("slides", None)


def test_the_deck_is_of_its_source(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "module", ["slides", "plots", "recorded", "zero_shot_plots", "zero_shot_results"]
)
def test_a_deck_is_older_than_what_has_drawn_it_otherwise(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    before = tool.digest("# A title")
    drawing = tool if module == "slides" else getattr(tool, module)
    assert drawing.__file__ is not None
    copy = tmp_path / "copy.py"
    copy.write_bytes(Path(drawing.__file__).read_bytes())
    monkeypatch.setattr(drawing, "__file__", str(copy))
    assert tool.digest("# A title") == before
    with copy.open("a", encoding="utf-8") as file:
        file.write("# drawn in red\n")
    assert tool.digest("# A title") != before


def test_every_slide_has_a_note(tool: ModuleType) -> None:
    made = tool.slides(tool.SOURCE.read_text(encoding="utf-8"))
    assert len(made) > 10
    for slide in made:
        assert slide.note, slide.shown


def test_a_slide_shows_and_its_note_says(tool: ModuleType) -> None:
    made = tool.deck(
        "# A <title>\n\nNote: Hello.\n\n---\n\n## Two\n\n- *one*\n\nNote: {{few_shot fast 8}}"
    )
    assert "<title>A &lt;title&gt;</title>" in made
    assert made.count("<section") == 2
    assert "<em>one</em>" in made
    table = tool.recorded.few_shot().table().set_index(["recipe", "shots"])["accuracy"]
    assert f"{table['fast', 8] * 100:.1f} %" in made


@pytest.mark.parametrize(
    "source",
    ["![x](plot:nothing)", "![x](pictures/nothing.svg)", "{{few_shot fast 7}}", "{{accuracy}}"],
)
def test_what_there_is_not_is_a_mistake(tool: ModuleType, source: str) -> None:
    with pytest.raises(tool.Mistake, match=r"nothing|few_shot fast 7|accuracy"):
        tool.deck(source)


def test_a_picture_needs_words(tool: ModuleType) -> None:
    with pytest.raises(tool.Mistake, match="no words"):
        tool.deck("![](pictures/portal_task.png)")


def test_it_loads_nothing(repository: Path) -> None:
    page = (repository / DECK).read_text(encoding="utf-8")
    for sign in ('src="http', "<link", "@import", "url(http", 'href="http'):
        assert sign not in page
    assert page.count('alt="') == page.count("<img")
