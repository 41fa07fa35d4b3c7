"""AWS's own serving toolkits on multi-model-server, unmodified, as processes of this machine.

They expect a container: the model at ``/opt/ml/model``, a writable ``/etc``, process numbers of
their own. Linux gives a process that view without a container or any rights (`unshare`); nothing
of it is seen outside. They listen on all interfaces, as they do in a container. This module must
not know what is served.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.environments import environment

# The releases of AWS's inference images; setuptools 81 dropped pkg_resources, which they import.
SERVER = ("multi-model-server==1.1.11", "sagemaker-inference==1.10.1", "setuptools<81")
HUGGING_FACE = ("sagemaker-huggingface-inference-toolkit==2.6.0", "transformers>=4.56,<5")
_PLAIN_START = "from sagemaker_inference import model_server; model_server.start_model_server()"
_HUGGING_FACE_START = "from sagemaker_huggingface_inference_toolkit import serving; serving.main()"
_UNSHARE = ["unshare", "-Urmpf", "--mount-proc", "--kill-child"]

# $1: an empty folder, $2: the model; the rest is the command. What /opt and /etc hold stays there.
_CONTAINER = """
set -e
mkdir -p "$1/opt" "$1/etc" "$1/tmp"
mount --rbind /opt "$1/opt"
mount -t tmpfs tmpfs /opt
for entry in "$1"/opt/*; do
  [ -d "$entry" ] || continue
  name="/opt/$(basename "$entry")"; mkdir "$name"; mount --rbind "$entry" "$name"
done
mkdir -p /opt/ml/model; mount --rbind "$2" /opt/ml/model
cp -a /etc/. "$1/etc" 2>/dev/null || true
mount --bind "$1/etc" /etc
cd "$1"; shift 2; exec "$@"
"""


def missing() -> str | None:
    """Return why the toolkits cannot run here, or None."""
    if shutil.which("java") is None:
        return "Java is missing (on Debian: apt-get install default-jre-headless)"
    if shutil.which("unshare") is None:
        return "unshare is missing (it needs Linux and util-linux)"
    tried = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"unprivileged namespaces are not allowed here: {tried.stderr.strip()}"
    return None


def free_port() -> int:
    """Return a free port; multi-model-server takes none above 32767."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20_000, 32_768)))
            port: int = probe.getsockname()[1]
            return port


def plain_environment() -> Path:
    """Return an environment with the plain toolkit, and otherwise the packages that run this."""
    return environment("aws-plain", SERVER, borrow=True)


def hugging_face_environment(*packages: str) -> Path:
    """Return an environment with the Hugging Face toolkit, its transformers, and `packages`.

    The toolkit refuses to work without torch, which is borrowed.
    """
    return environment("aws-hugging-face", [*SERVER, *HUGGING_FACE, *packages], borrow=True)


@contextlib.contextmanager
def toolkit(
    venv: Path, model: Path, scratch: Path, port: int, variables: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a toolkit; it is gone, with all it started, when the context ends.

    Parameters
    ----------
    venv : Path
        One of the environments above.
    model : Path
        The unpacked model archive, with ``code/inference.py``.
    scratch : Path
        An empty folder; what the server prints is in its ``output.txt``.
    port : int
        Where it listens.
    variables : dict
        More variables for it.
    """
    hugging_face = any(venv.glob("lib/python*/site-packages/sagemaker_huggingface*"))
    command = [str(venv / "bin" / "python"), "-c"]
    command.append(_HUGGING_FACE_START if hugging_face else _PLAIN_START)
    found = {
        "PATH": f"{venv / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch / "tmp"),
        "TEMP": str(scratch / "tmp"),
        "LOG_LOCATION": str(scratch),
        "METRICS_LOCATION": str(scratch),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_SAFE_PORT_RANGE": f"{port}-{port}",
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    shell = ["sh", "-c", _CONTAINER, "sh", str(scratch), str(model)]
    with (scratch / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [*_UNSHARE, *shell, *command],
            env=found | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        # `unshare` heeds no SIGTERM; with it dies all that runs in its namespace.
        process.kill()
        process.wait()
