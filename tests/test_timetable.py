"""The timetable and the glossary speak of the labs as they are."""

import ast
import builtins
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

from tests.doc_support import ROOT, headings, labs, markdown
from workshop_utils import lab_cells
from workshop_utils.waits import WAITS

TIMETABLE = (ROOT / "docs" / "timetable.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)
_PLACE = re.compile(r"Lab (\d), sections? ([\d, and]+)")
# What is no word of its own in the section where its matter stands.
_OTHER_WORDS = {
    "Cold start": "cold_and_warm",
    "ECE": "evaluation()",
    "Confusion matrix": "confusion",
    "Execution role": "role",
    "Human loop": "loop",
    "Model registry": "registry",
    "Few-shot": "few",
    "Contrastive learning": "contrastive",
    "Embedding": "vector",
    "End sequence": "end_sequence",
    "NLI": "natural language inference",
    "p50": "median",
    "Quantisation": "8-bit",
    "Serverless endpoint": "serverless",
    "Calibration": "calibrat",
}


def _chapter(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def _rows(chapter: str) -> list[list[str]]:
    return [row.split(" | ") for row in _ROW.findall(chapter)][2:]


class Section(NamedTuple):
    """A section of a lab: its title, and all that is in its cells."""

    title: str
    text: str


@cache
def _sections(lab: int) -> dict[int, Section]:
    cells = nbformat.read(labs()[lab - 1], as_version=4).cells
    parts = re.split(r"^## (\d+)\. (.+)$", "\n".join(c.source for c in cells), flags=re.MULTILINE)
    return {
        int(number): Section(title.strip(), text)
        for number, title, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return 60 * int(hours) + int(minutes)


def _plans() -> list[str]:
    return [title for title in headings(TIMETABLE, level=2) if title.split()[1] == "minutes:"]


@pytest.mark.parametrize("plan", _plans())
def test_a_plan_has_no_gap_and_ends_in_time(plan: str) -> None:
    clock = 0
    for start, minutes, _what, *_ in _rows(_chapter(TIMETABLE, plan)):
        assert _minutes(start) == clock
        clock += int(minutes)
    assert clock == int(plan.split()[0])


def test_the_plans_name_sections_that_the_labs_have() -> None:
    named = re.findall(r"^\| \d:\d\d \| \d+ \| (Lab .+?) \|", TIMETABLE, re.MULTILINE)
    assert len(named) > 30
    for what in named:
        place = _PLACE.fullmatch(what)
        assert place is not None, what
        lab, numbers = place.groups()
        assert set(map(int, re.findall(r"\d+", numbers))) <= _sections(int(lab)).keys(), what


def _planned(plan: str) -> dict[int, list[int]]:
    """Return the sections of each lab that a plan has."""
    planned: dict[int, list[int]] = {}
    for _start, _minutes, what, *_ in _rows(_chapter(TIMETABLE, plan)):
        if place := _PLACE.fullmatch(what.rstrip(" |")):
            planned.setdefault(int(place[1]), []).extend(map(int, re.findall(r"\d+", place[2])))
    return planned


def _told_to_leave_out() -> dict[int, set[int]]:
    """Return the sections that the timetable leaves out when it is late, by lab."""
    [late] = re.findall(r"^Late\? In this order leave out: (.+?)\. ", TIMETABLE, re.MULTILINE)
    out: dict[int, set[int]] = {}
    for lab, first, last in re.findall(r"Lab (\d) sections? (\d+)(?: to (\d+))?", late):
        out.setdefault(int(lab), set()).update(range(int(first), int(last or first) + 1))
    return out


@pytest.mark.parametrize("plan", _plans())
def test_no_section_of_a_plan_misses_one_that_the_plan_leaves_out(plan: str) -> None:
    late = _told_to_leave_out()
    assert late == {1: {5, 8}, 2: {8, 9, 10}}
    for lab, sections in _planned(plan).items():
        cells = lab_cells.read(lab)
        assert sections[0] == 1
        assert sections[-1] == cells.last
        for left_out in (set[int](), late.get(lab, set())):
            known = set(dir(builtins))
            for cell in cells.cells:
                if cell.section in {*sections} - left_out and "deeper" not in cell.tags:
                    assert cell.needed <= known, (plan, cell.name, cell.needed - known)
                    known |= cell.made


def test_the_waits_that_no_plan_holds_are_told() -> None:
    [told] = re.findall(
        r"BART's batch in Lab 2, about (\d+) minutes.+?about (\d+) \(", TIMETABLE, re.S
    )
    batch, pipeline = (60 * int(minutes) for minutes in told)
    assert batch == WAITS["zero-shot batch"].on_aws
    assert {pipeline} == {w.on_aws for what, w in WAITS.items() if what.startswith("sentiment pip")}


@pytest.mark.parametrize("lab", [1, 2, 3])
def test_each_section_of_a_lab_has_its_row_and_three_ways_out(lab: int) -> None:
    rows = _rows(_chapter(TIMETABLE, f"Lab {lab}, section by section"))
    assert [row[0] for row in rows] == [
        f"{n}. {section.title}" for n, section in _sections(lab).items()
    ]
    for section, *_, trouble in rows:
        assert trouble.count("](") == 3, section


def test_the_exercises_are_those_of_the_labs() -> None:
    told = [tuple(row) for row in _rows(_chapter(TIMETABLE, "The exercises"))]
    there = [
        (str(lab), str(number), exercise)
        for lab in (1, 2, 3)
        for number, section in _sections(lab).items()
        for exercise in re.findall(r"^### Exercise, (.+)$", section.text, re.MULTILINE)
    ]
    assert told == there
    assert [lab for lab, *_ in told] == [*"111222333"]


def test_each_way_out_is_named_by_a_section() -> None:
    way_out = _chapter(TIMETABLE, "The way out")
    anchors = set(re.findall(r'<a id="([^"]+)"', way_out))
    assert anchors == set(re.findall(r"\]\(#([\w-]+)\)", TIMETABLE)) - {"what-you-do-here-a-cycle"}


def _messages(folder: Path) -> str:
    """Return all texts that stand in the code of a folder, one on a line."""
    found = []
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "…" for p in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_a_quoted_message_is_one_that_the_code_has() -> None:
    said = _messages(ROOT / "workshop_utils")
    said += "".join(markdown(lab) + lab.read_text(encoding="utf-8") for lab in labs())
    for row in _rows(_chapter(TIMETABLE, "The way out")):
        for message in re.findall(r"`([^`]{25,})`", row[0]):
            for part in filter(None, (part.strip(" .:") for part in re.split("[…;]", message))):
                assert part in said, message


def _entries() -> dict[str, str]:
    found = re.findall(r"^### (.+)\n(.+)$", GLOSSARY, re.MULTILINE)
    assert len(found) == len(headings(GLOSSARY, level=3))
    return dict(found)


def test_the_glossary_is_in_order() -> None:
    terms = list(_entries())
    assert len(terms) >= 40
    assert terms == sorted(terms, key=str.lower)


@pytest.mark.parametrize("term", _entries())
def test_a_term_occurs_where_the_glossary_says(term: str) -> None:
    places = _PLACE.findall(_entries()[term])
    assert places
    word = _OTHER_WORDS.get(term, term).lower()
    for lab, numbers in places:
        sections = _sections(int(lab))
        for number in map(int, re.findall(r"\d+", numbers)):
            assert word in sections[number].text.lower(), (lab, number)
