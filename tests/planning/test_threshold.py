"""From which gap on a goal can be met: plan above it, proof below it, against brute force in the plane."""

from itertools import product

import numpy as np
import scipy.sparse

from doseplan.biology.models import rbe_model
from doseplan.dose import EntryOperator
from doseplan.planning import optimise
from doseplan.planning.barrier import raise_minimum
from doseplan.planning.evidence import Evidence
from doseplan.planning.plan import MOST_STEPS
from doseplan.planning.point import Watched
from doseplan.planning.problem import Problem, influence_channels, rbe_dose
from doseplan.planning.proof import prove_rows
from doseplan.planning.solver import least_squares_start

FRACTIONS, GOAL_GYE, CORD_GYE, HOT_GYE = 16, 57.6, 50.0, 70.4
GAPS_MM = np.arange(0.2, 4.0, 0.5)


def test_a_ball_three_millimetres_from_the_cord_gets_its_goal(box_of):
    """One-sided and convex: nothing of the target is behind the cord or around it."""
    box = box_of(gap_mm=3.0)
    planned = optimise(*box.stages)
    assert planned.attrs["limits_met"]
    assert planned.attrs["cord_maximum_gye"] < CORD_GYE
    assert planned.attrs["target_minimum_gye"] > GOAL_GYE


def plane(gap_mm):
    """Rows of a toy in the plane: beams along z, target up to x = 0, cord from the gap on.

    Returns
    -------
    linear, root : (12 target and 6 cord samples, 4 spots), totals
    """
    depths = (-3.0, 0.0, 3.0)
    target, cord = (
        list(product((-6.0, -4.0, -2.0, 0.0), depths)),
        list(product((gap_mm, gap_mm + 2.0), depths)),
    )
    x, z = np.array(target + cord).T[:, :, np.newaxis]
    at, depth = np.array(list(product((-6.5, 0.5), (-3.0, 3.0)))).T
    peak = np.exp(-((z - depth) ** 2) / 32.0)
    root = np.exp(-((x - at) ** 2) / 32.0) * np.where(z < depth, 0.6 + 0.4 * peak, peak)
    return root * (1.0 + 2.0 * peak), root


def upper():
    return np.repeat([HOT_GYE, CORD_GYE], [12, 6])


def brute_force(gap_mm):
    """Best target minimum on ever finer grids of weights, each scaled up to its first limit."""
    linear, root = plane(gap_mm)
    model = rbe_model("NIRS")
    most = model.effect_limit(upper(), fractions=FRACTIONS)[:, np.newaxis]
    centre, width, best = np.full(4, 0.5), 0.5, 0.0
    for _ in range(12):
        steps = np.linspace(-width, width, 9)
        weight = np.clip(centre + np.array(list(product(steps, repeat=4))), 0.0, None).T
        weight = weight[:, weight.sum(axis=0) > 0.0]
        a, b = linear @ weight / FRACTIONS, root @ weight / FRACTIONS
        # a s + b^2 s^2 = most
        scale = (2.0 * most / (a + np.sqrt(a * a + 4.0 * b * b * most))).min(axis=0)
        effect = (a * scale + (b * scale) ** 2)[:12].min(axis=0)
        found = model.dose(FRACTIONS * effect, np.zeros_like(effect), fractions=FRACTIONS)
        if found.max() >= best:
            best, centre = float(found.max()), weight[:, np.argmax(found)]
            centre = centre / centre.max()
        width *= 0.6
    return best


def planned(gap_mm):
    """Target minimum of the planner, all limits held."""
    linear, root = plane(gap_mm)

    def operator(chosen):
        matrices = [scipy.sparse.csr_array(each[chosen]) for each in (root, linear)]
        by_sample = (matrices[0], matrices[1].data)
        turned = [each.T.tocsr() for each in matrices]
        return EntryOperator(spot_major=_arrays(turned[0], turned[1].data), sample_major=_arrays(*by_sample))

    def part(chosen):
        return Problem(
            operators=[operator(chosen)],
            peak=root.max(axis=0),
            upper=upper()[chosen],
            target=np.flatnonzero(chosen < 12),
            course=np.zeros(4, np.int64),
            fractions=(FRACTIONS,),
            prescription_gye=64.0,
        )

    every = np.arange(18)
    problem = part(every)
    watched = Watched(
        problem=problem,
        part=part,
        rows=lambda chosen: (linear[chosen], root[chosen]),
        worst=lambda found, badness: found,
    )
    raised = raise_minimum(
        watched, every, least_squares_start(problem), steps=MOST_STEPS, report=lambda level: None
    )
    gye = rbe_dose(problem, influence_channels(problem, raised.weight))
    assert np.all(gye <= problem.upper)
    return float(gye[:12].min())


def _arrays(matrix, linear):
    return (
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data.astype(np.float32),
        linear.astype(np.float32),
    )


def proven(gap_mm):
    """Target minimum that no weights exceed."""
    linear, root = (each / FRACTIONS for each in plane(gap_mm))
    limited = np.r_[12:18, 0:12]  # the cord's rows, and those of hot spots
    most = rbe_model("NIRS").effect_limit(upper()[limited], fractions=FRACTIONS)
    evidence = Evidence(
        linear=np.vstack([linear[:12], linear[limited]]),
        root=np.vstack([root[:12], root[limited]]),
        targets=12,
        most=most,
        scale="NIRS",
        fractions=FRACTIONS,
    )
    return prove_rows(evidence, programs=60).level_gye


def test_the_threshold_separation_is_that_of_brute_force():
    best = np.array([brute_force(gap) for gap in GAPS_MM])
    plans = np.array([planned(gap) for gap in GAPS_MM])
    bounds = np.array([proven(gap) for gap in GAPS_MM])
    # a wider gap allows what a narrower one does, but for where grids end: at steps of 0.2 % of a weight
    assert np.all(np.diff(best) > -1e-3)
    assert np.all(plans < best + 0.05)  # which cost the grid's best this little
    assert np.all(best < bounds)
    threshold = GAPS_MM[np.argmax(best >= GOAL_GYE)]
    assert 0.0 < threshold < GAPS_MM[-1]
    assert GAPS_MM[np.argmax(plans >= GOAL_GYE)] == threshold
    assert GAPS_MM[np.argmax(bounds >= GOAL_GYE)] == threshold
