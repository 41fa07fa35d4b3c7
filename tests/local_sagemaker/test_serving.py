"""The serving process from outside: one process per test, spoken to over its Unix socket."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from textwrap import dedent

import pytest

from local_sagemaker.hosting.unix_http import ping
from tests.local_sagemaker.serving_process import ECHO, Serve, Served, UnixHTTP, error


def first_answer(served: Served) -> int:
    """Return the status of the first answer to a ping, waiting for the process to listen."""
    while True:
        try:
            return served.request("GET", "/ping")[0]
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.01)


def test_json_and_csv_reach_user_code_as_text_and_all_else_as_bytes(serve: Serve) -> None:
    served = serve()
    assert served.invoke("ä", "application/json")[2].decode() == "str:ä"
    assert served.invoke("ä", "text/csv")[2].decode() == "str:ä"
    assert served.invoke("ä", "text/plain")[2].decode() == "bytearray:ä"
    assert served.invoke("ä", "application/json; charset=utf-8")[2].decode() == "bytearray:ä"
    assert served.invoke("ä", None)[2].decode() == "bytearray:ä"


def test_ping_is_503_while_loading_and_200_after(serve: Serve, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = f"""
        import os, time
        def model_fn(model_dir):
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
        def transform_fn(model, data, content_type, accept):
            return "ok"
    """
    served = serve(code, healthy=False)
    assert first_answer(served) == 503
    assert error(served.invoke("{}"))["type"] == "ServiceUnavailableException"
    gate.touch()
    while served.request("GET", "/ping")[0] != 200:
        time.sleep(0.01)
    assert served.invoke("{}")[2] == b"ok"


def test_healthy_only_after_the_warm_up_that_the_script_offers(serve: Serve) -> None:
    served = serve(
        """
        calls = []
        def pre_model_fn(model_dir):
            calls.append("prepare")
        def model_fn(model_dir):
            calls.append("load")
            return calls
        def model_warmup_fn(model_dir, model):
            calls.append("warm up")
        """
    )
    assert error(served.invoke('{"inputs": 1}'))["message"] == "'list' object is not callable"
    served = serve(
        """
        def model_fn(model_dir, context):
            return lambda inputs: [inputs, context.system_properties["batch_size"]]
        def model_warmup_fn(model_dir, model):
            assert model("warm") == ["warm", 1]
            print("warmed up")
        """
    )
    assert served.invoke('{"inputs": "x"}')[2] == b'["x",1]'
    assert "warmed up" in served.output()


def test_ends_with_the_reason_when_the_model_cannot_be_loaded(serve: Serve) -> None:
    served = serve("def model_fn(model_dir):\n    raise OSError('no weights here')", healthy=False)
    output, _ = served.process.communicate(timeout=30)
    assert served.process.returncode == 1
    assert output.rstrip().endswith("OSError: no weights here")
    assert not served.path.exists()


def test_ping_is_answered_while_a_prediction_runs(serve: Serve) -> None:
    served = serve(
        """
        import time
        def model_fn(model_dir): pass
        def transform_fn(model, data, content_type, accept):
            time.sleep(1)
            return "late"
        """
    )
    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(served.invoke("{}")[2]))
    thread.start()
    time.sleep(0.2)
    assert ping(served.path, 0.5)
    assert not answers
    thread.join()
    assert answers == [b"late"]


def test_user_code_runs_on_the_main_thread_one_request_at_a_time(serve: Serve) -> None:
    served = serve(
        """
        import threading, time
        inside = []
        def model_fn(model_dir):
            return threading.current_thread() is threading.main_thread()
        def transform_fn(model, data, content_type, accept):
            inside.append(1)
            time.sleep(0.02)
            alone = len(inside) == 1
            inside.pop()
            main = threading.current_thread() is threading.main_thread()
            return str([model, main, alone])
        """
    )
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(served.invoke("{}")[2])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"[True, True, True]"] * 8


def test_one_connection_carries_many_requests(serve: Serve) -> None:
    served = serve()
    connection = UnixHTTP(served.path)
    for number in range(5):
        connection.request("POST", "/invocations", str(number))
        assert connection.getresponse().read() == f"bytearray:{number}".encode()
    connection.close()


def test_answers_the_running_request_before_it_stops(serve: Serve) -> None:
    served = serve(
        """
        import time
        def model_fn(model_dir): pass
        def transform_fn(model, data, content_type, accept):
            time.sleep(0.5)
            return "answered"
        """
    )
    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(served.invoke("{}")[2]))
    thread.start()
    time.sleep(0.2)
    served.process.send_signal(signal.SIGTERM)
    thread.join()
    served.process.wait(timeout=30)
    assert answers == [b"answered"]
    assert served.process.returncode == 0
    assert not served.path.exists()


def test_stops_while_it_loads(serve: Serve) -> None:
    served = serve(
        "import time\ndef model_fn(model_dir):\n    print('loading')\n    time.sleep(600)",
        healthy=False,
    )
    output = served.process.stdout
    assert output is not None
    assert any("loading" in line for line in output)
    served.process.terminate()
    served.process.wait(timeout=30)
    assert served.process.returncode == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_refuses_a_body_over_6_mb_and_takes_one_below(serve: Serve, *, chunked: bool) -> None:
    served = serve("def model_fn(d): pass\ndef transform_fn(m, data, c, a): return str(len(data))")

    def send(size: int) -> tuple[int, bytes]:
        connection = UnixHTTP(served.path)
        data = bytes(size)
        body = iter([data[: size // 2], data[size // 2 :]]) if chunked else data
        connection.request("POST", "/invocations", body, encode_chunked=chunked)
        answer = connection.getresponse()
        content = answer.status, answer.read()
        connection.close()
        return content

    limit = 6 * 1024 * 1024
    assert send(limit) == (200, str(limit).encode())
    status, body = send(limit + 1)
    assert status == 413
    assert f"at most {limit} are taken" in json.loads(body)["message"]
    assert served.invoke("{}")[0] == 200


def test_the_size_limit_can_be_set_and_holds_for_answers_too(serve: Serve) -> None:
    served = serve(
        "def model_fn(d): pass\ndef transform_fn(m, data, c, a): return 'x' * int(data)",
        SAGEMAKER_MAX_PAYLOAD_IN_MB="1",
    )
    assert len(served.invoke("1048576")[2]) == 1048576
    answer = served.invoke("1048577")
    assert answer[0] == 413
    assert "The model's answer has 1048577 bytes" in error(answer)["message"]


def test_routes_that_are_not_there(serve: Serve) -> None:
    served = serve()
    assert error(served.request("GET", "/models"))["type"] == "ResourceNotFoundException"
    answer = served.request("GET", "/invocations")
    assert answer[0] == 405
    assert error(answer)["type"] == "MethodNotAllowedException"


def test_what_is_no_http_is_answered_and_hurts_nobody(serve: Serve) -> None:
    served = serve()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(served.path))
        raw.sendall(b"\x00\x01nonsense\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")
    assert served.invoke("{}")[0] == 200


def test_a_client_that_hangs_up_hurts_nobody(serve: Serve) -> None:
    served = serve(
        """
        import time
        def model_fn(model_dir): pass
        def transform_fn(model, data, content_type, accept):
            time.sleep(0.2)
            return data
        """
    )
    for _ in range(3):
        connection = UnixHTTP(served.path)
        connection.request("POST", "/invocations", "gone", {"Content-Type": "application/json"})
        connection.close()
    assert served.invoke("here")[2] == b"here"


def test_only_this_user_may_connect(serve: Serve) -> None:
    assert serve().path.stat().st_mode & 0o777 == 0o600


def test_a_second_server_on_the_same_socket_is_refused(serve: Serve, tmp_path: Path) -> None:
    served = serve()
    command = [sys.executable, "-m", "local_sagemaker.serving", "--model-dir", str(tmp_path)]
    second = subprocess.run(
        [*command, "--socket", str(served.path)], capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "Another process already listens" in second.stderr
    assert served.invoke("{}")[0] == 200


def test_serves_on_a_port_of_this_machine_only(tmp_path: Path) -> None:
    code = tmp_path / "code" / "inference.py"
    code.parent.mkdir()
    code.write_text(dedent(ECHO))
    command = [sys.executable, "-m", "local_sagemaker.serving", "--model-dir", str(tmp_path)]
    with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = "http://127.0.0.1:"
            first = next(line for line in process.stdout if address in line)
            connection = http.client.HTTPConnection(
                "127.0.0.1", int(first.split(address)[1].split(",")[0]), timeout=30
            )
            status = 503
            while status != 200:
                connection.request("GET", "/ping")
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            connection.request("POST", "/invocations", "x", {"Content-Type": "text/csv"})
            assert connection.getresponse().read() == b"str:x"
            connection.close()
        finally:
            process.kill()


def test_help_and_a_folder_that_is_not_there() -> None:
    command = [sys.executable, "-m", "local_sagemaker.serving"]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "--model-dir DIR" in shown.stdout
    wrong = subprocess.run(
        [*command, "--model-dir", "/no/such/folder", "--port", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 2
    assert "/no/such/folder is not a folder" in wrong.stderr
