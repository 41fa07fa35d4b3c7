"""The readable tree of objects: what it shows, and that it is only a view."""

import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_sagemaker.database import Database
from local_sagemaker.s3.model import Bucket, ObjectInfo
from local_sagemaker.s3.objects import Objects
from local_sagemaker.s3.tree import LARGEST, Tree
from local_sagemaker.s3.tree_names import path_of

ACCOUNT, REGION, BUCKET = "111122223333", "us-east-1", "shown"


class Store:
    """An object store with its tree, in this process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.database = Database(home / "state.db")
        self.objects = Objects(self.database, home / "s3")
        self.objects.ensure_bucket(ACCOUNT, REGION, BUCKET)
        self.tree = Tree(self.objects, home / "tree")
        self.folder = home / "tree" / ACCOUNT / BUCKET

    def put(self, key: str, data: bytes = b"data") -> None:
        self.objects.put_bytes(ACCOUNT, REGION, BUCKET, key, data)

    def shown(self) -> dict[str, bytes]:
        """Return the files below the bucket's folder by relative path."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    def followed(self, **expected: bytes) -> None:
        """Wait until the thread has brought the tree here."""
        while self.shown() != expected:
            time.sleep(0.02)

    def close(self) -> None:
        self.tree.close()
        self.objects.close()
        self.database.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


def test_it_follows_puts_and_deletes(store: Store) -> None:
    store.put("one", b"1")
    store.put("two", b"2")
    store.followed(one=b"1", two=b"2")
    store.put("one", b"1, again")
    store.objects.delete(ACCOUNT, BUCKET, "two")
    store.followed(one=b"1, again")


def test_a_reader_is_told_what_it_is(store: Store) -> None:
    store.tree.rebuild()
    text = (store.home / "tree" / "README.txt").read_text()
    assert "changes no object" in text
    assert '"a" beside "a/b"' in text


def test_editing_a_file_changes_no_object_and_is_undone(store: Store) -> None:
    store.put("model/weights", b"the truth")
    store.tree.rebuild()
    file = store.folder / "model" / "weights"
    assert file.stat().st_mode & 0o222 == 0
    file.chmod(0o600)
    file.write_bytes(b"a falsehood")
    (store.folder / "added").write_text("by hand")
    assert store.objects.open(ACCOUNT, BUCKET, "model/weights").read() == b"the truth"
    store.tree.rebuild()
    assert store.shown() == {"model/weights": b"the truth"}


NAMES = [
    "plain.txt",
    "a",
    "a/b",
    "a/b/c",
    "/leading",
    "double//slash",
    "folder/",
    "../escape",
    "x/../../escape",
    ".",
    "..",
    "nul\x00 and newline\n",
    'C:\\windows "quoted" <x>|*?',
    "100% sure",
    "100%25 sure",
    "a%object",
    "ends with a dot.",
    "ends with a blank ",
    "ünïcödé/日本語",
    "k" * 1024,
    "é" * 512,
    "/".join("d" * 20 for _ in range(48)),
]


def test_every_key_is_a_file_of_its_own_inside_the_folder(store: Store) -> None:
    for key in NAMES:
        store.put(key, key.encode())
    report = store.tree.rebuild()
    assert (report.files, report.notes, report.left_out) == (len(NAMES), 0, 0)
    assert sorted(store.shown().values()) == sorted(key.encode() for key in NAMES)
    assert store.shown()["a%object"] == b"a"
    assert store.shown()["a/b%object"] == b"a/b"
    outside = [path for path in store.home.iterdir() if path.name not in KEPT]
    assert outside == []
    assert sorted(path.name for path in store.folder.parent.iterdir()) == [BUCKET]


KEPT = {"state.db", "state.db-wal", "state.db-shm", "s3", "tree"}


def test_different_keys_have_different_paths() -> None:
    keys = [*NAMES, "%empty", "", "a%note.txt", "a%long-" + "0" * 32, "k" * 1023, "K" * 1024]
    assert len({path_of(key) for key in keys}) == len(keys)


def test_a_link_in_the_tree_leads_nobody_out_of_it(store: Store, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    store.put("folder/file", b"1")
    store.tree.rebuild()
    (store.folder / "folder" / "file").unlink()
    (store.folder / "folder").rmdir()
    (store.folder / "folder").symlink_to(elsewhere)
    store.tree.rebuild()
    assert list(elsewhere.iterdir()) == []
    assert store.shown() == {"folder/file": b"1"}


def test_an_object_that_becomes_a_folder_and_one_again(store: Store) -> None:
    store.put("a", b"object")
    store.tree.rebuild()
    store.put("a/b", b"below")
    store.tree.rebuild()
    assert store.shown() == {"a%object": b"object", "a/b": b"below"}
    store.objects.delete(ACCOUNT, BUCKET, "a/b")
    store.tree.rebuild()
    store.tree.rebuild()
    assert store.shown() == {"a": b"object"}


def test_a_large_object_is_a_note_unless_it_can_be_shared(store: Store) -> None:
    store.put("large.bin", bytes(LARGEST + 1))
    report = store.tree.rebuild()
    shown = store.shown()
    if report.files:
        assert shown == {"large.bin": bytes(LARGEST + 1)}
    else:
        text = shown["large.bin%note.txt"].decode()
        assert "download_file('shown', 'large.bin', 'file')" in text
    store.put("large.bin", b"small")
    store.tree.rebuild()
    assert store.shown() == {"large.bin": b"small"}


def test_what_a_killed_server_left_is_made_anew(tmp_path: Path) -> None:
    first = Store(tmp_path)
    first.put("kept", b"1")
    first.tree.rebuild()
    first.close()
    assert (tmp_path / "tree" / ".current").exists()
    # As after SIGKILL: the mark is gone, and the tree is not what the store is.
    (tmp_path / "tree" / ".current").unlink()
    file = first.folder / "kept"
    file.replace(first.folder / "gone")
    again = Store(tmp_path)
    again.followed(kept=b"1")
    again.close()


def test_a_tree_that_is_current_is_left_as_it_is(tmp_path: Path) -> None:
    first = Store(tmp_path)
    first.put(name := uuid.uuid4().hex, b"1")
    first.tree.rebuild()
    first.close()
    before = (first.folder / name).stat().st_ino
    again = Store(tmp_path)
    again.put("more", b"2")
    again.followed(more=b"2", **{name: b"1"})
    again.close()
    assert (first.folder / name).stat().st_ino == before


def test_an_object_that_goes_while_the_tree_is_made_spoils_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("gone")
    store.put("stays", b"1")
    listed = store.objects.list

    def then_deleted(account: str, bucket: str) -> list[ObjectInfo]:
        found = listed(account, bucket)
        store.objects.delete(account, bucket, "gone")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(store.objects, "list", then_deleted)
        store.tree.rebuild()
    store.followed(stays=b"1")


def test_a_link_in_place_of_the_tree_is_not_followed(store: Store, tmp_path: Path) -> None:
    store.put("one", b"1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_bytes(b"mine")
    store.followed(one=b"1")
    # The thread may be at work still, even where the file is shown already.
    with store.tree._lock:
        shutil.rmtree(store.home / "tree")
        (store.home / "tree").symlink_to(elsewhere)
    store.tree.rebuild()
    assert store.shown() == {"one": b"1"}
    assert [path.name for path in elsewhere.iterdir()] == ["precious"]


def test_who_stops_the_server_does_not_wait_for_the_whole_tree(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        store.put(str(number))
    shown: list[str] = []
    show = Tree._show

    def slow(tree: Tree, bucket: Bucket, info: ObjectInfo) -> Path | None:
        shown.append(info.key)
        if len(shown) == 1:
            closing.start()
            while not tree._closing.is_set():
                time.sleep(0.01)
        return show(tree, bucket, info)

    closing = threading.Thread(target=store.tree.close)
    with store.tree._lock:
        monkeypatch.setattr(Tree, "_show", slow)
    store.tree.rebuild()
    closing.join()
    assert len(shown) < 20
    # The next server makes it anew.
    assert not (store.home / "tree" / ".current").exists()
