"""Finds the running server that a command is for."""

from local_sagemaker.home import Home, HomeError, ServerInfo


def running_server(home: Home) -> ServerInfo:
    """Return the server of a home; `HomeError` when none runs."""
    info = home.server() if home.running() else None
    if info is None:
        raise HomeError(
            f"no local SageMaker runs in {home.path}. Start it with `python -m local_sagemaker "
            "start`, or name its home with --home."
        )
    return info
