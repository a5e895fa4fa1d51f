"""Contours that follow the edges of pixels, holes joined to the outside by a keyhole."""

import numpy as np
from numpy.typing import NDArray

RIGHT, DOWN, LEFT, UP = range(4)

Loop = list[int]
"""Corners of pixels in order, each as row * (columns + 1) + column."""


def mask_contours(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Trace the outlines of the pixels that are set, one closed contour for each part.

    Parameters
    ----------
    mask : (row, column) bool

    Returns
    -------
    list of (point, 2) int64
        Corner of a pixel as (column, row): pixel (r, c) reaches from (c, r) to (c + 1, r + 1). The first
        point is not repeated at the end.

    Notes
    -----
    Pixels that touch at a corner only are parts of their own. A hole is joined to the contour around it by a
    channel of no width (keyhole, DICOM PS3.3 C.8.8.6.3), so that readers that fill each contour, and readers
    that count crossings, see the same. Contours lie half a pixel from every pixel centre: a rasteriser that
    tests centres gets the mask back as it was.
    """
    width = mask.shape[1] + 1
    contours = [_corners(loop, width) for loop in _join_holes(_boundary_loops(mask), width)]
    return [np.stack([np.remainder(loop, width), np.floor_divide(loop, width)], axis=1) for loop in contours]


def _boundary_loops(mask: NDArray[np.bool_]) -> list[Loop]:
    """Follow all edges between set and unset pixels: outlines clockwise (rows go down), holes against it."""
    width = mask.shape[1] + 1
    steps = (1, width, -1, -width)
    leaving = _leaving_edges(mask).tobytes()
    left = bytearray(leaving)
    loops = []
    for start in np.flatnonzero(np.frombuffer(leaving, dtype=np.uint8)).tolist():
        while left[start]:
            first = left[start].bit_length() - 1
            at, heading = start, first
            loop: Loop = []
            while not loop or (at, heading) != (start, first):
                left[at] &= ~(1 << heading)
                loop.append(at)
                at += steps[heading]
                heading = _next_heading(leaving[at], heading)
            loops.append(loop)
    return loops


def _leaving_edges(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Mark at each corner the headings of the edges that leave it, with set pixels on their right-hand side.

    Returns
    -------
    (row + 1, column + 1) uint8
        Bit n is set for heading n.
    """
    padded = np.pad(mask, 1)
    above_left, above_right = padded[:-1, :-1], padded[:-1, 1:]
    below_left, below_right = padded[1:, :-1], padded[1:, 1:]
    headings = {
        RIGHT: below_right & ~above_right,
        DOWN: below_left & ~below_right,
        LEFT: above_left & ~below_left,
        UP: above_right & ~above_left,
    }
    leaving = np.zeros(above_left.shape, dtype=np.uint8)
    for heading, found in headings.items():
        leaving |= found.astype(np.uint8) << heading
    return leaving


def _next_heading(leaving: int, heading: int) -> int:
    """Turn right where that is possible, to stay with the same pixel where two touch at a corner."""
    turns = ((heading + turn) % 4 for turn in (1, 0, 3))
    return next(turn for turn in turns if leaving >> turn & 1)


def _join_holes(loops: list[Loop], width: int) -> list[Loop]:
    """Splice every hole into the loop around it.

    The channel runs from the hole's leftmost corner to the left, until it meets a loop. The holes further
    left are joined already, so that the loop it meets always leads to the outside.
    """
    joined = [loop for loop in loops if _is_outline(loop)]
    holes = [_from_leftmost(loop, width) for loop in loops if not _is_outline(loop)]
    owner = {corner: number for number, loop in enumerate(joined) for corner in loop}
    for hole in sorted(holes, key=lambda hole: (hole[0] % width, hole[0])):
        meets = hole[0] - 1
        while meets not in owner:
            meets -= 1
        number, channel = owner[meets], list(range(meets + 1, hole[0]))
        place = joined[number].index(meets)
        around = [meets, *channel, *hole, hole[0], *reversed(channel)]
        joined[number][place:place] = around
        owner |= dict.fromkeys((*channel, *hole), number)
    return joined


def _is_outline(loop: Loop) -> bool:
    """Tell outlines from holes by the first corner in reading order: an outline leaves it to the right."""
    first = loop.index(min(loop))
    return loop[(first + 1) % len(loop)] == loop[first] + 1


def _from_leftmost(loop: Loop, width: int) -> Loop:
    first = min(range(len(loop)), key=lambda place: (loop[place] % width, loop[place]))
    return loop[first:] + loop[:first]


def _corners(loop: Loop, width: int) -> NDArray[np.int64]:
    """Drop the points in the middle of straight edges."""
    points = np.array(loop, dtype=np.int64)
    arrives, leaves = points - np.roll(points, 1), np.roll(points, -1) - points
    corners: NDArray[np.int64] = points[arrives != leaves]
    return corners
