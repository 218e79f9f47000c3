"""The book: its chapters are executed by papermill, and Jupyter Book makes pages of them."""

from vaelib.book.builder import STUDY, build, find_root, timing_table

__all__ = ["STUDY", "build", "find_root", "timing_table"]
