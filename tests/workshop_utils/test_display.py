import boto3
import pandas as pd
import pytest
from botocore.exceptions import ClientError

from workshop_utils import display
from workshop_utils.session import Session


def test_requests_shows_what_any_client_sends(ws: Session) -> None:
    made_before = boto3.client("sagemaker")
    with display.requests() as seen:
        made_before.list_models(MaxResults=3)
        ws.sagemaker.boto_session.client("sts").get_caller_identity()
    assert [(r.service, r.operation) for r in seen] == [
        ("sagemaker", "ListModels"),
        ("sts", "GetCallerIdentity"),
    ]
    assert '"MaxResults": 3' in str(seen)
    made_before.list_models()
    assert len(seen) == 2


def test_a_request_that_fails_is_shown_too(ws: Session) -> None:
    with display.requests() as seen, pytest.raises(ClientError):
        ws.client("sagemaker").describe_model(ModelName="nobody")
    assert seen.of("DescribeModel").sent[0].parameters == {"ModelName": "nobody"}
    assert len(seen.of("CreateModel")) == 0


def test_bodies_secrets_and_long_texts_are_not_shown_whole() -> None:
    request = display.Request(
        "s", "Op", {"Body": b"x" * 9, "SecretAccessKey": "hidden", "Long": "y" * 1000}
    )
    assert "<9 bytes>" in str(request)
    assert "hidden" not in str(request)
    assert "(1000 characters)" in str(request)


def test_html_shows_markup_in_values_as_text() -> None:
    assert "<script>" not in display.card("<script>", {"<script>": "<script>alert(1)</script>"})
    shown = display.Requests([display.Request("s", "O", {"x": "<script>"})])._repr_html_()
    assert "<script>" not in shown


def test_a_table_for_reading_shows_texts_whole_and_markup_as_text() -> None:
    long = "a sentence that goes on " * 20
    shown = display.rows(
        pd.DataFrame({"text": [long, "<script>"], "score": [0.123456, 1]})
    ).to_html()
    assert long in shown
    assert "<script>" not in shown
    assert "0.123<" in shown


def test_in_a_terminal_only_new_lines_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    live = display.Live()
    live.show("<b>1</b>", ["first"])
    live.show("<b>2</b>", ["first", "second"])
    live.show("<b>3</b>", [])
    assert capsys.readouterr().out == "first\nsecond\n"


def test_a_bar_says_how_far_it_is_and_escapes_what_it_is_told() -> None:
    page = display.progress("<i>", 1, 4, "a & b")
    assert "&lt;i&gt;" in page
    assert "1 of 4" in page
    assert "a &amp; b" in page
    assert "width:25%" in page
    assert "width:100%" in display.progress("nothing to do", 0, 0)


def test_time_that_has_passed_is_shown_beside_what_is_expected() -> None:
    assert "42 s, about 1 min 30 s expected" in display.elapsed("Training", 42.4, 90)
    assert "width:47%" in display.elapsed("Training", 42.4, 90)
    # Longer than expected is not over.
    assert "width:97%" in display.elapsed("Training", 500, 90)
    assert "width:100%" in display.elapsed("Training", 60, 90, over=True)
    assert display.elapsed("<b>", 5, None) == "<div><b>&lt;b&gt;</b>: 5 s</div>"
