"""Chords, tangents and rows on small numbers that are worked out by hand, and their evidence."""

import numpy as np
import pytest

from doseplan.biology.models import rbe_model
from doseplan.planning.evidence import Evidence
from doseplan.planning.relaxation import (
    ROUNDING,
    Cut,
    chord,
    heaviest,
    mixture_range,
    narrowed,
    other_side,
    root_on_arc,
    row_effects,
    tangent_lines,
)


@pytest.fixture
def evidence() -> Evidence:
    """Two target rows, two limited ones, three spots; spot 2 hardly reaches anything."""
    return Evidence(
        linear=np.array([[2.0, 6.0, 0.0], [1.0, 3.0, 0.5], [1.5, 0.0, 0.0], [3.0, 4.0, 0.0]]),
        root=np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]),
        targets=2,
        most=np.array([2.5, 12.0]),
        scale="LEM1",
        fractions=8,
    )


def test_mixtures_lie_between_those_of_the_spots(evidence: Evidence) -> None:
    low, high = mixture_range(evidence)
    # spot 2 gives row 0 nothing, and row 1 a linear channel alone: that mixture has no end
    assert low.tolist() == [2.0 * (1.0 - 1e-12), 0.5 * (1.0 - 1e-12)]
    assert high.tolist() == [3.0 * (1.0 + 1e-12), 1e9 * (1.0 + 1e-12)]


def test_cuts_narrow_a_range_and_never_widen_it() -> None:
    mixture = (np.array([1.0, 2.0]), np.array([5.0, 6.0]))
    path = (
        Cut(row=0, ratio=2.0, at_least=True),
        Cut(row=0, ratio=1.5, at_least=True),
        Cut(row=1, ratio=4.0, at_least=False),
        Cut(row=1, ratio=4.5, at_least=False),
    )
    low, high = narrowed(mixture, path)
    assert (low.tolist(), high.tolist()) == ([2.0, 2.0], [5.0, 4.0])
    assert (mixture[0].tolist(), mixture[1].tolist()) == ([1.0, 2.0], [5.0, 6.0])


def test_a_split_has_two_sides() -> None:
    cut = Cut(row=3, ratio=2.5, at_least=True)
    assert other_side(cut) == Cut(row=3, ratio=2.5, at_least=False)
    assert other_side(other_side(cut)) == cut


def test_rays_meet_the_arc() -> None:
    # b + 0 = 1; 3 b + b^2 = 4 at b = 1; a ray of nothing but b meets it at the square root
    np.testing.assert_allclose(root_on_arc(np.array([3.0, 0.0]), 4.0), [1.0, 2.0], rtol=1e-15)


def test_a_chord_joins_both_ends() -> None:
    slope, offset = chord((np.array([0.0]), np.array([3.0])), 4.0)
    # b at its ends is 1 and 2
    np.testing.assert_allclose((slope, offset), ([3.0], [2.0]), rtol=1e-15)


def test_a_tangent_touches_the_limit_and_is_weaker_elsewhere(evidence: Evidence) -> None:
    slope, right = tangent_lines(evidence, np.array([0.5, 3.0]))
    left = evidence.linear[evidence.targets :] + slope[:, np.newaxis] * evidence.root[evidence.targets :]
    assert left.tolist() == [[2.5, 0.0, 0.0], [3.0, 16.0, 0.0]]
    assert right.tolist() == [2.75, 21.0]


def test_a_spot_alone_reaches_the_first_of_its_limits(evidence: Evidence) -> None:
    found = heaviest(evidence)
    # spot 0: 1.5 w + w^2 = 2.5 at 1 and 3 w = 12 at 4; spot 1: 4 w + 4 w^2 = 12 at (sqrt(13) - 1) / 2
    np.testing.assert_allclose(found[:2], [1.0, (np.sqrt(13.0) - 1.0) / 2.0], rtol=3.0 * ROUNDING)
    assert found[2] == np.inf
    exact = np.where(np.arange(3) == 1, found, 0.0)
    # limits are taken three roundings of an entry higher, to float64
    np.testing.assert_allclose(row_effects(evidence, exact)[3], 12.0 * (1.0 + 3.0 * ROUNDING), rtol=1e-14)


def test_effects_of_rows_are_those_of_all_spots_together(evidence: Evidence) -> None:
    # row 0: a = 2 + 12, b = 1 + 4; row 1: a = 1 + 6 + 1.5, b = 2 + 2; row 2: 1.5, 1; row 3: 3 + 8, 4
    assert row_effects(evidence, np.array([1.0, 2.0, 3.0])).tolist() == [39.0, 24.5, 2.5, 27.0]


def test_a_part_keeps_rows_by_their_numbers_within_target_and_limits(evidence: Evidence) -> None:
    part = evidence.part(np.array([1]), np.array([1, 0]))
    assert part.targets == 1
    assert part.linear.tolist() == evidence.linear[[1, 3, 2]].tolist()
    assert part.root.tolist() == evidence.root[[1, 3, 2]].tolist()
    assert part.most.tolist() == [12.0, 2.5]
    assert (part.scale, part.fractions) == ("LEM1", 8)


@pytest.mark.parametrize("scale", ["NIRS", "LEM1"])
def test_the_effect_of_a_level_gives_the_level(evidence: Evidence, scale: str) -> None:
    one = Evidence(
        linear=evidence.linear, root=evidence.root, targets=2, most=evidence.most, scale=scale, fractions=8
    )
    effect = one.effect(48.0)
    assert isinstance(effect, float)
    # there and back through one square root
    assert float(rbe_model(scale).dose(8 * effect, 0.0, fractions=8)) == pytest.approx(48.0, rel=1e-12)
