"""Prompts in, completions out: one function for every place where a language model may run.

It knows how each place is asked and what its errors mean; it must not know what a prompt asks.
"""

import json
import os
import time
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from workshop_utils.endpoints import Endpoint
from workshop_utils.prompts import Prompt

Dialect = Literal["workshop", "pipeline", "tgi"]
HUB_TOKEN = "HF_TOKEN"
_TIMEOUT_SECONDS = 60.0


class CompletionError(Exception):
    """The model gave no completion; the message says why in one sentence, and what helps."""


class PromptTooLong(CompletionError):
    """The prompt and the tokens to generate are more than the model reads."""


@dataclass(frozen=True)
class Parameters:
    """How a completion is generated.

    Attributes
    ----------
    max_new_tokens
        How many tokens to generate at most.
    temperature
        0 takes the most probable token each time; above, tokens are drawn: the higher, the wilder.
    top_p
        Draws only from the most probable tokens that have this probability together.
    end_sequence
        Where to stop; not part of the completion.
    seed
        The same seed draws the same tokens, where the place supports it.
    """

    max_new_tokens: int = 25
    temperature: float = 0.5
    top_p: float | None = None
    end_sequence: str | None = "###"
    seed: int | None = None


@dataclass(frozen=True)
class Completion:
    """What a model wrote.

    Attributes
    ----------
    text
        Without the prompt and without the end sequence.
    seconds
        How long the caller waited.
    """

    text: str
    seconds: float

    def __str__(self) -> str:
        return self.text


class LanguageModel(Protocol):
    """A place where a model runs."""

    def generate(self, prompt: str, parameters: Parameters) -> str:
        """Return the generated text; raise `CompletionError` when there is none."""


def complete(
    model: LanguageModel, prompt: Prompt | str, parameters: Parameters | None = None
) -> Completion:
    """Ask a model to go on where a prompt ends.

    Parameters
    ----------
    model
        An `EndpointModel` or a `HostedModel`.
    prompt
        From `prompts.build`, or any text.
    parameters
        How to generate; the defaults of `Parameters` if None.

    Raises
    ------
    CompletionError
        With one sentence that says what was wrong and what helps.
    """
    text = str(prompt)
    wanted = parameters or Parameters()
    started = time.perf_counter()
    generated = model.generate(text, wanted)
    seconds = time.perf_counter() - started
    # Some places repeat the prompt or the end sequence, whatever they are asked for.
    generated = generated.removeprefix(text)
    if wanted.end_sequence:
        generated = generated.partition(wanted.end_sequence)[0]
    return Completion(generated, seconds)


@dataclass(frozen=True)
class EndpointModel:
    """A language model behind a SageMaker endpoint.

    Attributes
    ----------
    endpoint
        Where it is.
    dialect
        What its container understands: ``workshop`` is `scripts/prompting`, ``pipeline`` the
        Hugging Face toolkit's own handler (a container with ``HF_MODEL_ID``), ``tgi`` Text
        Generation Inference, which JumpStart's GPT-Neo runs in.
    """

    endpoint: Endpoint
    dialect: Dialect = "workshop"

    def __str__(self) -> str:
        return f"{self.endpoint.name}, asked as {self.dialect!r}"

    def generate(self, prompt: str, parameters: Parameters) -> str:
        """Ask the endpoint."""
        body = {"inputs": prompt, "parameters": _spoken(parameters, self.dialect)}
        try:
            answer = json.loads(self.endpoint.invoke(json.dumps(body).encode()))
        except ClientError as error:
            raise _of_endpoint(error, self.endpoint.name) from error
        except ReadTimeoutError as error:
            raise CompletionError(
                f"{self.endpoint.name} did not answer in time: ask for fewer new tokens."
            ) from error
        except EndpointConnectionError as error:
            raise CompletionError(f"SageMaker cannot be reached: {error}") from error
        except BotoCoreError as error:
            raise CompletionError(f"{self.endpoint.name} could not be asked: {error}") from error
        first = answer[0] if isinstance(answer, list) and answer else answer
        if not isinstance(first, dict) or not isinstance(first.get("generated_text"), str):
            raise CompletionError(
                f"{self.endpoint.name} answered no generated_text but {str(answer)[:200]}: is it a "
                f"text generation model, and is {self.dialect!r} its dialect?"
            )
        return str(first["generated_text"])


class HostedModel:
    """A language model that somebody else runs, reached through Hugging Face.

    Parameters
    ----------
    model_id
        Of the Hugging Face hub.
    provider
        Who runs it; ``auto`` takes the first one that has it.
    token
        The hub's access token; that of the environment variable ``HF_TOKEN`` if None. It belongs
        there, never into a notebook's cell.

    Raises
    ------
    CompletionError
        When there is no token.
    """

    def __init__(self, model_id: str, provider: Any = "auto", token: str | None = None) -> None:
        token = token or os.environ.get(HUB_TOKEN)
        if not token:
            raise CompletionError(
                f"A hosted model needs an access token of the Hugging Face hub: set {HUB_TOKEN} in "
                "the environment before Jupyter starts (https://huggingface.co/settings/tokens)."
            )
        from huggingface_hub import InferenceClient

        self.model_id = model_id
        self._client = InferenceClient(
            model=model_id, provider=provider, token=token, timeout=_TIMEOUT_SECONDS
        )

    def __repr__(self) -> str:
        return f"HostedModel({self.model_id!r})"

    def generate(self, prompt: str, parameters: Parameters) -> str:
        """Ask the provider."""
        spoken = _spoken(parameters, "tgi")
        try:
            return str(self._client.text_generation(prompt, **spoken))
        except Exception as error:
            # Provider look-up, HTTP and answers fail with classes of three libraries.
            raise _of_host(error, self.model_id) from error


def _spoken(parameters: Parameters, dialect: Dialect) -> dict[str, Any]:
    """Return the parameters as a container of the dialect names them."""
    spoken: dict[str, Any] = {
        "max_new_tokens": parameters.max_new_tokens,
        "return_full_text": False,
    }
    drawn = parameters.temperature > 0
    if dialect == "workshop":
        spoken["temperature"] = parameters.temperature
    else:
        # Both refuse a temperature of 0, and read its absence as the most probable token.
        spoken["do_sample"] = drawn
        if drawn:
            spoken["temperature"] = parameters.temperature
    if parameters.top_p is not None and drawn:
        spoken["top_p"] = parameters.top_p
    if parameters.end_sequence and dialect == "workshop":
        spoken["end_sequence"] = parameters.end_sequence
    elif parameters.end_sequence and dialect == "tgi":
        spoken["stop"] = [parameters.end_sequence]
    if parameters.seed is not None and dialect != "pipeline":
        spoken["seed"] = parameters.seed
    return spoken


def _of_endpoint(error: ClientError, name: str) -> CompletionError:
    code = str(error.response["Error"].get("Code", ""))
    message = str(error.response["Error"].get("Message", error))
    if code == "ModelError":
        said = _said(str(error.response.get("OriginalMessage") or message))
        if _too_long(said):
            return PromptTooLong(f"The prompt is too long for {name}: {said}")
        status = error.response.get("OriginalStatusCode")
        if status in (424, 429, 503, 507):
            return CompletionError(f"{name} is busy or out of memory; try again: {said}")
        return CompletionError(f"The model behind {name} refused the request: {said}")
    if code in ("ValidationError", "ValidationException"):
        return CompletionError(
            f"There is no endpoint to ask: {message} Deploy it first; check its name and region."
        )
    if code in ("ThrottlingException", "ServiceUnavailable", "ModelNotReadyException"):
        return CompletionError(f"{name} has too much to do right now; try again in a moment.")
    if code in ("AccessDeniedException", "AccessDenied"):
        return CompletionError(
            f"You may not ask {name}: your role needs sagemaker:InvokeEndpoint for it. {message}"
        )
    return CompletionError(f"{name} could not be asked ({code}): {message}")


def _said(answer: str) -> str:
    """Return the message inside a container's JSON error, or the answer as it is."""
    try:
        content = json.loads(answer)
    except ValueError:
        return answer.strip()
    if isinstance(content, dict):
        found = content.get("message") or content.get("error") or answer
        return str(found).strip()
    return answer.strip()


def _too_long(message: str) -> bool:
    # Our container names its error; Text Generation Inference says "`inputs` tokens +
    # `max_new_tokens` must be <= 2048" or "`inputs` must have less than 1024 tokens"; a pipeline
    # says what torch says of a position that the model does not have.
    return (
        "PromptTooLongError" in message
        or "index out of range in self" in message
        or ("`inputs`" in message and "token" in message and "must" in message)
    )


_HOSTED = {
    401: f"the access token in {HUB_TOKEN} is not valid; make a new one at "
    "https://huggingface.co/settings/tokens",
    402: "the credits of your Hugging Face account are used up",
    403: f"the access token in {HUB_TOKEN} may not call inference providers; give it that right",
    404: "no provider runs a model of this name",
    429: "you asked too often; wait a moment",
    503: "it is being loaded or overloaded; try again in a minute",
}


def _of_host(error: Exception, model_id: str) -> CompletionError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = " ".join(str(error).split())[:300]
    if _too_long(said):
        return PromptTooLong(f"The prompt is too long for {model_id}: {said}")
    if status in _HOSTED:
        return CompletionError(f"{model_id} was not asked: {_HOSTED[status]} ({said})")
    if status is not None:
        return CompletionError(f"{model_id} refused the request with HTTP {status}: {said}")
    kind = type(error).__name__
    if "Timeout" in kind:
        return CompletionError(f"{model_id} did not answer within {_TIMEOUT_SECONDS:.0f} s.")
    if "Connect" in kind or "Offline" in kind:
        return CompletionError(
            f"Hugging Face cannot be reached from here ({kind}); without internet, prompt the "
            "stand-in of language_models.stand_in."
        )
    return CompletionError(f"{model_id} cannot be asked ({kind}): {said}")
