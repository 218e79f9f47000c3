"""What a page needs for the explorer, in few bytes: embeddings, tables of means, errors and decoders.

All numbers are in one block of bytes; `info`, which becomes JSON, says where each part begins and how to read it:
{"type", "shape", "start"} and, for integers that encode a range, "low" and "high".
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from vaelib import dataset, figures
from vaelib.analysis.explorer import point_errors
from vaelib.experiment import PARAMETER_RANGE
from vaelib.run import Run

Numbers = NDArray[np.float64]

GRID = (41, 31)
"""Rows (b) and columns (a) of the table of the encoder's means: steps of 0.05 in either factor."""
MOST_BYTES = 1_500_000
"""The most that the explorer may add to a page."""
MOST_POINTS = 1500
"""The most training images of a run that the latent space may show: all are redrawn in every frame."""
_MOST_DECODERS = 7  # of a run
_MOST_PLACES = 6000  # training images of a run in the parameter space: more would hide each other
_OTHER_BYTES = 200_000  # of MOST_BYTES: the scripts, and the picture that stands in until they run
_COLORS = 64  # steps of a colour map
_LATENTS = 3
_LARGEST = {"uint8": 255, "uint16": 65535}


class Packer:
    """Collects arrays in one block of bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def add(self, array: NDArray[Any]) -> dict[str, Any]:
        """Append an array as it is and return its part of the block, as in `info`."""
        self.data += b"\0" * (len(self.data) % 2)  # typed arrays of two-byte numbers begin at even offsets
        part = {"type": array.dtype.name, "shape": list(array.shape), "start": len(self.data)}
        self.data += array.astype(array.dtype.newbyteorder("<")).tobytes()
        return part

    def add_range(self, array: ArrayLike, kind: str, low: ArrayLike, high: ArrayLike) -> dict[str, Any]:
        """Append numbers as integers, of which 0 encodes `low` and the largest `high`; return their part of the block.

        Args:
            array: (..., d); what is outside the range is clipped.
            kind: the integers' type, "uint8" or "uint16".
            low: a number, or (d,).
            high: likewise.
        """
        low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        span = np.where(high > low, high - low, 1.0)
        integers = np.rint(np.clip((np.asarray(array) - low) / span, 0, 1) * _LARGEST[kind]).astype(kind)
        return {**self.add(integers), "low": np.atleast_1d(low).tolist(), "high": np.atleast_1d(low + span).tolist()}


def unpack(data: bytes, part: Mapping[str, Any]) -> Numbers:
    """Return the numbers of a part of the block; the page's script reads them in the same way."""
    kind = np.dtype(part["type"]).newbyteorder("<")
    count = int(np.prod(part["shape"]))
    array = np.frombuffer(data, dtype=kind, count=count, offset=part["start"]).reshape(part["shape"]).astype(np.float64)
    if "low" not in part:
        return array
    low, high = np.array(part["low"]), np.array(part["high"])
    return low + array * ((high - low) / _LARGEST[part["type"]])


def check(runs: Mapping[str, Run]) -> None:
    """Check that the runs can be shown together.

    Raises:
        ValueError: if there is no run, or one without three latents or a finished epoch, or two that differ in the
            size or framing of their images or in the hole.
    """
    if not runs:
        raise ValueError("runs is empty; allowed: one run or more")
    first = next(iter(runs))
    for name, run in runs.items():
        if run.epochs < 1:
            raise ValueError(f"{name!r} has no finished epoch: train it first")
        if run.experiment.latent_dim != _LATENTS:
            raise ValueError(f"latent_dim = {run.experiment.latent_dim} in {name!r}; allowed: {_LATENTS}")
        for setting in ("image_size", "framing", "hole_a", "hole_b", "hole_radius"):
            value, other = getattr(run.experiment, setting), getattr(runs[first].experiment, setting)
            if value != other:
                raise ValueError(f"{setting} = {value!r} in {name!r} and {other!r} in {first!r}; allowed: one value")


def pack(runs: Mapping[str, Run], *, n_points: int = 1000, budget: int = MOST_BYTES) -> tuple[dict[str, Any], bytes]:
    """Return `info` and the block of bytes of some runs.

    Embeddings are included for all epochs, tables of means for all whose weights the runs have saved, decoders and
    the points' errors for as many of these as fit into the budget, but at least for the best.

    Args:
        runs: by the names that they get in the explorer.
        n_points: the most training images of a run, its first, 1 to 1,500; of the others only (a, b) is included.
        budget: bytes in a page, including base64, the scripts and the picture.

    Raises:
        ValueError: for another n_points, and for what `check` refuses.
    """
    if not 1 <= n_points <= MOST_POINTS:
        raise ValueError(f"n_points = {n_points!r}; allowed: 1 to {MOST_POINTS:,}")
    check(runs)
    packer = Packer()
    entries = [_pack_run(packer, name, run, n_points) for name, run in runs.items()]
    bytes_left = (budget - _OTHER_BYTES) * 3 // 4 - len(packer.data)  # base64 makes 4 characters of 3 bytes
    first = next(iter(runs.values()))
    bytes_per_epoch = folded_decoder(first, "best").size * 4 + n_points  # of a run
    n = int(np.clip(bytes_left // (bytes_per_epoch * len(runs)), 1, _MOST_DECODERS))
    for entry, run in zip(entries, runs.values(), strict=True):
        epochs = spread(run.kept_epochs, n, run.best_epoch)
        entry["errors"] = {str(epoch): _pack_errors(packer, run, epoch, n_points) for epoch in epochs}
        entry["decoders"] = {str(epoch): packer.add(_as_half_floats(folded_decoder(run, epoch))) for epoch in epochs}
    experiment = first.experiment
    info = {
        "image_size": experiment.image_size,
        "framing": experiment.framing,
        "ranges": {name: list(ends) for name, ends in PARAMETER_RANGE.items()},
        "hole": [experiment.hole_a, experiment.hole_b, experiment.hole_radius],
        "transects": {
            name: {"ends": [list(end) for end in ends], "color": figures.TRANSECT_COLORS[name]}
            for name, ends in dataset.TRANSECTS.items()
        },
        "colormaps": {name: _as_hexadecimal(colormap) for name, colormap in figures.COLORMAPS.items()},
        "decoder": decoder_shape(first),
        "runs": entries,
    }
    return info, bytes(packer.data)


def spread(epochs: Sequence[int], n: int, best: int) -> list[int]:
    """Return at most n of some epochs, among them the first and `best`, the early ones denser.

    Most changes in the first epochs of a training.

    Args:
        epochs: in order.
        n: for 1, `best` alone is returned.
        best: one of `epochs`.
    """
    if n < 2:
        return [best]
    shares = np.linspace(0, 1, min(n, len(epochs))) ** (1.4 if n < len(epochs) else 1)
    chosen = {epochs[round(float(share) * (len(epochs) - 1))] for share in shares}
    if best not in chosen:
        chosen -= {min(sorted(chosen - {epochs[0]}), key=lambda epoch: abs(epoch - best))}
    return sorted(chosen | {best})


def interpolate(table: NDArray[Any], parameters: ArrayLike) -> Numbers:
    """Return the values (..., d) of a table at points, bilinear between its knots.

    Points outside the parameter space get the values at its edge.

    Args:
        table: (rows, columns, d), on GRID.
        parameters: (..., 2), (a, b).
    """
    points = np.asarray(parameters, dtype=np.float64)
    (low_a, high_a), (low_b, high_b) = PARAMETER_RANGE["a"], PARAMETER_RANGE["b"]
    rows, columns = table.shape[:2]
    x = np.clip((points[..., 0] - low_a) / (high_a - low_a), 0, 1) * (columns - 1)
    y = np.clip((points[..., 1] - low_b) / (high_b - low_b), 0, 1) * (rows - 1)
    column = np.minimum(x.astype(int), columns - 2)
    row = np.minimum(y.astype(int), rows - 2)
    right, down = (x - column)[..., None], (y - row)[..., None]
    above = table[row, column] * (1 - right) + table[row, column + 1] * right
    below = table[row + 1, column] * (1 - right) + table[row + 1, column + 1] * right
    return np.asarray(above * (1 - down) + below * down)


def grid_points() -> Numbers:
    """Return (rows · columns, 2): the points (a, b) of GRID, row by row."""
    a, b = np.linspace(*PARAMETER_RANGE["a"], GRID[1]), np.linspace(*PARAMETER_RANGE["b"], GRID[0])
    return np.stack(np.meshgrid(a, b), axis=-1).reshape(-1, 2)


def decoder_shape(run: Run) -> dict[str, Any]:
    """Return what is needed to read a decoder's weights: its images' size, its latents, its layers' channels."""
    decoder = run.model().decoder
    names = ["reshape", "up_conv_1", "up_conv_2", "up_conv_3", "conv_4"]
    channels = [int(decoder.get_layer(name).output.shape[-1]) for name in names]
    return {"size": run.experiment.image_size, "latents": _LATENTS, "channels": channels}


def folded_decoder(run: Run, epoch: int | str) -> NDArray[np.float32]:
    """Return a decoder's weights (n,), every batch norm folded, exactly, into the layer behind it.

    In order: the dense kernel; of each up-convolution its kernel (3, 3, in, out) and nine biases (3, 3, out), for the
    pixels at the top, between and at the bottom, and likewise from left to right; of the two 1×1 convolutions the
    kernel and the bias. A batch norm's shift passes through a kernel like a constant image, but for the zeros around
    the map: a border pixel's bias lacks the rows or columns of the kernel that extend over the border.

    Args:
        run: any with three latents.
        epoch: one whose weights the run has saved, or "best".
    """
    model = run.model(epoch).decoder
    weights = {weight.path: np.asarray(weight, dtype=np.float64) for weight in model.weights}
    scale, shift = np.array(1.0), np.array(0.0)
    parts = [weights["dense/kernel"]]
    inside = np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0]])  # which of a kernel's rows meet the map
    for level in (1, 2, 3):
        kernel, bias = weights[f"up_conv_{level}/kernel"], weights[f"up_conv_{level}/bias"]
        shifts = np.einsum("uvio,i->uvo", kernel, np.broadcast_to(shift, kernel.shape[2:3]))
        biases = bias + np.einsum("pu,qv,uvo->pqo", inside, inside, shifts)
        parts += [kernel * np.reshape(scale, (-1, 1)), biases]
        scale, shift = _scale_and_shift(weights, level, model.get_layer(f"norm_{level}").epsilon)
    for layer in ("conv_4", "logits"):
        kernel, bias = weights[f"{layer}/kernel"][0, 0], weights[f"{layer}/bias"]
        parts += [kernel * scale[:, None], bias + shift @ kernel]
        scale, shift = _scale_and_shift(weights, 4, model.get_layer("norm_4").epsilon)
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


def decode(weights: NDArray[Any], shape: Mapping[str, Any], latents: ArrayLike) -> Numbers:
    """Return the images (n, size, size) in [0, 1] of latents: what the page computes, in numpy, for comparison.

    Args:
        weights: those of a `folded_decoder`.
        shape: its `decoder_shape`.
        latents: (n, d).
    """
    side, channels = shape["size"] // 8, shape["channels"]
    remaining = np.asarray(weights, dtype=np.float64)

    def take(*sizes: int) -> Numbers:
        nonlocal remaining
        part, remaining = remaining[: int(np.prod(sizes))].reshape(sizes), remaining[int(np.prod(sizes)) :]
        return part

    x = np.maximum(np.asarray(latents, dtype=np.float64) @ take(shape["latents"], side * side * channels[0]), 0)
    x = x.reshape(-1, side, side, channels[0])
    for inputs, outputs in pairwise(channels[:4]):
        kernel, biases = take(3, 3, inputs, outputs), take(3, 3, outputs)
        x = np.pad(x.repeat(2, axis=1).repeat(2, axis=2), ((0, 0), (1, 1), (1, 1), (0, 0)))
        size = x.shape[1] - 2
        border = np.array([0, *[1] * (size - 2), 2])
        sums = [x[:, i : i + size, j : j + size] @ kernel[i, j] for i in range(3) for j in range(3)]
        x = np.maximum(sum(sums) + biases[np.ix_(border, border)], 0)
    hidden = np.maximum(x @ take(channels[3], channels[4]) + take(channels[4]), 0)
    logits = (hidden @ take(channels[4], 1) + take(1))[..., 0]
    return np.asarray(expit(logits))


def kept_decoder(info: Mapping[str, Any], data: bytes, run: str, epoch: int) -> Numbers:
    """Return the weights of a decoder in the block of bytes: the sums of their two half floats.

    Raises:
        KeyError: for an epoch without a decoder.
    """
    (entry,) = (entry for entry in info["runs"] if entry["name"] == run)
    return unpack(data, entry["decoders"][str(epoch)]).sum(axis=0)


def _scale_and_shift(weights: Mapping[str, Numbers], number: int, epsilon: float) -> tuple[Numbers, Numbers]:
    """Return the scale and the shift that a batch norm applies in inference."""
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    gamma, beta, mean, variance = (weights[f"norm_{number}/{name}"] for name in names)
    scale = gamma / np.sqrt(variance + epsilon)
    return scale, beta - mean * scale


def _as_half_floats(weights: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return (2, n) half floats that add up to the weights (n,).

    One alone has 11 bits; its rounding grows to errors of 0.02 in an image, where logits are steep.
    """
    high = weights.astype(np.float16)
    return np.stack([high, (weights - high).astype(np.float16)])


def _pack_run(packer: Packer, name: str, run: Run, n_points: int) -> dict[str, Any]:
    """Pack a run, but for its errors and decoders, and return its entry of `info`."""
    data = dataset.build(run.experiment.data)
    places = data.parameters[data.train[: max(n_points, _MOST_PLACES)]]
    points, others = places[:n_points], places[n_points:]
    low, high = np.array(list(PARAMETER_RANGE.values())).T
    curves = dataset.draw(grid_points(), run.experiment.data)
    means = {}
    for epoch in run.kept_epochs:
        table = run.encode(curves, epoch).reshape(*GRID, _LATENTS)
        means[str(epoch)] = packer.add_range(table, "uint16", table.min(axis=(0, 1)), table.max(axis=(0, 1)))
    return {
        "name": name,
        "label": f"{name} (γ = {run.experiment.gamma:g})",
        "line_width": run.experiment.line_width,
        "epochs": run.epochs,
        "best": run.best_epoch,
        "view": [round(angle, 1) for angle in figures.viewing_angles(run.embeddings[run.best_epoch])],
        "points": packer.add_range(points, "uint16", low, high),
        "others": packer.add_range(others, "uint16", low, high),
        "embeddings": [
            packer.add_range(mu, "uint8", mu.min(axis=0), mu.max(axis=0)) for mu in run.embeddings[:, : len(points)]
        ],
        "means": means,
    }


def _pack_errors(packer: Packer, run: Run, epoch: int, n_points: int) -> dict[str, Any]:
    """Pack the reconstruction errors of a run's points, over each image's own variance."""
    error = point_errors(run, epoch, n_points)
    # The scale ends at the 98th percentile: with the hardest images in it, the others would have one colour.
    return packer.add_range(error, "uint8", float(np.min(error)), float(np.percentile(error, 98)))


def _as_hexadecimal(colormap: str) -> str:
    """Return a colour map as hexadecimal digits, six a step."""
    # The darkest tenth would be invisible on a dark page.
    colors = mpl.colormaps[colormap](np.linspace(0.1, 1, _COLORS))[:, :3]
    return "".join(f"{round(255 * channel):02x}" for color in colors for channel in color)
