"""A form in a notebook: type a text and labels of one's own, and see what a model makes of them.

It knows widgets; it must not know where the model runs.
"""

import html
from typing import Any

import ipywidgets as widgets
from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils.endpoints import Endpoint
from workshop_utils.zero_shot import AnswerError, Dialect, QuestionError, Task, ask

_WIDE = {"width": "640px"}
_LABELLED = {"description_width": "110px"}


class ZeroShotForm:
    """The form; show it as the last value of a cell.

    Parameters
    ----------
    endpoint
        What answers.
    text, labels
        What stands in it at first.
    dialect
        What the endpoint understands.
    """

    def __init__(
        self, endpoint: Endpoint, text: str, labels: list[str], dialect: Dialect = "jumpstart"
    ) -> None:
        self._endpoint = endpoint
        self._dialect = dialect

        def field(kind: Any, name: str, **options: Any) -> Any:
            return kind(description=name, layout=_WIDE, style=_LABELLED, **options)

        self.text = field(widgets.Textarea, "Text", value=text, rows=2)
        self.labels = field(widgets.Textarea, "Labels", value="\n".join(labels), rows=5)
        self.template = field(
            widgets.Text, "Template", placeholder="the model's own, or: This text is about {}."
        )
        self.several = widgets.Checkbox(description="several labels may fit", style=_LABELLED)
        self.button = widgets.Button(description="Classify", button_style="primary")
        self.button.on_click(lambda _: self.run())
        self.answer = widgets.HTML()
        self.form = widgets.VBox(
            [self.text, self.labels, self.template, self.several, self.button, self.answer]
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.form._repr_mimebundle_(**options)

    def run(self) -> None:
        """Ask what stands in the form, and show the answer; an error is shown as well."""
        self.button.disabled = True
        self.answer.value = "<i>waiting for the model</i>"
        try:
            labels = [line for line in self.labels.value.splitlines() if line.strip()]
            template = self.template.value.strip() or None
            task = Task(labels, self.several.value, template)
            found = ask(self._endpoint, self.text.value, task, self._dialect)
            pairs = zip(found.labels, found.scores, strict=True)
            rows = "".join(_bar(label, score) for label, score in pairs)
            note = "<p>The model read the beginning of the text only.</p>"
            self.answer.value = f"<table>{rows}</table>{note if found.truncated else ''}"
        except (QuestionError, AnswerError, ClientError, BotoCoreError) as error:
            self.answer.value = f"<b>{html.escape(str(error))}</b>"
        finally:
            self.button.disabled = False


def _bar(label: str, score: float) -> str:
    bar = f"<div style='background:#4878d0;height:12px;width:{300 * score:.0f}px'></div>"
    return f"<tr><td>{html.escape(label)}</td><td>{score:.2f}</td><td>{bar}</td></tr>"
