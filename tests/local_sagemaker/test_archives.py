"""What goes into an archive comes out again, and nothing gets out of its destination."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from local_sagemaker.archives import ArchiveError, create, extract


def tree(folder: Path) -> dict[str, str]:
    """Return the files and links below a folder with their content or target."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_text()
    return found


def test_a_folder_survives_the_round_trip(tmp_path: Path) -> None:
    model = tmp_path / "model"
    (model / "code" / "empty").mkdir(parents=True)
    (model / "weights.bin").write_text("w" * 100_000)
    (model / "code" / "inference.py").write_text("x = 1\n")
    (model / "run.sh").write_text("#!/bin/sh\n")
    (model / "run.sh").chmod(0o755)
    (model / "latest").symlink_to("weights.bin")
    (model / "code" / "absolute").symlink_to(model / "run.sh")
    archive = tmp_path / "model.tar.gz"
    assert create(model, archive) == []
    names = extract(archive, tmp_path / "out")
    assert names == ["code/absolute", "code/inference.py", "latest", "run.sh", "weights.bin"]
    assert tree(tmp_path / "out") == tree(model) | {"code/absolute": "-> ../run.sh"}
    assert (tmp_path / "out" / "code" / "empty").is_dir()
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)
    assert not os.access(tmp_path / "out" / "weights.bin", os.X_OK)


def test_equal_folders_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for file in ("b", "a") if name == "one" else ("a", "b"):
            (tmp_path / name / file).write_text(file)
            os.utime(tmp_path / name / file, (1_700_000_000, 1_700_000_000))
        create(tmp_path / name, tmp_path / f"{name}.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_a_link_out_of_the_folder_is_replaced_by_its_file_or_left_out(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "weights").write_text("weights")
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights").symlink_to(cache / "weights")
    (model / "cache").symlink_to(cache)
    (model / "dangling").symlink_to("nowhere")
    (model / "loop").symlink_to("loop")
    os.mkfifo(model / "pipe")
    assert create(model, tmp_path / "model.tar.gz") == ["cache", "dangling", "loop", "pipe"]
    extract(tmp_path / "model.tar.gz", tmp_path / "out")
    assert tree(tmp_path / "out") == {"weights": "weights"}


def test_text_is_compressed_and_weights_are_stored(tmp_path: Path) -> None:
    weights, text = tmp_path / "weights", tmp_path / "text"
    for folder in (weights, text):
        folder.mkdir()
        (folder / "model.bin").write_bytes(
            os.urandom(1_000_000) if folder is weights else b"text, label\n" * 80_000
        )
        (folder / "config.json").write_text("{}")
        assert create(folder, tmp_path / f"{folder.name}.tar.gz") == []
        extract(tmp_path / f"{folder.name}.tar.gz", tmp_path / f"{folder.name}-out")
        copy = tmp_path / f"{folder.name}-out" / "model.bin"
        assert copy.read_bytes() == (folder / "model.bin").read_bytes()
    assert (tmp_path / "weights.tar.gz").stat().st_size > 1_000_000
    assert (tmp_path / "text.tar.gz").stat().st_size < 50_000


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_any_compression_is_read(tmp_path: Path, mode: str) -> None:
    archive = written(tmp_path, lambda tar: add(tar, "./a/b.txt", b"text"), mode)
    assert extract(archive, tmp_path / "out") == ["a/b.txt"]
    assert tree(tmp_path / "out") == {"a/b.txt": "text"}


def test_a_stream_is_enough(tmp_path: Path) -> None:
    archive = written(tmp_path, lambda tar: add(tar, "a", b"text"))
    with archive.open("rb") as stream:
        assert extract(stream, tmp_path / "out") == ["a"]


def test_a_later_member_replaces_an_earlier_one(tmp_path: Path) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "a", b"old")
        link(tar, "b", "a")
        add(tar, "a", b"new")
        add(tar, "b", b"file")

    extract(written(tmp_path, fill), tmp_path / "out")
    assert tree(tmp_path / "out") == {"a": "new", "b": "file"}


def test_a_hard_link_to_an_earlier_member_is_kept(tmp_path: Path) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "a", b"text")
        link(tar, "b", "a", tarfile.LNKTYPE)

    extract(written(tmp_path, fill), tmp_path / "out")
    assert tree(tmp_path / "out") == {"a": "text", "b": "text"}


def add(tar: tarfile.TarFile, name: str, content: bytes = b"") -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def link(tar: tarfile.TarFile, name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    tar.addfile(member)


def written(folder: Path, fill: Callable[[tarfile.TarFile], None], mode: str = "w:gz") -> Path:
    path = folder / "archive"
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]  # the mode varies
        fill(tar)
    return path


def escape_through_a_link(tar: tarfile.TarFile) -> None:
    link(tar, "x", "..")
    add(tar, "x/evil", b"evil")


def escape_through_two_links(tar: tarfile.TarFile) -> None:
    # Each target is inside when read letter by letter; only together they lead out.
    add(tar, "d/e/keep")
    link(tar, "d/e/root", "../..")
    link(tar, "out", "d/e/root/../evil")


def fifo(tar: tarfile.TarFile) -> None:
    link(tar, "pipe", "", tarfile.FIFOTYPE)


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (lambda tar: add(tar, "/etc/evil"), "absolute name"),
        (lambda tar: add(tar, "../evil"), "'..' in its name"),
        (lambda tar: add(tar, "a/../../evil"), "'..' in its name"),
        (lambda tar: link(tar, "a", "/etc/passwd"), "absolute target"),
        (lambda tar: link(tar, "a", "../evil"), "leads out"),
        (lambda tar: link(tar, "a", "b/../../evil"), "leads out"),
        (lambda tar: link(tar, "a", "/etc/passwd", tarfile.LNKTYPE), "absolute name"),
        (lambda tar: link(tar, "a", "../evil", tarfile.LNKTYPE), "'..' in its name"),
        (lambda tar: link(tar, "a", "missing", tarfile.LNKTYPE), "no file before it"),
        (lambda tar: link(tar, "a", "a"), "leads nowhere"),
        (fifo, "neither a file, nor a folder, nor a link"),
        (escape_through_a_link, "both a link and a folder"),
        (escape_through_two_links, "leads out"),
        (lambda tar: add(tar, "d/" * 1500 + "x"), "in more than 100 folders"),
    ],
)
def test_a_member_that_would_get_out_is_refused(
    tmp_path: Path, fill: Callable[[tarfile.TarFile], None], reason: str
) -> None:
    out = tmp_path / "in" / "side"
    with pytest.raises(ArchiveError, match=reason):
        extract(written(tmp_path, fill), out)
    assert [path for path in tmp_path.rglob("evil") if not path.is_relative_to(out)] == []


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.95])
def test_a_damaged_archive_is_named_as_such(tmp_path: Path, cut: float) -> None:
    archive = written(tmp_path, lambda tar: add(tar, "a", os.urandom(50_000)))
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * cut)])
    with pytest.raises(ArchiveError, match="not a tar archive, or damaged"):
        extract(archive, tmp_path / "out")


# Where each format keeps a checksum: of all content, of the last block, of the index.
@pytest.mark.parametrize(
    ("mode", "place"), [("w:gz", -8), ("w:gz", -4), ("w:bz2", -5), ("w:xz", -28)]
)
def test_an_archive_that_does_not_fit_its_checksum_is_refused(
    tmp_path: Path, mode: str, place: int
) -> None:
    archive = written(tmp_path, lambda tar: add(tar, "a", os.urandom(50_000)), mode)
    content = bytearray(archive.read_bytes())
    content[place] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(ArchiveError, match="not a tar archive, or damaged"):
        extract(archive, tmp_path / "out")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_damaged_member_is_refused(tmp_path: Path, mode: str) -> None:
    archive = written(tmp_path, lambda tar: add(tar, "a", os.urandom(50_000)), mode)
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(ArchiveError, match="not a tar archive, or damaged"):
        extract(archive, tmp_path / "out")


def test_a_stream_may_come_in_drops(tmp_path: Path) -> None:
    class Drops(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(1 if size is None or size else 0)

    archive = written(tmp_path, lambda tar: add(tar, "a", b"text"))
    assert extract(Drops(archive.read_bytes()), tmp_path / "out") == ["a"]
    assert tree(tmp_path / "out") == {"a": "text"}


def test_something_else_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("just text, and a good deal more of it\n" * 100)
    with pytest.raises(ArchiveError, match="not a tar archive"):
        extract(tmp_path / "text", tmp_path / "out")


def test_an_archive_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    archive = written(tmp_path, lambda tar: add(tar, "zeros", bytes(10_000_000)))
    assert archive.stat().st_size < 100_000
    with pytest.raises(ArchiveError, match="larger than 1000000 bytes"):
        extract(archive, tmp_path / "out", max_bytes=1_000_000)
    assert not (tmp_path / "out" / "zeros").exists()


def test_the_destination_must_be_empty(tmp_path: Path) -> None:
    archive = written(tmp_path, lambda tar: add(tar, "a", b"text"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        extract(archive, tmp_path / "out")
