"""What a living output carries for the places where it cannot live: a still picture, and in words what it shows.

A viewer takes from an output's mime bundle the richest kind that it knows. So the living kind wins where a script, a
kernel or an extension can play it; elsewhere (nbconvert, GitHub, print) the picture and its words stand in for it.
"""

import base64
import html
import io
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

Bundle = tuple[dict[str, Any], dict[str, Any]]


def png(figure: Figure, *, colors: int = 96) -> bytes:
    """Return a figure at its own resolution as a PNG of at most `colors` colours (2 to 256): few bytes for a page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi="figure")
    small = Image.open(buffer).convert("RGB").quantize(colors)
    result = io.BytesIO()
    small.save(result, "PNG", optimize=True)
    return result.getvalue()


def image(picture: bytes, alt: str, attributes: str = 'style="max-width: 100%"') -> str:
    """Return HTML that holds a picture (PNG bytes) itself. alt: what it shows. attributes: more of the element's."""
    return f'<img {attributes} src="{data_uri(picture, "image/png")}" alt="{html.escape(alt)}">'


def data_uri(content: bytes, kind: str) -> str:
    """Return an address that holds the content itself. kind: its mime type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def bundle(living: Any, picture: bytes | None, alt: str) -> Bundle:
    """Return the data and metadata of a living output with what stands in for it.

    living: what its `_repr_mimebundle_` returns, data alone or with metadata. picture: PNG bytes, None when the living
    data's own HTML has one. alt: what it shows.
    """
    data, metadata = living if isinstance(living, tuple) else (living or {}, {})
    still: dict[str, Any] = {}
    if picture is not None:
        # HTML keeps the words on the picture, in Markdown too; print takes the PNG.
        still = {"text/html": image(picture, alt), "image/png": base64.b64encode(picture).decode()}
        metadata = {**metadata, "image/png": {"alt": alt}}
    return {**still, **data, "text/plain": alt}, metadata


@dataclass(frozen=True)
class Page:
    """HTML for display (`data`), with its words (`alt`) and, unless the HTML has one, its picture (PNG bytes)."""

    data: str
    alt: str
    picture: bytes | None = None

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        return bundle({"text/html": self.data}, self.picture, self.alt)
