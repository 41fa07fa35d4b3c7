"""A form in a notebook to try prompts with: change a part, see what is sent and what comes back.

It knows widgets; it must not know where the model runs.
"""

import html
from typing import Any

import ipywidgets as widgets

from workshop_utils.completions import CompletionError, LanguageModel, Parameters, complete
from workshop_utils.prompts import ExamplePool, Prompt, PromptError, Template, build

_WIDE = {"width": "640px"}
_LABELLED = {"description_width": "110px"}


class Playground:
    """The form; show it as the last value of a cell.

    Parameters
    ----------
    model
        What completes the prompts.
    pool
        Where the examples come from.
    query
        What is asked at first.
    template
        The wording to start with; the workshop's own if None.
    """

    def __init__(
        self, model: LanguageModel, pool: ExamplePool, query: str, template: Template | None = None
    ) -> None:
        self._model = model
        self._pool = pool
        self._template = template or Template()
        most = min(32, len(pool.examples))

        def field(kind: Any, name: str, **options: Any) -> Any:
            return kind(description=name, layout=_WIDE, style=_LABELLED, **options)

        self.task = field(widgets.Text, "Task", value=self._template.task)
        self.query = field(widgets.Textarea, "Query", value=query, rows=2)
        self.examples = field(widgets.IntSlider, "Examples", value=min(6, most), min=0, max=most)
        self.temperature = field(
            widgets.FloatSlider, "Temperature", value=0.5, min=0.0, max=2.0, step=0.1
        )
        self.max_new_tokens = field(widgets.IntSlider, "New tokens", value=25, min=1, max=100)
        self.end_sequence = field(widgets.Text, "End sequence", value=self._template.separator)
        self.button = widgets.Button(description="Complete", button_style="primary")
        self.button.on_click(lambda _: self.run())
        self.answer = widgets.HTML()
        self.sent = widgets.HTML()
        self.form = widgets.VBox(
            [
                self.task,
                self.query,
                self.examples,
                self.temperature,
                self.max_new_tokens,
                self.end_sequence,
                self.button,
                self.answer,
                self.sent,
            ]
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.form._repr_mimebundle_(**options)

    def run(self) -> None:
        """Build the prompt from the form, send it, and show both; an error is shown as well."""
        self.button.disabled = True
        self.answer.value = "<i>waiting for the model</i>"
        try:
            prompt = self._prompt()
            self.sent.value = f"<p>What was sent:</p>{prompt._repr_html_()}"
            parameters = Parameters(
                max_new_tokens=self.max_new_tokens.value,
                temperature=self.temperature.value,
                end_sequence=self.end_sequence.value or None,
            )
            answer = complete(self._model, prompt, parameters)
            self.answer.value = (
                f"<pre style='white-space:pre-wrap'>{html.escape(answer.text) or '(nothing)'}"
                f"</pre><small>{answer.seconds * 1000:.0f} ms</small>"
            )
        except (PromptError, CompletionError) as error:
            self.answer.value = f"<b>{html.escape(str(error))}</b>"
        finally:
            self.button.disabled = False

    def _prompt(self) -> Prompt:
        template = Template(
            task=self.task.value,
            text_name=self._template.text_name,
            label_name=self._template.label_name,
            separator=self._template.separator,
        )
        query = self.query.value
        count = self.examples.value
        chosen = self._pool.nearest(query, count) if count and query.strip() else []
        budget = 1024 - self.max_new_tokens.value
        return build(query, chosen, template, budget=budget)
