"""Contours along pixel edges give the mask back, whatever its holes and corners."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from doseplan.exchange.dicom_contours import mask_contours

Mask = NDArray[np.bool_]


def crossings(contour: NDArray[np.int64], shape: tuple[int, int]) -> Mask:
    """Count the edges to the left of every pixel centre: odd is inside."""
    count = np.zeros(shape, dtype=int)
    for (x, low), (other, high) in zip(contour, np.roll(contour, -1, axis=0), strict=True):
        assert x == other or low == high
        if x == other:
            count[min(low, high) : max(low, high), x:] += 1
    return count % 2 == 1


def winding(contour: NDArray[np.int64], shape: tuple[int, int]) -> Mask:
    """Sum the turns round every pixel centre: anything but 0 is inside."""
    turns = np.zeros(shape, dtype=int)
    for (x, low), (other, high) in zip(contour, np.roll(contour, -1, axis=0), strict=True):
        if x == other:
            turns[min(low, high) : max(low, high), x:] += np.sign(high - low)
    return turns != 0


@settings(max_examples=300)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14)))
def test_any_mask_is_given_back_by_every_rule(mask: Mask) -> None:
    contours = mask_contours(mask)
    for inside in (crossings, winding):
        parts = [inside(contour, mask.shape) for contour in contours]
        either = np.logical_or.reduce([np.zeros_like(mask), *parts])
        odd = np.logical_xor.reduce([np.zeros_like(mask), *parts])
        np.testing.assert_array_equal(either, mask)
        np.testing.assert_array_equal(odd, mask)


@pytest.mark.parametrize("filled", [0.1, 0.5, 0.8, 0.97])
def test_large_mask_with_many_holes_is_given_back(filled: float) -> None:
    mask = np.random.default_rng(3).random((80, 61)) < filled
    parts = [crossings(contour, mask.shape) for contour in mask_contours(mask)]
    np.testing.assert_array_equal(np.logical_xor.reduce(parts), mask)


@given(st.integers(1, 6), st.integers(1, 6))
def test_rectangle_has_four_corners(rows: int, columns: int) -> None:
    mask = np.zeros((9, 8), dtype=bool)
    mask[2 : 2 + rows, 1 : 1 + columns] = True
    (contour,) = mask_contours(mask)
    assert sorted(map(tuple, contour.tolist())) == sorted(
        (x, y) for x in (1, 1 + columns) for y in (2, 2 + rows)
    )


def test_ring_is_one_contour_with_a_keyhole() -> None:
    mask = np.ones((5, 5), dtype=bool)
    mask[2, 2] = False
    (contour,) = mask_contours(mask)
    corners = list(map(tuple, contour.tolist()))
    assert len(corners) == 10
    assert corners.count((0, 2)) == 2  # where the channel leaves the outside


def test_pixels_that_touch_at_a_corner_are_two_parts() -> None:
    assert len(mask_contours(np.eye(2, dtype=bool))) == 2
    assert len(mask_contours(np.eye(2, dtype=bool)[::-1])) == 2


def test_empty_mask_has_no_contour() -> None:
    assert mask_contours(np.zeros((3, 4), dtype=bool)) == []
