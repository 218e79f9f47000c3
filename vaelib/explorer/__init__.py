"""The explorer, a figure that decodes in the page, without a kernel: its data and its scripts."""

from vaelib.explorer.widget import Explorer, explorer, module_source, show

__all__ = ["Explorer", "explorer", "module_source", "show"]
