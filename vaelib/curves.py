"""The polar curve R(θ) = b·cos(5θ) + a and its anti-aliased drawing.

A pixel's value is the overlap of two boxes on the line through the pixel's centre and the nearest point of
the curve: the line, `line_width` wide, and the pixel, one wide. Where pieces of the curve meet or cross the
larger value stays, so that a crossing is never darker than its branches nor brighter than white.

Positions in an image are in pixels (x, y) of the result, and **integers are pixel centres**: the pixel
`image[row, column]` covers x from column - 0.5 to column + 0.5 and y from row - 0.5 to row + 0.5. Row 0 is
the top, while y in units of the curve points up.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaelib.system.provenance import processors

Framing = Literal["square", "study"]
FRAMINGS = ("square", "study")
LARGEST_RADIUS = 4.0
"""|a| + |b| may not exceed this, so that no curve leaves the frame; the study's largest is 2 + 2."""
RASTERISER_VERSION = 1
"""Counts the changes that alter a pixel; the image cache is keyed by it."""
FRAMING_VERSIONS: dict[Framing, int] = {"square": 1, "study": 2}
"""Count the changes of where a framing puts the curves; beyond 1 they are part of what an image or a run is."""

_PETALS = 5
_HALF_EXTENT = 4.2  # units from the middle to the edge of the square frame: the largest radius and a margin
# The study's small PNGs, as measured (section 1): size, pixels per unit, where the curve's middle lies, in pixels from
# the picture's left and upper edge (an index counts from a pixel's centre, half a pixel less).
_STUDY_SIZE = (229, 172)  # width, height
_STUDY_SCALE = 17.5
_STUDY_MIDDLE = (118.95, 83.4)

_LONGEST_CHORD = 1.3  # pixels
_STRAY = 0.02  # pixels between a chord and its arc: 5 of 255 grey levels, where the curve turns most
_SLACK = 1.02  # chords are cut by interpolated length, so none comes out exactly as long as asked
_KNOTS = 101  # of arc length along half a petal; twice as dense as the study's points
_CHUNK = 256  # images drawn together: with fewer, threads wait for each other more than they draw


def radius(theta: ArrayLike, a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Return R(θ) = b·cos(5θ) + a, broadcast over the arguments (study, section 1).

    `theta` is in radians, `a` (the circle's radius) and `b` (the petals' amplitude) in units of the curve. A
    negative radius means the point on the opposite side: (R cos θ, R sin θ) holds for both signs.
    """
    return np.asarray(np.asarray(b) * np.cos(_PETALS * np.asarray(theta)) + np.asarray(a), dtype=np.float64)


def points(a: float, b: float, n: int = 500) -> NDArray[np.float64]:
    """Return (n, 2) points (x, y) of the curve, in units, θ over one full turn, both ends included.

    The study drew 500. Raises ValueError when a or b is not finite or n is less than 2.
    """
    if n < 2:
        raise ValueError(f"n = {n!r}; allowed: 2 points or more")
    a, b = (values[0] for values in _parameters(a, b))
    theta = np.linspace(0.0, 2 * np.pi, n)
    r = radius(theta, a, b)
    return np.stack([r * np.cos(theta), r * np.sin(theta)], axis=-1)  # (n, 2)


def bounding_box(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Return (n, 4): the least x, least y, largest x, largest y in units of the study's 500 points a curve.

    `a` and `b` are scalars (n = 1) or of shape (n,). Raises ValueError as `render` does.
    """
    a, b = _parameters(a, b)
    theta = np.linspace(0.0, 2 * np.pi, 500)
    r = b[:, None] * np.cos(_PETALS * theta) + a[:, None]  # (n, 500)
    x, y = r * np.cos(theta), r * np.sin(theta)
    return np.stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)], axis=1)


def to_pixels(
    x: ArrayLike, y: ArrayLike, a: ArrayLike, b: ArrayLike, *, image_size: int, framing: Framing
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the point (x, y), in units, lies in the image of the curve (a, b): column and row, pixels.

    Integers are pixel centres. With scalars `a` and `b`, `x` and `y` have any one shape, which the results
    have too; with (n,) arrays, `x` and `y` broadcast against (n,) on their first axis: (n,) or (n, m).

    `square`: undistorted, the origin in the middle, 4.2 units to each edge. `study`: its frame of 229/17.5 ×
    172/17.5 units, about 13.09 × 9.83, stretched to a square, so that shapes are 1.33 times taller than wide,
    each image centred horizontally on its curve's bounding box (study, section 1). Raises ValueError as
    `render` does.
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

    `a` and `b` are scalars (n = 1) or of shape (n,), |a| + |b| at most 4. `line_width` is in pixels of the
    result and the same in every direction, whatever the framing; a line thinner than a pixel is a darker one.
    A pixel at distance d of the curve has 255·clip(min(line_width/2 + 0.5 - d, line_width, 1), 0, 1). For
    `framing` see `to_pixels`. An image depends on its own (a, b) alone, not on the others drawn with it.

    Raises ValueError, which names the argument, for parameters that are not finite, of different lengths or
    too large for the frame, a line width that is not positive and finite, a size below 1 and an unknown
    framing.
    """
    _check_frame(image_size, framing)
    a, b = _parameters(a, b)
    if isinstance(line_width, bool) or not isinstance(line_width, Real) or not 0 < line_width < math.inf:
        raise ValueError(f"line_width = {line_width!r}; allowed: finite numbers greater than 0, in pixels")
    images = np.zeros((len(a), image_size, image_size), dtype=np.uint8)
    # Wide lines touch many pixels a chord, so fewer images make as much work.
    chunk = max(1, min(_CHUNK, int(_CHUNK * 64 / (line_width + 3) ** 2), math.ceil(len(a) / processors())))
    pieces = [slice(start, start + chunk) for start in range(0, len(a), chunk)]

    def draw(piece: slice) -> None:
        _draw(images[piece], a[piece], b[piece], float(line_width), framing)

    _each(draw, pieces)
    return images


def _parameters(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a and b as (n,) float64, checked; a scalar beside an array counts for all."""
    values: dict[str, NDArray[np.float64]] = {}
    for name, given in (("a", a), ("b", b)):
        try:
            array = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} = {given!r}; allowed: numbers") from error
        if array.ndim > 1:
            raise ValueError(f"{name} has shape {array.shape}; allowed: a number or shape (n,)")
        if not np.isfinite(array).all():
            wrong = array[~np.isfinite(array)].flat[0]
            raise ValueError(f"{name} = {wrong}; allowed: finite numbers")
        values[name] = array
    a, b = values["a"], values["b"]
    if a.ndim == 1 and b.ndim == 1 and len(a) != len(b):
        raise ValueError(f"a has {len(a)} values and b has {len(b)}: as many are allowed")
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


def _affine(
    a: NDArray[np.float64], b: NDArray[np.float64], image_size: int, framing: Framing
) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """Return the scale (x, y) in pixels per unit and the (n, 2) positions (x, y) of the origins in pixels."""
    if framing == "square":
        scale = image_size / (2 * _HALF_EXTENT)
        return (scale, -scale), np.full((len(a), 2), (image_size - 1) / 2)
    stretch_x, stretch_y = image_size / _STUDY_SIZE[0], image_size / _STUDY_SIZE[1]
    box = bounding_box(a, b)  # (n, 4)
    middle = (box[:, 0] + box[:, 2]) / 2  # the middle of the curve, in units
    x = _STUDY_MIDDLE[0] - middle * _STUDY_SCALE  # of 229, from the left edge
    y = np.full(len(a), _STUDY_MIDDLE[1])
    # From the edge of the small picture to the centres of the stretched one's pixels.
    origin = np.stack([x * stretch_x - 0.5, y * stretch_y - 0.5], axis=1)
    return (_STUDY_SCALE * stretch_x, -_STUDY_SCALE * stretch_y), origin


def _each(work: Callable[[slice], None], pieces: list[slice]) -> None:
    """Do all pieces on all processors; numpy frees the interpreter within its loops, so threads suffice."""
    threads = min(processors(), len(pieces))
    if threads <= 1:
        for piece in pieces:
            work(piece)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, pieces):
            pass  # asks for the result, so that an error is raised here


def _half_petals(
    a: NDArray[np.float64], b: NDArray[np.float64], longest: float, stray: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Cut half a petal of each curve, θ from 0 to π/5, into chords.

    They are no longer than about `longest`, and no farther from the curve than about `stray`, both in units.
    Return the chords' middles and half vectors, (2, m) each, x and y in units, and the curve each belongs to,
    (m,). The other nine half petals are images of this one, so that every tip and every innermost point,
    where the curve turns most, is the end of a chord.
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
    r = b[owner] * np.cos(_PETALS * theta) + a[owner]
    ends = np.stack([r * np.cos(theta), r * np.sin(theta)])  # (2, ends)
    begins = np.flatnonzero(owner[:-1] == owner[1:])  # a chord joins two ends of one curve
    begin, end = ends[:, begins], ends[:, begins + 1]
    return (begin + end) / 2, (end - begin) / 2, owner[begins]


def _draw(
    images: NDArray[np.uint8],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    line_width: float,
    framing: Framing,
) -> None:
    """Draw n curves into `images` (n, size, size), contiguous: a small square is stamped round each chord."""
    size = images.shape[1]
    scale, origin = _affine(a, b, size, framing)
    per_unit = max(abs(scale[0]), abs(scale[1]))
    reach = line_width / 2 + 0.5  # pixels whose centres are farther from the curve stay black
    # Every chord stamps a square of pixels that holds all in reach; chords of about a pixel use it best. Its
    # side, and so the rounding of distances, must not depend on the other curves drawn along.
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

    # Where the square sticks out of the image it is moved in, and still holds all pixels in reach.
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

    `corner` (m,) indexes each square's first pixel in `target`, `position` is where that pixel lies along and
    across its chord, seen from the chord's middle, and `step` is the chord's direction (x, y).
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
            np.maximum(squared, 0, out=squared)  # how far past the chord's end
            squared *= squared
            np.multiply(across, across, out=aside)
            squared += aside  # the distance's square
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
