"""The run folders of servers that are gone do not stay."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.home import HomeError
from local_sagemaker.run_folder import RunFolder, sweep
from local_sagemaker.settings import default_run_dir


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in the place of /tmp."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def dead(home: Path) -> Path:
    """Make the folder of a server that was killed."""
    folder = RunFolder(home)
    (folder.path / "c").mkdir()
    (folder.path / "c" / "file").write_text("left")
    os.close(folder._lock)
    return folder.path


def test_a_dead_server_s_whose_home_is_gone_goes(parent: Path, tmp_path: Path) -> None:
    kept_home = tmp_path / "kept"
    kept_home.mkdir()
    gone, kept = dead(tmp_path / "gone"), dead(kept_home)
    running = RunFolder(tmp_path / "removed while it runs")
    assert sweep(parent) == 1
    assert not gone.exists()
    assert (kept / "c" / "file").exists()
    assert running.path.exists()
    running.remove()
    assert not running.path.exists()
    assert sweep(parent) == 0


def test_what_is_not_ours_is_left_alone(parent: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    (precious / "c").mkdir(parents=True)
    (precious / "home").write_text("/no/such/home")
    uid = os.getuid()
    # A link in the place of a folder, of its mark, and a folder without a mark.
    (parent / f"lsm-{uid}-00000001").symlink_to(precious)
    linked = parent / f"lsm-{uid}-00000002"
    linked.mkdir()
    (linked / "home").symlink_to(precious / "home")
    (parent / f"lsm-{uid}-00000003").mkdir()
    empty = parent / f"lsm-{uid}-00000004"
    empty.mkdir()
    (empty / "home").write_text("")
    for name in (f"lsm-{uid + 1}-00000005", f"lsm-{uid}-0000000", f"lsm-{uid}-00000006x", "other"):
        (parent / name).mkdir()
        (parent / name / "home").write_text("/no/such/home")
    (parent / f"lsm-{uid}-00000007").write_text("a file")
    before = sorted(path.name for path in parent.iterdir())
    assert sweep(parent) == 0
    assert sorted(path.name for path in parent.iterdir()) == before
    assert (precious / "home").exists()


def test_a_link_within_is_not_followed(parent: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    gone = dead(tmp_path / "gone")
    (gone / "link").symlink_to(precious)
    assert sweep(parent) == 1
    assert not gone.exists()
    assert (precious / "file").read_text() == "mine"


def test_a_start_that_fails_leaves_none(parent: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "home")
    folder.give_up()
    assert not list(parent.iterdir())
    # What an earlier server left has to be ended by the next one.
    left = dead(tmp_path / "home")
    folder = RunFolder(tmp_path / "home")
    folder.give_up()
    assert (left / "c" / "file").exists()


def test_somebody_else_s_is_not_used(parent: Path, tmp_path: Path) -> None:
    folder = default_run_dir(tmp_path / "home")
    assert folder.parent == parent
    folder.symlink_to(tmp_path)
    with pytest.raises(HomeError, match="belongs to somebody else"):
        RunFolder(tmp_path / "home")


def test_a_start_sweeps(tmp_path: Path) -> None:
    gone = dead(tmp_path / f"gone-{uuid.uuid4().hex}")
    with LocalSageMaker(tmp_path / "home") as local:
        # It sweeps after it is ready, so that nobody waits for it.
        while gone.exists():
            assert local.status()["url"] == local.url
    assert not default_run_dir(tmp_path / "home").exists()
