"""The Hugging Face inference toolkit's rules, as a serving process follows them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.local_sagemaker.serving_process import Serve, error

LOADED = "def model_fn(model_dir): return lambda inputs, **more: [inputs, more]\n"


def test_default_functions_take_inputs_and_parameters_out_of_the_json(serve: Serve) -> None:
    served = serve(LOADED)
    status, headers, body = served.invoke('{"inputs": "a", "parameters": {"top_k": 2}}')
    assert (status, headers["content-type"]) == (200, "application/json")
    assert body == b'["a",{"top_k":2}]'
    assert json.loads(served.invoke('{"other": 1}')[2]) == [{"other": 1}, {}]
    # A list has no "inputs": as in the toolkit, the error of list.pop is the answer.
    assert error(served.invoke('["a"]'))["code"] == 400


def test_json_is_compact_unescaped_and_without_nan(serve: Serve) -> None:
    served = serve(
        """
        import datetime, json, numpy
        VALUES = {
            "plain": {"a": [1, 2.5, None, True], "ü": "ß"},
            "numpy": [numpy.float32(0.5), numpy.int64(3), numpy.arange(2), numpy.bool_(True)],
            "time": datetime.datetime(2026, 11, 20, 10),
            "nan": [float("nan")],
            "set": {1},
        }
        def model_fn(model_dir): return VALUES.__getitem__
        """
    )

    def answer(name: str) -> bytes:
        return served.invoke(json.dumps({"inputs": name}))[2]

    assert answer("plain").decode() == '{"a":[1,2.5,null,true],"ü":"ß"}'
    assert answer("numpy") == b"[0.5,3,[0,1],true]"
    assert answer("time") == b'"2026-11-20 10:00:00"'
    assert "not JSON compliant" in json.loads(answer("nan"))["message"]
    assert json.loads(answer("set"))["message"] == ("Object of type set is not JSON serializable")


def test_a_torch_tensor_becomes_a_list(serve: Serve) -> None:
    served = serve(
        "import torch\ndef model_fn(d): return lambda inputs: {'t': torch.tensor(inputs)}"
    )
    assert served.invoke('{"inputs": [1.5, 2.0]}')[2] == b'{"t":[1.5,2.0]}'


@pytest.mark.parametrize("accept", [None, "", "*/*"])
def test_no_accept_and_any_accept_mean_json(serve: Serve, accept: str | None) -> None:
    served = serve("def model_fn(d): pass\ndef transform_fn(m, data, c, accept): return accept")
    headers = {} if accept is None else {"Accept": accept}
    status, fields, body = served.invoke("{}", **headers)
    assert (status, fields["content-type"], body) == (200, "application/json", b"application/json")


def test_the_default_accept_can_be_set(serve: Serve) -> None:
    served = serve(LOADED, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv")
    assert "text/csv is written from" in error(served.invoke('{"inputs": "a"}'))["message"]


def test_csv_needs_a_header_and_becomes_inputs(serve: Serve) -> None:
    served = serve(LOADED)

    def answer(text: str) -> Any:
        return json.loads(served.invoke(text, "text/csv")[2])

    assert answer('inputs\n"a, b"\nc\n') == [["a, b", "c"], {}]
    assert answer("question,context\nq,c\n") == [[{"question": "q", "context": "c"}], {}]
    assert answer("id,inputs\n1,x\n") == [["x"], {}]
    assert "must name its columns" in answer("a\nb\n")["message"]
    assert "must name its columns" in answer("")["message"]
    assert "no rows" in answer("inputs\n")["message"]


@pytest.mark.parametrize("task", ["zero-shot-classification", "table-question-answering"])
def test_csv_is_refused_for_tasks_of_nested_inputs(serve: Serve, task: str) -> None:
    served = serve(LOADED, HF_TASK=task)
    assert task in error(served.invoke("inputs\nx\n", "text/csv"))["message"]
    assert served.invoke('{"inputs": "x"}')[0] == 200


def test_csv_is_written_from_a_list_of_rows(serve: Serve) -> None:
    served = serve(
        "def model_fn(d): return lambda inputs: [{'label': 'a', 'score': 0.5}] * len(inputs)"
    )
    status, headers, body = served.invoke('{"inputs": ["x", "y"]}', Accept="text/csv")
    assert (status, headers["content-type"]) == (200, "text/csv")
    assert body == b"label,score\r\na,0.5\r\na,0.5\r\n"


@pytest.mark.parametrize(
    ("content_type", "accept"), [("text/html", "application/json"), ("application/json", "x/y")]
)
def test_other_content_types_need_user_code(serve: Serve, content_type: str, accept: str) -> None:
    answer = serve(LOADED).invoke('{"inputs": "x"}', content_type, Accept=accept)
    assert answer[0] == 400
    wrong = "text/html" if content_type == "text/html" else "x/y"
    assert error(answer)["message"].startswith(
        f"Content type {wrong} is not supported by this framework."
    )


def test_npy_comes_and_goes_but_is_never_unpickled(serve: Serve, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    served = serve("def predict_fn(data, model): return data * 2\ndef model_fn(d): pass")
    path = tmp_path / "a.npy"
    numpy.save(path, numpy.arange(3))
    answer = served.invoke(path.read_bytes(), "application/x-npy", Accept="application/x-npy")
    path.write_bytes(answer[2])
    assert numpy.load(path).tolist() == [0, 2, 4]
    numpy.save(path, numpy.array([{"a": 1}], dtype=object), allow_pickle=True)
    answer = served.invoke(path.read_bytes(), "application/x-npy")
    assert "allow_pickle=False" in error(answer)["message"]


def test_own_functions_take_the_place_of_single_defaults(serve: Serve) -> None:
    served = serve(
        """
        def model_fn(model_dir): return "model"
        def input_fn(input_data, content_type): return [input_data, content_type]
        def predict_fn(data, model): return [*data, model]
        def output_fn(prediction, accept): return "|".join([*prediction, accept])
        """
    )
    answer = served.invoke("body", "text/csv", Accept="text/plain")
    assert answer[1]["content-type"] == "text/plain"
    assert answer[2] == b"body|text/csv|model|text/plain"


def test_every_function_may_take_the_context_as_well(serve: Serve) -> None:
    served = serve(
        """
        def model_fn(model_dir, context): return context.system_properties["model_dir"]
        def input_fn(data, content_type, context):
            return context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
        def predict_fn(data, model, context): return [data, model == __file__[:-18]]
        def output_fn(prediction, accept, context):
            context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "from the model")
            context.set_response_status(201, "Made")
            context.metrics.add_counter("Answers", 1)
            return str(prediction)
        """
    )
    status, headers, body = served.invoke("{}", X_Amzn_SageMaker_Custom_Attributes="trace=7")
    assert (status, body) == (201, b"['trace=7', True]")
    assert headers["x-amzn-sagemaker-custom-attributes"] == "from the model"
    # What one request set is forgotten by the next.
    assert "x-amzn-sagemaker-custom-attributes" in served.invoke("{}")[1]
    assert "[METRICS]Answers.Count:1" in served.output()


def test_headers_of_one_answer_do_not_reach_the_next(serve: Serve) -> None:
    served = serve(
        """
        def model_fn(d): pass
        def transform_fn(model, data, content_type, accept, context):
            if data == "set":
                context.set_response_header(0, "X-Seen", "yes")
                context.set_response_status(404)
            return "x"
        """
    )
    first, second = served.invoke("set"), served.invoke("not")
    assert (first[0], first[1].get("x-seen")) == (404, "yes")
    assert (second[0], second[1].get("x-seen")) == (200, None)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "def model_fn(a, b, c): pass",
            "TypeError: model_fn definition takes 1 or 2 arguments but 3 were given.",
        ),
        (
            "def model_fn(): pass",
            "TypeError: model_fn definition takes 1 or 2 arguments but 0 were given.",
        ),
        (
            "def transform_fn(model, data, accept): pass",
            "TypeError: transform_fn definition takes 4 or 5 arguments but 3 were given.",
        ),
        (
            "def transform_fn(m, d, c, a): pass\ndef predict_fn(d, m): pass",
            (
                "ValueError: Cannot use transform_fn implementation in conjunction with input_fn, "
                "predict_fn, and/or output_fn implementation"
            ),
        ),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def model_fn(:", "SyntaxError: invalid syntax"),
    ],
)
def test_code_that_breaks_the_rules_is_refused_at_the_start(
    serve: Serve, code: str, reason: str
) -> None:
    served = serve(code, healthy=False)
    output, _ = served.process.communicate(timeout=30)
    assert served.process.returncode == 1
    assert output.rstrip().endswith(reason)


def test_transform_fn_may_return_its_content_type(serve: Serve) -> None:
    served = serve(
        """
        import json
        def model_fn(d): pass
        def transform_fn(model, data, content_type, accept):
            return {
                "pair": ("a,b", "text/csv"),
                "bytes": b"\\x00\\x01",
                "dictionary": {"a": [1]},
                "triple": ("a", "b", "c"),
                "object": object(),
            }[data]
        """
    )
    answer = served.invoke("pair", Accept="application/json")
    assert (answer[1]["content-type"], answer[2]) == ("text/csv", b"a,b")
    assert served.invoke("bytes")[2] == b"\x00\x01"
    # Multi Model Server writes what is neither text nor bytes as indented JSON.
    assert served.invoke("dictionary")[2] == b'{\n  "a": [\n    1\n  ]\n}'
    assert json.loads(served.invoke("triple")[2]) == ["a", "b", "c"]
    answer = served.invoke("object")
    assert answer[0] == 503
    assert error(answer)["message"] == "Unsupported model output data type."


def test_an_exception_is_a_400_in_multi_model_servers_form(serve: Serve) -> None:
    served = serve(
        """
        def model_fn(d): pass
        def transform_fn(model, data, content_type, accept):
            raise KeyError(data)
        """
    )
    status, headers, body = served.invoke('<it\'s & "ü">')
    assert (status, headers["content-type"]) == (400, "application/json")
    assert body.decode() == (
        '{\n  "code": 400,\n  "type": "InternalServerException",\n'
        '  "message": "\\u0027\\u003cit\\\\\\u0027s \\u0026 \\"ü\\"\\u003e\\u0027"\n}\n'
    )
    output = served.output()
    assert "Prediction error" in output
    assert "KeyError: '<it\\'s & \"ü\">'" in output


def test_a_header_that_cannot_be_sent_is_an_error_and_no_hang(serve: Serve) -> None:
    served = serve(
        """
        def model_fn(d): pass
        def transform_fn(model, data, content_type, accept, context):
            context.set_response_header(0, "X-Bad", data)
            return "x"
        """
    )
    answer = served.invoke("line\nbreak")
    assert answer[0] == 500
    assert "cannot be sent" in error(answer)["message"]
    assert served.invoke("good")[1]["x-bad"] == "good"


def test_the_program_and_its_folder_can_be_named(serve: Serve) -> None:
    own = "def model_fn(d): pass\ndef transform_fn(m, data, c, a): return __name__"
    served = serve(None, files={"code/serve.py": own}, SAGEMAKER_PROGRAM="serve.py")
    assert served.invoke("{}")[2] == b"serve"
    for folder in ("/opt/ml/model/other", "file:///opt/ml/model/other"):
        served = serve(None, files={"other/inference.py": own}, SAGEMAKER_SUBMIT_DIRECTORY=folder)
        assert served.invoke("{}")[2] == b"inference"


def test_code_comes_first_on_the_path(serve: Serve) -> None:
    code = """
        import json as found, sys
        def model_fn(d): pass
        def transform_fn(m, data, c, a):
            import shelve
            return shelve.MARK + str(sys.path[0].endswith("/model/code"))
    """
    served = serve(code, files={"code/shelve.py": "MARK = 'mine'"})
    assert served.invoke("{}")[2] == b"mineTrue"


def test_without_code_the_task_comes_from_the_configuration(serve: Serve) -> None:
    for architectures, message in (
        (["BertForNoKnownTask"], "cannot be told from the architecture 'BertForNoKnownTask'"),
        ([], "cannot be told from the architecture ''"),
    ):
        configuration = json.dumps({"architectures": architectures})
        served = serve(None, files={"config.json": configuration}, healthy=False)
        assert message in served.process.communicate(timeout=60)[0]
    served = serve(None, files={"weights.bin": ""}, healthy=False)
    assert "The archive holds: weights.bin." in served.process.communicate(timeout=60)[0]
