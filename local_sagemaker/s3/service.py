"""S3's wire API, path style: finds the operation of a request, runs it, words its errors.

Signatures are checked before; the hash of a body is checked here, while it streams. It knows how
requests become calls of handlers; it must not know how objects are kept.
"""

import asyncio
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from local_sagemaker.errors import AWSError
from local_sagemaker.s3.attributes_api import AttributesApi
from local_sagemaker.s3.blobs import CHUNK
from local_sagemaker.s3.body import (
    Promise,
    Reception,
    incomplete_body,
    receive,
    receive_document,
)
from local_sagemaker.s3.bucket_api import BucketApi
from local_sagemaker.s3.listing_api import ListingApi
from local_sagemaker.s3.model import not_implemented
from local_sagemaker.s3.multipart_api import MultipartApi
from local_sagemaker.s3.object_api import ObjectApi
from local_sagemaker.s3.objects import Objects
from local_sagemaker.s3.request import Call, check_call, read_call
from local_sagemaker.s3.routes import operation_name
from local_sagemaker.s3.settings_api import SettingsApi
from local_sagemaker.s3.xml import error_response, http_time
from local_sagemaker.signatures import Verified

_LOG = logging.getLogger(__name__)
# Each large transfer keeps one thread busy; more than the disk can serve would only queue there.
_WORKERS = 16

Result = TypeVar("Result")


class S3:
    """Answers requests whose signature is verified and whose body is not read yet.

    Parameters
    ----------
    objects
        The store.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="s3")
        object_api = ObjectApi(objects, self._workers)
        multipart = MultipartApi(objects)
        self._handlers = {
            **BucketApi(objects).operations(),
            **SettingsApi(objects.buckets).operations(),
            **ListingApi(objects).operations(),
            **object_api.operations(),
            **AttributesApi(objects).operations(),
            **multipart.operations(),
        }
        # What to check before the body comes, and what to do with it then.
        self._streams = {
            "PutObject": (object_api.check_put, object_api.put_object),
            "UploadPart": (multipart.check_part, multipart.upload_part),
        }

    @property
    def operations(self) -> frozenset[str]:
        """The names of the operations that are implemented."""
        return frozenset(self._handlers) | frozenset(self._streams)

    def close(self) -> None:
        """Wait for what is under way; must come before the store is closed."""
        self._workers.shutdown()

    async def __call__(self, request: Request, verified: Verified) -> Response:
        """Answer one request."""
        request_id = secrets.token_hex(8).upper()
        resource = request.url.path
        try:
            call = read_call(request, verified.caller, request_id)
            resource = call.resource
            response = await self._answer(request, call, verified.payload_hash)
        except ClientDisconnect:
            # Nobody reads this; what had come of the body is discarded.
            response = error_response(incomplete_body(), request.method, resource, request_id)
        except AWSError as error:
            response = error_response(error, request.method, resource, request_id)
        except (OSError, sqlite3.OperationalError) as error:
            _LOG.exception("the disk or the database failed on %s %s", request.method, resource)
            response = error_response(_storage_error(error), request.method, resource, request_id)
        response.headers["x-amz-request-id"] = request_id
        response.headers["date"] = http_time(time.time())
        return response

    async def _answer(self, request: Request, call: Call, payload_hash: str) -> Response:
        name = operation_name(call.method, call.bucket, call.key, call.query, call.headers)
        check_call(call)
        if name in self._streams:
            check, store = self._streams[name]
            promise = Promise.read(call.headers, payload_hash)
            if promise.size > CHUNK:
                await self._run(lambda: check(call))
            reception = Reception(self._objects, promise)
            return await receive(
                request, reception, lambda incoming: store(call, incoming), self._workers
            )
        handler = self._handlers.get(name)
        if handler is None:
            raise not_implemented(name)
        if call.headers.get("content-length", "0") != "0" or "transfer-encoding" in call.headers:
            about_body = name != "CompleteMultipartUpload"
            promise = Promise.read(call.headers, payload_hash, checksums=about_body)
            call = replace(call, body=await receive_document(request, promise))
        return await self._run(lambda: handler(call))

    async def _run(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function)


def _storage_error(error: Exception) -> AWSError:
    # 507 says what it is, and unlike 500 no client repeats the request.
    return AWSError(
        "InternalError",
        f"The local SageMaker cannot use its disk: {error}. Check that the disk is not full and "
        "the server's folder is writable; nothing of this request was kept, and what was stored "
        "before is untouched.",
        507,
    )
