"""From an invocation to a variant of the endpoint's current generation, and to its answer.

It follows an endpoint through updates and restarts and counts what comes of each request; it must
not know how a request came in, or how its answer goes out.
"""

import asyncio
import time
from http import HTTPStatus

from local_sagemaker.errors import AWSError
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.invocation import NOT_READY, TIMED_OUT, Invocation, model_error
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Route, Routes, Variant
from local_sagemaker.hosting.unix_http import HTTPAnswer, Parts
from local_sagemaker.hosting.waiting import (
    FleetClosed,
    HangUp,
    InvocationTimeout,
    NotReady,
    WorkerDied,
)
from local_sagemaker.serving.errors import INTERNAL_SERVER, error_body

_RETURN_POLL = 0.05


class Dispatch:
    """Sends invocations to the processes that answer them; used in one event loop.

    Parameters
    ----------
    routes
        Where the current generation of each endpoint is.
    """

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._concurrent: dict[Fleet, int] = {}

    async def route(self, key: RouteKey, timeout: float) -> Route:
        """Return an endpoint's route, if need be once it is back after a restart.

        Raises
        ------
        AWSError
            ``ValidationError`` when the endpoint does not serve.
        """
        deadline = time.monotonic() + timeout
        while self._routes.expected(key) and time.monotonic() < deadline:
            await asyncio.sleep(_RETURN_POLL)
        return self._route(key)

    async def answer(
        self,
        invocation: Invocation,
        timeout: float,
        gone: HangUp,
        variants: "list[Variant]",
        parts: Parts | None = None,
    ) -> HTTPAnswer:
        """Return what the model answers.

        Parameters
        ----------
        invocation
            The request.
        timeout
            Seconds for all of it.
        gone
            See `Fleet.invoke`.
        variants
            Gets the variant that the request was sent to, as its last item.
        parts
            See `Fleet.invoke`.

        Raises
        ------
        AWSError
            ``ModelError`` for anything but an answer below 400; ``ValidationError`` and
            ``ThrottlingException`` for what never reached the model.
        ClientGone
            If the client hung up before the request was sent.
        """
        while True:
            variant = self._variant(invocation)
            variants.append(variant)
            started = time.perf_counter()
            status: int | None = None
            variant.statistics.begin()
            try:
                invocation.check_size(variant)
                answer = await self._ask(variant, invocation, timeout, gone, parts)
                status = answer.status
                _check(invocation.key, answer)
            except FleetClosed:
                # Its generation was replaced after it was chosen, and nothing was sent to it.
                await asyncio.sleep(0)
            except AWSError as error:
                status = error.members.get("OriginalStatusCode", error.status)
                raise
            else:
                return answer
            finally:
                variant.statistics.end(status, time.perf_counter() - started)

    async def _ask(
        self,
        variant: Variant,
        invocation: Invocation,
        timeout: float,
        gone: HangUp,
        parts: Parts | None,
    ) -> HTTPAnswer:
        self._enter(variant)
        try:
            return await variant.fleet.invoke(
                invocation.headers, invocation.body, timeout=timeout, gone=gone, parts=parts
            )
        except NotReady:
            raise AWSError(
                "ModelNotReadyException", NOT_READY, HTTPStatus.TOO_MANY_REQUESTS
            ) from None
        except InvocationTimeout:
            raise model_error(invocation.key, 0, TIMED_OUT) from None
        except WorkerDied as error:
            told = error_body(500, INTERNAL_SERVER, str(error)).decode()
            raise model_error(invocation.key, 500, told) from error
        finally:
            self._leave(variant)

    def _route(self, key: RouteKey) -> Route:
        route = self._routes.get(key)
        if route is None:
            raise AWSError(
                "ValidationError", f"Endpoint {key.endpoint} of account {key.account} not found."
            )
        return route

    def _variant(self, invocation: Invocation) -> Variant:
        key = invocation.key
        variant = self._route(key).choose(invocation.target)
        if variant is None:
            raise AWSError(
                "ValidationError",
                f"Variant {invocation.target} of endpoint {key.endpoint} of account {key.account} "
                "not found.",
            )
        return variant

    def _enter(self, variant: Variant) -> None:
        if variant.max_concurrency is None:
            return
        now = self._concurrent.get(variant.fleet, 0)
        if now >= variant.max_concurrency:
            raise AWSError("ThrottlingException", "Rate exceeded", 400)
        self._concurrent[variant.fleet] = now + 1

    def _leave(self, variant: Variant) -> None:
        if variant.max_concurrency is None:
            return
        self._concurrent[variant.fleet] -= 1
        if not self._concurrent[variant.fleet]:
            del self._concurrent[variant.fleet]


def _check(key: RouteKey, answer: HTTPAnswer) -> None:
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise model_error(key, answer.status, answer.body.decode("utf-8", "replace"))
    if answer.broken is not None:
        told = error_body(400, INTERNAL_SERVER, answer.broken).decode()
        raise model_error(key, 400, told)
