"""What workers do: tasks are found, taken, answered and given back, and none is lost or doubled."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_sagemaker.errors import AWSError
from local_sagemaker.human_review.documents import DEEPEST
from local_sagemaker.human_review.presence import Presence
from local_sagemaker.human_review.workers import NameRefused, Worker
from local_sagemaker.human_review.worklist import AnswerRefused, Assignment, AssignmentGone
from tests.local_sagemaker.human_review_support import ANSWER, CONTENT, TEMPLATE, Review, until


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Review]:
    review = Review(tmp_path_factory.mktemp("review"))
    yield review
    review.close()


@pytest.fixture
def review(shared: Review) -> Iterator[Review]:
    """Return a review without any task."""
    yield shared
    shared.clear()


@pytest.fixture(scope="module")
def shared_watchful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Review]:
    presence = Presence(patience=600, grace=0.1)
    review = Review(tmp_path_factory.mktemp("watchful"), presence=presence)
    yield review
    review.close()


@pytest.fixture
def watchful(shared_watchful: Review) -> Iterator[Review]:
    """Return a review that hears at once of pages that close, and waits for those that do not."""
    yield shared_watchful
    shared_watchful.clear()


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Review]:
    """Return a review whose pages are missed soon."""
    review = Review(tmp_path, presence=Presence(patience=0.3, grace=0.1))
    yield review
    review.close()


def nested(depth: int) -> dict[str, Any]:
    """Return an object with so many objects in one another, itself included."""
    found: dict[str, Any] = {}
    for _ in range(depth - 1):
        found = {"a": found}
    return found


def gone(review: Review, worker: Worker, assignment: Assignment) -> str:
    """Return why a worker does not hold a task any more."""
    with pytest.raises(AssignmentGone) as caught:
        review.worklist.get(worker, assignment.id)
    return caught.value.reason


class TestWorkers:
    def test_a_worker_is_the_same_for_ever(self, review: Review) -> None:
        ada = review.worker("Ada")
        assert re.fullmatch("[0-9a-f]{16}", ada.worker_id)
        assert review.worker("  Ada\t") == ada
        assert review.rooms.workers.get(ada.worker_id) == ada
        assert review.worker("ada") != ada
        assert review.rooms.workers.get("0" * 16) is None

    def test_names_are_of_any_script(self, review: Review) -> None:
        for name in ("Ωμέγα", "李雷", "محمد", "می‌خواهم", "Zoë", "x" * 64):
            assert review.worker(name).name == name
        assert review.worker("Zoe\u0308") == review.worker("Zoë")

    @pytest.mark.parametrize(
        "name", ["", "  ", "x" * 65, "a\x00b", "a\nb", "a\u2028b", "a\u202eb", "a\ud800"]
    )
    def test_what_is_no_name_is_refused(self, review: Review, name: str) -> None:
        with pytest.raises(NameRefused):
            review.worker(name)


class TestTaking:
    def test_a_job_is_there_when_a_loop_is(self, review: Review) -> None:
        ada = review.worker()
        flow = review.flow(TaskKeywords=["films", "mood"])
        assert review.worklist.jobs(ada) == []
        review.start(flow)
        review.start(flow)
        (job,) = review.worklist.jobs(ada)
        assert (job.title, job.keywords, job.status) == (
            "Film reviews",
            ("films", "mood"),
            "Available",
        )
        assert job.available == 2
        assert review.worklist.waiting().available == 2

    def test_a_task_is_what_its_loop_is(self, review: Review) -> None:
        name = review.start(review.flow(TaskTimeLimitInSeconds=90))
        assignment = review.take(review.worker())
        assert (assignment.loop_name, assignment.template) == (name, TEMPLATE)
        assert assignment.input == CONTENT
        assert assignment.time_limit_seconds == 90
        assert assignment.deadline == assignment.accepted + 90
        assert assignment.state == "working"

    def test_the_oldest_comes_first(self, review: Review) -> None:
        flow = review.flow()
        names = [review.start(flow) for _ in range(4)]
        ada = review.worker()
        taken = []
        for _ in names:
            assignment = review.take(ada)
            taken.append(assignment.loop_name)
            review.worklist.submit(ada, assignment.id, ANSWER)
        assert taken == names

    def test_who_asks_again_gets_the_same_task(self, review: Review) -> None:
        flow = review.flow()
        review.start(flow)
        review.start(flow)
        ada = review.worker()
        assert review.take(ada).id == review.take(ada).id

    def test_nobody_gets_the_task_of_another(self, review: Review) -> None:
        review.start(review.flow())
        ada, bob = review.worker("Ada"), review.worker("Bob")
        assignment = review.take(ada)
        assert review.worklist.jobs(bob) == []
        assert review.worklist.take(bob, assignment.job_id) is None
        assert gone(review, bob, assignment) == "unknown"
        with pytest.raises(AssignmentGone):
            review.worklist.submit(bob, assignment.id, ANSWER)
        assert review.worklist.waiting().held == 1

    def test_a_loop_of_several_workers_is_no_ones_twice(self, review: Review) -> None:
        name = review.start(review.flow(3))
        workers = [review.worker(name) for name in ("Ada", "Bob", "Eve", "Dan")]
        first = review.take(workers[0])
        review.worklist.submit(workers[0], first.id, ANSWER)
        assert review.worklist.jobs(workers[0]) == []
        second, third = review.take(workers[1]), review.take(workers[2])
        assert review.worklist.jobs(workers[3]) == []
        assert review.output(name) is None
        review.worklist.submit(workers[2], third.id, {"category": {"labels": ["Not clear"]}})
        assert review.status(name) == "InProgress"
        review.worklist.submit(workers[1], second.id, ANSWER)
        assert review.status(name) == "Completed"
        given = [answer["workerId"] for answer in review.output(name)["humanAnswers"]]
        assert given == [workers[0].worker_id, workers[2].worker_id, workers[1].worker_id]


class TestSubmitting:
    def test_the_answer_is_in_s3_when_it_is_given(self, review: Review) -> None:
        name = review.start(review.flow())
        ada = review.worker()
        assignment = review.take(ada)
        review.worklist.submit(ada, assignment.id, ANSWER)
        loop = review.loop(name)
        assert loop["HumanLoopStatus"] == "Completed"
        output = review.output(name)
        assert list(output) == [
            "flowDefinitionArn",
            "humanAnswers",
            "humanLoopName",
            "inputContent",
        ]
        assert output["flowDefinitionArn"] == loop["FlowDefinitionArn"]
        assert (output["humanLoopName"], output["inputContent"]) == (name, CONTENT)
        (answer,) = output["humanAnswers"]
        assert answer["answerContent"] == ANSWER
        assert answer["workerId"] == ada.worker_id
        stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
        assert re.fullmatch(stamp, answer["acceptanceTime"])
        assert re.fullmatch(stamp, answer["submissionTime"])
        assert answer["acceptanceTime"] <= answer["submissionTime"]
        assert answer["timeSpentInSeconds"] == round(answer["timeSpentInSeconds"], 3)
        identity = answer["workerMetadata"]["identityData"]
        assert identity["identityProviderType"] == "Oidc"
        assert identity["issuer"].endswith("/portal")
        assert identity["sub"] == ada.sub

    def test_the_key_is_of_the_loops_creation(self, review: Review) -> None:
        flow = review.flow()
        loop = review.loop(review.start(flow))
        parts = loop["HumanLoopOutput"]["OutputS3Uri"].split("/")
        assert parts[:5] == ["s3:", "", "answers", "reviews", flow.rpartition("/")[2]]
        assert all(re.fullmatch(r"\d\d|\d{4}", part) for part in parts[5:11])
        assert parts[11:] == [loop["HumanLoopName"], "output.json"]

    def test_to_submit_again_changes_nothing(self, review: Review) -> None:
        name = review.start(review.flow(2))
        ada = review.worker()
        assignment = review.take(ada)
        review.worklist.submit(ada, assignment.id, ANSWER)
        review.worklist.submit(ada, assignment.id, {"category": {"labels": []}})
        assert review.status(name) == "InProgress"
        bob = review.worker("Bob")
        review.worklist.submit(bob, review.take(bob).id, ANSWER)
        answers = review.output(name)["humanAnswers"]
        assert [answer["answerContent"] for answer in answers] == [ANSWER, ANSWER]
        assert gone(review, ada, assignment) == "submitted"

    @pytest.mark.parametrize(
        "answer",
        [[], "text", {"a": float("nan")}, {"a": "\ud800"}, {"a": object()}, nested(DEEPEST + 1)],
        ids=["list", "text", "nan", "surrogate", "object", "deep"],
    )
    def test_what_is_no_json_is_refused(self, review: Review, answer: Any) -> None:
        review.start(review.flow())
        ada = review.worker()
        assignment = review.take(ada)
        with pytest.raises(AnswerRefused):
            review.worklist.submit(ada, assignment.id, answer)
        assert review.worklist.get(ada, assignment.id).id == assignment.id

    def test_an_answer_may_be_deep(self, review: Review) -> None:
        name = review.start(review.flow(), nested(DEEPEST))
        ada = review.worker()
        review.worklist.submit(ada, review.take(ada).id, nested(DEEPEST))
        (answer,) = review.output(name)["humanAnswers"]
        assert answer["answerContent"] == nested(DEEPEST)

    @pytest.mark.parametrize("depth", [DEEPEST + 1, 900, 960, 980, 100_000])
    def test_an_input_that_is_too_deep_is_refused(self, review: Review, depth: int) -> None:
        flow = review.flow()
        with pytest.raises(AWSError, match=r"nested|recursion") as caught:
            review.call(
                "StartHumanLoop",
                HumanLoopName="deep",
                FlowDefinitionArn=flow,
                HumanLoopInput={"InputContent": "[" * depth + "]" * depth},
            )
        assert caught.value.code == "ValidationException"

    def test_texts_of_all_scripts_and_sizes_arrive(self, review: Review) -> None:
        content = {"taskObject": "日本 \u2028 🙂 </script>" * 50_000}
        name = review.start(review.flow(), content)
        ada = review.worker()
        answer = {"explanation": "Ωμέγα\n" * 10_000, "": {"ключ": True}}
        review.worklist.submit(ada, review.take(ada).id, answer)
        output = review.output(name)
        assert output["inputContent"] == content
        assert output["humanAnswers"][0]["answerContent"] == answer


class TestGivingBack:
    def test_a_released_task_is_everybodys_again(self, review: Review) -> None:
        review.start(review.flow())
        ada, bob = review.worker("Ada"), review.worker("Bob")
        assignment = review.take(ada)
        review.worklist.release(ada, assignment.id)
        assert gone(review, ada, assignment) == "released"
        assert len(review.worklist.jobs(ada)) == 1
        again = review.take(bob)
        assert again.loop_name == assignment.loop_name
        assert again.id != assignment.id

    def test_a_declined_task_never_comes_back(self, review: Review) -> None:
        flow = review.flow(2)
        first, second = review.start(flow), review.start(flow)
        ada, bob = review.worker("Ada"), review.worker("Bob")
        assignment = review.take(ada)
        review.worklist.decline(ada, assignment.id)
        assert review.take(ada).loop_name == second
        assert review.take(bob).loop_name == first

    def test_a_task_that_all_decline_has_expired(self, review: Review) -> None:
        name = review.start(review.flow(2))
        ada, bob = review.worker("Ada"), review.worker("Bob")
        review.worklist.decline(ada, review.take(ada).id)
        assert review.status(name) == "InProgress"
        review.worklist.decline(bob, review.take(bob).id)
        loop = review.loop(name)
        assert (loop["HumanLoopStatus"], loop["FailureCode"]) == ("Failed", "Expired")
        assert "2 workers declined" in loop["FailureReason"]

    def test_a_paused_task_waits_for_its_worker(self, review: Review) -> None:
        name = review.start(review.flow())
        ada, bob = review.worker("Ada"), review.worker("Bob")
        assignment = review.take(ada)
        review.worklist.pause(ada, assignment.id)
        review.worklist.pause(ada, assignment.id)
        assert review.worklist.jobs(bob) == []
        (job,) = review.worklist.jobs(ada)
        assert (job.status, job.available) == ("Stopped", 1)
        paused = review.worklist.get(ada, assignment.id)
        assert paused.state == "paused"
        assert review.worklist.get(ada, assignment.id).spent_seconds == paused.spent_seconds
        resumed = review.worklist.take(ada, job.id)
        assert resumed is not None
        assert (resumed.id, resumed.state) == (assignment.id, "working")
        assert resumed.deadline == assignment.deadline
        review.worklist.submit(ada, assignment.id, ANSWER)
        (answer,) = review.output(name)["humanAnswers"]
        assert answer["timeSpentInSeconds"] < 60

    def test_a_closed_page_gives_its_task_back(self, watchful: Review) -> None:
        watchful.start(watchful.flow())
        ada, bob = watchful.worker("Ada"), watchful.worker("Bob")
        assignment = watchful.take(ada)
        watchful.worklist.left(ada, assignment.id)
        until(lambda: bool(watchful.worklist.jobs(bob)))
        assert watchful.take(bob).loop_name == assignment.loop_name
        assert gone(watchful, ada, assignment) == "left"

    def test_a_page_that_vanishes_is_missed(self, impatient: Review) -> None:
        impatient.start(impatient.flow())
        assignment = impatient.take(impatient.worker("Ada"))
        bob = impatient.worker("Bob")
        until(lambda: bool(impatient.worklist.jobs(bob)))
        assert impatient.take(bob).loop_name == assignment.loop_name

    def test_a_reload_keeps_the_task(self, watchful: Review) -> None:
        flow = watchful.flow()
        reloaded, closed = watchful.start(flow), watchful.start(flow)
        ada, bob = watchful.worker("Ada"), watchful.worker("Bob")
        kept, lost = watchful.take(ada), watchful.take(bob)
        watchful.worklist.left(ada, kept.id)
        watchful.worklist.seen(ada, kept.id)
        watchful.worklist.left(bob, lost.id)
        eve = watchful.worker("Eve")
        until(lambda: bool(watchful.worklist.jobs(eve)))
        assert watchful.take(eve).loop_name == closed
        assert watchful.worklist.get(ada, kept.id).loop_name == reloaded

    def test_who_comes_back_late_goes_on_if_nobody_else_has(self, watchful: Review) -> None:
        name = watchful.start(watchful.flow())
        ada, bob = watchful.worker("Ada"), watchful.worker("Bob")
        assignment = watchful.take(ada)
        watchful.worklist.left(ada, assignment.id)
        until(lambda: bool(watchful.worklist.jobs(bob)))
        watchful.worklist.submit(ada, assignment.id, ANSWER)
        assert watchful.status(name) == "Completed"


class TestTimeLimits:
    def test_a_task_is_taken_away_in_the_end(self, review: Review) -> None:
        review.start(review.flow(TaskTimeLimitInSeconds=600))
        ada, bob = review.worker("Ada"), review.worker("Bob")
        assignment = review.take(ada)
        review.pass_time(599)
        review.worklist.pause(ada, assignment.id)
        assert review.worklist.jobs(bob) == []
        review.pass_time(2)
        until(lambda: bool(review.worklist.jobs(bob)))
        assert gone(review, ada, assignment) == "expired"
        with pytest.raises(AssignmentGone):
            review.worklist.submit(ada, assignment.id, ANSWER)
        assert review.take(bob).loop_name == assignment.loop_name

    def test_who_is_late_is_told_so_whether_anybody_noticed_or_not(self, review: Review) -> None:
        review.start(review.flow(TaskTimeLimitInSeconds=600))
        ada = review.worker()
        assignment = review.take(ada)
        review.pass_time(601)
        with pytest.raises(AssignmentGone) as caught:
            review.worklist.submit(ada, assignment.id, ANSWER)
        assert caught.value.reason == "expired"

    def test_a_loop_that_nobody_answers_expires(self, review: Review) -> None:
        name = review.start(review.flow(TaskAvailabilityLifetimeInSeconds=60))
        review.pass_time(61)
        loop = review.ended(name)
        assert (loop["HumanLoopStatus"], loop["FailureCode"]) == ("Failed", "Expired")
        assert "60 seconds" in loop["FailureReason"]
        assert "0 of 1 workers" in loop["FailureReason"]
        assert review.worklist.jobs(review.worker()) == []
        assert review.output(name) is None

    def test_who_is_in_a_loop_when_it_expires_may_finish(self, review: Review) -> None:
        flow = review.flow(TaskAvailabilityLifetimeInSeconds=60)
        name, other = review.start(flow), review.start(flow)
        ada = review.worker()
        assignment = review.take(ada)
        review.pass_time(61)
        assert review.ended(other)["HumanLoopStatus"] == "Failed"
        assert review.status(name) == "InProgress"
        assert review.worklist.take(review.worker("Bob"), assignment.job_id) is None
        review.worklist.submit(ada, assignment.id, ANSWER)
        assert review.status(name) == "Completed"
        (answer,) = review.output(name)["humanAnswers"]
        assert 61 <= answer["timeSpentInSeconds"] < 600

    def test_a_loop_expires_when_the_last_one_leaves_it(self, review: Review) -> None:
        name = review.start(review.flow(TaskAvailabilityLifetimeInSeconds=60))
        ada = review.worker()
        assignment = review.take(ada)
        review.pass_time(61)
        review.worklist.release(ada, assignment.id)
        assert review.loop(name)["FailureCode"] == "Expired"

    def test_pauses_do_not_count_as_time_spent(self, review: Review) -> None:
        name = review.start(review.flow())
        ada = review.worker()
        assignment = review.take(ada)
        review.pass_time(100)
        review.worklist.pause(ada, assignment.id)
        review.pass_time(1000)
        review.take(ada)
        review.pass_time(10)
        review.worklist.submit(ada, assignment.id, ANSWER)
        (answer,) = review.output(name)["humanAnswers"]
        assert 110 <= answer["timeSpentInSeconds"] < 200


class TestStopping:
    def test_a_loop_that_nobody_is_in_stops_at_once(self, review: Review) -> None:
        name = review.start(review.flow())
        review.call("StopHumanLoop", HumanLoopName=name)
        assert review.status(name) == "Stopped"
        assert review.worklist.jobs(review.worker()) == []
        review.call("StopHumanLoop", HumanLoopName=name)
        assert review.output(name) is None

    def test_who_is_in_it_may_finish(self, review: Review) -> None:
        name = review.start(review.flow(2))
        ada, bob = review.worker("Ada"), review.worker("Bob")
        assignment = review.take(ada)
        review.call("StopHumanLoop", HumanLoopName=name)
        assert review.status(name) == "Stopping"
        assert review.worklist.jobs(bob) == []
        review.worklist.submit(ada, assignment.id, ANSWER)
        assert review.status(name) == "Stopped"
        assert len(review.output(name)["humanAnswers"]) == 1

    @pytest.mark.parametrize("how", ["release", "decline", "pause"])
    def test_who_leaves_it_cannot_come_back(self, review: Review, how: str) -> None:
        name = review.start(review.flow())
        ada = review.worker()
        assignment = review.take(ada)
        review.call("StopHumanLoop", HumanLoopName=name)
        getattr(review.worklist, how)(ada, assignment.id)
        assert review.status(name) == "Stopped"
        assert review.worklist.take(ada, assignment.job_id) is None

    def test_a_task_that_was_put_aside_is_stopped(self, review: Review) -> None:
        name = review.start(review.flow())
        ada = review.worker()
        assignment = review.take(ada)
        review.worklist.pause(ada, assignment.id)
        review.call("StopHumanLoop", HumanLoopName=name)
        assert review.status(name) == "Stopped"
        assert gone(review, ada, assignment) == "stopped"


class TestDeletingFlowDefinitions:
    def test_one_goes_when_nobody_is_in_a_task_any_more(self, review: Review) -> None:
        flow = review.flow()
        name = flow.rpartition("/")[2]
        begun, waiting = review.start(flow), review.start(flow)
        ada = review.worker()
        assignment = review.take(ada)
        assert assignment.loop_name == begun
        review.call("DeleteFlowDefinition", FlowDefinitionName=name)
        assert review.flow_status(flow) == "Deleting"
        with pytest.raises(AWSError, match="ResourceInUse"):
            review.call("DeleteFlowDefinition", FlowDefinitionName=name)
        with pytest.raises(AWSError, match="Deleting"):
            review.start(flow)
        with pytest.raises(AWSError, match="ResourceNotFound"):
            review.loop(waiting)
        review.worklist.submit(ada, assignment.id, ANSWER)
        assert len(review.output(begun)["humanAnswers"]) == 1
        until(lambda: _is_gone(review, name))
        # What ended keeps its description, and the name is free.
        assert review.status(begun) == "Stopped"
        with pytest.raises(AWSError, match="ResourceNotFound"):
            review.call("ListHumanLoops", FlowDefinitionArn=flow)

    def test_answers_that_were_given_are_not_lost(self, review: Review) -> None:
        flow = review.flow(2)
        name = review.start(flow)
        ada = review.worker()
        review.worklist.submit(ada, review.take(ada).id, ANSWER)
        review.call("DeleteFlowDefinition", FlowDefinitionName=flow.rpartition("/")[2])
        until(lambda: _is_gone(review, flow.rpartition("/")[2]))
        assert review.status(name) == "Stopped"
        assert len(review.output(name)["humanAnswers"]) == 1

    def test_a_late_end_spares_the_next_of_the_same_name(self, review: Review) -> None:
        flow = review.flow()
        name = flow.rpartition("/")[2]
        review.start(flow)
        ada = review.worker()
        assignment = review.take(ada)
        shown = review.call("DescribeFlowDefinition", FlowDefinitionName=name)
        members = ("FlowDefinitionName", "HumanLoopConfig", "OutputConfig", "RoleArn")
        again = {member: shown[member] for member in members}
        review.call("DeleteFlowDefinition", FlowDefinitionName=name)
        go_on = review.rooms._definitions.go_on
        with review.database.transaction():
            late = threading.Thread(target=go_on)
            late.start()
            # Long enough to find that this one goes; it is kept waiting for the database then.
            late.join(0.3)
            review.worklist.release(ada, assignment.id)
            go_on()
            assert _is_gone(review, name)
            review.call("CreateFlowDefinition", **again)
        late.join()
        assert not _is_gone(review, name)
        until(lambda: review.flow_status(flow) == "Active")
        review.start(flow)


def _is_gone(review: Review, flow: str) -> bool:
    try:
        review.call("DescribeFlowDefinition", FlowDefinitionName=flow)
    except AWSError as error:
        return error.code == "ResourceNotFound"
    return False


class TestManyAtOnce:
    @pytest.mark.parametrize(
        ("loops", "task_count"),
        [(20, 2), *(pytest.param(300, count, marks=pytest.mark.slow) for count in (1, 3))],
    )
    def test_every_task_is_answered_exactly_as_often_as_it_is_to_be(
        self, review: Review, loops: int, task_count: int
    ) -> None:
        flow = review.flow(task_count)
        names = [review.start(flow, {"taskObject": number}) for number in range(loops)]
        workers = [review.worker(f"Worker {number}") for number in range(4)]
        failures: list[BaseException] = []

        def work(number: int, worker: Worker) -> None:
            try:
                turn = number
                while jobs := review.worklist.jobs(worker):
                    assignment = review.worklist.take(worker, jobs[0].id)
                    if assignment is None:
                        continue
                    turn += 1
                    if turn % 5 == 0:
                        review.worklist.release(worker, assignment.id)
                        continue
                    answer = {"number": assignment.input["taskObject"]}
                    review.worklist.submit(worker, assignment.id, answer)
            except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
                failures.append(error)

        threads = [
            threading.Thread(target=work, args=(number, worker))
            for number, worker in enumerate(workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert Counter(review.status(name) for name in names) == {"Completed": loops}
        for number, name in enumerate(names):
            answers = review.output(name)["humanAnswers"]
            assert [answer["answerContent"] for answer in answers] == [
                {"number": number}
            ] * task_count
            assert len({answer["workerId"] for answer in answers}) == task_count
        assert review.worklist.waiting().available == 0


def test_output_is_one_compact_line(review: Review) -> None:
    name = review.start(review.flow())
    ada = review.worker()
    review.worklist.submit(ada, review.take(ada).id, ANSWER)
    uri = review.loop(name)["HumanLoopOutput"]["OutputS3Uri"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with review.objects.open("111122223333", bucket, key) as stream:
        text = stream.read().decode()
    assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
