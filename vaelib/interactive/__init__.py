"""Sliders of a live notebook (ipywidgets): those that need only formulas, and those of a finished run."""
