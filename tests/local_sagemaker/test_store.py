"""What was acknowledged is kept, what failed left no trace, and a bad state is named clearly."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.daemon import StartError
from local_sagemaker.database import Database, StoreError
from local_sagemaker.home import Home
from local_sagemaker.store import Key, Record, RecordExists, RecordMissing, Records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database(path)
    yield opened
    opened.close()


@pytest.fixture
def records(database: Database) -> Records:
    return Records(database)


def record(name: str, account: str = "1", region: str = "r", kind: str = "Model") -> Record:
    arn = f"arn:aws:sagemaker:{region}:{account}:model/{name}"
    key = Key(account, region, kind, name)
    return Record(key, arn, 1.0, 1.0, "Creating", {"ModelName": name}, {"pid": 7})


def names(records: Records) -> list[str]:
    return [found.key.name for found in records.every("Model")]


class Undo(Exception):
    """Ends a transaction that is to leave nothing."""


def test_those_with_a_prefix_are_listed_and_no_others(records: Records) -> None:
    for moment, name in enumerate(["a/2", "a/1", "a/é\U0001f600", "a", "a0", "ab/1", "A/1"]):
        made = record(name)
        made.created = float(moment)
        records.insert(made)
    records.insert(record("a/3", account="2"))
    records.insert(record("a/4", kind="Endpoint"))
    found = records.list_kind("1", "r", "Model", prefix="a/")
    assert [one.key.name for one in found] == ["a/2", "a/1", "a/é\U0001f600"]
    assert len(records.list_kind("1", "r", "Model")) == 7


class TestTransactions:
    def test_a_failed_one_leaves_nothing(self, records: Records) -> None:
        with contextlib.suppress(Undo), records.database.transaction():
            records.insert(record("a"))
            records.put_tags(record("a").arn, {"k": "v"})
            assert names(records) == ["a"]
            raise Undo
        assert names(records) == []
        assert records.tags(record("a").arn) == {}

    def test_an_inner_one_fails_with_the_outer_one(self, records: Records) -> None:
        with contextlib.suppress(Undo), records.database.transaction():
            with records.database.transaction():
                records.insert(record("a"))
            raise Undo
        assert names(records) == []

    def test_an_inner_one_fails_alone_when_the_outer_one_goes_on(self, records: Records) -> None:
        records.insert(record("taken"))
        with records.database.transaction():
            records.insert(record("before"))
            with contextlib.suppress(RecordExists), records.database.transaction():
                records.insert(record("inner"))
                records.insert(record("taken"))
            records.insert(record("after"))
        assert names(records) == ["after", "before", "taken"]

    def test_three_deep(self, records: Records) -> None:
        transaction = records.database.transaction
        with transaction():
            records.insert(record("1"))
            with contextlib.suppress(Undo), transaction():
                records.insert(record("2"))
                with transaction():
                    records.insert(record("3"))
                raise Undo
            with transaction(), contextlib.suppress(Undo), transaction():
                records.insert(record("4"))
                raise Undo
        assert names(records) == ["1"]

    def test_an_update_that_fails_changes_nothing(self, records: Records) -> None:
        records.insert(record("a"))

        def change(found: Record) -> None:
            found.status = "Ready"
            raise RuntimeError

        with pytest.raises(RuntimeError):
            records.update(record("a").key, change)
        assert records.get(record("a").key) == record("a")
        with pytest.raises(RecordMissing):
            records.update(record("b").key, change)

    def test_updates_from_many_threads_are_all_kept(self, records: Records) -> None:
        records.insert(record("counter"))

        def count(found: Record) -> None:
            found.private["count"] = found.private.get("count", 0) + 1

        def work() -> None:
            for _ in range(25):
                records.update(record("counter").key, count)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = records.get(record("counter").key)
        assert found is not None
        assert found.private["count"] == 200


class TestRecords:
    def test_what_was_put_in_comes_out(self, records: Records) -> None:
        made = record("ünïcode — 名前")
        made.body |= {"Nested": {"list": [1, 2.5, None, True, "\u2028"]}, "Time": 1.7e9}
        records.insert(made)
        assert records.get(made.key) == made
        assert records.by_arn(made.arn) == made
        with pytest.raises(RecordExists):
            records.insert(made)

    def test_account_region_and_kind_keep_records_apart(self, records: Records) -> None:
        made = [
            record("same"),
            record("same", account="2"),
            record("same", region="s"),
            record("same", kind="Endpoint"),
        ]
        for one in made:
            records.insert(one)
        for one in made:
            assert records.list_kind(one.key.account, one.key.region, one.key.kind) == [one]
        assert records.delete(made[0].key)
        assert not records.delete(made[0].key)
        assert len(records.every("Model")) == 2

    def test_tags_go_with_their_record(self, records: Records) -> None:
        records.insert(record("a"))
        arn = record("a").arn
        records.put_tags(arn, {"b": "1", "a": "1"})
        records.put_tags(arn, {"b": "2", "c": ""})
        assert list(records.tags(arn).items()) == [("a", "1"), ("b", "2"), ("c", "")]
        records.delete_tags(arn, ["a", "never was"])
        assert records.tags(arn) == {"b": "2", "c": ""}
        records.delete(record("a").key)
        assert records.tags(arn) == {}


class TestOpening:
    def test_what_was_kept_is_there_again(self, path: Path) -> None:
        first = Database(path)
        Records(first).insert(record("a"))
        first.close()
        second = Database(path)
        assert names(Records(second)) == ["a"]
        second.close()

    def test_only_its_owner_can_read_it(self, database: Database, path: Path) -> None:
        Records(database).insert(record("a"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
        assert modes == dict.fromkeys(("state.db", "state.db-wal", "state.db-shm"), 0o600)

    def test_every_commit_reaches_the_disk(self, database: Database) -> None:
        """What only a power failure would show: 2 is FULL in SQLite's documentation."""
        assert [tuple(row) for row in database.query("PRAGMA synchronous")] == [(2,)]
        assert [tuple(row) for row in database.query("PRAGMA journal_mode")] == [("wal",)]

    def test_a_step_runs_once(self, path: Path) -> None:
        steps = ["CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"]
        for known in (steps[:1], steps, steps):
            database = Database(path)
            database.migrate("test", known)
            database.close()
        database = Database(path)
        assert len(database.query("SELECT * FROM t")) == 1
        database.close()

    def test_a_step_that_fails_leaves_the_tables_as_they_were(self, database: Database) -> None:
        database.migrate("test", ["CREATE TABLE t (a)"])
        broken = "INSERT INTO t VALUES (1); INSERT INTO nowhere VALUES (1)"
        with pytest.raises(StoreError, match="no such table: nowhere"):
            database.migrate("test", ["CREATE TABLE t (a)", broken])
        assert database.query("SELECT * FROM t") == []
        database.migrate("test", ["CREATE TABLE t (a)", "INSERT INTO t VALUES (2)"])
        assert [row["a"] for row in database.query("SELECT a FROM t")] == [2]

    def test_a_state_of_a_newer_version(self, path: Path) -> None:
        newer = Database(path)
        newer.migrate("records", ["CREATE TABLE a (b)", "CREATE TABLE c (d)"])
        newer.close()
        older = Database(path)
        with pytest.raises(StoreError, match=r"newer version .*records 2, this one knows 1.*reset"):
            Records(older)
        older.close()

    def test_a_file_that_is_no_database(self, path: Path) -> None:
        path.write_bytes(b"not a database, and longer than a header is" * 100)
        with pytest.raises(StoreError, match=r"state\.db: file is not a database.*reset"):
            Database(path)

    def test_a_folder_that_is_not_there(self, path: Path) -> None:
        with pytest.raises(StoreError, match="No such file"):
            Database(path.parent / "nowhere" / "state.db")


class TestServer:
    """The same through a real server: what its clients were told holds."""

    @pytest.mark.slow
    def test_a_state_that_cannot_be_used_stops_the_start(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        with LocalSageMaker(home):
            pass
        state = home / "state.db"
        kept = state.read_bytes()
        state.write_bytes(b"x" * 8192)
        with pytest.raises(StartError, match=r"file is not a database.*reset"):
            LocalSageMaker(home).start()
        assert state.read_bytes() == b"x" * 8192
        state.write_bytes(kept)
        with contextlib.closing(sqlite3.connect(state)) as connection, connection:
            connection.execute("UPDATE components SET version = 99 WHERE name = 'identity'")
        with pytest.raises(StartError, match=r"newer version .*identity 99.*Update it"):
            LocalSageMaker(home).start()
        assert not Home(home).running()

    @pytest.mark.slow
    def test_a_killed_server_loses_nothing_that_it_acknowledged(
        self, fresh: LocalSageMaker
    ) -> None:
        """SIGKILL strikes between and during writes of four clients, twice."""
        ledger = Ledger()
        for round_number in range(2):
            stop = threading.Event()
            writers = [
                threading.Thread(target=write, args=(ledger, stop, f"{round_number}-{i}"))
                for i in range(4)
            ]
            for writer in writers:
                writer.start()
            before = len(ledger.made)
            while len(ledger.made) < before + 20:
                time.sleep(0.005)
            kill(fresh)
            stop.set()
            for writer in writers:
                writer.join()
            fresh.start()
            client = boto3.client("sagemaker")
            pages = client.get_paginator("list_experiments").paginate()
            there = {
                item["ExperimentName"] for page in pages for item in page["ExperimentSummaries"]
            }
            assert ledger.made - ledger.deleting <= there
            assert not ledger.gone & there
            for name in sorted(there)[:5]:
                arn = client.describe_experiment(ExperimentName=name)["ExperimentArn"]
                assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": name}]

    @pytest.mark.slow
    def test_a_full_disk_keeps_the_old_state_and_says_what_to_do(self, tmp_path: Path) -> None:
        with small_disk(tmp_path) as (home, fill, free):
            with LocalSageMaker(home) as local:
                client = boto3.client("sagemaker", endpoint_url=local.url)
                client.create_experiment(ExperimentName="kept", Description="before")
                fill()
                message = ""
                for number in range(200):
                    try:
                        client.create_experiment(
                            ExperimentName=f"n{number}", Description="x" * 3000
                        )
                    except ClientError as error:
                        message = error.response["Error"]["Message"]
                        metadata = error.response["ResponseMetadata"]
                        assert metadata["HTTPStatusCode"] == 507
                        assert metadata["RetryAttempts"] == 0
                        break
                assert "Check that the disk is not full" in message
                with pytest.raises(ClientError, match="disk"):
                    client.update_experiment(ExperimentName="kept", Description="x" * 3000)
                shown = client.describe_experiment(ExperimentName="kept")
                assert shown["Description"] == "before"
                free()
                client.update_experiment(ExperimentName="kept", Description="after")
                client.create_experiment(ExperimentName=f"n{number}")
            with LocalSageMaker(home) as local:
                client = boto3.client("sagemaker", endpoint_url=local.url)
                shown = client.describe_experiment(ExperimentName="kept")
                assert shown["Description"] == "after"

    def test_a_disk_that_is_full_at_the_start(self, tmp_path: Path) -> None:
        with small_disk(tmp_path) as (home, fill, free):
            fill()
            with pytest.raises(Exception, match=r"(?i)no space left on device.*--home"):
                LocalSageMaker(home / "new").start()
            free()
            with LocalSageMaker(home / "new") as local:
                assert local.status()["jobs"] == []


@dataclass
class Ledger:
    """What clients were told: what was made and what is gone.

    A deletion that was asked for and not acknowledged may have been done or not.
    """

    made: set[str] = field(default_factory=set)
    deleting: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)


def write(ledger: Ledger, stop: threading.Event, who: str) -> None:
    """Make and delete experiments until the server is gone; note what was acknowledged."""
    client = boto3.Session().client(
        "sagemaker", config=Config(retries={"max_attempts": 0}, connect_timeout=2)
    )
    number = 0
    with contextlib.suppress(BotoCoreError, ClientError):
        while not stop.is_set():
            name = f"e-{who}-{number}-{uuid.uuid4().hex[:4]}"
            client.create_experiment(ExperimentName=name, Tags=[{"Key": "k", "Value": name}])
            ledger.made.add(name)
            if number % 3 == 2:
                ledger.deleting.add(name)
                client.delete_experiment(ExperimentName=name)
                ledger.gone.add(name)
            number += 1


def kill(local: LocalSageMaker) -> None:
    home = Home(local.home)
    info = home.server()
    assert info is not None
    os.kill(info.pid, signal.SIGKILL)
    while home.running():
        time.sleep(0.01)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[tuple[Path, Any, Any]]:
    """Give a home on a file system of 4 MB, and how to fill it and free it again."""
    mount = folder / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)]
    mounted = sys.platform == "linux" and os.geteuid() == 0
    if not mounted or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root on Linux can mount the small file system that this needs")
    ballast = mount / "ballast"

    def fill() -> None:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    try:
        yield mount / "home", fill, ballast.unlink
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


class Waiting:
    """A thread that waits for a record to be InService."""

    def __init__(self, records: Records, key: Key) -> None:
        self.asked: list[str | None] = []
        self.found: Record | None = None
        self.missing = False
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._wait, args=(records, key))
        self._thread.start()

    def _wait(self, records: Records, key: Key) -> None:
        try:
            self.found = records.wait(key, self._in_service)
        except RecordMissing:
            self.missing = True

    def _in_service(self, found: Record) -> bool:
        self.asked.append(found.status)
        self._asked.set()
        return found.status == "InService"

    def until_asked(self) -> None:
        self._asked.wait()
        self._asked.clear()

    def join(self) -> None:
        self._thread.join()


def become(records: Records, status: str) -> None:
    def change(found: Record) -> None:
        found.status = status

    records.update(record("a").key, change)


class TestWaiting:
    def test_it_ends_with_the_change_that_was_waited_for(self, records: Records) -> None:
        records.insert(record("a"))
        waiting = Waiting(records, record("a").key)
        waiting.until_asked()
        become(records, "Updating")
        waiting.until_asked()
        become(records, "InService")
        waiting.join()
        assert waiting.found is not None
        assert waiting.asked == ["Creating", "Updating", "InService"]

    def test_what_is_there_already_is_answered_at_once(self, records: Records) -> None:
        records.insert(record("a"))
        assert records.wait(record("a").key, lambda _: True) == record("a")

    def test_time_that_is_over_is_none(self, records: Records) -> None:
        records.insert(record("a"))
        assert records.wait(record("a").key, lambda _: False, timeout=0.01) is None
        assert records.wait(record("b").key, lambda _: True, timeout=0.01) is None

    def test_a_change_that_is_undone_is_never_seen(self, records: Records) -> None:
        records.insert(record("a"))
        waiting = Waiting(records, record("a").key)
        waiting.until_asked()
        with contextlib.suppress(Undo), records.database.transaction():
            become(records, "InService")
            raise Undo
        with records.database.transaction():
            with contextlib.suppress(Undo), records.database.transaction():
                become(records, "InService")
                raise Undo
            become(records, "Updating")
        waiting.until_asked()
        become(records, "InService")
        waiting.join()
        assert waiting.asked == ["Creating", "Updating", "InService"]

    def test_a_record_that_comes_later_is_waited_for(self, records: Records) -> None:
        waiting = Waiting(records, record("a").key)
        records.insert(record("a"))
        waiting.until_asked()
        become(records, "InService")
        waiting.join()
        assert waiting.found is not None

    def test_a_record_that_is_deleted_ends_it(self, records: Records) -> None:
        records.insert(record("a"))
        waiting = Waiting(records, record("a").key)
        waiting.until_asked()
        records.delete(record("a").key)
        waiting.join()
        assert waiting.missing
