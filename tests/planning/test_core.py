"""A program solved on a core that grows by what it misses, against a general solver on the whole program."""

import numpy as np
import pytest
from scipy.optimize import linprog

from doseplan.planning.core import (
    HOLDING,
    WEIGHTY,
    Core,
    Solved,
    Table,
    essence,
    solve_core,
    used,
    worst,
)
from doseplan.planning.interior import SINGLE

TOLERANCE = 1e-6


@pytest.fixture(params=range(5))
def program(request):
    """Rows of two kinds, as in narrowing: level p at most what targets get, limits at least what they get."""
    rng = np.random.default_rng(request.param)
    full = rng.uniform(0.1, 1.0, (40, 60))
    level = rng.uniform(-2.0, -1.0, 40)
    full[:15] *= -1.0
    level[:15] = rng.uniform(0.5, 1.0, 15)
    return Table(full=full, level=level), rng.uniform(0.0, 1.0, 60), rng.uniform(0.1, 1.0, 60)


def optimum(table, gain, held):
    matrix = np.vstack([np.column_stack([table.full, table.level]), np.append(held, 0.0)])
    limit = np.append(np.zeros(table.level.size), 1.0)
    found = linprog(-np.append(gain, 0.0), A_ub=matrix, b_ub=limit, method="highs")
    assert found.success
    return -found.fun


def solved(program, core):
    table, gain, held = program
    return solve_core(table, core, gain, held, tolerance=TOLERANCE)


def mispriced(program, core, found: Solved):
    table, gain, held = program
    price = gain - found.dual @ table.full - found.last * held
    price[core.columns] = 0.0
    return price


def test_the_whole_program_has_the_optimum_of_a_general_solver(program):
    core = Core(rows=np.arange(40), columns=np.arange(60))
    found = solved(program, core)
    # gap and residuals are each below the tolerance in parts of 1 plus the value; a few of them add up
    assert found.weight @ program[1] == pytest.approx(optimum(*program), rel=4.0 * TOLERANCE)
    assert found.last == pytest.approx(optimum(*program), rel=4.0 * TOLERANCE)
    assert not found.over.any()


def test_a_rough_program_is_solved_in_single_precision_as_well_as_it_asks_for(program):
    table, gain, held = program
    rough = 2.0 * SINGLE
    found = solve_core(table, Core(rows=np.arange(40), columns=np.arange(60)), gain, held, tolerance=rough)
    # as above, of its own tolerance, in parts of 1 plus the value
    best = optimum(*program)
    assert found.weight @ gain == pytest.approx(best, abs=4.0 * rough * (1.0 + best))
    assert found.last == pytest.approx(best, abs=4.0 * rough * (1.0 + best))


def test_a_core_grows_by_what_it_misses_to_the_same_optimum(program):
    core = Core(rows=np.arange(0, 40, 4), columns=np.arange(0, 60, 3))
    sizes = []
    for _ in range(60):
        found = solved(program, core)
        more = Core(
            rows=worst(found.over - 1e-5, 3), columns=worst(mispriced(program, core, found) - 1e-5, 5)
        )
        sizes.append(core.rows.size + core.columns.size)
        if more.rows.size == more.columns.size == 0:
            break
        core = core.joined(more)
    assert len(sizes) > 1
    assert sizes[-1] < 100
    # rows and columns are left out when they are off by less than 1e-5, in a program of numbers near 1
    assert found.weight @ program[1][core.columns] == pytest.approx(optimum(*program), rel=1e-3)


def test_what_lies_outside_the_core_has_no_multiplier_and_tells_how_far_it_is_missed(program):
    table, _, _ = program
    core = Core(rows=np.arange(0, 40, 4), columns=np.arange(20))
    found = solved(program, core)
    outside = np.setdiff1d(np.arange(40), core.rows)
    assert not found.dual[outside].any()
    missed = table.full[:, :20] @ found.weight + found.level * table.level
    assert found.over[outside] == pytest.approx(missed[outside])
    assert not found.over[core.rows].any()


def test_the_essence_keeps_rows_that_hold_and_columns_of_weight(program):
    core = Core(rows=np.arange(0, 40, 2), columns=np.arange(0, 60, 2))
    found = solved(program, core)
    small = essence(core, found)
    assert 0 < small.rows.size < core.rows.size
    assert 0 < small.columns.size < core.columns.size
    assert np.isin(small.rows, core.rows).all()
    assert np.isin(small.columns, core.columns).all()
    assert small.rows.tolist() == np.flatnonzero(found.dual > HOLDING * found.dual.max()).tolist()
    heavy = found.weight > WEIGHTY * found.weight.max()
    assert small.columns.tolist() == core.columns[heavy].tolist()


def test_the_worst_are_those_above_zero_so_many_at_most():
    badness = np.array([0.3, -1.0, 0.0, 0.5, 0.1])
    assert worst(badness, 2).tolist() == [3, 0]
    assert sorted(worst(badness, 9)) == [0, 3, 4]
    assert used(np.array([1.0, 0.05, 0.2]), 0.1).tolist() == [0, 2]
