"""Batch transform: InputFilter, OutputFilter and JoinSource, and the JSONPath that they hold."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.errors import AWSError
from local_sagemaker.transform.data_processing import DataProcessing, ProcessingError
from local_sagemaker.transform.json_paths import JSONPath, PathError, PathMismatch
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.transform_support import Transformer

OBJECT = {"id": 7, "features": [1, 2, 3], "deep": {"a b": {"c": None}}, "ünï": True}
ARRAY = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("$", OBJECT, OBJECT),
        ("$.id", OBJECT, 7),
        ("$.ünï", OBJECT, True),
        ("$.features[1:]", OBJECT, [2, 3]),
        ("$['id']", OBJECT, 7),
        ('$["id"]', OBJECT, 7),
        ("$['features', 'id']", OBJECT, {"features": [1, 2, 3], "id": 7}),
        ("$.deep['a b'].c", OBJECT, None),
        ("$.deep.*", OBJECT, [{"c": None}]),
        ("$.*", {"a": 1, "b": [2]}, [1, [2]]),
        ("$[*].a", [{"a": 1}, {"a": 2}], [1, 2]),
        ("$['it\\'s']", {"it's": 1}, 1),
        ("$[0]", ARRAY, "a"),
        ("$[-1]", ARRAY, "e"),
        ("$[0,2]", ARRAY, ["a", "c"]),
        ("$[0, -1]", ARRAY, ["a", "e"]),
        ("$[1:4]", ARRAY, ["b", "c", "d"]),
        ("$[:2]", ARRAY, ["a", "b"]),
        ("$[3:]", ARRAY, ["d", "e"]),
        ("$[-2:]", ARRAY, ["d", "e"]),
        ("$[0,3:]", ARRAY, ["a", "d", "e"]),
        ("$[9:]", ARRAY, []),
    ],
)
def test_a_path_leads_to(path: str, value: Any, found: Any) -> None:
    assert JSONPath.parse(path).of(value) == found


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "$a",
        "$..a",
        "$[?(@.a)]",
        "$[1:4:2]",
        "$[",
        "$['a]",
        "$[a]",
        "$.",
        "$[]",
        "$.a[(1)]",
    ],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(PathError):
        JSONPath.parse(path)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("$.gone", OBJECT, "there is no 'gone', only 'id', 'features', 'deep', 'ünï'"),
        ("$['id','gone']", OBJECT, "no 'gone'"),
        ("$.a", ARRAY, "there are no names in an array"),
        ("$[5]", ARRAY, "there is no index 5 in 5 items"),
        ("$[-6]", ARRAY, "there is no index -6"),
        ("$[0]", OBJECT, "there are no indexes in an object"),
        ("$.id.x", OBJECT, "there are no names in the value '7'"),
    ],
)
def test_what_a_value_does_not_have_is_said(path: str, value: Any, told: str) -> None:
    with pytest.raises(PathMismatch) as caught:
        JSONPath.parse(path).of(value)
    assert told in str(caught.value)
    assert str(caught.value).startswith(path)


def processing(kind: str = "text/csv", split: str = "Line", **asked: str) -> DataProcessing:
    """Return what a request with these members asks for."""
    return DataProcessing.read(
        {
            "DataProcessing": asked,
            "TransformInput": {"ContentType": kind, "SplitType": split},
            "TransformOutput": {"AssembleWith": split},
        }
    )


CSV = [
    # Filters of AWS's own example: no ID for the model, the ID and the answer in the output.
    ({"InputFilter": "$[1:]"}, b"7,1,2", b"1,2", b"0.5", b"0.5"),
    ({"JoinSource": "Input"}, b"7,1,2", b"7,1,2", b"0.5", b"7,1,2,0.5"),
    (
        {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
        b"7,1,2",
        b"1,2",
        b"0.5,9",
        b"7,9",
    ),
    ({"InputFilter": "$[1]"}, b"7,1", b"1", b"0.5", b"0.5"),
    ({"OutputFilter": "$[0]"}, b"7", b"7", b'"a,b",2', b'"a,b"'),
    ({"InputFilter": "$[1:]"}, b'7,"a ""b"", c",', b'"a ""b"", c",', b"1", b"1"),
    ({"JoinSource": "Input"}, "é,中".encode(), "é,中".encode(), b"1", "é,中,1".encode()),
]


@pytest.mark.parametrize(("asked", "record", "sent", "answer", "written"), CSV)
def test_csv_records(
    asked: dict[str, str], record: bytes, sent: bytes, answer: bytes, written: bytes
) -> None:
    its = processing(**asked)
    assert its.payload(record) == sent
    assert its.written([record], answer) == written
    # Several at once; the line ends of answers that are taken apart may be of either kind.
    end = b"\r\n" if its.changes_answer else b"\n"
    assert its.written([record] * 2, answer + end + answer + b"\n") == (written + b"\n") * 2


JSON = [
    ({"InputFilter": "$.features"}, '{"id":7,"features":[1]}', "[1]", "0.5", "0.5"),
    (
        {"JoinSource": "Input"},
        '{"id":7,"é":1}',
        '{"id":7,"é":1}',
        '{"label": "ü"}',
        '{"id":7,"é":1,"SageMakerOutput":{"label":"ü"}}',
    ),
    (
        {"JoinSource": "Input"},
        "[1,2]",
        "[1,2]",
        "0",
        '{"SageMakerInput":[1,2],"SageMakerOutput":0}',
    ),
    (
        {"JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"},
        '{"id":7,"text":"a"}',
        '{"id":7,"text":"a"}',
        "[1]",
        '{"id":7,"SageMakerOutput":[1]}',
    ),
    (
        {"JoinSource": "Input", "OutputFilter": "$.SageMakerOutput[0].label"},
        '{"id":7}',
        '{"id":7}',
        '[{"label":"x"}]',
        '"x"',
    ),
    ({"InputFilter": "$['text']"}, '{"text":"a\\nb"}', '"a\\nb"', "1", "1"),
    # Half a surrogate pair cannot be UTF-8, so it stays an escape.
    ({"InputFilter": "$.text"}, '{"text":"\\ud83d"}', '"\\ud83d"', "1", "1"),
]


@pytest.mark.parametrize("kind", ["application/json", "application/jsonlines; charset=utf-8"])
@pytest.mark.parametrize(("asked", "record", "sent", "answer", "written"), JSON)
def test_json_records(
    kind: str, asked: dict[str, str], record: str, sent: str, answer: str, written: str
) -> None:
    its = processing(kind, **asked)
    assert its.payload(record.encode()).decode() == sent
    assert its.written([record.encode()], answer.encode()).decode() == written
    assert its.written([record.encode()] * 2, f"{answer}\n{answer}".encode()).decode() == (
        f"{written}\n{written}"
    )


def test_the_answer_to_one_record_may_be_spread_over_lines() -> None:
    its = processing("application/json", JoinSource="Input")
    assert its.written([b'{"a":1}'], b'{\n  "b": 2\n}\n') == (
        b'{"a":1,"SageMakerOutput":{"b":2}}\n'
    )


def test_a_column_may_be_as_long_as_a_payload() -> None:
    record = b"1," + b"x" * 200_000
    assert processing(JoinSource="Input").written([record], b"yes\n") == record + b",yes\n"


def test_what_does_not_fit_is_said() -> None:
    its = processing("application/jsonlines", JoinSource="Input")
    with pytest.raises(ProcessingError, match="answered 1 lines to 2 records"):
        its.written([b"1", b"2"], b"[1, 2]")
    with pytest.raises(ProcessingError, match="the answer 'no' is not application/jsonlines"):
        its.written([b"1"], b"no")
    with pytest.raises(ProcessingError, match="the record 'no' is not"):
        its.written([b"no"], b"1")
    with pytest.raises(ProcessingError, match="is not text/csv"):
        processing(InputFilter="$[1:]").payload(b'1,"a')
    with pytest.raises(ProcessingError, match=r"\$\[3\] does not fit: there is no index 3"):
        processing(InputFilter="$[3]").payload(b"1,2")


def test_formats_that_cannot_be_taken_apart_are_refused() -> None:
    for kind in ("text/plain", "application/x-recordio-protobuf", ""):
        with pytest.raises(AWSError, match="DataProcessing needs a ContentType"):
            processing(kind, JoinSource="Input")
    # With nothing to do, any will do.
    assert not processing("text/plain", InputFilter="$").changes_payload


@pytest.fixture(scope="module")
def transformer(local: LocalSageMaker) -> Iterator[Transformer]:
    """Return what runs jobs."""
    return Transformer(Deployer(local))


SUMS = """
    import json

    def model_fn(model_dir): return None

    def transform_fn(model, data, content_type, accept):
        text = data if isinstance(data, str) else bytes(data).decode()
        if content_type == "application/json":
            return json.dumps({"sum": sum(json.loads(text))}, indent=1), accept
        if content_type == "text/csv":
            return "".join(f"{sum(map(int, l.split(',')))}\\n" for l in text.split("\\n")), accept
        return "\\n".join(str(sum(json.loads(line))) for line in text.split("\\n")), accept
"""


def test_records_are_filtered_and_joined_on_their_way(transformer: Transformer) -> None:
    model = transformer.deployer.model(SUMS)
    asked = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    uri = transformer.prefix({"a": b"x,1,2\r\ny,3,4\n\nz,5,6", "bad": b"x,1\ny"})
    job = transformer.run(
        model,
        uri,
        source={"SplitType": "Line", "ContentType": "text/csv"},
        output={"AssembleWith": "Line", "Accept": "text/csv"},
        DataProcessing=asked,
    )
    assert transformer.outputs(job) == {"a.out": b"x,3\ny,7\nz,11\n"}
    # The model, not the filter, has something against no number at all.
    assert (
        f"{uri}bad: lines 1 to 2: the container answered 400: invalid literal"
        in (job["FailureReason"])
    )


def test_json_lines_are_joined(transformer: Transformer) -> None:
    model = transformer.deployer.model(SUMS)
    rows = [{"id": number, "values": [number, 1]} for number in range(3)]
    uri = transformer.prefix({"a": "\n".join(map(json.dumps, rows)).encode()})
    (output,) = transformer.completed(
        model,
        uri,
        source={"SplitType": "Line", "ContentType": "application/jsonlines"},
        output={"AssembleWith": "Line", "Accept": "application/jsonlines"},
        DataProcessing={"InputFilter": "$.values", "JoinSource": "Input"},
    ).values()
    assert [json.loads(line) for line in output.splitlines()] == [
        {**row, "SageMakerOutput": row["id"] + 1} for row in rows
    ]


def test_a_whole_json_document_is_joined(transformer: Transformer) -> None:
    model = transformer.deployer.model(SUMS)
    uri = transformer.prefix({"a": b'{\n  "values": [1,\n 2]\n}', "b": b'{"values": "no"'})
    job = transformer.run(
        model,
        uri,
        source={"ContentType": "application/json"},
        DataProcessing={"InputFilter": "$.values", "JoinSource": "Input"},
    )
    (output,) = transformer.outputs(job).values()
    assert json.loads(output) == {"values": [1, 2], "SageMakerOutput": {"sum": 3}}
    assert (
        f'{uri}b: the record \'{{"values": "no"\' is not application/json' in (job["FailureReason"])
    )


def test_a_table_that_is_not_split_is_joined_row_by_row(transformer: Transformer) -> None:
    model = transformer.deployer.model(SUMS)
    outputs = transformer.completed(
        model,
        transformer.prefix({"a": b"1,2\n3,4\n"}),
        source={"ContentType": "text/csv"},
        DataProcessing={"JoinSource": "Input"},
    )
    assert outputs == {"a.out": b"1,2,3\n3,4,7\n"}
