"""The book's changes to Sphinx: docstrings need no escaping, pages ask no foreign server, roles and the start page."""

import html
import inspect
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sphinx.application import Sphinx

_CODE = re.compile(r"(:[\w:.+-]+:)?(`+)([^`]+)\2")  # `code`, ``code`` or :role:`text`
_LITERAL = re.compile(r"(?<=::)(\n\s*\n(?:[ ]+.*(?:\n|$)|[ ]*\n)+)")  # what is indented below a line that ends in ::


# Docstrings: in their text |x| and val_ are no marks of reStructuredText, and code may stand in single backticks. This
# comes before napoleon reads the sections (Args, Returns, Raises). A class of settings is documented by the
# descriptions of its fields; its signature would be a wall. Of an attribute, napoleon takes what precedes the first
# colon for its type; here it is a part of the sentence, so the colon is hidden until napoleon is through.

_HIDDEN_COLON = "\0"


def _restructured(text: str) -> str:
    """Return a docstring as reStructuredText in which only code and roles are marked up."""
    blocks = _LITERAL.split(text)  # prose and literal blocks, by turns
    return "".join(block if i % 2 else _prose(block) for i, block in enumerate(blocks))


def _prose(text: str) -> str:
    parts, end = [], 0
    for match in _CODE.finditer(text):
        role, _, content = match.groups()
        parts += [_escaped(text[end : match.start()]), match[0] if role else rf"\ ``{content.strip()}``\ "]
        end = match.end()
    return "".join([*parts, _escaped(text[end:])])


def _escaped(text: str) -> str:
    return re.sub(r"([\\*|_])", r"\\\1", text)


def _process_docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    text = _restructured("\n".join(lines))
    lines[:] = (text.replace(":", _HIDDEN_COLON) if what in ("attribute", "data", "property") else text).split("\n")
    if _is_settings(thing):
        own = inspect.get_annotations(thing)
        fields = {field: info for field, info in thing.__pydantic_fields__.items() if field in own}
        for field, info in fields.items():
            default = "" if info.is_required() else f" = ``{info.default!r}``"
            lines.append(f"* ``{field}``{default}: {_restructured(info.description or '')}")
        lines.append("")


def _show_colons(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = [line.replace(_HIDDEN_COLON, ":") for line in lines]


def _process_signature(app: Sphinx, what: str, name: str, thing: Any, options: Any, *signature: str | None) -> Any:
    return ("(**settings)", None) if _is_settings(thing) else None


def _is_settings(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseModel)


# Jupyter Book always adds Thebe, which runs cells on a foreign server; it adds the script twice, which breaks it.


def _without_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    scripts = context["script_files"]
    context["script_files"] = [s for s in scripts if "thebe" not in f"{s.filename} {s.attributes.get('body')}".lower()]


# Names and roles in the markup of the theme and of docutils that hide from a screen reader what the page shows, or that
# are not allowed: a folded cell is named by its own words, and a bibliography is a list.

_ROLES = {
    '<summary aria-label="Toggle hidden content">': "<summary>",
    'role="doc-biblioentry"': 'role="listitem"',
}


def _with_corrected_roles(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    for markup, corrected in _ROLES.items():
        context["body"] = context.get("body", "").replace(markup, corrected)


# The folder's index.html, which redirects to the front page. It is written before sphinx-external-toc misses it and
# writes one without a title, a language and a link for browsers that do not follow redirects.

_REDIRECT = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url={front}">
<title>{title}</title>
</head>
<body>
<main>
<h1><a href="{front}">{title}</a></h1>
</main>
</body>
</html>
"""


def _write_redirect(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.name == "html":
        front, title = app.builder.get_target_uri(app.config.root_doc), html.escape(app.config.html_title)
        text = _REDIRECT.format(language=app.config.language, front=front, title=title)
        (Path(app.outdir) / "index.html").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process_docstring, priority=400)
    app.connect("autodoc-process-docstring", _show_colons, priority=600)
    app.connect("autodoc-process-signature", _process_signature)
    app.connect("html-page-context", _without_thebe, priority=900)
    app.connect("html-page-context", _with_corrected_roles)
    app.connect("build-finished", _write_redirect, priority=400)
    return {"parallel_read_safe": True}
