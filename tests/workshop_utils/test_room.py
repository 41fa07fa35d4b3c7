"""The room, seen through real accounts of a local server: who is where, and what has failed."""

import io
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from benchmarks.account_parts.contents import IMAGE, PIPELINE
from local_sagemaker import LocalSageMaker
from tests.labs import calls
from tests.workshop_utils.policy_support import allowed, whose
from workshop_utils import estimators
from workshop_utils.__main__ import main
from workshop_utils.accounts import Account, Door
from workshop_utils.accounts.doors import ROLE
from workshop_utils.preflight import policy
from workshop_utils.room import Board, Room, Row, watch
from workshop_utils.room.rounds import OpenDoors
from workshop_utils.room.sections import Place
from workshop_utils.session import Session, SignedIn, sign_in

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
REST, PIPELINES, FAILED, CLOSED, STRANGER = range(5)


@pytest.fixture(scope="module")
def instructor(local: LocalSageMaker) -> SignedIn:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))
        return sign_in("local")


@pytest.fixture(scope="module")
def accounts(instructor: SignedIn) -> list[Account]:
    """Return accounts: in Lab 2, in Lab 3, with a failed job, closed, and not the workshop's."""
    first = uuid.uuid4().int % (10**12 - 5)
    made = [Account(f"{first + number:012d}", f"seat {number}") for number in range(5)]
    door = Door(instructor)
    for account, fill in zip(made, (_model, _pipeline, _broken, _shut, _theirs), strict=True):
        with door.open(account) as session:
            fill(session)
    return made


@pytest.fixture(scope="module")
def room(instructor: SignedIn, accounts: list[Account]) -> Iterator[Room]:
    room = Room(accounts, OpenDoors(Door(instructor)), "local")
    yield room
    room.entrance.close()


def _tags(lab: str) -> list[dict[str, str]]:
    return [{"Key": "workshop", "Value": "nlp-workshop"}, {"Key": "workshop:lab", "Value": lab}]


def _model(session: Session, tags: list[dict[str, str]] | None = None) -> None:
    session.client("sagemaker").create_model(
        ModelName="nlp-workshop-zero-shot",
        PrimaryContainer={"Image": IMAGE},
        ExecutionRoleArn=session.role,
        Tags=_tags("zero-shot") if tags is None else tags,
    )


def _theirs(session: Session) -> None:
    _model(session, [{"Key": "workshop:lab", "Value": "zero-shot"}])


def _pipeline(session: Session) -> None:
    client = session.client("sagemaker")
    client.create_pipeline(
        PipelineName="nlp-workshop-sentiment",
        PipelineDefinition=PIPELINE,
        RoleArn=session.role,
        ClientRequestToken="a" * 32,
        Tags=_tags("sentiment"),
    )
    client.start_pipeline_execution(PipelineName="nlp-workshop-sentiment")


def _broken(session: Session) -> None:
    """Run a job that fails: nothing says what it is to run."""
    client = session.client("sagemaker")
    client.create_processing_job(
        ProcessingJobName="nlp-workshop-lost",
        AppSpecification={"ImageUri": estimators.training_image(session.region, "ml.m5.xlarge")},
        ProcessingResources={
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.xlarge",
                "VolumeSizeInGB": 1,
            }
        },
        RoleArn=session.role,
        Tags=_tags("sentiment"),
    )
    with pytest.raises(WaiterError, match="Failed"):
        client.get_waiter("processing_job_completed_or_stopped").wait(
            ProcessingJobName="nlp-workshop-lost", WaiterConfig={"Delay": 1, "MaxAttempts": 300}
        )


def _shut(session: Session) -> None:
    session.client("iam").create_role(
        RoleName=ROLE,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
    )


def test_a_look_tells_where_everybody_is(room: Room) -> None:
    board = room.look()
    assert board is not None
    rows = board.rows
    assert [row.account for row in rows] == room.accounts
    places = [row.place and (row.place.lab, row.place.section) for row in rows]
    assert places == [(2, 4), (3, 5), (3, None), None, None]
    assert rows[FAILED].error.startswith("processing job nlp-workshop-lost: ")
    assert "ContainerEntrypoint" in rows[FAILED].error
    assert "\n" not in rows[FAILED].error
    assert ROLE in rows[CLOSED].failed
    assert not board.ok
    assert all(row.problems == () for row in rows)
    assert {row.usd_per_hour for row in rows if not row.failed} == {0.0}
    assert (rows[REST].jobs, rows[REST].endpoints, rows[REST].executions) == (0, 0, 0)
    assert "2 in Lab 3, 1 with nothing to see, 1 failed" in board.summary


def test_doors_stay_open_and_a_second_look_sees_what_is_new(
    room: Room, accounts: list[Account]
) -> None:
    room.look()
    kept = room.entrance.enter(accounts[STRANGER])
    kept.client("sagemaker").create_pipeline(
        PipelineName="nlp-workshop-mine",
        PipelineDefinition=PIPELINE,
        RoleArn=kept.role,
        ClientRequestToken="b" * 32,
        Tags=_tags("sentiment"),
    )
    try:
        board = room.look()
        assert room.entrance.enter(accounts[STRANGER]) is kept
    finally:
        kept.client("sagemaker").delete_pipeline(
            PipelineName="nlp-workshop-mine", ClientRequestToken="c" * 32
        )
    assert board is not None
    found = board.rows[STRANGER].place
    assert found is not None
    assert (found.lab, found.section) == (3, 3)


def test_throttling_is_borne_and_a_refused_list_is_told(room: Room, local: LocalSageMaker) -> None:
    with (
        local.faults.add("ListModels", "ThrottlingException", times=2),
        local.faults.add("ListTransformJobs", "AccessDeniedException", times=100),
        local.faults.add("GetResources", "AccessDeniedException", times=100),
    ):
        board = room.look()
    assert board is not None
    row = board.rows[REST]
    # Tags that may not be searched are asked for one by one.
    assert row.place is not None
    assert row.place.section == 4
    assert any("ListTransformJobs" in problem for problem in row.problems)
    assert "not asked: " in str(board)


def test_it_only_reads_and_the_minimal_policy_allows_all_of_it(room: Room, ws: Session) -> None:
    text = whose(policy.POLICY.read_text(encoding="utf-8"), "people")
    asked: set[tuple[str, str]] = set()

    def note(model: Any, **_: Any) -> None:
        service = str(model.service_model.service_name)
        asked.add((service, str(model.name)))

    for account in room.accounts:
        if account != room.accounts[CLOSED]:
            session = room.entrance.enter(account)
            for service in ("sagemaker", "sagemaker-a2i-runtime", "resourcegroupstaggingapi"):
                session.client(service).meta.events.register("before-call", note)
    room.look()
    assert ("sagemaker", "ListEndpoints") in asked
    assert ("resourcegroupstaggingapi", "GetResources") in asked
    for service, operation in asked:
        assert operation.startswith(("List", "Describe", "Get")), operation
        for action in calls.actions_of(service, operation) or ():
            kind = policy.kind_of(action)
            named = f"arn:aws:sagemaker:us-east-1:111122223333:{kind}/nlp-workshop-x"
            resource = named if "Describe" in operation else "*"
            assert allowed(ws, text, action, resource), action


def test_the_command_shows_the_account_one_is_in(
    local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))
    assert main(["room", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["accounts"]
    assert row["account"] == "111122223333"
    assert row["failed"] == ""


@pytest.mark.slow
def test_the_command_shows_accounts_of_a_list(
    local: LocalSageMaker,
    accounts: list[Account],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))
    numbers = [accounts[REST].number, accounts[CLOSED].number]
    assert main(["room", "--accounts", *numbers]) == 1
    said = capsys.readouterr().out
    assert "model made" in said
    assert "cannot be looked at: AccessDenied" in said
    assert main(["room", "nowhere.csv", "--accounts", *numbers]) == 1
    assert "not both" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_ends_the_watch_with_success(local: LocalSageMaker) -> None:
    command = [sys.executable, "-m", "workshop_utils", "room", "--watch", "--every", "1000"]
    process = subprocess.Popen(
        command,
        env=dict(os.environ) | {"LOCAL_SAGEMAKER_HOME": str(local.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    while "USD per hour" not in (line := process.stdout.readline()):
        assert line, "it ended without a table"
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate()
    assert (process.returncode, said.strip(), complaints) == (0, "", "")


# What is shown, without a server: the rows are given.


def rows(section: int, count: int = 1) -> tuple[Row, ...]:
    since = NOW - timedelta(minutes=5)
    where = Place(1, section, "endpoint InService", since)
    return tuple(Row(Account(f"{number:012d}"), where, 0, 1, 0, 0.23) for number in range(count))


def test_a_log_has_one_table_for_each_change() -> None:
    boards = [
        Board(rows(7), NOW),
        Board(rows(7), NOW + timedelta(minutes=1)),
        Board(rows(8), NOW + timedelta(minutes=2)),
    ]
    log = io.StringIO()
    waits: list[float] = []
    left = iter([*boards, None])
    watch(lambda: next(left), 10.0, log, waits.append)
    assert log.getvalue().count("USD per hour") == 2
    assert "\x1b" not in log.getvalue()
    assert waits == [10.0] * 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_keeps_one_table_that_fits_and_leaves_the_last_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "10")
    many = rows(7, 20)
    broken = Row(many[15].account, failed="AccessDenied: no role")
    board = Board((*many[:15], broken, *many[16:]), NOW)
    screen = Terminal()
    left = iter([board, board])

    def look() -> Board:
        try:
            return next(left)
        except StopIteration:
            raise KeyboardInterrupt from None

    watch(look, 10.0, screen, lambda _: None)
    _, first, rest = screen.getvalue().split("\x1b[H\x1b[J")[-1].split("\x1b[H", 2)
    lines = first.removesuffix("\x1b[J").split("\x1b[K\n")
    assert len(lines) == 10
    assert all(len(line) <= 60 for line in lines)
    assert "000000000015" in lines[2], "who wants help comes first where not all rows fit"
    shown = rest.split("\x1b[?1049l")[1]
    assert shown.count("\n") == 24
    assert shown.endswith("2026-11-29 12:00 UTC\n")


def test_what_a_job_or_an_account_says_does_not_steer_the_terminal() -> None:
    red, window, back = "\x1b[31mred\x1b[0m", "\x1b]0;mine\x07", "\x9b2J\u202e"
    names = [f"seat {red}", "Zoë’s — 座席"]
    failed = Row(Account("1" * 12, names[0]), failed=f"Access{window}Denied:\nno\u00a0role{back}")
    broken = Row(
        Account("2" * 12, names[1]),
        error=f"training job x: {red}",
        error_at=NOW,
        problems=(f"ListModels{back}",),
    )
    lines = Board((failed, broken), NOW).lines()
    assert all(line.isprintable() for line in lines), lines
    assert "seat [31mred[0m" in lines[2]
    assert "Access]0;mineDenied: no role2J" in lines[2]
    assert names[1] in lines[3]


def test_a_row_says_how_long_somebody_is_there_and_what_failed_when() -> None:
    place = rows(7)[0].place
    error = Row(
        Account("1" * 12, "seat 1"),
        place,
        *(1, 0, 0),
        usd_per_hour=0.5,
        unpriced=1,
        error="training job x: CUDA is gone",
        error_at=NOW - timedelta(minutes=30),
    )
    line = str(Board((error,), NOW)).splitlines()[2]
    assert line.split() == [
        *("111111111111", "seat", "1", "1", "7", "5", "min", "1", "0", "0", "0.50", "+", "?"),
        *("training", "job", "x:", "CUDA", "is", "gone", "(30", "min", "ago)"),
    ]
