"""The server's own page of the hub's models: lists, publishes and removes them.

Whoever asks has shown the server's token. It must not know how the catalogue is kept.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local_sagemaker.errors import AWSError
from local_sagemaker.jumpstart.catalog import Catalog
from local_sagemaker.jumpstart.entry import Entry
from local_sagemaker.jumpstart.published import Archives, PublishError
from local_sagemaker.jumpstart.specification import Spec, published

_MAX_BODY = 4 * 1024 * 1024


class JumpStartPages:
    """Answers requests of ``/_local/jumpstart``.

    Parameters
    ----------
    catalog
        The models.
    region
        Where the server is.
    """

    def __init__(self, catalog: Catalog, region: str) -> None:
        self._catalog = catalog
        self._region = region

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        work = {"GET": self._list, "POST": self._publish, "DELETE": self._remove}
        if request.method not in work:
            return JSONResponse({"message": f"There is no {request.method} of models."}, 404)
        try:
            asked = await _asked(request) if request.method != "GET" else {}
            return JSONResponse(await run_in_threadpool(work[request.method], asked))
        except AWSError as error:
            return JSONResponse({"message": error.message}, 400)
        except (PublishError, OSError) as error:
            return JSONResponse({"message": str(error)}, 400)

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        del asked
        return {"models": [self._shown(one.spec) for one in self._catalog.every()]}

    def _publish(self, asked: dict[str, Any]) -> dict[str, Any]:
        script = _text(asked, "script", needed=False)
        archives = Archives(
            model=Path(_text(asked, "model") or ""),
            script=None if script is None else Path(script),
            digest=_text(asked, "digest") or "",
        )
        entry = Entry.from_dict(asked.get("entry"))
        version = _text(asked, "version", needed=False)
        spec, created = self._catalog.publish(entry, archives, version)
        return {"model": self._shown(spec, created=created)}

    def _remove(self, asked: dict[str, Any]) -> dict[str, Any]:
        version = _text(asked, "version", needed=False)
        gone = self._catalog.remove(_text(asked, "model_id") or "", version)
        return {"removed": [self._shown(spec) for spec in gone]}

    def _shown(self, spec: Spec, *, created: bool = False) -> dict[str, Any]:
        return asdict(published(spec, self._region, created=created))


def _text(asked: dict[str, Any], name: str, *, needed: bool = True) -> str | None:
    value = asked.get(name)
    if isinstance(value, str) or (value is None and not needed):
        return value
    raise PublishError(f"the request lacks {name!r}, a text")


async def _asked(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise PublishError("what describes the model is too long")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PublishError(f"what describes the model is not JSON: {error}") from error
    if not isinstance(asked, dict):
        raise PublishError("what describes the model must be a JSON object")
    return asked
