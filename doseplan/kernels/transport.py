"""March ions of one beam through water in steps of depth; the state is sorted by where an ion will stop."""

import numpy as np
from numba import njit, prange


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _deposit(state, weight, end, step, deposited, spread, angle, fluence):
    """Add half of what all fragments do in one step: energy and other responses, spread, angle, fluence."""
    for species in range(1, state.shape[1]):
        size = end[species] - step
        if size <= 0:
            continue
        number = state[0, species, step : end[species]]
        for response in range(weight.shape[0]):
            row = weight[response, species]
            total = 0.0
            for cell in range(size):
                total += number[cell] * row[cell]
            deposited[response, species, step] += 0.5 * total
        row = weight[0, species]
        variance = state[1, species, step : end[species]]
        slope = state[3, species, step : end[species]]
        wide, steep, many = 0.0, 0.0, 0.0
        for cell in range(size):
            wide += variance[cell] * row[cell]
            steep += slope[cell]
            many += number[cell]
        spread[species, step] += 0.5 * wide
        angle[species, step] += 0.5 * steep
        # an ion of the first cell stops within the step, half-way on average
        fluence[species, step] += 0.5 * (many - 0.5 * number[0])


@njit(cache=True, error_model="numpy")
def _give_birth(
    state, end, step, parent, group, lost, branch_start, branch_child, branch_number, position, angle
):
    """Put the fragments of `lost` reactions of one group of parent cells where they will stop."""
    for branch in range(branch_start[parent], branch_start[parent + 1]):
        child = branch_child[branch]
        place = position[branch, group]
        cell = int(place)
        label = step + cell
        further = place - cell
        number = branch_number[branch] * lost[0]
        nearer = 1.0 - further
        slope = branch_number[branch] * lost[3] + number * angle[branch, group]
        state[0, child, label] += nearer * number
        state[0, child, label + 1] += further * number
        state[1, child, label] += nearer * branch_number[branch] * lost[1]
        state[1, child, label + 1] += further * branch_number[branch] * lost[1]
        state[2, child, label] += nearer * branch_number[branch] * lost[2]
        state[2, child, label + 1] += further * branch_number[branch] * lost[2]
        state[3, child, label] += nearer * slope
        state[3, child, label + 1] += further * slope
        if end[child] < label + 2:
            end[child] = label + 2


@njit(cache=True, error_model="numpy")
def _react(
    state, end, step, survival, middle_energy, born_energy, group_size, threshold, branches, reactions
):
    """Let fragments react, the lightest first, so that no fragment reacts in the step of its birth.

    Returns the kinetic energy [MeV] that the reactions take out of the beam.
    """
    branch_start, branch_child, branch_number, position, angle = branches
    lost = np.zeros(4)
    gone = 0.0
    for species in range(state.shape[1] - 1, 0, -1):
        size = end[species] - step
        width = group_size[species]
        for group in range((size + width - 1) // width):
            lost[:] = 0.0
            for cell in range(group * width, min((group + 1) * width, size)):
                part = 1.0 - survival[species, cell]
                gone += part * state[0, species, step + cell] * middle_energy[species, cell]
                for moment in range(4):
                    amount = part * state[moment, species, step + cell]
                    state[moment, species, step + cell] -= amount
                    lost[moment] += amount
            reactions[species, step] += lost[0]
            gone -= lost[0] * born_energy[species, group]
            if lost[0] > threshold:
                _give_birth(
                    state,
                    end,
                    step,
                    species,
                    group,
                    lost,
                    branch_start,
                    branch_child,
                    branch_number,
                    position,
                    angle,
                )
    return gone


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _drift(state, power, end, step, length):
    """Scatter and drift all fragments over one step: Fermi-Eyges for every species and stopping place."""
    for species in range(1, state.shape[1]):
        size = end[species] - step - 1
        if size <= 0:
            continue
        number = state[0, species, step + 1 : end[species]]
        variance = state[1, species, step + 1 : end[species]]
        covariance = state[2, species, step + 1 : end[species]]
        slope = state[3, species, step + 1 : end[species]]
        row = power[species, 1 : size + 1]
        for cell in range(size):
            kick = number[cell] * row[cell] * length
            variance[cell] += length * (2.0 * covariance[cell] + length * (slope[cell] + kick / 3.0))
            covariance[cell] += length * (slope[cell] + 0.5 * kick)
            slope[cell] += kick


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _cross_gap(state, end, step, gap):
    """Let all fragments drift over a gap in which nothing slows or scatters them."""
    for species in range(1, state.shape[1]):
        for label in range(step, end[species]):
            state[1, species, label] += gap * (
                2.0 * state[2, species, label] + gap * state[3, species, label]
            )
            state[2, species, label] += gap * state[3, species, label]


@njit(parallel=True, cache=True, error_model="numpy")
def transport(
    start,
    primary_moments,
    primary_survival,
    primary_middle_energy,
    primary_weight,
    survival,
    middle_energy,
    end_energy,
    weight,
    power,
    born_energy,
    group_size,
    branch_start,
    branch_child,
    branch_number,
    branch_position,
    branch_angle,
    length,
    threshold,
    gap_step,
    gap,
    snapshot_step,
    primary_deposited,
    primary_fluence,
    deposited,
    spread,
    angle,
    fluence,
    reactions,
    removed,
    escaping,
    primary_snapshot,
    snapshot,
):
    """Compute what the primary ions and their fragments do at every depth, for several beam energies.

    The primary ion is followed in fine steps, fragments in coarse steps of a whole number of fine ones. An
    ion is kept under the depth at which it will stop, counted in cells of one step, so a step costs no copy.
    What a step does is the mean of the ions before and after its reactions, which happen half-way.

    Parameters
    ----------
    start : (energy, label) float64
        Primary ions by fine cell of residual range at depth zero.
    primary_moments : (energy, coarse, 3) float64 [(g/cm2)2, rad g/cm2, rad2]
        Fermi-Eyges moments of the primary ions in the middle of every coarse step.
    primary_survival, primary_middle_energy : (cell,) float64 [1], [MeV]
        Of a fine step: part that does not react, kinetic energy half-way.
    primary_weight : (response, cell) float64
        What an ion of the cell does in a fine step; response 0 is its energy loss [MeV].
    survival, middle_energy, end_energy, power : (species, cell) float64 [1], [MeV], [MeV], [rad2 cm2/g]
        The same for coarse steps, the kinetic energy of the cell, and its scattering power. Species 0 is
        the primary ion.
    weight : (response, species, cell) float64
    born_energy : (species, group) float64 [MeV]
        Kinetic energy of all fragments of a reaction in a group of cells.
    group_size : (species,) int64
        Coarse cells that share the places of their fragments; 1 for the primary ion, whose reactions are
        shared between the two nearest places.
    branch_start : (species + 1,) int64
        First branch (one fragment at one velocity) of every parent, and the end.
    branch_child : (branch,) int64
    branch_number : (branch,) float64
        Mean number per reaction.
    branch_position, branch_angle : (branch, group) float64 [coarse cells], [rad2]
        Residual range of the fragment and variance of its angle.
    length : float [g/cm2]
        Coarse step.
    threshold : float
        Fewer reactions than this in one group make no fragments.
    gap_step, gap : int, float [g/cm2]
        In front of this coarse step the fragments drift this far; the moments of the primary ions know it.
    snapshot_step : (snapshot,) int64
        Coarse steps in front of which the ions are counted by residual range.
    primary_deposited : (energy, response, fine) float64
    primary_fluence : (energy, fine) float64
    deposited : (energy, response, species, coarse) float64
    spread, angle, fluence, reactions : (energy, species, coarse) float64
        Sums of position variance times energy loss, of angle variance, of ions, and of reactions.
    removed : (energy, coarse) float64 [MeV]
        Kinetic energy that reactions take out of the beam.
    escaping : (energy, species) float64 [MeV]
        Kinetic energy at the last depth.
    primary_snapshot : (energy, snapshot, fine cell) float64
    snapshot : (energy, snapshot, 2, species, coarse cell) float64
        Ions by residual range, and the sum of their angle variances [rad2]; species 0 is in
        `primary_snapshot`. All outputs are overwritten.
    """
    coarse = reactions.shape[2]
    fine = primary_fluence.shape[1]
    ratio = fine // coarse
    species_count = survival.shape[0]
    width = survival.shape[1] + coarse + 2
    for energy in prange(start.shape[0]):
        branches = (branch_start, branch_child, branch_number, branch_position, branch_angle)
        primary = start[energy].copy()
        state = np.zeros((4, species_count, width))
        end = np.zeros(species_count, np.int64)
        lost = np.zeros(born_energy.shape[1] + 1)
        born = np.zeros(4)
        primary_deposited[energy] = 0.0
        deposited[energy] = 0.0
        spread[energy] = 0.0
        angle[energy] = 0.0
        fluence[energy] = 0.0
        reactions[energy] = 0.0
        primary_snapshot[energy] = 0.0
        snapshot[energy] = 0.0
        for step in range(coarse):
            gone = 0.0
            lost[:] = 0.0
            if step == gap_step and gap > 0.0:
                _cross_gap(state, end, step, gap)
            for picture in range(snapshot_step.size):
                if snapshot_step[picture] == step:
                    first = step * ratio
                    primary_snapshot[energy, picture, : max(primary.size - first, 0)] = primary[first:]
                    for species in range(1, species_count):
                        many = end[species] - step
                        if many > 0:
                            snapshot[energy, picture, 0, species, :many] = state[
                                0, species, step : end[species]
                            ]
                            snapshot[energy, picture, 1, species, :many] = state[
                                3, species, step : end[species]
                            ]
            for part in range(ratio):
                place = step * ratio + part
                ions = 0.0
                for label in range(place, primary.size):
                    number = primary[label]
                    if number < 1e-14:
                        continue
                    cell = label - place
                    react = number * (1.0 - primary_survival[cell])
                    primary[label] = number - react
                    mean = number - 0.5 * react
                    ions += 0.5 * mean if cell == 0 else mean
                    for response in range(primary_weight.shape[0]):
                        primary_deposited[energy, response, place] += mean * primary_weight[response, cell]
                    group = cell // ratio
                    above = (cell - group * ratio) / ratio
                    lost[group] += (1.0 - above) * react
                    lost[group + 1] += above * react
                    gone += react * primary_middle_energy[cell]
                primary_fluence[energy, place] = ions
            _deposit(
                state, weight, end, step, deposited[energy], spread[energy], angle[energy], fluence[energy]
            )
            gone += _react(
                state, end, step, survival, middle_energy, born_energy, group_size, threshold, branches,
                reactions[energy],
            )  # fmt: skip
            for group in range(lost.size - 1):
                if lost[group] > 0.0:
                    reactions[energy, 0, step] += lost[group]
                    gone -= lost[group] * born_energy[0, group]
                    born[0] = lost[group]
                    for moment in range(3):
                        born[moment + 1] = lost[group] * primary_moments[energy, step, moment]
                    _give_birth(
                        state, end, step, 0, group, born,
                        branch_start, branch_child, branch_number, branch_position, branch_angle,
                    )  # fmt: skip
            removed[energy, step] = gone
            _deposit(
                state, weight, end, step, deposited[energy], spread[energy], angle[energy], fluence[energy]
            )
            _drift(state, power, end, step, length)
        for species in range(species_count):
            total = 0.0
            for cell in range(max(end[species] - coarse, 0)):
                total += state[0, species, coarse + cell] * end_energy[species, cell]
            escaping[energy, species] = total
        for label in range(fine, primary.size):
            escaping[energy, 0] += primary[label] * end_energy[0, (label - fine) // ratio]
