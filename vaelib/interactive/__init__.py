"""Sliders of a live notebook (ipywidgets): those that need formulas alone, and those that ask a run."""
