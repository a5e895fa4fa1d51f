"""Several scenarios side by side: what is shared between their operators changes nothing."""

import numpy as np
import pytest

from doseplan.case.spec import Robustness
from doseplan.dose import dose_operator, error_rays, error_scenarios, trace_spots
from doseplan.planning.operators import adjoint_all, forward_all


@pytest.fixture(scope="module")
def operators(box_of):
    box = box_of(gap_mm=5.0)
    rays = trace_spots(box.phantom, box.spots, box.library)
    errors = error_rays(
        box.phantom, box.spots, box.library, rays, error_scenarios(Robustness(range_percent=0.0))
    )
    again = trace_spots(box.phantom, box.spots, box.library)
    points = box.samples["sample_position"].values
    return [
        dose_operator(points[first::7], each, box.library)
        for first, each in enumerate([rays, *errors, again])
    ]


@pytest.mark.parametrize("count", [1, 7, 8])
def test_the_products_are_those_of_each_operator(operators, count) -> None:
    """The last one has sub-spots of its own, equal but not the same: nothing is shared then."""
    chosen = operators[:count]
    assert len({id(each.rays.sub_spots) for each in chosen}) == (2 if count == 8 else 1)
    rng = np.random.default_rng(3)
    weight = rng.random(chosen[0].spots)
    for found, each in zip(forward_all(chosen, weight), chosen, strict=True):
        np.testing.assert_array_equal(found, each.forward(weight))
    slopes = [rng.random((2, each.samples)) for each in chosen]
    some = rng.random(weight.size) < 0.5
    for of in (None, some):
        apart = np.sum(
            [each.adjoint(*slope, of=of) for each, slope in zip(chosen, slopes, strict=True)], axis=0
        )
        found = adjoint_all(chosen, *np.concatenate(slopes, axis=1), of)
        asked = np.full(weight.size, True) if of is None else of
        # sums in another order; what spots that are not asked for get has no meaning
        np.testing.assert_allclose(found[asked], apart[asked], rtol=1e-12)
