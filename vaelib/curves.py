"""The polar curve R(θ) = b·cos(5θ) + a and its anti-aliased drawing.

A pixel's value is the overlap of two boxes on the line through the pixel's centre and the nearest point of the curve:
the line, `line_width` wide, and the pixel, one wide. Where pieces of the curve meet or cross, the larger value is kept,
so that a crossing is neither darker than its branches nor brighter than white.

Positions in an image are in pixels (x, y) of the result, and integers are pixel centres: the pixel `image[row, column]`
covers x from column - 0.5 to column + 0.5 and y from row - 0.5 to row + 0.5. Row 0 is the top, while y in units of the
curve points up.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaelib.system.provenance import processors

Numbers = NDArray[np.float64]
Framing = Literal["square", "study"]
FRAMINGS = ("square", "study")
LARGEST_RADIUS = 4.0
"""|a| + |b| may not exceed this, so that no curve leaves the frame; the study's largest is 2 + 2."""
RASTERISER_VERSION = 1
"""Raised by every change that alters a pixel; part of the image cache's key."""
FRAMING_VERSIONS: dict[Framing, int] = {"square": 1, "study": 2}
"""Raised by every change of where a framing puts the curves; above 1, part of the identity of an image or a run."""

_PETALS = 5
_STUDY_POINTS = 500  # that the study drew of each curve
_HALF_EXTENT = 4.2  # units from the middle to the edge of the square frame: the largest radius and a margin
# The study's small PNGs, as measured (section 1): size, pixels per unit, and the middle of the curve, in pixels from
# the picture's left and upper edge (an index counts from a pixel's centre, half a pixel less).
_STUDY_SIZE = (229, 172)  # width, height
_STUDY_SCALE = 17.5
_STUDY_MIDDLE = (118.95, 83.4)

_LONGEST_CHORD = 1.3  # pixels
_STRAY = 0.02  # pixels between a chord and its arc: 5 of 255 grey levels, where the curve turns most
_SLACK = 1.02  # chords are cut by interpolated length, so none is exactly as long as requested
_KNOTS = 101  # of arc length along half a petal; twice as dense as the study's points
_CHUNK = 256  # images drawn together: with fewer, threads wait for each other more than they draw


def radius(theta: ArrayLike, a: ArrayLike, b: ArrayLike) -> Numbers:
    """Return R(θ) = b·cos(5θ) + a, broadcast over the arguments (study, section 1).

    A negative radius means the point on the opposite side: (R cos θ, R sin θ) holds for both signs.

    Args:
        theta: Angles in radians.
        a: The circle's radius, in units of the curve.
        b: The petals' amplitude, in units of the curve.
    """
    return np.asarray(np.asarray(b) * np.cos(_PETALS * np.asarray(theta)) + np.asarray(a), dtype=np.float64)


def points(a: float, b: float, n: int = _STUDY_POINTS) -> Numbers:
    """Return (n, 2) points (x, y) of the curve, in units, θ over one full turn, both ends included.

    Args:
        a: The circle's radius.
        b: The petals' amplitude.
        n: The number of points, from 2; the study drew 500.

    Raises:
        ValueError: `a`, `b` or `n` is not allowed.
    """
    if n < 2:
        raise ValueError(f"n = {n!r}; allowed: 2 points or more")
    x, y = _outlines(*_parameters(a, b), n)
    return np.stack([x[0], y[0]], axis=-1)


def bounding_box(a: ArrayLike, b: ArrayLike) -> Numbers:
    """Return (n, 4): the least x, least y, largest x and largest y, in units, of the study's 500 points a curve.

    `a`, `b` and the errors are as in `render`.
    """
    x, y = _outlines(*_parameters(a, b), _STUDY_POINTS)
    return np.stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)], axis=1)


def to_pixels(
    x: ArrayLike, y: ArrayLike, a: ArrayLike, b: ArrayLike, *, image_size: int, framing: Framing
) -> tuple[Numbers, Numbers]:
    """Return the column and row, in pixels, of the point (x, y) in the image of the curve (a, b).

    Integers are pixel centres. The results have the shape of `x` and `y`.

    Args:
        x: Of any shape, in units, for scalar `a` and `b`; else it broadcasts against (n,) on its first axis: (n,) or
            (n, m).
        y: As `x`.
        a: A scalar or (n,).
        b: A scalar or (n,).
        image_size: Pixels along one side.
        framing: "square" is undistorted, with the origin in the middle and 4.2 units to each edge. "study" is the
            study's frame of 229/17.5 × 172/17.5 units, about 13.09 × 9.83, stretched to a square, so that shapes are
            1.33 times taller than wide, each image centred horizontally on its curve's bounding box (study, section 1).

    Raises:
        ValueError: As in `render`.
    """
    _check_frame(image_size, framing)
    all_a, all_b = _parameters(a, b)
    scale, offset = _affine(all_a, all_b, image_size, framing)
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if np.ndim(a) == 0 and np.ndim(b) == 0:
        return x * scale[0] + offset[0, 0], y * scale[1] + offset[0, 1]
    columns, rows = (offset[:, axis].reshape((-1,) + (1,) * (max(x.ndim, 1) - 1)) for axis in (0, 1))
    return x * scale[0] + columns, y * scale[1] + rows


def render(a: ArrayLike, b: ArrayLike, *, image_size: int, line_width: float, framing: Framing) -> NDArray[np.uint8]:
    """Draw curves, white (255) on black (0), anti-aliased: (n, image_size, image_size) uint8.

    A pixel at distance d of the curve has 255·clip(min(line_width/2 + 0.5 - d, line_width, 1), 0, 1). An image depends
    on its own (a, b) alone, not on the others drawn with it.

    Args:
        a: A scalar (n = 1) or (n,); |a| + |b| is at most 4.
        b: A scalar or (n,).
        image_size: Pixels along one side, from 1.
        line_width: In pixels of the result, above 0, the same in every direction whatever the framing; a line thinner
            than a pixel is a darker one.
        framing: See `to_pixels`.

    Raises:
        ValueError: An argument is not finite, not in its range or of another length; the message names it.
    """
    _check_frame(image_size, framing)
    a, b = _parameters(a, b)
    if isinstance(line_width, bool) or not isinstance(line_width, Real) or not 0 < line_width < math.inf:
        raise ValueError(f"line_width = {line_width!r}; allowed: finite numbers greater than 0, in pixels")
    images = np.zeros((len(a), image_size, image_size), dtype=np.uint8)
    # Wide lines touch many pixels a chord, so that fewer images are as much work.
    chunk = max(1, min(_CHUNK, int(_CHUNK * 64 / (line_width + 3) ** 2), math.ceil(len(a) / processors())))
    pieces = [slice(start, start + chunk) for start in range(0, len(a), chunk)]

    def draw(piece: slice) -> None:
        _draw(images[piece], a[piece], b[piece], float(line_width), framing)

    _in_threads(draw, pieces)
    return images


def _outlines(a: Numbers, b: Numbers, n: int) -> tuple[Numbers, Numbers]:
    """Return x and y of n points of each curve, θ over one full turn, for a and b (curves,): (curves, n) each."""
    theta = np.linspace(0.0, 2 * np.pi, n)
    r = radius(theta, a[:, None], b[:, None])
    return r * np.cos(theta), r * np.sin(theta)


def _parameters(a: ArrayLike, b: ArrayLike) -> tuple[Numbers, Numbers]:
    """Return a and b as (n,) float64, checked; a scalar beside an array counts for all."""
    values: dict[str, Numbers] = {}
    for name, given in (("a", a), ("b", b)):
        try:
            array = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} = {given!r}; allowed: numbers") from error
        if array.ndim > 1:
            raise ValueError(f"{name} has shape {array.shape}; allowed: a number or shape (n,)")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} = {array[~np.isfinite(array)].flat[0]}; allowed: finite numbers")
        values[name] = array
    a, b = values["a"], values["b"]
    if a.ndim == 1 and b.ndim == 1 and len(a) != len(b):
        raise ValueError(f"a has {len(a)} values and b has {len(b)}; allowed: equal numbers")
    a, b = (np.ascontiguousarray(array) for array in np.broadcast_arrays(np.atleast_1d(a), np.atleast_1d(b)))
    reach = np.abs(a) + np.abs(b)
    if len(a) and reach.max() > LARGEST_RADIUS * (1 + 1e-9):
        i = int(np.argmax(reach))
        raise ValueError(f"a = {a[i]:g}, b = {b[i]:g}; allowed: |a| + |b| up to {LARGEST_RADIUS:g}, the frame")
    return a, b


def _check_frame(image_size: Any, framing: Any) -> None:
    if isinstance(image_size, bool) or not isinstance(image_size, Integral) or image_size < 1:
        raise ValueError(f"image_size = {image_size!r}; allowed: whole numbers from 1, in pixels")
    if framing not in FRAMINGS:
        raise ValueError(f"framing = {framing!r}; allowed: {', '.join(FRAMINGS)}")


def _affine(a: Numbers, b: Numbers, image_size: int, framing: Framing) -> tuple[tuple[float, float], Numbers]:
    """Return the scale (x, y) in pixels per unit and the (n, 2) positions (x, y) of the origins in pixels."""
    if framing == "square":
        scale = image_size / (2 * _HALF_EXTENT)
        return (scale, -scale), np.full((len(a), 2), (image_size - 1) / 2)
    stretch_x, stretch_y = image_size / _STUDY_SIZE[0], image_size / _STUDY_SIZE[1]
    box = bounding_box(a, b)  # (n, 4)
    middle = (box[:, 0] + box[:, 2]) / 2  # the middle of the curve, in units
    x = _STUDY_MIDDLE[0] - middle * _STUDY_SCALE  # of 229, from the left edge
    y = np.full(len(a), _STUDY_MIDDLE[1])
    # From the edge of the small picture to the centres of the pixels of the stretched one.
    origin = np.stack([x * stretch_x - 0.5, y * stretch_y - 0.5], axis=1)
    return (_STUDY_SCALE * stretch_x, -_STUDY_SCALE * stretch_y), origin


def _in_threads(work: Callable[[slice], None], pieces: list[slice]) -> None:
    """Do all pieces on all processors; numpy releases the interpreter's lock in its loops, so threads suffice."""
    threads = min(processors(), len(pieces))
    if threads <= 1:
        list(map(work, pieces))
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, pieces))  # the results are requested so that an error is raised here


def _half_petals(a: Numbers, b: Numbers, longest: float, stray: float) -> tuple[Numbers, Numbers, NDArray[np.intp]]:
    """Cut half a petal of each curve, θ from 0 to π/5, into chords.

    They are no longer than about `longest`, and no farther from the curve than about `stray`, both in units. Return the
    chords' middles and half vectors, (2, m) each, x and y in units, and the curve each belongs to, (m,). The other nine
    half petals are images of this one, so that every tip and every innermost point, where the curve turns most, is the
    end of a chord.
    """
    n = len(a)
    knots = np.linspace(0.0, np.pi / _PETALS, max(_KNOTS, math.ceil(4 / longest)))
    between = _PETALS * (knots[1:] + knots[:-1]) / 2
    wave = b[:, None] * np.cos(between)  # (n, knots - 1)
    r, slope = wave + a[:, None], -_PETALS * b[:, None] * np.sin(between)
    speed = np.sqrt(r * r + slope * slope) + 1e-12  # arc length per radian; not 0 where the curve is a point
    # An arc of length s and curvature κ strays from its chord by κs²/8.
    bend = np.abs(r * r + 2 * slope * slope + _PETALS**2 * wave * r)  # κ · speed³
    chords = np.maximum(speed / longest, np.sqrt(bend / (8 * stray * speed)))  # needed, per radian
    length = np.concatenate([np.zeros((n, 1)), np.cumsum(chords * knots[1], axis=1)], axis=1)
    count = np.ceil(1.01 * length[:, -1]).astype(np.intp)
    owner = np.repeat(np.arange(n), count + 1)  # of every chord's end
    equal = [np.linspace(0.0, length[i, -1], count[i] + 1) for i in range(n)]
    theta = np.concatenate([np.interp(equal[i], length[i], knots) for i in range(n)])
    r = radius(theta, a[owner], b[owner])
    ends = np.stack([r * np.cos(theta), r * np.sin(theta)])  # (2, ends)
    begins = np.flatnonzero(owner[:-1] == owner[1:])  # a chord joins two ends on the same curve
    begin, end = ends[:, begins], ends[:, begins + 1]
    return (begin + end) / 2, (end - begin) / 2, owner[begins]


def _draw(images: NDArray[np.uint8], a: Numbers, b: Numbers, line_width: float, framing: Framing) -> None:
    """Draw n curves into `images` (n, size, size), contiguous: a small square is stamped round each chord."""
    size = images.shape[1]
    scale, origin = _affine(a, b, size, framing)
    per_unit = max(abs(scale[0]), abs(scale[1]))
    reach = line_width / 2 + 0.5  # pixels whose centres are farther from the curve stay black
    # Every chord stamps a square that holds all pixels in reach; chords of about a pixel use it best. Its side, and so
    # the rounding of distances, must not depend on the other curves of the call.
    side = math.ceil(2 * reach + _SLACK)
    longest = min((side - 2 * reach) / _SLACK, _LONGEST_CHORD)
    side = min(side, size)
    middle, half, owner = _half_petals(a, b, longest / per_unit, _STRAY / per_unit)
    # The ten half petals: five turns, of the half petal and of its mirror image.
    turn = 2 * np.pi / _PETALS * np.arange(_PETALS).repeat(2)[:, None]
    mirror = np.tile([1.0, -1.0], _PETALS)[:, None]
    cosine, sine = np.cos(turn), np.sin(turn)  # (10, 1)
    # From here on in pixels, for all chords of all curves.
    middle_x = (scale[0] * (cosine * middle[0] - sine * mirror * middle[1]) + origin[owner, 0]).ravel()
    middle_y = (scale[1] * (sine * middle[0] + cosine * mirror * middle[1]) + origin[owner, 1]).ravel()
    half_x = (scale[0] * (cosine * half[0] - sine * mirror * half[1])).astype(np.float32).ravel()
    half_y = (scale[1] * (sine * half[0] + cosine * mirror * half[1])).astype(np.float32).ravel()
    half_length = np.sqrt(half_x * half_x + half_y * half_y)

    # Where the square would leave the image it is moved in, and still holds all pixels in reach.
    column = np.clip(np.ceil(middle_x - side / 2), 0, size - side)
    row = np.clip(np.ceil(middle_y - side / 2), 0, size - side)
    corner = ((np.tile(owner, 10) * size + row) * size + column).astype(np.intp)  # index in all images

    # Along and across the chord, from its middle to the corner's pixel; the other pixels add their offset.
    dot = half_length < 1e-6  # too short to have a direction
    half_length[dot] = 1
    step_x, step_y = np.where(dot, np.float32(1), half_x / half_length), half_y / half_length
    half_length[dot] = 0
    away_x = (column - middle_x).astype(np.float32)
    away_y = (row - middle_y).astype(np.float32)
    _stamp(
        images.reshape(-1),  # a view
        corner,
        half_length,
        (away_x * step_x + away_y * step_y, away_y * step_x - away_x * step_y),
        (step_x, step_y),
        side=side,
        stride=size,
        line_width=line_width,
    )


def _stamp(
    target: NDArray[np.uint8],
    corner: NDArray[np.intp],
    half_length: NDArray[np.float32],
    position: tuple[NDArray[np.float32], NDArray[np.float32]],
    step: tuple[NDArray[np.float32], NDArray[np.float32]],
    *,
    side: int,
    stride: int,
    line_width: float,
) -> None:
    """Raise the pixels of a square of `side` pixels round each of m chords to their coverage.

    `corner` (m,) is the index of each square's first pixel in `target`, `position` that pixel's place along and across
    its chord, from the chord's middle, and `step` the chord's direction (x, y).
    """
    reach = np.float32(line_width / 2 + 0.5)
    brightest = np.float32(255 * min(line_width, 1.0))
    along_row, across_row = position
    step_x, step_y = step
    along, across, squared, aside = (np.empty_like(half_length) for _ in range(4))
    within = np.empty(half_length.shape, dtype=bool)
    for row in range(side):
        np.copyto(along, along_row)
        np.copyto(across, across_row)
        for column in range(side):
            np.abs(along, out=squared)
            squared -= half_length
            np.maximum(squared, 0, out=squared)  # the distance beyond the chord's end
            squared *= squared
            np.multiply(across, across, out=aside)
            squared += aside  # the square of the distance
            np.less(squared, reach * reach, out=within)
            near = np.flatnonzero(within)
            value = squared[near]
            np.sqrt(value, out=value)
            np.subtract(reach, value, out=value)
            value *= 255
            np.minimum(value, brightest, out=value)
            value += 0.5  # rounds; a difference rounded to a little below 0 stays above -0.5
            np.maximum.at(target, corner[near] + (row * stride + column), value.astype(np.uint8))
            along += step_x
            across -= step_y
        along_row += step_y
        across_row += step_x
