"""Traffic whose answers are not what it hopes for, and traffic that has no answer yet."""

import re
from collections.abc import Iterator

import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import Deployer, answering
from workshop_utils.endpoints import Endpoint
from workshop_utils.session import Session
from workshop_utils.traffic import Traffic


@pytest.fixture(scope="module")
def deployer(local: LocalSageMaker) -> Iterator[Deployer]:
    made = Deployer(local)
    yield made
    made.clear()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('[{"label": "posit', "JSONDecodeError: Unterminated string"),
        ('{"label": "positive", "score": 0.9}', "ValueError: too many values to unpack"),
        ('[{"answer": "positive"}]', "KeyError: 'label'"),
        ('[{"label": "positive", "score": null}]', "TypeError: "),
    ],
    ids=["truncated", "no list", "other names", "no number"],
)
def test_an_answer_of_another_shape_is_a_failed_request(
    ws: Session, deployer: Deployer, answer: str, said: str
) -> None:
    endpoint = Endpoint(ws, deployer.deploy(answering(answer)))
    traffic = Traffic(endpoint, ["x"], callers=1, pause=0.01, at_most=1).start()
    traffic.join()
    report = traffic.report
    assert len(report.frame) == len(report.failed) > 0
    assert report.failed["error"].str.startswith(said).all(), report.failed["error"].iloc[0]
    assert re.search(rf"Failed</th><td[^>]*>{len(report.failed)}<", report._repr_html_())


def test_what_the_service_refuses_is_told_in_its_own_words(ws: Session) -> None:
    traffic = Traffic(Endpoint(ws, "nobody"), ["x"], callers=1, at_most=0.1).start()
    traffic.join()
    assert traffic.report.failed["error"].iloc[0].startswith("An error occurred (ValidationError)")


def test_without_an_answer_the_card_says_so(ws: Session) -> None:
    traffic = Traffic(Endpoint(ws, "nobody"), ["x"])
    card = traffic.report._repr_html_()
    assert "none has come back yet" in card
    assert "nan" not in card


def test_who_stops_it_before_its_start_is_not_told_off(ws: Session) -> None:
    traffic = Traffic(Endpoint(ws, "nobody"), ["x"])
    assert traffic.stop() is traffic
    assert traffic.report.frame.empty
