"""What Sphinx does otherwise in this book: docstrings are plain text, and no page is wired to a foreign server."""

import html
import inspect
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sphinx.application import Sphinx

_CODE = re.compile(r"(`+)([^`]+)\1")


# Docstrings: text with `code` in backticks, where |x| and val_ are not reStructuredText's marks. A class of settings
# is told by their descriptions; its signature would be a wall.


def _plain(text: str) -> str:
    """Return text in which only code in backticks is marked up."""
    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [_escaped(text[end : code.start()]), rf"\ ``{code[2].strip()}``\ "]
        end = code.end()
    return "".join([*parts, _escaped(text[end:])])


def _escaped(text: str) -> str:
    return re.sub(r"([\\*|_])", r"\\\1", text)


def _docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = _plain("\n".join(lines)).split("\n")
    if _is_settings(thing):
        own = inspect.get_annotations(thing)
        fields = {field: info for field, info in thing.__pydantic_fields__.items() if field in own}
        for field, info in fields.items():
            lines.append(f"* ``{field}`` = ``{info.default!r}``: {_plain(info.description or '')}")
        lines.append("")


def _signature(app: Sphinx, what: str, name: str, thing: Any, options: Any, *signature: str | None) -> Any:
    return ("(**settings)", None) if _is_settings(thing) else None


def _is_settings(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseModel)


# Jupyter Book always brings Thebe, which runs cells on a foreign server; its script comes twice, and fails for it.


def _without_thebe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    scripts = context["script_files"]
    context["script_files"] = [s for s in scripts if "thebe" not in f"{s.filename} {s.attributes.get('body')}".lower()]


# Names and roles in the theme's and docutils' markup that tell those who listen to a page less than it shows, or what
# is not allowed: a folded cell is named by its own words, and a list of sources is a list.

_ROLES = {
    '<summary aria-label="Toggle hidden content">': "<summary>",
    'role="doc-biblioentry"': 'role="listitem"',
}


def _with_true_roles(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    for said, meant in _ROLES.items():
        context["body"] = context.get("body", "").replace(said, meant)


# The folder's own page, which leads on to the front page. Written before sphinx-external-toc finds none and writes one
# that has neither a title nor a language, nor a link for browsers that do not follow it.

_LEADING_ON = """<!DOCTYPE html>
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


def _lead_on(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.name == "html":
        front, title = app.builder.get_target_uri(app.config.root_doc), html.escape(app.config.html_title)
        text = _LEADING_ON.format(language=app.config.language, front=front, title=title)
        (Path(app.outdir) / "index.html").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    app.connect("html-page-context", _without_thebe, priority=900)
    app.connect("html-page-context", _with_true_roles)
    app.connect("build-finished", _lead_on, priority=400)
    return {"parallel_read_safe": True}
