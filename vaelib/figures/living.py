"""What an interactive output holds for viewers that cannot run it: a still picture, and in words what it shows.

A viewer takes from an output's mime bundle the richest kind that it knows: the interactive one where a script, a kernel
or an extension can run it; elsewhere (nbconvert, GitHub, print) the picture and its words.
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
    """Return a figure at its own resolution as a small PNG of at most `colors` colours (2 to 256)."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi="figure")
    content = io.BytesIO()
    Image.open(drawn).convert("RGB").quantize(colors).save(content, "PNG", optimize=True)
    return content.getvalue()


def image(picture: bytes, alt: str, attributes: str = 'style="max-width: 100%"') -> str:
    """Return an HTML image that contains a picture.

    Args:
        picture: PNG bytes.
        alt: What the picture shows.
        attributes: More attributes of the element.
    """
    return f'<img {attributes} src="{data_uri(picture, "image/png")}" alt="{html.escape(alt)}">'


def data_uri(content: bytes, kind: str) -> str:
    """Return an address that contains the content; `kind` is its mime type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def bundle(living: Any, picture: bytes | None, alt: str) -> Bundle:
    """Return the data and metadata of an interactive output, with its still picture and words.

    Args:
        living: What its `_repr_mimebundle_` returns, data alone or with metadata.
        picture: PNG bytes; None when the output's own HTML has a picture.
        alt: What the output shows.
    """
    data, metadata = living if isinstance(living, tuple) else (living or {}, {})
    still: dict[str, Any] = {}
    if picture is not None:
        # HTML carries the alt text, in Markdown too; print takes the PNG.
        still = {"text/html": image(picture, alt), "image/png": base64.b64encode(picture).decode()}
        metadata = {**metadata, "image/png": {"alt": alt}}
    return {**still, **data, "text/plain": alt}, metadata


@dataclass(frozen=True)
class Page:
    """HTML for display, with its words and its picture."""

    data: str
    """The HTML."""
    alt: str
    """What it shows, in words."""
    picture: bytes | None = None
    """PNG bytes; None when the HTML has a picture."""

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        return bundle({"text/html": self.data}, self.picture, self.alt)
