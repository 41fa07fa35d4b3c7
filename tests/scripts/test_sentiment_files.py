"""The files that the sentiment scripts hand to each other, with what may be in them."""

import io
import random
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.scripts.few_shot_support import ROOT, imported_from

SENTIMENT = ROOT / "scripts" / "sentiment"


@pytest.mark.parametrize(
    "text", ["a\rb", "a\r\nb", "a\nb", 'a "b", c', "=1+1", "a\0b", "a\u2028b\x85c", "日本 🙂", "'"]
)
def test_every_text_is_read_as_it_was_written(tmp_path: Path, text: str) -> None:
    with imported_from(SENTIMENT, "rows") as modules:
        rows: ModuleType = vars(modules)["rows"]
        written = [rows.Row(text, "positive", 3.0, rows.REVIEW), rows.Row("b", "negative")]
        rows.write_csv(tmp_path / "train.csv", written)
        assert rows.read_csv(tmp_path / "train.csv") == written


def test_an_answer_that_is_too_large_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "loop" / "output.json"
    path.parent.mkdir()
    path.write_bytes(b" " * 1001)
    with imported_from(SENTIMENT, "answers") as modules:
        answers: ModuleType = vars(modules)["answers"]
        monkeypatch.setattr(answers, "MAX_BYTES", 1000)
        (broken,) = answers.read_answers(tmp_path, ["negative", "positive"]).broken_files
    assert broken.reason == "larger than 1,000 bytes"


@pytest.mark.parametrize("place", [0.02, 0.3, 0.5, 0.9])
def test_a_damaged_archive_is_refused_by_its_name(tmp_path: Path, place: float) -> None:
    noise = random.Random(0)
    content = "".join(noise.choice("abcdef \n") for _ in range(400_000)).encode()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        member = tarfile.TarInfo("config.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    packed = bytearray(stream.getvalue())
    start = int(len(packed) * place)
    packed[start : start + 2000] = noise.randbytes(2000)
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(packed)
    with imported_from(SENTIMENT, "archive", "rows") as modules:
        found: ModuleType = vars(modules)["archive"]
        error = vars(modules)["rows"].DataError
        with pytest.raises(error, match=r"model\.tar\.gz cannot be unpacked"):
            found.unpack(archive, tmp_path / "model")
