"""Clean-up on real accounts of a real server: the workshop's goes, everybody else's stays."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from local_sagemaker import LocalSageMaker
from tests.workshop_utils.cleanup_support import MARK, Filler, census, new_session, settle
from workshop_utils import cleanup
from workshop_utils.cleanup import text
from workshop_utils.cleanup.kinds import KINDS
from workshop_utils.cleanup.resource import Resource
from workshop_utils.marks import Malformed
from workshop_utils.session import PREFIX, Session

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("local")]
OURS = f"{PREFIX}-mine"


def quiet(line: str) -> None:
    del line


@pytest.fixture(scope="module")
def crowded(local: LocalSageMaker) -> Session:  # noqa: ARG001  (it needs the server)
    """Return the session of an account with the workshop's things among others'."""
    session = new_session()
    Filler(session, OURS, MARK).everything()
    # The tag decides, whatever the name.
    Filler(session, "otherwise", MARK, folder=f"{PREFIX}/zero-shot").experiment()
    Filler(session, "otherwise", MARK).hosting()
    Filler(session, "otherwise", MARK).jobs()
    Filler(session, f"{PREFIX}-decoy", folder="elsewhere").everything()
    Filler(session, "decoy", {"workshop": "pottery"}, folder=f"{PREFIX}s").everything()
    # Somebody else's run in the workshop's trial.
    session.client("sagemaker").associate_trial_component(
        TrialComponentName="decoy-experiment-run", TrialName=f"{OURS}-experiment-trial"
    )
    settle(session)
    return session


def decoys(everything: dict[str, str]) -> dict[str, str]:
    return {
        path: made
        for path, made in everything.items()
        if not any(word in path for word in (OURS, "otherwise", f"{PREFIX}/"))
    }


def test_everything_of_the_workshop_goes_and_nothing_else(crowded: Session) -> None:
    before = census(crowded)
    plan = cleanup.plan(crowded)
    assert census(crowded) == before, "planning changes nothing"
    assert {one.kind for one in plan.resources} >= {kind.slug for kind in KINDS} - {
        "inference-component",
        "monitoring-schedule",
        "transform-job",
        "hyper-parameter-tuning-job",
    }
    assert f"{PREFIX}-decoy-hosted" in {one.name for one in plan.lookalikes}
    result = plan.run(quiet)
    assert result.ok, str(result)
    after = census(crowded)
    assert decoys(after) == decoys(before)
    # What AWS cannot delete has ended, costs nothing, and does not carry the tag any more.
    rest = {path: made for path, made in after.items() if path not in decoys(after)}
    assert {path.split(" ")[0] for path in rest} == {"AutoMLJob"}, rest
    assert not any(PREFIX in made for made in rest.values())
    assert cleanup.leftovers(crowded) == []
    plan = cleanup.plan(crowded, adopt=[f"{OURS}-automl"])
    assert not any("automl" in one.name for one in (*plan.resources, *plan.lookalikes))
    again = cleanup.plan(crowded).run(quiet)
    assert again.ok
    assert not again.deleted


def test_a_lookalike_goes_when_it_is_adopted_by_name() -> None:
    session = new_session()
    name = Filler(session, f"{PREFIX}-handmade").hosting()
    other = Filler(session, "handmade").hosting()
    settle(session)
    assert not cleanup.plan(session).resources
    plan = cleanup.plan(session, adopt=[name, other, "no-body", "no_name/at all"])
    assert not plan.unseen
    assert [one.kind for one in plan.resources].count("endpoint") == 2
    assert "no-body" in str(plan)
    assert plan.run(quiet).ok
    left = census(session)
    assert not any(path.startswith(("Endpoint", "Model ")) for path in left), left


def test_only_the_labs_own_when_asked_for() -> None:
    session = new_session()
    mine = Filler(session, f"{PREFIX}-one", MARK).hosting()
    other = Filler(session, f"{PREFIX}-two", MARK | {"workshop:lab": "zero-shot"}).hosting()
    settle(session)
    result = cleanup.plan(session, everything=False).run(quiet)
    assert result.ok, str(result)
    left = census(session)
    assert f"Endpoint {mine}" not in left
    assert {f"Endpoint {other}", f"EndpointConfig {other}", f"Model {other}"} <= set(left)
    assert f"LogGroup /aws/sagemaker/Endpoints/{other}" in left


def test_expired_endpoints_go_with_what_only_they_use() -> None:
    session = new_session()
    filler = Filler(session, PREFIX, MARK)
    now = datetime.now(UTC)
    over = filler.hosting("over", _time(now - timedelta(minutes=1)))
    needed = filler.hosting("needed", _time(now + timedelta(hours=1)))
    unlimited = filler.hosting("unlimited")
    malformed = filler.hosting("malformed", "tomorrow")
    filler.files()
    # A configuration that is past its time, of an endpoint that was renewed.
    client = session.client("sagemaker")
    arn = client.describe_endpoint_config(EndpointConfigName=needed)["EndpointConfigArn"]
    client.add_tags(
        ResourceArn=arn, Tags=[{"Key": "workshop:expires", "Value": "2020-01-01T00:00:00Z"}]
    )
    settle(session)
    with pytest.warns(Malformed, match="tomorrow"):
        plan = cleanup.plan(session, expired=True)
    assert {(one.kind, one.name) for one in plan.resources} == {
        ("endpoint", over),
        ("endpoint-config", over),
        ("model", over),
        ("log-group", f"/aws/sagemaker/Endpoints/{over}"),
    }
    with pytest.warns(Malformed, match="tomorrow"):
        result = plan.run(quiet)
    assert result.ok, str(result)
    left = census(session)
    for name in (needed, unlimited, malformed):
        assert {f"Endpoint {name}", f"EndpointConfig {name}", f"Model {name}"} <= set(left)


def test_what_was_made_anew_by_somebody_else_is_left_alone() -> None:
    session = new_session()
    Filler(session, OURS, MARK).registry()
    plan = cleanup.plan(session)
    assert cleanup.plan(session).run(quiet).ok
    Filler(session, OURS).registry()
    before = census(session)
    result = plan.run(quiet)
    assert census(session).keys() >= {f"ModelPackageGroup {OURS}-group"}
    assert census(session) == before
    assert result.ok, "what carries no mark is not the workshop's"


def test_what_is_denied_is_reported_and_the_rest_goes(local: LocalSageMaker) -> None:
    session = new_session()
    Filler(session, OURS, MARK).registry()
    Filler(session, OURS, MARK).experiment()
    told: list[str] = []
    with local.faults.add("DeleteModelPackage", "AccessDenied", account=session.account):
        result = cleanup.plan(session).run(told.append)
    assert not result.ok
    assert {one.kind for one in result.left} == {"model-package-group", "model-package"}
    assert "AccessDenied" in str(result)
    assert "https://us-east-1.console.aws.amazon.com/" in str(result)
    assert any("AccessDenied" in line for line in told)
    assert not any("Experiment" in path for path in census(session))
    with local.faults.add("ListModelPackageGroups", "AccessDenied", account=session.account):
        plan = cleanup.plan(session)
        assert "model-package-group" in plan.unseen
        assert not plan.run(quiet).ok
    assert cleanup.plan(session).run(quiet).ok


def test_without_the_tagging_api_tags_are_asked_for_one_by_one() -> None:
    session = new_session()
    Filler(session, OURS, MARK).everything()
    Filler(session, f"{PREFIX}-decoy").registry()
    settle(session)
    # The account denies it.
    events = session.boto.events
    events.register("before-send.resource-groups-tagging-api.GetResources", denied)
    plan = cleanup.plan(session)
    assert "AccessDenied" in str(plan)
    assert plan.run(quiet).ok
    events.unregister("before-send.resource-groups-tagging-api.GetResources", denied)
    assert cleanup.leftovers(dataclasses.replace(session)) == []
    assert f"ModelPackageGroup {PREFIX}-decoy-group" in census(session)


def denied(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    """Answer as IAM does."""
    body = SimpleNamespace(stream=lambda **_: iter([b'{"__type": "AccessDeniedException"}']))
    return AWSResponse(request.url, 403, {}, body)


def test_two_at_once_do_not_hurt_each_other() -> None:
    from concurrent.futures import ThreadPoolExecutor

    session = new_session()
    Filler(session, OURS, MARK).everything()
    Filler(session, "decoy").everything()
    settle(session)
    before = decoys(census(session))
    plans = [cleanup.plan(session), cleanup.plan(session)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda plan: plan.run(quiet), plans))
    assert all(result.ok for result in results), "\n".join(map(str, results))
    assert decoys(census(session)) == before


def test_more_objects_than_one_request_takes() -> None:
    session = new_session()
    client = session.client("s3")
    for number in range(1005):
        client.put_object(Bucket=session.bucket, Key=f"{PREFIX}/many/{number:04}", Body=b"")
    assert cleanup.plan(session).run(quiet).ok
    assert "KeyCount" in (shown := client.list_objects_v2(Bucket=session.bucket))
    assert shown["KeyCount"] == 0


def test_a_plan_says_what_would_go_and_is_json() -> None:
    session = new_session()
    Filler(session, OURS, MARK).everything()
    Filler(session, "<script>", folder="x").files()
    settle(session)
    plan = cleanup.plan(session)
    shown = str(plan)
    assert f"endpoint {OURS}-hosted" in shown
    assert "4 objects" in shown
    document = json.loads(json.dumps(plan.to_dict()))
    assert {one["kind"] for one in document["resources"]} == {one.kind for one in plan.resources}
    page = plan._repr_html_()
    assert f"{OURS}-hosted" in page
    assert "Nothing has been deleted yet" in page
    result = plan.run(quiet)
    assert "Clean" in result._repr_html_()
    assert json.loads(json.dumps(result.to_dict()))["ok"] is True


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_links_lead_to_the_partitions_own_console(region: str, domain: str) -> None:
    link = text.console_link(region, Resource("endpoint", "a", "arn"))
    assert link == f"https://{domain}/sagemaker/home?region={region}#/endpoints/a"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
