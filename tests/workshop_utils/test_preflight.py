"""Preflight on a real local server: what is in order, what is not, and what could not be seen."""

import dataclasses
import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from workshop_utils import instances, preflight, review_service
from workshop_utils.__main__ import main
from workshop_utils.preflight import machine, needs, permissions, policy, quotas, region, runner
from workshop_utils.preflight.finding import Finding, Level, blocker, ok, warning
from workshop_utils.preflight.needs import Machines
from workshop_utils.preflight.report import Report
from workshop_utils.preflight.runner import Check
from workshop_utils.preflight.services import hugging_face
from workshop_utils.session import Session

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Role:
    """A role of the account, and a session that works as it."""

    def __init__(self, ws: Session, trust: dict[str, Any]) -> None:
        self._iam = ws.client("iam")
        self.name = f"preflight-{uuid.uuid4().hex[:8]}"
        made = self._iam.create_role(
            RoleName=self.name, Path="/labs/", AssumeRolePolicyDocument=json.dumps(trust)
        )
        caller = f"arn:aws:sts::{ws.account}:assumed-role/{self.name}/somebody"
        self.session = dataclasses.replace(ws, role=made["Role"]["Arn"], caller=caller)

    def allow(self, statements: list[dict[str, Any]]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self._iam.put_role_policy(RoleName=self.name, PolicyName="granted", PolicyDocument=document)


@pytest.fixture
def role(ws: Session) -> Role:
    return Role(ws, TRUST)


@pytest.fixture
def denied(ws: Session) -> Iterator[Any]:
    """Return what makes an operation answer that it is not allowed."""
    operations: list[str] = []

    def deny(operation: str) -> None:
        operations.append(operation)
        assert ws.break_on_purpose(operation, "AccessDeniedException", times=99)

    yield deny
    for operation in operations:
        ws.break_on_purpose(operation, "AccessDeniedException", times=0)


def levels(findings: list[Finding]) -> set[Level]:
    return {finding.level for finding in findings}


def test_all_is_well_in_an_account_that_may_do_everything(ws: Session) -> None:
    said: list[str] = []
    report = preflight.check(ws, report=said.append)
    assert report.ok, str(report)
    assert report.of(Level.BLOCKER) == []
    areas = {finding.area for finding in report.findings}
    assert areas >= {"region", "permissions", "quotas", "human review", "packages", "disk"}
    assert "can run" in str(report)
    assert report.way_on == ""


def test_one_lab_is_asked_about_by_itself(ws: Session) -> None:
    report = preflight.check(ws, labs=[1])
    text = str(report)
    assert "human review" not in text
    assert "processing job" not in text
    assert "Lab 2" not in text
    with pytest.raises(ValueError, match="the labs are 1, 2, 3"):
        preflight.check(ws, labs=[4])
    with pytest.raises(ValueError, match="the labs are 1, 2, 3"):
        preflight.check(ws, labs=[])


class TestPermissions:
    def test_the_minimal_policy_is_enough(self, role: Role) -> None:
        role.allow(policy.statements())
        assert levels(permissions.check(role.session, (1, 2, 3))) == {Level.OK}

    def test_what_is_not_granted_is_named_with_its_resource(self, role: Role) -> None:
        found = permissions.check(role.session, (1,))
        assert Level.BLOCKER in levels(found)
        text = " ".join(f.what for f in found)
        assert f"role/labs/{role.name}" in text
        assert "more" in text
        granted = [s for s in policy.statements() if s["Sid"] != "BothPassTheRole"]
        role.allow(granted)
        (people, jobs) = permissions.check(role.session, (1,))
        assert people.level is jobs.level is Level.BLOCKER
        assert f"`iam:PassRole on {role.session.role}`" in people.what
        assert "minimal-policy.json" in people.do

    def test_a_pass_to_another_service_does_not_count(self, role: Role) -> None:
        statements = json.loads(json.dumps(policy.statements()))
        for statement in statements:
            if "Condition" in statement:
                statement["Condition"]["StringEquals"]["iam:PassedToService"] = "ec2.amazonaws.com"
        role.allow(statements)
        found = permissions.check(role.session, (1,))
        assert all("iam:PassRole" in finding.what for finding in found)

    def test_who_may_not_simulate_is_not_told_that_all_is_well(
        self, ws: Session, denied: Any
    ) -> None:
        denied("SimulatePrincipalPolicy")
        report = preflight.check(ws, labs=[1])
        (finding,) = [f for f in report.findings if "SimulatePrincipalPolicy" in f.do]
        assert finding.level is Level.WARNING
        assert "not a yes" in finding.why

    def test_root_and_strangers_are_told_what_that_means(self, ws: Session) -> None:
        for caller in (f"arn:aws:iam::{ws.account}:root", "arn:aws:sts::1:federated-user/x"):
            (finding,) = permissions.check(dataclasses.replace(ws, caller=caller), (1,))
            assert finding.level is Level.WARNING

    def test_sagemaker_must_be_trusted(self, ws: Session, role: Role) -> None:
        assert levels(permissions.role(role.session, (1,))) == {Level.OK}
        other = json.loads(json.dumps(TRUST).replace("sagemaker", "ec2"))
        (finding,) = permissions.role(Role(ws, other).session, (1,))
        assert finding.level is Level.BLOCKER
        assert "does not trust sagemaker.amazonaws.com" in finding.what
        gone = dataclasses.replace(ws, role=f"arn:aws:iam::{ws.account}:role/gone")
        (finding,) = permissions.role(gone, (1,))
        assert finding.level is Level.BLOCKER


class TestQuotas:
    def test_a_quota_of_zero_is_named_with_its_code_and_the_next_best_type(
        self, ws: Session, local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            quotas,
            "MACHINES",
            (
                Machines((1,), "endpoint", "ml.m5.xlarge"),
                Machines((1,), "endpoint", "ml.g5.xlarge"),
                Machines((1,), "endpoint", "ml.none.xlarge"),
            ),
        )
        name = "ml.m5.xlarge for endpoint usage"
        local.grant_quota(name, 0)
        try:
            cpu, gpu, none, *_ = quotas.check(ws, (1,))
        finally:
            local.grant_quota(name, 4)
        assert {cpu.level, gpu.level, none.level} == {Level.BLOCKER}
        assert "L-2F737F8D" in cpu.what
        assert "0 is what new accounts have" in cpu.why
        assert "instance_type='ml.c5.xlarge'" in cpu.do
        assert "L-1928E07B" in gpu.what
        assert "Meanwhile" not in gpu.do, "no GPU has a quota"
        assert "does not list" in none.what

    def test_what_labs_can_do_without_is_a_warning(self, ws: Session) -> None:
        found = [f for f in quotas.check(ws, (1, 2, 3)) if f.level is not Level.OK]
        assert {f.level for f in found} == {Level.WARNING}
        assert all("is 0 here" in f.what for f in found), found

    def test_quotas_that_may_not_be_read_are_not_taken_for_enough(
        self, ws: Session, denied: Any
    ) -> None:
        denied("ListServiceQuotas")
        report = preflight.check(ws, labs=[1])
        (finding,) = [f for f in report.findings if f.area == "quotas"]
        assert finding.level is Level.WARNING
        assert "ListServiceQuotas" in finding.do

    def test_the_next_best_is_larger_first_and_of_the_same_kind(self, ws: Session) -> None:
        found = instances.next_best(ws, "ml.m5.xlarge", "endpoint")
        assert found is not None
        assert found.name.split()[0] == "ml.c5.xlarge"
        assert instances.next_best(ws, "ml.g5.xlarge", "endpoint") is None
        assert instances.next_best(ws, "ml.m5.xlarge", "endpoint", count=99) is None

    def test_serverless_that_is_too_small_names_the_way_round(
        self, ws: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = dataclasses.replace(quotas.Serverless(), max_concurrency=11)
        monkeypatch.setattr(quotas, "Serverless", lambda: asked)
        (small,) = [f for f in quotas.check(ws, (2,)) if f.level is not Level.OK and "11" in f.what]
        assert small.level is Level.WARNING
        assert "L-96300102" in small.what
        assert "serverless=False" in small.do


def test_a_region_without_images_is_a_blocker(ws: Session) -> None:
    (finding,) = region.images(dataclasses.replace(ws, region="mars-north-1"), (1,))
    assert finding.level is Level.BLOCKER
    assert "AWS_DEFAULT_REGION" in finding.do


def test_a_region_whose_hub_lacks_the_model_is_a_blocker(
    ws: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(region.jumpstart, "BART", "huggingface-zstc-nobody-knows-it")
    (finding,) = region.hub(ws, (2,))
    assert finding.level is Level.BLOCKER


def test_a_closed_a2i_is_a_warning_and_starts_nothing(
    ws: Session, denied: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied("ListFlowDefinitions")
    monkeypatch.setattr(review_service, "own", lambda *_: pytest.fail("a service was started"))
    report = preflight.check(dataclasses.replace(ws, local=None), labs=[3])
    (finding,) = [f for f in report.findings if f.area == "human review"]
    assert finding.level is Level.WARNING
    assert "AccessDenied" in finding.what


def test_the_hub_is_asked_where_it_is(
    ws: Session, local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", local.url)
    assert levels(hugging_face(ws, (1,))) == {Level.OK}
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    (finding,) = hugging_face(ws, (1, 2))
    assert finding.level is Level.WARNING
    assert "came with the installation" in finding.why
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE" in hugging_face(ws, (1,))[0].what


class TestMachine:
    def test_a_version_outside_its_range_and_a_missing_package(
        self, ws: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = tmp_path / "requirements.txt"
        lines = [
            "numpy>=99  # far away",
            "no-such-package-anywhere>=1",
            "pandas>=2",
            'colorama>=1; sys_platform == "win32"',
        ]
        wanted.write_text("\n".join(lines), encoding="utf-8")
        monkeypatch.setattr(machine, "REQUIREMENTS", wanted)
        numpy, missing = machine.packages(ws, (1,))
        assert numpy.level is missing.level is Level.BLOCKER
        assert "the labs need >=99" in numpy.what
        assert "is not installed" in missing.what
        assert "pip install" in missing.do

    @pytest.mark.parametrize(
        ("found", "level"),
        [
            ((3, 10, 0), Level.BLOCKER),
            ((3, 12, 4), Level.OK),
            ((3, 99, 0), Level.WARNING),
        ],
    )
    def test_pythons(
        self,
        ws: Session,
        monkeypatch: pytest.MonkeyPatch,
        found: tuple[int, int, int],
        level: Level,
    ) -> None:
        monkeypatch.setattr(machine.sys, "version_info", found)
        assert machine.python(ws, (1,))[0].level is level

    def test_memory_is_compared_with_what_was_measured(
        self, ws: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        need = needs.footprint((1, 2, 3))
        for size, level in (
            (64e9, Level.OK),
            (need.kernel + 1e9, Level.WARNING),
            (2e8, Level.BLOCKER),
        ):
            monkeypatch.setattr(machine, "total_memory", lambda size=size: size)
            assert machine.memory(ws, (1, 2, 3))[0].level is level

    def test_a_full_disk_is_seen(self, ws: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            machine.shutil, "disk_usage", lambda _: machine.shutil._ntuple_diskusage(9, 9, 0)
        )
        assert levels(machine.disk(ws, (1,))) == {Level.WARNING}
        assert not machine.fits((1,))

    def test_a_containers_limit_counts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limit = tmp_path / "memory.max"
        monkeypatch.setattr(machine, "_GROUPS", (str(limit), str(tmp_path / "absent")))
        for text, bounded in (("1000000\n", True), ("max\n", False)):
            limit.write_text(text, encoding="ascii")
            assert (machine.total_memory() == 1_000_000) is bounded


class TestRunner:
    def test_a_broken_check_and_a_late_one_are_findings(self) -> None:
        released = threading.Event()

        def broken() -> list[Finding]:
            raise RuntimeError("oh")

        def late() -> list[Finding]:
            released.wait()
            return []

        said: list[str] = []
        checks = [
            Check("broken", broken),
            Check("late", late),
            Check("empty", list),
            Check("good", lambda: [ok("good", "fine")]),
        ]
        began = time.monotonic()
        found = runner.run(checks, 2.2, said.append)
        assert time.monotonic() - began >= 2.2
        released.set()
        assert [f.level.value for f in found] == ["warning", "warning", "warning", "ok"]
        assert "RuntimeError: oh" in found[0].what
        assert "No answer within 2.2 s" in found[1].what
        assert said == ["  3 of 4 checks done; waiting for late"]


def report_of(*findings: Finding, fits: bool = True) -> Report:
    return Report("111122223333", "us-east-1", "me", (1,), findings, fits, 1.0)


class TestReport:
    def test_what_blocks_shows_one_way_on(self) -> None:
        bad = report_of(blocker("a", "x", "y", "z"), warning("b", "x", "y", "z"))
        assert not bad.ok
        assert "WORKSHOP_MODE" in str(bad)
        assert "WORKSHOP_MODE" in bad._repr_html_()
        assert "1 blocker, 1 warning." in bad.verdict
        assert "WORKSHOP_MODE" not in str(report_of(blocker("a", "x", "y", "z"), fits=False))
        assert "WORKSHOP_MODE" not in str(report_of(warning("a", "x", "y", "z")))

    def test_html_shows_texts_as_texts(self) -> None:
        page = report_of(blocker("<i>", "<script>`a<b`</script>", "&", "z"))._repr_html_()
        assert "<script>" not in page
        assert "<code>a&lt;b</code>" in page

    def test_json_has_everything(self) -> None:
        told = json.loads(json.dumps(report_of(blocker("a", "x", "y", "z")).to_dict()))
        assert told["ok"] is False
        assert told["findings"] == [
            {"area": "a", "level": "blocker", "what": "x", "why": "y", "do": "z"}
        ]


class TestCommand:
    @pytest.fixture(autouse=True)
    def here(self, local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))

    def test_it_prints_json_and_says_by_its_exit_code_how_it_is(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert main(["preflight", "--lab", "1", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["ok"] is True
        assert told["labs"] == [1]
        monkeypatch.setattr(machine, "total_memory", lambda: 1)
        assert main(["preflight", "--lab", "1"]) == 1
        assert "✗ blocker" in capsys.readouterr().out

    def test_wrong_arguments(self) -> None:
        for words in (["--lab", "9"], ["--seconds", "0"], ["--seconds", "soon"]):
            with pytest.raises(SystemExit) as ended:
                main(["preflight", *words])
            assert ended.value.code == 2
