"""Slow twin of the transport kernel, and small made-up tables to run both on.

The twin keeps ions by residual range and shifts every array by one cell at each step; the kernel keeps them
by stopping place and never shifts.
"""

import numpy as np


def problem(seed=5, energies=3, species=4, cells=14, coarse=9, ratio=2, responses=3):
    """Random tables in the kernel's order of arguments, without the outputs; not physics."""
    rng = np.random.default_rng(seed)
    start = np.zeros((energies, cells * ratio))
    start[:, (cells - 6) * ratio : -2] = rng.random((energies, 6 * ratio - 2))
    parents, child, number, position, angle = [], [], [], [], []
    group_size = np.resize(np.array([1, 2, 3, 2], dtype=np.int64), species)
    for parent in range(species):
        for _ in range(3):
            made = rng.integers(parent + 1, species) if parent + 1 < species else parent
            parents.append(parent)
            child.append(made)
            number.append(rng.random())
            # a fragment of the parent's own kind starts well below the group that it came from
            reach = np.arange(cells) * (0.3 * group_size[parent] if made == parent else 0.8)
            position.append(np.minimum(reach * rng.uniform(0.8, 1.1), cells - 3.0))
            angle.append(rng.random(cells) * 1e-3)
    born_energy = rng.random((species, cells))
    return [
        start,
        rng.random((energies, coarse, 3)),
        rng.uniform(0.9, 1.0, cells * ratio),
        rng.random(cells * ratio),
        rng.random((responses, cells * ratio)),
        rng.uniform(0.9, 1.0, (species, cells)),
        rng.random((species, cells)),
        rng.random((species, cells)),
        rng.random((responses, species, cells)),
        rng.random((species, cells)),
        born_energy,
        group_size,
        np.searchsorted(parents, np.arange(species + 1)).astype(np.int64),
        np.array(child, dtype=np.int64),
        np.array(number),
        np.array(position),
        np.array(angle),
        0.7,
        1e-10,
        4,
        1.3,
        np.array([0, 5], dtype=np.int64),
    ]


def outputs(arguments, coarse=9):
    """Outputs of the right shape, full of NaN."""
    energies, labels = arguments[0].shape
    responses, species, cells = arguments[8].shape
    fine = coarse * (labels // cells)
    shapes = [
        (energies, responses, fine),
        (energies, fine),
        (energies, responses, species, coarse),
        *[(energies, species, coarse)] * 4,
        (energies, coarse),
        (energies, species),
        (energies, arguments[21].size, labels),
        (energies, arguments[21].size, 2, species, cells),
    ]
    return [np.full(shape, np.nan) for shape in shapes]


def transport(arguments, results):
    """Fill the outputs, one beam energy after the other."""
    for energy in range(arguments[0].shape[0]):
        _one_beam(arguments, [each[energy] for each in results], energy)


def _one_beam(arguments, results, energy):
    start, moments, survival_1, middle_1, weight_1, survival, middle, end_energy, weight, power = arguments[
        :10
    ]
    born_energy, group_size, branch_start, child, number, position, angle, length, threshold = arguments[
        10:19
    ]
    gap_step, gap, snapshot_step = arguments[19:]
    deposited_1, fluence_1, deposited, spread, slope, fluence, reactions, removed, escaping = results[:9]
    primary_snapshot, snapshot = results[9:]
    for each in (deposited, spread, slope, fluence, reactions):
        each[:] = 0.0
    species, cells = survival.shape
    ratio = survival_1.size // cells
    primary = np.where(start[energy] < 1e-14, 0.0, start[energy])
    state = np.zeros((4, species, cells))

    def deposit(step):
        for kind in range(1, species):
            deposited[:, kind, step] += 0.5 * (weight[:, kind] @ state[0, kind])
            spread[kind, step] += 0.5 * (weight[0, kind] @ state[1, kind])
            slope[kind, step] += 0.5 * state[3, kind].sum()
            fluence[kind, step] += 0.5 * (state[0, kind].sum() - 0.5 * state[0, kind, 0])

    def give_birth(born, parent, group, lost):
        for branch in range(branch_start[parent], branch_start[parent + 1]):
            place = position[branch, group]
            cell = int(np.floor(place))
            part = place - cell
            amount = number[branch] * lost
            amount[3] += amount[0] * angle[branch, group]
            born[:, child[branch], cell] += (1.0 - part) * amount
            born[:, child[branch], cell + 1] += part * amount

    for step in range(removed.size):
        gone = 0.0
        if step == gap_step:
            state[1, 1:] += gap * (2.0 * state[2, 1:] + gap * state[3, 1:])
            state[2, 1:] += gap * state[3, 1:]
        for picture in np.flatnonzero(snapshot_step == step):
            primary_snapshot[picture] = primary
            snapshot[picture] = state[[0, 3]]
            snapshot[picture, :, 0] = 0.0
        shared = np.zeros(cells + 1)
        for part in range(ratio):
            react = primary * (1.0 - survival_1)
            mean = primary - 0.5 * react
            deposited_1[:, step * ratio + part] = weight_1 @ mean
            fluence_1[step * ratio + part] = mean.sum() - 0.5 * mean[0]
            gone += react @ middle_1
            for cell, lost in enumerate(react):
                above = cell % ratio / ratio
                shared[cell // ratio] += (1.0 - above) * lost
                shared[cell // ratio + 1] += above * lost
            primary = np.append((primary - react)[1:], 0.0)
        deposit(step)
        born = np.zeros_like(state)
        for kind in range(1, species):
            lost = state[:, kind] * (1.0 - survival[kind])
            gone += lost[0] @ middle[kind]
            state[:, kind] -= lost
            for first in range(0, cells, group_size[kind]):
                group = first // group_size[kind]
                total = lost[:, first : first + group_size[kind]].sum(axis=1)
                reactions[kind, step] += total[0]
                gone -= total[0] * born_energy[kind, group]
                if total[0] > threshold:
                    give_birth(born, kind, group, total)
        for group in range(cells):
            total = shared[group] * np.concatenate([[1.0], moments[energy, step]])
            reactions[0, step] += total[0]
            gone -= total[0] * born_energy[0, group]
            give_birth(born, 0, group, total)
        removed[step] = gone
        state += born
        deposit(step)
        for kind in range(1, species):
            kick = state[0, kind] * power[kind] * length
            state[1, kind] += 2.0 * length * state[2, kind] + length**2 * (state[3, kind] + kick / 3.0)
            state[2, kind] += length * state[3, kind] + 0.5 * length * kick
            state[3, kind] += kick
        state = np.concatenate([state[:, :, 1:], np.zeros((4, species, 1))], axis=2)
    for kind in range(species):
        escaping[kind] = state[0, kind] @ end_energy[kind]
    escaping[0] = sum(ions * end_energy[0, cell // ratio] for cell, ions in enumerate(primary))
