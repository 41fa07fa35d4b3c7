"""Liquid as A2I speaks it, through RenderUiTemplate: what is escaped, and what cannot do harm."""

import html
import json
import urllib.request
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.human_review.outputs import Outputs, Owner
from local_sagemaker.human_review.templates import TemplateError, Templates
from local_sagemaker.protocol import service_model
from tests.local_sagemaker.core_support import client_of, fits, refused
from tests.local_sagemaker.human_review_support import CONTENT, ROLE, TEMPLATE

HOSTILE = "\"><script>alert('1')</script>&amp;"
Render = Callable[..., str]


@pytest.fixture(scope="module")
def sagemaker(local: LocalSageMaker) -> Any:
    assert local.url
    return client_of("sagemaker")


def rendered(sagemaker: Any, template: str, content: Any) -> dict[str, Any]:
    answer: dict[str, Any] = sagemaker.render_ui_template(
        UiTemplate={"Content": template},
        Task={"Input": json.dumps(content, ensure_ascii=False)},
        RoleArn=ROLE,
    )
    shape = service_model("sagemaker").operation_model("RenderUiTemplate").output_shape
    fits(answer, shape)
    return answer


@pytest.fixture(scope="module")
def render(sagemaker: Any) -> Render:
    """Return what renders a template that is right."""

    def render(template: str, **content: Any) -> str:
        answer = rendered(sagemaker, template, content)
        assert answer["Errors"] == []
        return str(answer["RenderedContent"])

    return render


@pytest.mark.parametrize(
    ("template", "result"),
    [
        (
            "{{ task.input.a }}",
            "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;",
        ),
        ("{{ task.input.a | escape }}", html.escape(HOSTILE).replace("&#x27;", "&#39;")),
        (
            "{{ task.input.a | escape_once }}",
            html.escape(HOSTILE[:-5]).replace("&#x27;", "&#39;") + "&amp;",
        ),
        ("{{ task.input.a | skip_autoescape }}", HOSTILE),
        ("{% assign x = task.input.a | upcase %}{{ x | truncate: 5 }}", "&quot;&gt;..."),
        ("{% capture x %}{{ task.input.list[0] }}{% endcapture %}{{ x }}", "&lt;a&gt;"),
        ("{{ task.input.missing.deeper }}|{{ nothing }}", "|"),
        ("{% for i in task.input.list %}{{ forloop.index }}{{ i }}{% endfor %}", "1&lt;a&gt;2b"),
        ("{{ task.input.list | join: ', ' }}", "&lt;a&gt;, b"),
        ("{{ task.input.list[0] | append: '<br>' }}", "&lt;a&gt;<br>"),
        ("{{ task.input.yes }} {{ task.input.no }} {{ task.input.none }}", "true false "),
        (
            "{% if task.input.yes and task.input.n > 2 %}{{ task.input.n | plus: 1 }}{% endif %}",
            "4",
        ),
        ("{{ task.input.lines | newline_to_br }}", "&lt;a<br />\nb"),
        (
            "{{ 'https://other.example/x?a=1&b' | grant_read_access }}",
            "https://other.example/x?a=1&amp;b",
        ),
        ("{{ task.input.missing | grant_read_access }}", ""),
    ],
)
def test_what_a_template_makes(render: Render, template: str, result: str) -> None:
    content = {
        "a": HOSTILE,
        "list": ["<a>", "b"],
        "yes": True,
        "no": False,
        "none": None,
        "n": 3,
        "lines": "<a\nb",
    }
    assert render(template, **content) == result


def test_json_stands_in_a_script_and_in_an_attribute(render: Render) -> None:
    value = {"a": [1, "it's \"</script><!-- \u2028 🙂", None, True]}
    script = render("<script>const x = {{ task.input.v | to_json }};</script>", v=value)
    inside = script.removeprefix("<script>const x = ").removesuffix(";</script>")
    assert json.loads(inside) == value
    assert "</" not in inside
    assert "<!--" not in inside
    found: list[str | None] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag == "p"
            found.extend(value for name, value in attrs if name == "categories")

    Reader().feed(render('<p categories="{{ task.input.v | to_json | escape }}"></p>', v=value))
    (attribute,) = found
    assert json.loads(attribute or "") == value


def test_the_workshops_own_template(render: Render) -> None:
    page = render(TEMPLATE, **CONTENT)
    assert "It&#39;s &lt;b&gt;fine&lt;/b&gt;" in page
    assert 'categories="[&quot;Positive&quot;, &quot;Not clear&quot;]"' in page


@pytest.mark.parametrize(
    "form", ["s3://{}/a picture.txt", "https://s3.amazonaws.com/{}/a%20picture.txt"]
)
def test_access_to_an_object_is_granted(render: Render, s3: Any, bucket: str, form: str) -> None:
    s3.put_object(Bucket=bucket, Key="a picture.txt", Body=b"hello")
    page = render("{{ task.input.uri | grant_read_access }}", uri=form.format(bucket))
    with urllib.request.urlopen(html.unescape(page)) as answer:
        assert answer.read() == b"hello"


def test_one_of_two_templates(sagemaker: Any) -> None:
    name = "rendered-by-its-arn"
    arn = sagemaker.create_human_task_ui(
        HumanTaskUiName=name, UiTemplate={"Content": "{{ task.input.a }}"}
    )["HumanTaskUiArn"]
    task = {"Task": {"Input": '{"a": "<"}'}, "RoleArn": ROLE}
    answer = sagemaker.render_ui_template(HumanTaskUiArn=arn, **task)
    assert answer["RenderedContent"] == "&lt;"
    call = sagemaker.render_ui_template
    refused(call, "ResourceNotFound", HumanTaskUiArn=f"{arn}-not", **task)
    refused(call, "ValidationException", **task)
    both = {"HumanTaskUiArn": arn, "UiTemplate": {"Content": "x"}}
    refused(call, "ValidationException", **both, **task)
    broken = {"Task": {"Input": "{]"}, "RoleArn": ROLE}
    assert "JSON" in refused(call, "ValidationException", HumanTaskUiArn=arn, **broken)


@pytest.mark.parametrize(
    ("template", "code", "why"),
    [
        ("line\n  {% if %}", "TemplateSyntaxError", "line 2"),
        ("{{ task.input.a | bogus }}", "RenderError", "bogus"),
        ("{% bogus %}", "TemplateSyntaxError", "bogus"),
        ("{% for i in (1..3) %}", "TemplateSyntaxError", ""),
        ("{{ task.input.a | safe }}", "RenderError", "safe"),
        ("{% include 'other' %}", "RenderError", "other"),
        ("{{ 1 | divided_by: 0 }}", "RenderError", "divide"),
        ("{{ 's3://only-a-bucket' | grant_read_access }}", "RenderError", "s3://bucket/key"),
        ("{% for i in (1..99999999999) %}x{% endfor %}", "ResourceLimitExceeded", "loop"),
        ("{% if a %}" * 40 + "{% endif %}" * 40, "ResourceLimitExceeded", "nesting"),
    ],
)
def test_a_templates_errors_are_told(sagemaker: Any, template: str, code: str, why: str) -> None:
    answer = rendered(sagemaker, template, {"a": "b"})
    (error,) = answer["Errors"]
    assert (answer["RenderedContent"], error["Code"]) == ("", code)
    assert why in error["Message"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "template",
    [
        # Seconds of work without a loop, gigabytes in one expression, many of both.
        "{{ task.input.many | split: '' | uniq | size }}",
        "{% assign x = 'aaaaaaaaaa' %}{{ x" + " | replace: 'a', x" * 12 + " }}",
        "{% for i in (1..999) %}{% for j in (1..999) %}{% assign y = task.input.many | upcase %}"
        + "{% endfor %}" * 2,
        "{% for i in (1..999999) %}{{ task.input.many }}{% endfor %}",
    ],
)
def test_a_template_cannot_take_the_server_down(sagemaker: Any, template: str) -> None:
    many = "".join(chr(0x20000 + number) for number in range(120_000))
    (error,) = rendered(sagemaker, template, {"many": many})["Errors"]
    assert error["Code"] == "ResourceLimitExceeded"
    assert rendered(sagemaker, "{{ task.input.a }}", {"a": 1})["RenderedContent"] == "1"


def test_no_template_is_blamed_for_a_renderer_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "liquid.py").write_text("raise ImportError('broken')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    templates = Templates(Mock(spec=Outputs))
    with pytest.raises(TemplateError, match=r"renderer does not start \(exit status 1\)"):
        templates.render("{{ task.input }}", "words", Mock(spec=Owner))
    monkeypatch.delenv("PYTHONPATH")
    assert templates.render("{{ task.input }}", "words", Mock(spec=Owner)) == "words"
    templates.close()
