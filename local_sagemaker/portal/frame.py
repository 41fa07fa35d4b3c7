"""The document that shows one task: a template's own page, in a frame that can do little.

The text in a task is a stranger's. The frame has no origin (``sandbox``), so that it reaches
neither the portal nor its cookies; its policy lets only those scripts run that carry a number
made for this one view. The number is put onto the scripts that stand in the template, *before*
data is rendered into it, so that a script which arrives as data has none, however it got through.
Everything that the frame needs is in the document: it could fetch nothing, having no cookies, and
Studio's proxy would refuse it.

This module must not know who looks at the task.
"""

import base64
import hashlib
import html
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from local_sagemaker.portal.assets import crowd_script, crowd_style

# Left alone: what Liquid evaluates, and what it passes on as it stands.
_LIQUID = re.compile(
    r"({%-?\s*raw\s*-?%}.*?{%-?\s*endraw\s*-?%}|{%-?\s*comment\s*-?%}.*?{%-?\s*endcomment\s*-?%}"
    r"|{{.*?}}|{%.*?%})",
    re.DOTALL,
)
_SCRIPT = re.compile(r"<script(?=[\s>/])", re.IGNORECASE)
# AWS's own script of crowd elements, whose place ours takes.
_CROWD_SCRIPT = re.compile(
    r"<script\b[^>]*\bcrowd-html-elements\.js[^>]*>\s*</script\s*>", re.IGNORECASE
)
_HANDLERS = re.compile(r"""\son\w+\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_META = re.compile(r"<meta(?=[\s/>])", re.IGNORECASE)
_COLOURED = re.compile(r"(?:color|background)\s*:|bgcolor\s*=", re.IGNORECASE)
_SANDBOX = "allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox"
_PICTURES = "data: blob: https://*.amazonaws.com"


@dataclass(frozen=True)
class Frame:
    """A task's document and the policy that it is served with."""

    document: str
    policy: str


def build(template: str, render: Callable[[str], str], port: int) -> Frame:
    """Return the document of a task.

    Parameters
    ----------
    template
        The template's Liquid source.
    render
        Renders a source with the task's input.
    port
        Of the server, whose own pictures may be shown.
    """
    nonce = secrets.token_urlsafe(18)
    # One that comes with the data could lead the frame away, before anybody has answered.
    body = _META.sub("<not-meta", render(marked(template, nonce)))
    # A template with colours of its own was drawn on white.
    scheme = "light" if _COLOURED.search(template) else "light dark"
    page = "" if re.search(r"<html[\s>]", template, re.IGNORECASE) else '<html lang="en">'
    document = (
        f"<!DOCTYPE html>{page}"
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta name="color-scheme" content="{scheme}"><title>Task</title><base target="_blank">'
        f"<style>{crowd_style(dark='dark' in scheme)}</style>"
        # A module waits until the whole document is there.
        f'<script type="module" nonce="{nonce}">{crowd_script()}</script>\n{body}'
    )
    return Frame(document, _policy(nonce, template, port))


def unreadable(problem: str, port: int) -> Frame:
    """Return the document that stands in for a task whose template cannot be rendered."""
    words = (
        '<p class="crowd-unavailable">This task cannot be shown. Decline it, and tell whoever gave '
        f"it to you: {html.escape(problem)}</p>"
    )
    return build(f"<main>{words}</main>", lambda source: source, port)


def marked(template: str, nonce: str) -> str:
    """Return a template whose own scripts carry the number, and without AWS's script."""
    template = _CROWD_SCRIPT.sub("", template)
    parts = _LIQUID.split(template)
    # Every second part is Liquid's. The number needs no quotes, which could end a string.
    parts[::2] = [_SCRIPT.sub(f"<script nonce={nonce}", part) for part in parts[::2]]
    return "".join(parts)


def _policy(nonce: str, template: str, port: int) -> str:
    own = f"http://127.0.0.1:{port} http://localhost:{port}"
    pictures = f"'self' {own} {_PICTURES}"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'{_hashes(template)}",
            "style-src 'unsafe-inline'",
            f"img-src {pictures}",
            f"media-src {pictures}",
            "font-src data:",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
            f"sandbox {_SANDBOX}",
        ]
    )


def _hashes(template: str) -> str:
    """Return what lets the template's own ``onclick="..."`` run: their digests, and no others.

    One that Liquid writes something into has no digest, and does not run.
    """
    found = {html.unescape(double or single) for double, single in _HANDLERS.findall(template)}
    digests = [
        base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        for code in sorted(found)
        if "{{" not in code and "{%" not in code
    ]
    return "".join([" 'unsafe-hashes'" if digests else "", *(f" 'sha256-{d}'" for d in digests)])


def sandbox() -> str:
    """Return the value of the frame's ``sandbox`` attribute."""
    return _SANDBOX
