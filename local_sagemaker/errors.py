"""The one error type that the local SageMaker's rooms raise, shaped as AWS answers it.

It knows codes, messages and HTTP statuses; it must not know how a protocol writes them down.
"""

from typing import Any


class AWSError(Exception):
    """An error that a client gets to see.

    Parameters
    ----------
    code
        AWS's error code, for instance ``ValidationException``.
    message
        The sentence that the client reads.
    status
        The HTTP status.
    **members
        Further modelled members of the error, for instance ``OriginalStatusCode`` of a
        ``ModelError``.
    """

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


def validation_exception(message: str) -> AWSError:
    """Return the control plane's common refusal of a request."""
    return AWSError("ValidationException", message)
