"""CloudWatch Logs through boto3, and how a process's bytes become lines."""

import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.logs.lines import MAX_EVENT_BYTES, LineSplitter
from local_sagemaker.logs.store import GroupKey, LogStore
from tests.local_sagemaker.training_support import GROUP, Jobs


@pytest.fixture(scope="module")
def jobs(local: LocalSageMaker) -> Jobs:
    return Jobs(local)


@pytest.fixture(scope="module")
def logs(local: LocalSageMaker) -> Any:
    return boto3.client("logs", endpoint_url=local.url)


@pytest.fixture
def group(logs: Any) -> str:
    name = f"/tests/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=name)
    return name


def put(logs: Any, group: str, stream: str, *messages: str, start: int | None = None) -> int:
    """Write events a millisecond apart; return the first one's timestamp."""
    start = int(time.time() * 1000) if start is None else start
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": start + i, "message": text} for i, text in enumerate(messages)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    return start


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def refused(code: str, call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])


def test_lines_arrive_whatever_a_script_writes(jobs: Jobs) -> None:
    code = r"""
        import sys
        out = sys.stdout.buffer
        out.write("grüße\n".encode())
        out.write(b"not utf-8: \xff\xfe!\n")
        out.write(b"\n")
        out.write(b"windows\r\n")
        out.write(b"long " + b"x" * 300_000 + b"\n")
        out.flush()
        print("to stderr", file=sys.stderr)
        out.write(b"no newline at the end")
    """
    name = jobs.script(textwrap.dedent(code))
    jobs.completed(name)
    lines = jobs.lines(name)
    assert lines[:4] == ["grüße", "not utf-8: \ufffd\ufffd!", "", "windows"]
    assert "".join(lines[4:6]) == "long " + "x" * 300_000
    assert len(lines[4]) == MAX_EVENT_BYTES
    assert lines[6:] == ["to stderr", "no newline at the end"]


def test_a_progress_bar_shows_one_state_a_second_and_the_last() -> None:
    now = [0.0]
    splitter = LineSplitter(clock=lambda: now[0])
    lines = []
    for percent in range(101):
        lines += splitter.feed(f"\r{percent}%".encode())
        now[0] += 0.1
    lines += splitter.feed(b"\nafter\n")
    assert lines[-2:] == ["100%", "after"]
    assert 9 <= len(lines) - 2 <= 11
    assert lines[0] == "0%"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_chunks_of_any_size_give_the_same_lines(size: int) -> None:
    data = "eins\r\nzwei ü€😀\n\ndrei\nvier".encode()
    splitter = LineSplitter()
    lines = []
    for start in range(0, len(data), size):
        lines += splitter.feed(data[start : start + size])
    assert lines + splitter.finish() == ["eins", "zwei ü€😀", "", "drei", "vier"]


def test_a_long_line_is_not_cut_inside_a_character() -> None:
    text = "x" * (MAX_EVENT_BYTES - 2) + "😀" * 10
    splitter = LineSplitter()
    pieces = splitter.feed(text.encode() + b"\n")
    assert "".join(pieces) == text
    assert len(pieces[0].encode()) <= MAX_EVENT_BYTES


def test_events_page_forward_to_the_end_and_on(logs: Any, group: str) -> None:
    put(logs, group, "s", *(f"line {number}" for number in range(25)))
    seen, token = [], {}
    while True:
        answer = logs.get_log_events(
            logGroupName=group, logStreamName="s", startFromHead=True, limit=10, **token
        )
        if not answer["events"]:
            break
        seen += messages(answer)
        token = {"nextToken": answer["nextForwardToken"]}
    assert seen == [f"line {number}" for number in range(25)]
    # At the end the token stays the same, and later finds what came meanwhile.
    assert answer["nextForwardToken"] == token["nextToken"]
    put(logs, group, "s", "late")
    answer = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, **token)
    assert messages(answer) == ["late"]


def test_events_page_backward_from_the_end(logs: Any, group: str) -> None:
    # Long enough that the file is read in several blocks.
    lines = [f"{number} " + "x" * 1000 for number in range(500)]
    put(logs, group, "s", *lines)
    answer = logs.get_log_events(logGroupName=group, logStreamName="s", limit=120)
    assert messages(answer) == lines[380:]
    seen: list[str] = []
    while answer["events"]:
        seen = messages(answer) + seen
        answer = logs.get_log_events(
            logGroupName=group,
            logStreamName="s",
            limit=120,
            nextToken=answer["nextBackwardToken"],
        )
    assert seen == lines


def test_an_answer_stays_below_one_megabyte(logs: Any, group: str) -> None:
    put(logs, group, "s", *(["x" * 200_000] * 5))
    put(logs, group, "s", *(["y" * 200_000] * 5))
    answer = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)
    assert len(answer["events"]) == 5
    answer = logs.get_log_events(
        logGroupName=group, logStreamName="s", nextToken=answer["nextForwardToken"]
    )
    assert messages(answer) == ["y" * 200_000] * 5


def test_events_are_chosen_by_time(logs: Any, group: str) -> None:
    start = put(logs, group, "s", "a", "b", "c", "d")
    for from_head in (True, False):
        answer = logs.get_log_events(
            logGroupName=group,
            logStreamName="s",
            startTime=start + 1,
            endTime=start + 3,
            startFromHead=from_head,
        )
        assert messages(answer) == ["b", "c"]


def test_messages_come_back_as_they_were(logs: Any, group: str) -> None:
    texts = ["two\nlines", "\u2028 separator", '"quotes" \\ and \ttabs', "😀"]
    put(logs, group, "s", *texts)
    answer = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)
    assert messages(answer) == texts


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", ["error: disk", "warning: disk full", "error: net", "info"]),
        ("error", ["error: disk", "error: net"]),
        ("error disk", ["error: disk"]),
        ("?info ?net", ["error: net", "info"]),
        ("disk -error", ["warning: disk full"]),
        ('"disk full"', ["warning: disk full"]),
        ("Error", []),
    ],
)
def test_events_are_filtered_by_terms(
    logs: Any, group: str, pattern: str, found: list[str]
) -> None:
    start = put(logs, group, "a", "error: disk", "warning: disk full")
    put(logs, group, "b", "error: net", "info", start=start + 10)
    answer = logs.filter_log_events(logGroupName=group, filterPattern=pattern)
    assert messages(answer) == found


def test_filtered_events_of_several_streams_come_in_the_order_of_time(
    logs: Any, group: str
) -> None:
    start = put(logs, group, "a", *("abc"))
    put(logs, group, "b", *("xyz"), start=start)
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, PaginationConfig={"PageSize": 2}
    )
    found = [
        (event["logStreamName"], event["message"]) for page in pages for event in page["events"]
    ]
    assert found == [("a", "a"), ("b", "x"), ("a", "b"), ("b", "y"), ("a", "c"), ("b", "z")]
    only = logs.filter_log_events(logGroupName=group, logStreamNames=["b"])
    assert messages(only) == ["x", "y", "z"]
    message = refused(
        "InvalidParameterException",
        logs.filter_log_events,
        logGroupName=group,
        filterPattern="{ $.level = 1 }",
    )
    assert "matches terms only" in message


def test_streams_are_listed_by_name_and_by_time(logs: Any, group: str) -> None:
    start = int(time.time() * 1000)
    for offset, name in ((3, "a/1"), (1, "a/2"), (2, "b")):
        put(logs, group, name, "x", start=start + offset)
    logs.create_log_stream(logGroupName=group, logStreamName="empty")

    def names(**parameters: Any) -> list[str]:
        pages = logs.get_paginator("describe_log_streams").paginate(
            logGroupName=group, PaginationConfig={"PageSize": 2}, **parameters
        )
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    assert names() == ["a/1", "a/2", "b", "empty"]
    assert names(logStreamNamePrefix="a/") == ["a/1", "a/2"]
    assert names(orderBy="LastEventTime", descending=True) == ["a/1", "b", "a/2", "empty"]
    first, *_, empty = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert first["firstEventTimestamp"] == first["lastEventTimestamp"] == start + 3
    assert first["arn"] == (f"arn:aws:logs:us-east-1:111122223333:log-group:{group}:log-stream:a/1")
    assert "lastEventTimestamp" not in empty
    message = refused(
        "InvalidParameterException",
        logs.describe_log_streams,
        logGroupName=group,
        logStreamNamePrefix="a",
        orderBy="LastEventTime",
    )
    assert message == "Cannot order by LastEventTime with a logStreamNamePrefix."


def test_groups_are_listed_and_deleted(logs: Any, group: str) -> None:
    put(logs, group, "s", "x")

    def names(**parameters: Any) -> list[str]:
        answer = logs.describe_log_groups(**parameters)
        return [item["logGroupName"] for item in answer["logGroups"]]

    assert names(logGroupNamePrefix=group) == [group]
    assert names(logGroupNamePattern=group[8:]) == [group]
    message = refused("ResourceAlreadyExistsException", logs.create_log_group, logGroupName=group)
    assert message == "The specified log group already exists"
    logs.delete_log_stream(logGroupName=group, logStreamName="s")
    assert logs.describe_log_streams(logGroupName=group)["logStreams"] == []
    logs.delete_log_group(logGroupName=group)
    assert names(logGroupNamePrefix=group) == []


def test_what_is_not_there_is_named(logs: Any, group: str) -> None:
    missing = "ResourceNotFoundException"
    for call, parameters in (
        (logs.describe_log_streams, {}),
        (logs.get_log_events, {"logStreamName": "s"}),
        (logs.filter_log_events, {}),
        (logs.delete_log_group, {}),
        (logs.create_log_stream, {"logStreamName": "s"}),
    ):
        message = refused(missing, call, logGroupName="/not/there", **parameters)
        assert message == "The specified log group does not exist."
    for call in (logs.get_log_events, logs.delete_log_stream):
        message = refused(missing, call, logGroupName=group, logStreamName="not-there")
        assert message == "The specified log stream does not exist."
    for token in ("nonsense", "f/1", "x/00000000000000000000"):
        logs.create_log_stream(logGroupName=group, logStreamName=f"s{token[0]}")
        message = refused(
            "InvalidParameterException",
            logs.get_log_events,
            logGroupName=group,
            logStreamName=f"s{token[0]}",
            nextToken=token,
        )
        assert message == "The specified nextToken is invalid."


def test_events_must_be_in_order_and_of_these_days(logs: Any, group: str) -> None:
    now = int(time.time() * 1000)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    where = {"logGroupName": group, "logStreamName": "s"}
    events = [{"timestamp": now, "message": "b"}, {"timestamp": now - 1, "message": "a"}]
    message = refused("InvalidParameterException", logs.put_log_events, logEvents=events, **where)
    assert "chronological order" in message
    day = 24 * 3600 * 1000
    events = [
        {"timestamp": now - 20 * day, "message": "old"},
        {"timestamp": now, "message": "now"},
        {"timestamp": now + day, "message": "future"},
    ]
    answer = logs.put_log_events(logEvents=events, **where)
    assert answer["rejectedLogEventsInfo"] == {
        "tooOldLogEventEndIndex": 1,
        "tooNewLogEventStartIndex": 2,
    }
    assert messages(logs.get_log_events(**where)) == ["now"]


def test_a_log_that_was_cut_off_is_read_and_continued(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    writer = store.writer("1", "r", "g", "s")
    writer.write_all(["one", "two"])
    writer.close()
    (path,) = tmp_path.rglob("s.jsonl")
    whole = path.read_bytes()
    key = GroupKey("1", "r", "g")
    for cut in range(len(whole) - 5, len(whole)):
        path.write_bytes(whole[:cut])
        assert [event.message for event in store.forward(key, "s")] == ["one"]
        assert [event.message for event in store.backward(key, "s")] == ["one"]
    writer = store.writer("1", "r", "g", "s")
    writer.write("three")
    writer.close()
    assert [event.message for event in store.forward(key, "s")] == ["one", "three"]


def test_the_command_line_follows_a_running_job(jobs: Jobs, local: LocalSageMaker) -> None:
    name = jobs.script("import time\nfor n in range(5):\n    print('line', n); time.sleep(0.2)")
    command = [sys.executable, "-m", "local_sagemaker", "logs", "--home", str(local.home), name]
    followed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert followed.stdout.splitlines() == [f"line {number}" for number in range(5)]
    assert jobs.describe(name)["TrainingJobStatus"] == "Completed"
    command[-1] = "no-such-job"
    unknown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert unknown.returncode == 1
    assert "no log of a job or endpoint named 'no-such-job'" in unknown.stderr


@pytest.mark.slow
def test_the_log_is_there_after_a_restart(fresh: LocalSageMaker) -> None:
    jobs = Jobs(fresh)
    name = jobs.script("print('kept')")
    jobs.completed(name)
    home = fresh.home
    fresh.close()
    with LocalSageMaker(home=home) as again:
        jobs.logs = boto3.client("logs", endpoint_url=again.url)
        assert jobs.lines(name) == ["kept"]
        streams = jobs.logs.describe_log_streams(
            logGroupName=GROUP, logStreamNamePrefix=f"{name}/algo-1-"
        )
        assert len(streams["logStreams"]) == 1


def test_writers_of_one_stream_take_nothing_from_each_other(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    key = GroupKey("111122223333", "us-east-1", "group")

    def write(name: int) -> None:
        # As PutLogEvents does: a writer of its own for each call.
        for number in range(300):
            writer = store.writer(key.account, key.region, key.name, "stream")
            writer.write(f"{name} {number}")
            writer.close()

    store.create_group(key)
    store.create_stream(key, "stream")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    written = {event.message for event in store.forward(key, "stream")}
    assert written == {f"{name} {number}" for name in range(8) for number in range(300)}
