"""The checker against a twin in plain Python, and against everything that its argument does not allow.

Small changes of the checker (mutants) were found to pass the other tests; each is caught here.
"""

import math
from dataclasses import replace

import numpy as np
import pytest

from doseplan.planning import checker
from doseplan.planning.checker import all_mixtures, holds, sums
from doseplan.planning.evidence import Evidence
from doseplan.planning.relaxation import Cut, Leaf, Proof

ENTRY, SUM = 0.01, 0.003
"""Allowances that are large enough to be seen in the sum."""


@pytest.fixture
def evidence() -> Evidence:
    """Two target rows, three limited ones, four spots; spot 3 gives target row 0 nothing."""
    rng = np.random.default_rng(8)
    root = rng.uniform(0.1, 1.0, (5, 4))
    linear = root * rng.uniform(1.0, 6.0, (5, 4))
    root[0, 3] = linear[0, 3] = 0.0
    return Evidence(
        linear=linear, root=root, targets=2, most=np.array([4.0, 5.0, 6.0]), scale="NIRS", fractions=16
    )


def leaf(**changes: object) -> Leaf:
    """A leaf with four cuts, of which three narrow chords."""
    path = (
        Cut(row=0, ratio=2.0, at_least=True),
        Cut(row=0, ratio=1.5, at_least=True),
        Cut(row=1, ratio=3.0, at_least=False),
        Cut(row=1, ratio=1.25, at_least=True),
    )
    made = Leaf(
        level_gye=60.0,
        path=path,
        chords=3,
        target=np.array([0.7, 0.4]),
        limit=np.array([0.2, 0.0, 0.9]),
        cut=np.array([0.3, 0.1, 0.5, 0.2]),
        tangent=np.array([0.8, 1.0, 1.2]),
    )
    return replace(made, **changes)


def twin(leaf: Leaf, evidence: Evidence, entry: float, rounding: float) -> float:
    """Steps 3 to 5 of the argument, one spot and one row at a time."""
    targets, spots = evidence.targets, evidence.linear.shape[1]
    effect = evidence.effect(leaf.level_gye) * (1 - 3 * entry)
    most = [limit * (1 + 3 * entry) for limit in evidence.most]
    near, far = [], []
    for row in range(targets):
        a, b = evidence.linear[row], evidence.root[row]
        ratios = [math.inf if y == 0.0 else x / y for x, y in zip(a, b, strict=True) if x + y > 0.0]
        low, high = min(ratios), max(ratios)
        for cut in leaf.path[: leaf.chords]:
            if cut.row == row:
                low, high = (max(low, cut.ratio), high) if cut.at_least else (low, min(high, cut.ratio))
        low, high = low * (1 - rounding), high * (1 + rounding)
        # b on the arc a + b^2 = effect where a = ratio b
        near.append(2 * effect / (high + math.sqrt(high**2 + 4 * effect)))
        far.append(2 * effect / (low + math.sqrt(low**2 + 4 * effect)))
    total = against = allowed = 0.0
    for row, multiplier in enumerate(leaf.target):
        against += multiplier * (effect + near[row] * far[row])
    for row, multiplier in enumerate(leaf.limit):
        allowed += multiplier * (most[row] + leaf.tangent[row] ** 2)
    for spot in range(spots):
        value = size = 0.0
        heaviest = math.inf
        for row, multiplier in enumerate(leaf.target):
            a, b = evidence.linear[row, spot], evidence.root[row, spot]
            value += multiplier * (a + (near[row] + far[row]) * b)
            size += multiplier * (a + (near[row] + far[row]) * b)
        for row, multiplier in enumerate(leaf.limit):
            a, b = evidence.linear[targets + row, spot], evidence.root[targets + row, spot]
            value -= multiplier * (a + 2 * leaf.tangent[row] * b)
            size += multiplier * (a + 2 * leaf.tangent[row] * b)
        for row in range(targets, evidence.linear.shape[0]):
            a, b = evidence.linear[row, spot], evidence.root[row, spot]
            below = a + math.sqrt(a * a + 4 * b * b * most[row - targets])
            reach = 2 * most[row - targets] / below if below > 0.0 else math.inf
            heaviest = min(heaviest, reach * (1 + rounding))
        for cut, multiplier in zip(leaf.path, leaf.cut, strict=True):
            a, b = evidence.linear[cut.row, spot], evidence.root[cut.row, spot]
            value += (1 if cut.at_least else -1) * multiplier * (a - cut.ratio * b)
            size += multiplier * (a + abs(cut.ratio) * b)
        total += max(0.0, value + rounding * size) * heaviest
    return allowed + total - against + rounding * (allowed + total + against)


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "ENTRY_ERROR", ENTRY)
    monkeypatch.setattr(checker, "SUM_ERROR", SUM)


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("chords", range(5))
@pytest.mark.parametrize("factor", [0.05, 1.0, 30.0])
def test_the_sum_is_that_of_the_argument(evidence: Evidence, chords: int, factor: float) -> None:
    """From limits that hardly hold spots back to limits by which none gains."""
    one = leaf(chords=chords, limit=factor * leaf().limit)
    # sums of twenty numbers of order one: 1e-12 is hundreds of times what rounding does
    np.testing.assert_allclose(sums([one], evidence), twin(one, evidence, ENTRY, SUM), rtol=1e-12)


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("factor", [0.1, 4.0])
def test_a_spot_that_gives_a_row_nothing_has_no_mixture(evidence: Evidence, factor: float) -> None:
    """All other mixtures of the row are below 1, or above 4."""
    evidence.linear[0] *= factor
    one = leaf(path=(), cut=np.empty(0), chords=0)
    np.testing.assert_allclose(sums([one], evidence), twin(one, evidence, ENTRY, SUM), rtol=1e-12)


@pytest.mark.usefixtures("coarse")
def test_small_gains_count_too(evidence: Evidence) -> None:
    whole = leaf(limit=0.05 * leaf().limit)
    names = ("target", "limit", "cut")
    one = replace(whole, **{name: 0.01 * getattr(whole, name) for name in names})
    assert sums([replace(one, target=2.0 * one.target)], evidence) > sums([one], evidence)  # spots do gain
    np.testing.assert_allclose(sums([one], evidence), twin(one, evidence, ENTRY, SUM), rtol=1e-12)
    np.testing.assert_allclose(sums([one], evidence), 0.01 * sums([whole], evidence), rtol=1e-12)


@pytest.mark.usefixtures("coarse")
def test_a_low_level_has_a_sum(evidence: Evidence) -> None:
    one = leaf(level_gye=1.0)
    assert evidence.effect(1.0) < 1.0
    np.testing.assert_allclose(sums([one], evidence), twin(one, evidence, ENTRY, SUM), rtol=1e-12)


@pytest.mark.usefixtures("coarse")
def test_a_negative_ratio_of_a_cut_is_allowed_for_by_its_size(evidence: Evidence) -> None:
    one = leaf(path=(*leaf().path[:3], Cut(row=1, ratio=-1.25, at_least=False)))
    np.testing.assert_allclose(sums([one], evidence), twin(one, evidence, ENTRY, SUM), rtol=1e-12)


@pytest.mark.usefixtures("coarse")
def test_mixtures_without_a_root_end_the_chord_at_nothing(evidence: Evidence) -> None:
    evidence.root[1, 2] = 0.0  # all of it linear: its ray is the axis
    one = leaf(path=(), cut=np.empty(0), chords=0)
    np.testing.assert_allclose(sums([one], evidence), twin(one, evidence, ENTRY, SUM), rtol=1e-12)


@pytest.mark.usefixtures("coarse")
def test_a_limit_that_a_spot_does_not_reach_does_not_hold_it_back(evidence: Evidence) -> None:
    evidence.linear[3, 2] = evidence.root[3, 2] = 0.0
    one = leaf(limit=0.05 * leaf().limit)
    np.testing.assert_allclose(sums([one], evidence), twin(one, evidence, ENTRY, SUM), rtol=1e-12)


def test_allowances_are_as_stated(evidence: Evidence) -> None:
    one = leaf()
    # 1e-13 of the sum: a tenth of the smallest allowance
    np.testing.assert_allclose(sums([one], evidence), twin(one, evidence, 1e-6, 1e-12), rtol=1e-13)


def test_each_leaf_has_its_own_sum(evidence: Evidence) -> None:
    two = [leaf(), leaf(target=np.array([0.1, 0.2]))]
    assert sums(two, evidence).tolist() == [*sums(two[:1], evidence), *sums(two[1:], evidence)]


def test_many_leaves_are_added_up_like_one(evidence: Evidence) -> None:
    """More than are taken beside each other, three times over; one of them is not as it must be."""
    leaves = [leaf(level_gye=50.0 + 0.1 * number) for number in range(3 * checker.TOGETHER + 5)]
    leaves[40] = leaf(tangent=np.zeros(2))
    alone = [float(sums([each], evidence)[0]) for each in leaves]
    assert np.isinf(alone).nonzero()[0].tolist() == [40]
    # matrix products of other shapes may round otherwise
    np.testing.assert_allclose(sums(leaves, evidence), alone, rtol=1e-13)


@pytest.mark.parametrize("name", ["linear", "root", "most"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1e-9])
def test_evidence_that_is_no_number_or_negative_proves_nothing(
    evidence: Evidence, name: str, wrong: float
) -> None:
    getattr(evidence, name)[-1] = wrong
    assert sums([leaf(), leaf()], evidence).tolist() == [np.inf, np.inf]


def test_a_spot_that_hardly_reaches_a_limit_proves_nothing(evidence: Evidence) -> None:
    evidence.root[2:, 1] = [0.0, checker.LEAST_ENTRY, 0.0]
    assert np.isfinite(sums([leaf()], evidence)).all()
    evidence.root[2:, 1] = [0.0, 0.99 * checker.LEAST_ENTRY, 0.0]
    assert sums([leaf()], evidence).tolist() == [np.inf]


@pytest.mark.parametrize("name", ["target", "limit", "tangent", "cut"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1e-9])
def test_multipliers_are_finite_and_not_negative(evidence: Evidence, name: str, wrong: float) -> None:
    changed = getattr(leaf(), name).copy()
    changed[-1] = wrong
    assert sums([leaf(**{name: changed})], evidence).tolist() == [np.inf]


@pytest.mark.parametrize("name", ["target", "limit", "tangent", "cut"])
def test_there_is_a_multiplier_for_each_row_and_cut(evidence: Evidence, name: str) -> None:
    values = getattr(leaf(), name)
    for other in (values[:-1], np.append(values, 0.0)):
        assert sums([leaf(**{name: other})], evidence).tolist() == [np.inf]


@pytest.mark.parametrize("changes", [{"chords": -1}, {"level_gye": 0.0}])
def test_there_are_chords_and_a_level(evidence: Evidence, changes: dict[str, float]) -> None:
    assert sums([leaf(**changes)], evidence).tolist() == [np.inf]


def test_a_multiplier_of_nothing_may_be_zero(evidence: Evidence) -> None:
    nothing = leaf(target=np.zeros(2), limit=np.zeros(3), cut=np.zeros(4), tangent=np.zeros(3))
    assert sums([nothing], evidence).tolist() == [0.0]


FIRST, SECOND = Cut(row=0, ratio=2.0, at_least=True), Cut(row=1, ratio=3.0, at_least=False)
NOT_FIRST, NOT_SECOND = replace(FIRST, at_least=False), replace(SECOND, at_least=True)


def proof(steps: list[tuple[Cut, ...]], leaves: list[tuple[Cut, ...]], level: float = 60.0) -> Proof:
    made = [leaf(path=path) for path in (*steps, *leaves)]
    return Proof(level_gye=level, steps=tuple(made[: len(steps)]), leaves=tuple(made[len(steps) :]))


@pytest.fixture
def refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every leaf's sum is below zero: what is judged is the shape of the proof alone."""
    monkeypatch.setattr(checker, "sums", lambda leaves, evidence: np.full(len(leaves), -1e-300))


@pytest.mark.usefixtures("refuted")
@pytest.mark.parametrize(
    ("steps", "leaves", "good"),
    [
        ([], [()], True),
        ([], [(FIRST,), (NOT_FIRST,)], True),
        ([], [(FIRST,)], False),
        ([], [], False),
        ([(FIRST,)], [(NOT_FIRST,)], True),
        ([(FIRST,)], [(FIRST,)], False),
        ([(FIRST,)], [(NOT_FIRST, SECOND), (FIRST, NOT_SECOND)], False),
        ([(FIRST,)], [()], False),
        ([(FIRST,), (NOT_FIRST, SECOND)], [(NOT_FIRST, NOT_SECOND)], True),
        ([(FIRST,), (NOT_FIRST, SECOND)], [(NOT_FIRST, NOT_SECOND, FIRST)], False),
        (
            [(FIRST,), (NOT_FIRST, SECOND)],
            [(NOT_FIRST, NOT_SECOND, FIRST), (NOT_FIRST, NOT_SECOND, NOT_FIRST)],
            True,
        ),
        ([(FIRST,), (NOT_FIRST, SECOND)], [(NOT_FIRST, NOT_SECOND), (NOT_FIRST, SECOND)], False),
        ([(FIRST,), (SECOND,)], [(NOT_FIRST, NOT_SECOND)], True),
        ([(FIRST,), (FIRST, SECOND)], [(NOT_FIRST, NOT_SECOND)], False),
        ([(NOT_FIRST, SECOND)], [(NOT_SECOND,)], False),
        ([()], [()], False),
        ([(FIRST,), ()], [(NOT_FIRST,)], False),
    ],
)
def test_steps_presume_what_was_shown_and_leaves_go_on_from_there(
    evidence: Evidence, steps: list, leaves: list, good: bool
) -> None:
    assert holds(proof(steps, leaves), evidence) is good


@pytest.mark.usefixtures("refuted")
def test_no_part_is_of_a_higher_level_and_cuts_are_of_target_rows(evidence: Evidence) -> None:
    assert not holds(proof([], [()], level=59.9), evidence)
    two = proof([(FIRST,)], [(NOT_FIRST,)])
    assert not holds(replace(two, leaves=(replace(two.leaves[0], level_gye=60.1),)), evidence)
    assert not holds(replace(two, steps=(replace(two.steps[0], level_gye=60.1),)), evidence)
    for cut, good in (
        (replace(FIRST, row=1), True),
        (replace(FIRST, row=2), False),
        (replace(FIRST, row=-1), False),
        (replace(FIRST, ratio=math.inf), False),
        (replace(FIRST, ratio=math.nan), False),
    ):
        assert holds(proof([], [(cut,), (replace(cut, at_least=False),)]), evidence) is good
        assert holds(proof([(cut,)], [(replace(cut, at_least=False),)]), evidence) is good


@pytest.mark.parametrize(
    ("found", "good"), [([-1.0, -1.0], True), ([-1.0, 0.0], False), ([1.0, -1.0], False)]
)
def test_all_parts_are_below_zero(
    monkeypatch: pytest.MonkeyPatch, evidence: Evidence, found: list[float], good: bool
) -> None:
    monkeypatch.setattr(checker, "sums", lambda leaves, evidence: np.array(found))
    assert holds(proof([(FIRST,)], [(NOT_FIRST,)]), evidence) is good


def test_a_proof_holds_for_its_evidence_only(evidence: Evidence) -> None:
    """Of a level that is far out of reach of these limits, and not of wider ones."""
    one = leaf(path=(), chords=0, cut=np.empty(0), target=np.full(2, 0.5), limit=np.ones(3))
    far = Proof(level_gye=1000.0, steps=(), leaves=(replace(one, level_gye=1000.0),))
    assert holds(far, evidence)
    assert not holds(far, replace(evidence, most=50.0 * evidence.most))


@pytest.mark.parametrize(
    ("paths", "good"),
    [
        ([], False),
        ([()], True),
        ([(), ()], False),
        ([(FIRST,), ()], False),
        ([(FIRST,), (NOT_FIRST,)], True),
        ([(FIRST,), (NOT_FIRST,), (FIRST,)], False),
        ([(FIRST,), (replace(NOT_FIRST, row=1),)], False),
        ([(FIRST,), (replace(NOT_FIRST, ratio=2.1),)], False),
        ([(FIRST, SECOND), (FIRST, NOT_SECOND), (NOT_FIRST,)], True),
        ([(FIRST, SECOND), (NOT_FIRST, NOT_SECOND)], False),
        ([(FIRST, SECOND), (FIRST, NOT_SECOND), (NOT_FIRST, SECOND)], False),
        ([(NOT_FIRST, SECOND), (NOT_FIRST, NOT_SECOND), (FIRST, SECOND)], False),
    ],
)
def test_leaves_of_a_tree_leave_nothing_out(paths: list, good: bool) -> None:
    assert all_mixtures(paths) is good
