"""The explorer: parameter space, latent space and decoded images, linked, in a notebook and in a page alike.

It is one anywidget. Its scripts are plain JavaScript, joined into the one module that a widget has. In a page without
a kernel the same module runs with the same state, and the book's `living-widget.js` stands in for the kernel.
"""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from vaelib import notebook
from vaelib.dataset import TRANSECTS
from vaelib.experiment import PARAMETER_RANGE
from vaelib.explorer import packing
from vaelib.figures import COLORMAPS, living
from vaelib.run import Run

_HERE = Path(__file__).parent
_MODULES = (  # each after those that it imports
    "canvas.mjs",
    "curve.mjs",
    "decoder.mjs",
    "decoder_worker.mjs",
    "runs.mjs",
    "state.mjs",
    "elements.mjs",
    "playback.mjs",
    "address.mjs",
    "controls.mjs",
    "colors.mjs",
    "parameter_space.mjs",
    "latent_space.mjs",
    "views.mjs",
    "images.mjs",
    "line.mjs",
    "pointing.mjs",
    "explorer.mjs",
)
_ON_THE_SHEET = 1e-5  # how near to the interpolated means μ counts as on the sheet


def module_source() -> str:
    """Return the scripts as one module: from a folder on disk, or in a notebook, scripts cannot import one another."""
    texts = [(_HERE / name).read_text(encoding="utf-8") for name in _MODULES]
    without_imports = [re.sub(r"^import .*?;\n", "", text, flags=re.MULTILINE | re.DOTALL) for text in texts]
    return "\n".join(re.sub(r"^export (?!default)", "", text, flags=re.MULTILINE) for text in without_imports)


class _Numbers(traitlets.Tuple):
    """A fixed number of finite numbers, given as a tuple, a list or an array."""

    def __init__(self, n: int, ranges: Mapping[str, tuple[float, float]] | None = None, **options: Any) -> None:
        super().__init__(*[traitlets.Float() for _ in range(n)], **options)
        self.n, self.ranges = n, ranges or {}

    def validate(self, obj: Any, value: Any) -> Any:
        try:
            numbers = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            numbers = np.empty(0)
        if numbers.shape != (self.n,) or not np.isfinite(numbers).all():
            raise traitlets.TraitError(f"{self.name} = {value!r}; allowed: {self.n} finite numbers")
        for number, (name, (low, high)) in zip(numbers, self.ranges.items(), strict=False):
            if not low <= number <= high:
                raise traitlets.TraitError(f"{name} = {number:g}; allowed: {low:g} to {high:g}")
        return tuple(float(number) for number in numbers)


class Explorer(anywidget.AnyWidget):
    """The widget, made by `explorer`.

    Its traits can be read, set and observed, with or without a page that shows it: `parameters`, the point (a, b);
    `mu`, the three latents that are decoded; `run`, one of `names`; `epoch`, from 0 (before training) to the run's
    last; `color`, "a", "b" or "error"; `transect`, the line that a page walks along, "" for none: setting it starts the
    walk, and at its end it is "" again.

    Setting `parameters` moves `mu` to the encoder's means there, interpolated between the exact images of a fine grid.
    So does another run or epoch, unless `mu` was set to leave the sheet. Setting `mu` moves nothing else. A value that
    is not allowed raises traitlets.TraitError, which names it.
    """

    _esm = module_source()
    _css = (_HERE / "explorer.css").read_text(encoding="utf-8")
    picture: bytes | None = None  # PNG: shown where the widget cannot run; `alt` is the same in words
    alt = ""

    info = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)
    run = traitlets.Unicode().tag(sync=True)
    epoch = traitlets.Int().tag(sync=True)
    parameters = _Numbers(2, PARAMETER_RANGE).tag(sync=True)
    mu = _Numbers(3).tag(sync=True)
    color = traitlets.Enum(tuple(COLORMAPS), default_value="a").tag(sync=True)
    transect = traitlets.Enum(("", *TRANSECTS), default_value="").tag(sync=True)

    def __init__(
        self, info: Mapping[str, Any], data: bytes, *, run: str, parameters: tuple[float, float], **options: Any
    ) -> None:
        self._runs = {entry["name"]: entry for entry in info["runs"]}
        self._tables = {
            name: {int(epoch): packing.unpack(data, part) for epoch, part in entry["means"].items()}
            for name, entry in self._runs.items()
        }
        self._mu_follows = True
        if run not in self._runs:
            raise ValueError(f"run = {run!r}; allowed: {', '.join(self._runs)}")
        epoch = self._runs[run]["best"]
        mu = tuple(packing.interpolate(self._table(run, epoch), parameters))
        traits = {"run": run, "epoch": epoch, "parameters": parameters, "mu": mu, **options}
        super().__init__(info=dict(info), data=data, **traits)
        self.observe(self._follow, ["run", "epoch", "parameters"])
        self.observe(self._note_whether_on_the_sheet, "mu")

    def open(self) -> None:
        """Connect to the notebook's front end, except while a page is made: its state would be there twice."""
        if not notebook.is_static():
            super().open()

    @property
    def names(self) -> tuple[str, ...]:
        """The runs' names."""
        return tuple(self._runs)

    def means(self, parameters: Any, run: str | None = None, epoch: int | None = None) -> np.ndarray:
        """Return the interpolated means μ (..., 3) at some points.

        For an epoch whose weights the run has not saved they are those of the latest before it that it has.

        Args:
            parameters: (..., 2), (a, b).
            run: one of `names`, by default the one that is shown.
            epoch: by default the one that is shown.
        """
        return packing.interpolate(self._table(run or self.run, self.epoch if epoch is None else epoch), parameters)

    def _table(self, run: str, epoch: int) -> np.ndarray:
        tables = self._tables[run]
        return tables[max((earlier for earlier in tables if earlier <= epoch), default=min(tables))]

    @traitlets.validate("run")
    def _known_run(self, proposal: Any) -> str:
        if proposal["value"] not in self._runs:
            raise traitlets.TraitError(f"run = {proposal['value']!r}; allowed: {', '.join(self._runs)}")
        return str(proposal["value"])

    @traitlets.validate("epoch")
    def _trained_epoch(self, proposal: Any) -> int:
        last = self._runs[self.run]["epochs"]
        if not 0 <= proposal["value"] <= last:
            raise traitlets.TraitError(f"epoch = {proposal['value']}; allowed: 0 to {last}")
        return int(proposal["value"])

    def _follow(self, change: Any) -> None:
        """Move μ with the parameters, and with the run and the epoch while it is on the sheet."""
        if change["name"] == "run":
            self.epoch = min(self.epoch, self._runs[self.run]["epochs"])
        if change["name"] == "parameters":
            self._mu_follows = True
        if self._mu_follows and not self._on_the_sheet():
            self.mu = tuple(self.means(self.parameters))

    def _note_whether_on_the_sheet(self, _change: Any) -> None:
        self._mu_follows = self._on_the_sheet()

    def _on_the_sheet(self) -> bool:
        # A page that moved both has sent its own interpolation, equal but for rounding; sent back, it would jerk.
        return bool(np.allclose(self.mu, self.means(self.parameters), rtol=0, atol=_ON_THE_SHEET))

    def state(self) -> dict[str, Any]:
        """Return the widget's traits as the page's script reads them, without the block of bytes."""
        names = ("info", "run", "epoch", "parameters", "mu", "color", "transect")
        return {name: getattr(self, name) for name in names}

    def html(self, picture: bytes, alt: str) -> str:
        """Return the explorer for a page without a kernel: all that it needs, behind a picture until it is in view.

        Args:
            picture: PNG, shown until then.
            alt: what it shows, in words.
        """
        parts = {
            "esm": self._esm,
            "css": self._css,
            "state": {**self.state(), "linked": True},
            "buffers": {"data": base64.b64encode(self.data).decode()},
        }
        # Within a script element only "</" and "<!--" mean something to the browser.
        text = json.dumps(parts, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        image = living.image(picture, alt, 'class="stand-in" style="width: 100%"')
        return f'<div class="living-widget" id="explorer">{image}<script type="application/json">{text}</script></div>'

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        alt = self.alt or f"The explorer of the runs {', '.join(self.names)}."
        return living.bundle(super()._repr_mimebundle_(**kwargs), self.picture, alt)


def explorer(
    runs: Mapping[str, Run],
    *,
    n_points: int = 1000,
    shown: str | None = None,
    parameters: tuple[float, float] | None = None,
) -> Explorer:
    """Return the explorer of some runs.

    Args:
        runs: by the names that they get in it.
        n_points: the most training images of a run in the latent space, 1 to 1,500; the parameter space has the
            others too, faint.
        shown: the run to begin with, at its best epoch; by default the first.
        parameters: the point (a, b) to begin with; by default the hole's centre.

    Raises:
        ValueError: for another n_points, a name that is not in `runs`, and runs that `packing.check` refuses.
    """
    packing.check(runs)
    shown = next(iter(runs)) if shown is None else shown
    if shown not in runs:
        raise ValueError(f"shown = {shown!r}; allowed: {', '.join(runs)}")
    info, data = packing.pack(runs, n_points=n_points)
    a, b, _ = info["hole"]
    return Explorer(info, data, run=shown, parameters=parameters or (a, b))


def show(widget: Explorer, picture: bytes, alt: str) -> Any:
    """Return the explorer for display: in a live notebook the widget, in a page what starts when it is in view.

    Args:
        widget: an explorer.
        picture: PNG, shown until then, in print, and without JavaScript or a kernel.
        alt: what the picture shows, in words.
    """
    if notebook.is_static():
        return living.Page(widget.html(picture, alt), alt)
    widget.picture, widget.alt = picture, alt
    return widget
