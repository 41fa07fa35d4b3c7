from io import BytesIO

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


def _png(figure: object) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")  # type: ignore[attr-defined]  # any matplotlib figure
    return buffer.getvalue()


def test_plots_draw_what_they_are_given() -> None:
    counts = pd.Series({"b": 3, "a": 9, "c": 5})
    figure = display.plot_distribution(counts, "rows")
    assert [bar.get_height() for bar in figure.axes[0].patches] == [3, 5, 9]
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["b", "a"]
    assert _png(figure).startswith(b"\x89PNG")

    by_label = pd.DataFrame({"f1": [0.2, 0.9, 0.5]}, index=["x", "y", "z"])
    figure = display.plot_scores_by_label(by_label, worst=2)
    assert sorted(bar.get_width() for bar in figure.axes[0].patches) == [0.2, 0.5]

    runs = pd.DataFrame({"test:accuracy": [0.5, 0.8], "test:macro_f1": [0.4, 0.7]}, index=[1, 8])
    figure = display.plot_runs(runs, ["test:accuracy", "test:macro_f1"])
    assert sorted(bar.get_width() for bar in figure.axes[0].patches) == [0.4, 0.5, 0.7, 0.8]
