"""The proven maximum on small problems: proofs bracket the optimum, and corrupted proofs are rejected."""

from dataclasses import replace

import numba
import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from doseplan.biology.models import rbe_model
from doseplan.planning.checker import all_mixtures, holds, sums
from doseplan.planning.evidence import Evidence
from doseplan.planning.interior import solve_program
from doseplan.planning.narrowing import narrow
from doseplan.planning.programs import make_bench, relaxed
from doseplan.planning.proof import prove_rows
from doseplan.planning.relaxation import Cut, Leaf, Proof, chord, root_on_arc


def make_evidence(seed, *, spots=8, targets=5, limits=6, scale="NIRS"):
    """Random dense rows with mixtures a / b from 1 to 6; about a tenth of the spots hardly reach a row."""
    rng = np.random.default_rng(seed)
    rows = targets + limits
    root = rng.uniform(0.02, 1.0, (rows, spots)) * np.where(rng.random((rows, spots)) < 0.1, 1e-3, 1.0)
    root[targets:] *= rng.uniform(0.5, 1.0)
    linear = root * rng.uniform(1.0, 6.0, (rows, spots))
    most_gye = np.where(np.arange(limits) < limits // 2, rng.uniform(30.0, 60.0), 70.4)
    most = rbe_model(scale).effect_limit(most_gye, fractions=16)
    return Evidence(linear=linear, root=root, targets=targets, most=most, scale=scale, fractions=16)


def effects(evidence, weight):
    root = evidence.root @ weight
    return evidence.linear @ weight + root**2


def gye(evidence, effect):
    model = rbe_model(evidence.scale)
    return float(model.dose(evidence.fractions * effect, 0.0, fractions=evidence.fractions))


def within_limits(evidence, weight):
    """Scale weights down to the limits by bisection, and give the least effect of the target."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        good = np.all(effects(evidence, middle * weight)[evidence.targets :] <= evidence.most)
        low, high = (middle, high) if good else (low, middle)
    return float(effects(evidence, low * weight)[: evidence.targets].min())


def best_effect(evidence, seed, *, starts=12):
    """Least effect of the target in the best plan that a general solver finds from random starts."""
    rng = np.random.default_rng(seed)
    count, spots = evidence.targets, evidence.linear.shape[1]

    def slack(variables):
        found = effects(evidence, variables[:-1])
        return np.concatenate([found[:count] - variables[-1], evidence.most - found[count:]])

    def slope(variables):
        rows = evidence.linear + 2.0 * (evidence.root @ variables[:-1])[:, None] * evidence.root
        by_weight = np.concatenate([rows[:count], -rows[count:]])
        return np.column_stack([by_weight, np.where(np.arange(rows.shape[0]) < count, -1.0, 0.0)])

    gain = np.append(np.zeros(spots), -1.0)
    best = 0.0
    for _ in range(starts):
        weight = rng.random(spots) * rng.random()
        found = minimize(
            lambda variables: -variables[-1],
            np.append(weight, within_limits(evidence, weight)),
            jac=lambda variables: gain,
            method="SLSQP",
            bounds=[(0.0, None)] * (spots + 1),
            constraints={"type": "ineq", "fun": slack, "jac": slope},
            options={"maxiter": 200},
        )
        best = max(best, within_limits(evidence, np.maximum(found.x[:-1], 0.0)))
    return best


def at_level(proof, level_gye):
    """The same multipliers, said to refute another level."""
    steps, leaves = (
        tuple(replace(leaf, level_gye=level_gye) for leaf in part) for part in (proof.steps, proof.leaves)
    )
    return Proof(level_gye=level_gye, steps=steps, leaves=leaves)


@pytest.fixture(scope="module")
def proven():
    evidence = make_evidence(3)
    return evidence, prove_rows(evidence, programs=60)


@pytest.mark.parametrize("scale", ["NIRS", "LEM1"])
def test_bounds_and_plans_bracket_the_optimum_of_a_general_solver(scale):
    gaps = []
    for seed in range(100):
        evidence = make_evidence(
            seed, spots=3 + seed % 8, targets=1 + seed % 5, limits=2 + seed % 6, scale=scale
        )
        proof = prove_rows(evidence, programs=60)
        assert holds(proof, evidence), seed
        best = gye(evidence, best_effect(evidence, seed, starts=4))
        assert best < proof.level_gye, seed
        gaps.append((proof.level_gye - best) / max(best, 1e-9))
    # the bracket is tight in nearly all of them; a general solver may stop at a local optimum
    assert np.median(gaps) < 0.005
    assert np.quantile(gaps, 0.9) < 0.03


def test_no_random_plan_beats_the_bound():
    rng = np.random.default_rng(0)
    for seed in range(20):
        evidence = make_evidence(seed)
        proof = prove_rows(evidence, programs=20)
        for _ in range(200):
            weight = 10.0 * rng.random(8) * (rng.random(8) < 0.6)
            assert gye(evidence, within_limits(evidence, weight)) < proof.level_gye


def test_splits_tighten_the_bound():
    first = [prove_rows(make_evidence(seed), programs=1).level_gye for seed in range(10)]
    later = [prove_rows(make_evidence(seed), programs=60).level_gye for seed in range(10)]
    assert np.mean(later) < np.mean(first) - 0.1
    assert all(one <= other + 0.01 for one, other in zip(later, first, strict=True))


def test_a_level_out_of_reach_is_refuted_and_one_in_reach_is_not(proven):
    evidence, proof = proven
    best = gye(evidence, best_effect(evidence, 3))
    assert holds(replace(proof, level_gye=proof.level_gye + 1.0), evidence)
    assert not holds(at_level(proof, best - 1e-3), evidence)


def test_multipliers_of_noise_prove_nothing_false(proven):
    evidence, proof = proven
    best = gye(evidence, best_effect(evidence, 3))
    rng = np.random.default_rng(1)
    for _ in range(300):
        noisy = tuple(
            replace(
                leaf,
                target=leaf.target * rng.lognormal(sigma=0.3, size=leaf.target.size),
                limit=leaf.limit * rng.lognormal(sigma=0.3, size=leaf.limit.size),
                cut=leaf.cut * rng.lognormal(sigma=0.3, size=leaf.cut.size),
                tangent=leaf.tangent * rng.lognormal(sigma=0.3, size=leaf.tangent.size),
            )
            for leaf in (*proof.steps, *proof.leaves)
        )
        count = len(proof.steps)
        changed = replace(proof, steps=noisy[:count], leaves=noisy[count:])
        assert not holds(at_level(changed, best - 1e-3), evidence)


def _corrupted(proof):
    """Proofs that are wrong in one place each."""
    deep = max(range(len(proof.leaves)), key=lambda number: len(proof.leaves[number].path))
    leaf = proof.leaves[deep]
    largest = int(np.argmax(leaf.target))

    def with_leaf(changed):
        return replace(proof, leaves=(*proof.leaves[:deep], changed, *proof.leaves[deep + 1 :]))

    def with_step(changed):
        return replace(proof, steps=(changed, *proof.steps[1:]))

    def put(values, place, value):
        copy = values.copy()
        copy[place] = value
        return copy

    cut = leaf.path[0]
    step = proof.steps[0]
    last = step.path[-1]
    farther = replace(last, ratio=last.ratio * (0.7 if last.at_least else 1.4))
    return {
        "a leaf is missing": replace(proof, leaves=proof.leaves[:deep] + proof.leaves[deep + 1 :]),
        "no leaf": replace(proof, leaves=()),
        "target multiplier gone": with_leaf(replace(leaf, target=put(leaf.target, largest, 0.0))),
        "negative limit multiplier": with_leaf(replace(leaf, limit=put(leaf.limit, 0, -1.0))),
        "not a number": with_leaf(replace(leaf, target=put(leaf.target, largest, np.nan))),
        "infinite": with_leaf(replace(leaf, limit=put(leaf.limit, 0, np.inf))),
        "target multipliers ten times": with_leaf(replace(leaf, target=10.0 * leaf.target)),
        "limit multipliers gone": with_leaf(replace(leaf, limit=0.0 * leaf.limit)),
        "wrong length": with_leaf(replace(leaf, limit=leaf.limit[:-1])),
        "cut without multiplier": with_leaf(replace(leaf, cut=leaf.cut[:-1])),
        "other ratio": with_leaf(replace(leaf, path=(replace(cut, ratio=1.1 * cut.ratio), *leaf.path[1:]))),
        "other side": with_leaf(
            replace(leaf, path=(replace(cut, at_least=not cut.at_least), *leaf.path[1:]))
        ),
        "row of a limit": with_leaf(replace(leaf, path=(replace(cut, row=-1), *leaf.path[1:]))),
        "lower level": at_level(proof, 0.98 * proof.level_gye),
        "level below a leaf's": replace(proof, level_gye=0.99 * leaf.level_gye),
        "level not a number": replace(proof, level_gye=float("nan")),
        "leaf's level not a number": with_leaf(replace(leaf, level_gye=float("nan"))),
        "chords of no cut": with_leaf(replace(leaf, chords=-1)),
        "a step is missing": replace(proof, steps=proof.steps[1:]),
        "steps in another order": replace(proof, steps=proof.steps[::-1]),
        "a step that shows nothing": with_step(replace(step, target=0.0 * step.target)),
        "a step of more": with_step(replace(step, path=(*step.path[:-1], farther))),
        "a step without a cut": with_step(replace(step, path=())),
        "leaves that know no step": replace(
            proof, leaves=tuple(replace(leaf, path=leaf.path[len(proof.steps) :]) for leaf in proof.leaves)
        ),
    }


def test_corrupted_proofs_are_rejected(proven):
    evidence, proof = proven
    assert len(proof.leaves) > 1
    assert len(proof.steps) > 1
    assert holds(proof, evidence)
    for what, wrong in _corrupted(proof).items():
        try:
            accepted = holds(wrong, evidence)
        except ValueError:
            continue  # a level that no model takes
        assert not accepted, what


def test_proofs_of_other_entries_are_rejected(proven):
    evidence, proof = proven
    assert not holds(proof, replace(evidence, linear=1.05 * evidence.linear[:, ::-1]))
    assert not holds(proof, replace(evidence, most=1.05 * evidence.most))
    assert not holds(proof, replace(evidence, root=-evidence.root))
    assert not holds(proof, replace(evidence, root=np.where(evidence.root > 0.0, np.nan, 0.0)))


def test_a_spot_that_no_limit_holds_back_makes_no_proof(proven):
    evidence, proof = proven
    free = np.where(np.arange(11)[:, None] < 5, 1.0, 0.0)
    wider = replace(
        evidence,
        linear=np.column_stack([evidence.linear, 2.0 * free]),
        root=np.column_stack([evidence.root, free]),
    )
    assert np.all(sums((*proof.steps, *proof.leaves), wider) == np.inf)


def test_only_trees_of_splits_cover_all_mixtures():
    low, high = Cut(row=0, ratio=2.0, at_least=False), Cut(row=0, ratio=2.0, at_least=True)
    other = [Cut(row=1, ratio=3.0, at_least=side) for side in (False, True)]
    assert all_mixtures([()])
    assert all_mixtures([(low,), (high,)])
    assert all_mixtures([(low,), (high, other[0]), (high, other[1])])
    assert not all_mixtures([])
    assert not all_mixtures([(low,)])
    assert not all_mixtures([(low,), (low,)])
    assert not all_mixtures([(low,), (high, other[0])])
    assert not all_mixtures([(low,), (other[1],)])
    assert not all_mixtures([(low,), (high,), ()])


def test_the_chord_is_below_every_mixture_of_the_level():
    rng = np.random.default_rng(2)
    for _ in range(200):
        low, high = np.sort(rng.uniform(0.5, 8.0, 2))
        effect = rng.uniform(0.2, 3.0)
        slope, offset = chord((np.array([low]), np.array([high])), effect)
        ratio = rng.uniform(low, high, 50)
        root = root_on_arc(ratio, effect) * rng.uniform(1.0, 3.0, 50)
        assert np.all((ratio + slope) * root - offset >= effect * (1.0 - 1e-12))
        ends = root_on_arc(np.array([low, high]), effect)
        assert (np.array([low, high]) + slope) * ends - offset == pytest.approx(effect)


def test_the_interior_point_method_agrees_with_highs():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        matrix = rng.random((12, 30)) * (rng.random((12, 30)) < 0.7)
        matrix[0] += 0.1
        limit, gain = rng.uniform(0.5, 2.0, 12), rng.normal(size=30)
        found = solve_program(matrix, limit, gain, tolerance=1e-8)
        exact = linprog(-gain, A_ub=matrix, b_ub=limit, method="highs")
        assert gain @ found.primal == pytest.approx(-exact.fun, abs=1e-6)
        assert limit @ found.dual == pytest.approx(-exact.fun, abs=1e-6)
        assert np.all(found.dual >= 0.0)


@pytest.mark.parametrize("size", [1.0, 3e3, 1e4])
def test_rows_that_single_precision_cannot_tell_apart_are_solved_too(size):
    """Rows are alike to a thousandth: rounding makes their equations indefinite, at the start and later."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        matrix = size * (1.0 + 1e-3 * rng.uniform(size=(60, 200)))
        limit, gain = size * rng.uniform(1.0, 2.0, 60), rng.uniform(0.5, 1.0, 200)
        found = solve_program(matrix, limit, gain, tolerance=3e-3)
        exact = -linprog(-gain, A_ub=matrix, b_ub=limit, method="highs").fun
        # gap and residuals of 3e-3 each, with a value near 1
        assert gain @ found.primal == pytest.approx(exact, abs=9e-3)
        assert limit @ found.dual == pytest.approx(exact, abs=9e-3)
        assert found.gap < 3e-3 * (1.0 + exact) * 1.01


def test_a_leaf_alone_needs_no_cut():
    evidence = make_evidence(5)
    proof = prove_rows(evidence, programs=1)
    assert proof.leaves[0].path == ()
    assert isinstance(proof.leaves[0], Leaf)


@pytest.fixture(scope="module")
def narrowing():
    """Rows, a level just below the best plan, and what narrowing starts from."""
    evidence = make_evidence(4, spots=30, targets=6, limits=8)
    level = gye(evidence, 0.9 * best_effect(evidence, 4))
    bench = make_bench(evidence, level)
    tangent = evidence.root[6:] @ (bench.unit / 30)
    root = relaxed(bench, (), tangent, np.arange(30), tolerance=1e-4)
    return evidence, bench, evidence.root[6:] @ root.weight, root


def twice(narrowing):
    _, bench, tangent, root = narrowing
    steps = ()
    for _ in range(2):
        bench, found = narrow(bench, range(6), tangent, root)
        steps = (*steps, *found)
    return bench, steps


def test_all_plans_of_the_level_have_mixtures_in_the_narrowed_range(narrowing):
    evidence, bench, _, root = narrowing
    start = root.weight
    low, high = twice(narrowing)[0].mixture
    rng = np.random.default_rng(4)
    plans = 0
    for _ in range(4000):
        weight = start * rng.lognormal(sigma=0.2, size=30) + 0.05 * start.max() * rng.random(30) ** 4
        # as far as its limits allow
        linear, root = evidence.linear[6:] @ weight, evidence.root[6:] @ weight
        weight *= (2.0 * evidence.most / (linear + np.sqrt(linear**2 + 4.0 * root**2 * evidence.most))).min()
        if effects(evidence, weight)[:6].min() >= bench.effect:
            plans += 1
            mixture = (evidence.linear[:6] @ weight) / (evidence.root[:6] @ weight)
            assert np.all((low <= mixture) & (mixture <= high))
    assert plans > 20


def test_ranges_become_narrower_and_lower_the_bound(narrowing):
    _, bench, tangent, _ = narrowing
    narrower, steps = twice(narrowing)
    assert len(steps) > 0
    width = [float(np.ptp(each.mixture, axis=0).sum()) for each in (bench, narrower)]
    assert width[1] < 0.8 * width[0]
    parts = [relaxed(each, (), tangent, np.arange(30), tolerance=1e-4).part for each in (bench, narrower)]
    assert parts[1] < parts[0] - 1e-3


def test_one_thread_gives_the_same_bits(narrowing):
    threads = numba.get_num_threads()
    found = []
    for number in (1, threads):
        numba.set_num_threads(number)
        found.append(twice(narrowing)[0].mixture)
    numba.set_num_threads(threads)
    assert all(np.array_equal(one, other) for one, other in zip(*found, strict=True))
