"""Code is rewritten for a job's private folder; data, and what goes to S3, never shows it."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.processing_support import BASE, Processing, source

# As SDK v3 and v2 generate it: older ones install with pip.
RUNPROC = """
    #!/bin/bash
    set -e
    cd /opt/ml/processing/input/code/
    tar -xzf sourcedir.tar.gz
    if [[ -f 'requirements.txt' ]]; then
        pip uninstall --yes typing
        pip install -r requirements.txt
    fi
    python3 process.py "$@"
"""


@pytest.fixture(scope="module")
def jobs(local: LocalSageMaker) -> Processing:
    return Processing(local)


def test_data_that_names_the_folder_stays_as_it_is(jobs: Processing) -> None:
    data = b'{"where": "/opt/ml/processing/input/data"}\r\n\xff'
    data_uri = jobs.put("named/data.json", data)
    script_uri = jobs.put("named/tool.py", 'print("/opt/ml/processing")')
    jobs.put("mixed/process.py", "")
    output = jobs.output()
    code = """
        import hashlib, pathlib
        base = pathlib.Path("/opt/ml/processing")
        for name in ("input/data/data.json", "input/scripts/tool.py", "input/code/rows.csv"):
            print(hashlib.sha256((base / name).read_bytes()).hexdigest())
    """
    folder = jobs.put("mixed/rows.csv", "/opt/ml/processing/input").rpartition("/")[0]
    jobs.put("mixed/process.py", textwrap.dedent(code))
    name = jobs.process(
        ["python3", f"{BASE}/input/code/process.py", "--data", f"{BASE}/input/data/data.json"],
        inputs=[
            source("data", data_uri),
            source("scripts", script_uri),
            source("code", folder),
        ],
        outputs=[output],
    )
    jobs.completed(name)
    assert jobs.lines(name) == [
        hashlib.sha256(content).hexdigest()
        for content in (data, b'print("/opt/ml/processing")', b"/opt/ml/processing/input")
    ]


@pytest.mark.parametrize(
    "command",
    [
        ["wc", "-c", f"{BASE}/in/data.json"],
        ["/bin/sh", "-c", f"wc -c {BASE}/in/data.json"],
        ["/bin/sh", "-c", f"cd {BASE}/in && wc -c data.json # {BASE}/../../../etc"],
    ],
)
def test_data_that_the_command_itself_names_is_not_code(
    jobs: Processing, command: list[str]
) -> None:
    # Its length tells: logs have the paths of AWS, whatever the file has.
    data = f'["{BASE}/in"]'
    uri = jobs.put("alone/data.json", data)
    name = jobs.process(command, inputs=[source("in", uri, f"{BASE}/in")])
    jobs.completed(name)
    (line,) = jobs.lines(name)
    assert int(line.split()[0]) == len(data)


def test_a_command_that_goes_to_a_folder_runs_the_code_there(jobs: Processing) -> None:
    uri = jobs.put("there/run.py", f'print(open("{BASE}/in/run.py").read().count("opt"))')
    name = jobs.process(
        ["bash", "-c"],
        arguments=[f"cd {BASE}/in && python run.py"],
        inputs=[source("in", uri, f"{BASE}/in")],
    )
    jobs.completed(name)
    assert len(jobs.lines(name)) == 1


def test_an_output_that_became_a_link_is_not_followed(jobs: Processing) -> None:
    command = f"rmdir {BASE}/output && ln -s /etc {BASE}/output"
    output = jobs.output()
    name = jobs.process(["/bin/sh", "-c", command], outputs=[output])
    assert jobs.failed(name).startswith("ClientError: the folder of the output 'output' was")
    assert jobs.outputs(output) == {}


def test_modules_and_settings_beside_the_script_are_code(jobs: Processing) -> None:
    jobs.put("tree/settings.json", json.dumps({"out": f"{BASE}/output"}))
    jobs.put("tree/helper.py", 'BASE = "/opt/ml"\nOTHER = "/opt/mlx", "/var/opt/ml/processing"\n')
    jobs.put("tree/more.sh", "BASE=/opt/ml\necho more > $BASE/processing/output/more\n")
    code = """
        import json, os, pathlib, subprocess
        import helper
        out = json.loads(pathlib.Path(__file__).with_name("settings.json").read_text())["out"]
        assert os.path.join(helper.BASE, "processing", "output") == out
        assert f"/opt/ml/{'processing'}/output" == out
        assert "/opt/ml/%s/output" % "processing" == out
        assert helper.OTHER == ("/opt/mlx", "/var/opt/ml/processing")
        subprocess.run(["/bin/sh", "/opt/ml/processing/input/code/more.sh"], check=True)
    """
    jobs.put("tree/process.py", textwrap.dedent(code))
    output = jobs.output()
    name = jobs.process(
        ["/usr/bin/python3", f"{BASE}/input/code/process.py"],
        inputs=[source("code", f"s3://{jobs.bucket}/tree")],
        outputs=[output],
    )
    jobs.completed(name)
    assert jobs.outputs(output) == {"more": b"more\n"}


def test_an_input_below_the_code_is_data(jobs: Processing) -> None:
    data = f'["{BASE}/rows"]'
    rows = jobs.put("below/rows.json", data)
    code = 'print(len(open("/opt/ml/processing/input/code/data/rows.json").read()))'
    name = jobs.python(code, inputs=[source("data", rows, f"{BASE}/input/code/data")])
    jobs.completed(name)
    assert jobs.lines(name) == [str(len(data))]


def test_outputs_hold_the_code_as_it_was_written(jobs: Processing) -> None:
    output = jobs.output()
    text = textwrap.dedent(
        """
        import pathlib, shutil, tarfile
        target = pathlib.Path("/opt/ml/processing/output")
        shutil.copyfile(__file__, target / "process.py")
        with tarfile.open(target / "code.tar.gz", "w:gz") as tar:
            tar.add(__file__, "code/process.py")
        (target / "binary").write_bytes(b"\\0" + str(target).encode())
        (target / "where.txt").write_text(f"{target}/where.txt")
        """
    )
    name = jobs.python(text, outputs=[output])
    jobs.completed(name)
    files = jobs.outputs(output)
    assert files["process.py"].decode() == text
    assert files["where.txt"].decode() == f"{BASE}/output/where.txt"
    with tarfile.open(fileobj=io.BytesIO(files["code.tar.gz"])) as tar:
        packed = tar.extractfile("code/process.py")
        assert packed is not None
        assert packed.read().decode() == text


def test_the_source_tree_of_a_framework_processor_is_code(jobs: Processing) -> None:
    code = """
        import pathlib, sys
        rows = pathlib.Path("/opt/ml/processing/input/rows/rows.csv").read_text()
        pathlib.Path("/opt/ml/processing/output/rows.csv").write_text(rows + sys.argv[1])
    """
    output = jobs.output()
    name = framework(
        jobs,
        {"process.py": textwrap.dedent(code), "requirements.txt": "boto3\npytest>999\n"},
        inputs=[source("rows", jobs.put("rows.csv", BASE))],
        outputs=[output],
    )
    jobs.completed(name)
    assert jobs.outputs(output) == {"rows.csv": f"{BASE}!".encode()}
    lines = jobs.lines(name)
    assert "requirements.txt was checked: the local SageMaker installs nothing" in lines[-1]
    assert any("asks for pytest>999" in line and "is used" in line for line in lines)


def test_a_package_that_is_not_there_fails_the_job_by_its_name(jobs: Processing) -> None:
    name = framework(jobs, {"process.py": "", "requirements.txt": "no-such-package==1\n"})
    reason = jobs.failed(name)
    assert reason.startswith("ClientError: no-such-package is not installed in the environment")
    assert reason.endswith("pip install no-such-package==1")


def test_a_source_archive_that_leads_out_is_refused(jobs: Processing) -> None:
    reason = jobs.failed(framework(jobs, {"../process.py": ""}))
    assert reason.startswith("ClientError: cannot use the source code in sourcedir.tar.gz: ")
    assert "'..' in its name" in reason


def framework(jobs: Processing, files: dict[str, str], /, **parameters: object) -> str:
    """Submit a source tree as the SDK's FrameworkProcessor does; return the job's name."""
    inputs = parameters.pop("inputs", [])
    assert isinstance(inputs, list)
    sources = jobs.source(files).rpartition("/")[0] + "/"
    runproc = jobs.put(
        f"{sources.removeprefix(f's3://{jobs.bucket}/')}runproc.sh", textwrap.dedent(RUNPROC[1:])
    )
    return jobs.process(
        ["/bin/bash", f"{BASE}/input/entrypoint/runproc.sh"],
        inputs=[
            *inputs,
            source("code", sources, f"{BASE}/input/code/"),
            source("entrypoint", runproc),
        ],
        arguments=["!"],
        **parameters,
    )


CUT = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from local_sagemaker.processing.outputs import Outputs

root = Path(sys.argv[1])
(root / "tmp").mkdir()
path = root / "figures.bin"
file = os.open(path, os.O_RDWR | os.O_CREAT)
os.ftruncate(file, 8_000_000)
looking, over = os.pipe()
if not os.fork():
    os.close(over)
    os.set_blocking(looking, False)
    while True:
        for size in (10, 8_000_000):
            os.ftruncate(file, size)
        try:
            if not os.read(looking, 1):
                os._exit(0)
        except BlockingIOError:
            pass
outputs = Outputs(None, "a", "r", SimpleNamespace(root=root), [])
for _ in range(30):
    with outputs._restored(path):
        pass
os.close(over)
os.wait()
"""


def test_a_file_that_is_cut_while_it_is_looked_at_does_not_end_the_server(tmp_path: Path) -> None:
    # In a process of its own, because the signal that it was ended by spares nobody.
    ended = subprocess.run(
        [sys.executable, "-c", CUT, tmp_path], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
