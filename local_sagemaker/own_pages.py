"""The server's own pages below ``/_local/``: state, faults, models, tree, quotas.

They are opened by the token that the server writes into its home, not by AWS keys. It must not
know what a state is made of, nor what a fault does.
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local_sagemaker.faults.catalog import FaultRefused
from local_sagemaker.faults.rules import Faults
from local_sagemaker.quotas import QuotaRefused, Quotas

PREFIX = "/_local/"
_FAULTS = "/_local/faults"
_MODELS = "/_local/jumpstart"
_MAX_BODY = 64 * 1024


class OwnPages:
    """Answers requests below ``/_local/``.

    Parameters
    ----------
    token
        What opens them.
    status
        Returns what ``status`` shows.
    faults
        Those that are set.
    make_tree
        Makes the readable tree of S3 objects anew; returns what it holds, or raises `OSError`.
    models
        Answers requests about the hub's models.
    quotas
        Those of all accounts.
    """

    def __init__(
        self,
        token: str,
        status: Callable[[], dict[str, Any]],
        faults: Faults,
        make_tree: Callable[[], dict[str, Any]],
        models: Callable[[Request], Awaitable[Response]],
        quotas: Quotas,
    ) -> None:
        self._expected = f"Bearer {token}".encode()
        self._status = status
        self._faults = faults
        self._make_tree = make_tree
        self._models = models
        self._quotas = quotas

    async def __call__(self, request: Request, path: str) -> Response:
        """Answer one request.

        Parameters
        ----------
        request
            The request.
        path
            Its path, percent-encoded.
        """
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._expected):
            return _message(403, "The token of this server's home is needed.")
        if path == "/_local/status" and request.method == "GET":
            return JSONResponse(await run_in_threadpool(self._status))
        if path == "/_local/tree" and request.method == "POST":
            try:
                return JSONResponse(await run_in_threadpool(self._make_tree))
            except OSError as error:
                return _message(400, f"the tree cannot be written: {error}")
        if path == "/_local/quotas" and request.method == "POST":
            return await self._grant(request)
        if path == _MODELS:
            return await self._models(request)
        if path == _FAULTS or path.startswith(f"{_FAULTS}/"):
            return await self._of_faults(request, path.removeprefix(_FAULTS).removeprefix("/"))
        return _message(404, f"There is no {request.method} {path}.")

    async def _grant(self, request: Request) -> Response:
        try:
            asked = await _asked(request)
            names = ("account", "region", "quota")
            account, region, quota = (str(asked.get(name, "")) for name in names)
            value = float(asked.get("value", "nan"))
            granted = await run_in_threadpool(self._quotas.grant, account, region, quota, value)
        except (FaultRefused, QuotaRefused, TypeError, ValueError) as error:
            return _message(400, str(error))
        return JSONResponse(granted)

    async def _of_faults(self, request: Request, identifier: str) -> Response:
        faults = self._faults
        if request.method == "DELETE":
            if not identifier:
                return JSONResponse({"removed": faults.clear()})
            if faults.remove(identifier):
                return JSONResponse({"removed": 1})
            return _message(404, f"there is no fault {identifier}")
        if request.method == "GET" and not identifier:
            return JSONResponse({"faults": faults.list()})
        if request.method == "POST" and not identifier:
            try:
                asked = await _asked(request)
                return JSONResponse(await run_in_threadpool(faults.add, asked), 201)
            except FaultRefused as error:
                return _message(400, str(error))
        return _message(404, f"There is no {request.method} {request.url.path}.")


async def _asked(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise FaultRefused("what describes it is too long")
    try:
        asked = json.loads(body)
        # What is kept must be tellable again: a lone surrogate is JSON and no text.
        json.dumps(asked, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise FaultRefused(f"what describes it is not JSON: {error}") from error
    if not isinstance(asked, dict):
        raise FaultRefused("what describes it must be a JSON object")
    return asked


def _message(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)
