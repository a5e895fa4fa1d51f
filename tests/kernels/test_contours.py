import numba
import numpy as np
import pytest

from doseplan.kernels.contours import contour_distance

LOW, PITCH, SIZE = np.array([-4.0, -5.0]), 0.5, (2, 17, 21)


def planes() -> list[list[np.ndarray]]:
    """A star with a hole, and two triangles."""
    angle = np.linspace(0.0, 2 * np.pi, 14, endpoint=False)
    radius = np.where(np.arange(14) % 2, 1.5, 3.3)
    star = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    hole = 0.3 * star[::-1]
    first = np.array([[-3.0, -4.0], [-1.0, -4.0], [-2.0, -1.0]])
    return [[star, hole], [first, -first]]


def measure(found: list[list[np.ndarray]]) -> np.ndarray:
    parts = [part for plane in found for part in plane]
    out = np.empty(SIZE)
    contour_distance(
        np.concatenate(parts),
        np.cumsum([0, *map(len, parts)]),
        np.cumsum([0, *map(len, found)]),
        LOW,
        PITCH,
        out,
    )
    return out


def test_distances_are_those_of_the_slow_twin(naive) -> None:
    slow = naive("naive_contours").contour_distance
    out = measure(planes())
    for plane, contours in enumerate(planes()):
        for row in range(SIZE[1]):
            for column in range(SIZE[2]):
                y, x = LOW + PITCH * np.array([row, column])
                wanted = slow([part.tolist() for part in contours], y, x)
                assert out[plane, row, column] == pytest.approx(wanted, abs=1e-12)


def test_a_plane_without_contours_is_far_from_all() -> None:
    star = planes()[0]
    assert np.isinf(measure([star, []])[1]).all()


def test_one_and_two_threads_give_the_same_bits() -> None:
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    one = measure(planes())
    numba.set_num_threads(threads)
    assert one.tobytes() == measure(planes()).tobytes()
