"""Cleans up after a lab and looks for what is there all the same."""

from pathlib import Path

import psutil
import pytest

from local_sagemaker.home import Home
from tests.workshop_utils.cleanup_support import census
from workshop_utils import cleanup
from workshop_utils.session import PREFIX, sign_in


def left_behind(home: Path) -> list[str]:
    """Clean up at the server of a home; return what is left of the workshop there.

    Everything is listed through the API, and the server's processes are looked at: an account that
    is clean has nothing with the workshop's tag, no object below its prefix, and no process that
    serves or trains.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_SAGEMAKER_HOME", str(home))
        signed_in = sign_in("local")
        try:
            session = signed_in.session("any", "")
            result = cleanup.plan(session).run(lambda _: None)
            found = [] if result.ok else [str(result)]
            found += [
                f"{path} {made}"
                for path, made in census(session).items()
                if PREFIX in made or path.startswith((f"Object {PREFIX}/", f"Upload {PREFIX}/"))
            ]
            return found + _containers(home)
        finally:
            signed_in.close()


def _containers(home: Path) -> list[str]:
    """Return the command lines of the server's processes that are containers."""
    info = Home(home).server()
    if info is None:
        return []
    children = psutil.Process(info.pid).children(recursive=True)
    lines = [" ".join(child.cmdline()) for child in children]
    return [line for line in lines if "local_sagemaker.serving --model-dir" in line]
