"""What the tests of servers as processes share."""

import os
import signal
import socket
import time

import psutil

from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home, ServerInfo


def kill(home: Home) -> ServerInfo:
    info = home.server()
    assert info is not None
    os.kill(info.pid, signal.SIGKILL)
    while home.running():
        time.sleep(0.01)
    return info


def killed_and_started_again(local: LocalSageMaker) -> None:
    info = Home(local.home).server()
    assert info is not None
    server = psutil.Process(info.pid)
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    local.start()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
