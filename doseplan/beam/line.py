"""What stands between accelerator and first depth, and the beams that come out of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from doseplan.beam.medium import Medium
from doseplan.beam.scattering import (
    fermi_eyges_moments,
    momentum_range_spread,
    range_straggling,
    scattering_power,
)
from doseplan.beam.species import species_of
from doseplan.beam.stopping import energy_at_range, range_at
from doseplan.beam.tables import Tables
from doseplan.constants import WATER_DENSITY
from doseplan.messages import InputError

Floats = NDArray[np.float64]

DEFAULT_MOMENTUM_SPREAD = 0.0005
"""[1] one sigma of dp/p; section D2 of the reference [assumed]."""

AIR_WATER_EQUIVALENT = 0.001_07
"""[mm of water per mm of air] the stopping power ratio of air at 20 C."""

MM = WATER_DENSITY / 10.0
"""[g/cm2 per mm] of water."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamLine:
    """What stands between the accelerator and the first depth.

    Attributes
    ----------
    momentum_spread : float
        One sigma of dp/p.
    ripple_filter_mm : float [mm of water]
        Ripple filter: every thickness from 0 on is equally likely.
    nozzle_mm : float [mm of water]
        Windows, monitors and range shifters, as water, in front of the air gap.
    air_gap_mm : float [mm]
        Air between nozzle and first depth; it slows and scatters like its water equivalent, a third of it in
        front of the gap and two thirds behind, which gives the true width at the end of the gap.
    """

    momentum_spread: float = DEFAULT_MOMENTUM_SPREAD
    ripple_filter_mm: float = 0.0
    nozzle_mm: float = 0.0
    air_gap_mm: float = 0.0

    @property
    def in_front_mm(self) -> float:
        """Water equivalent of nozzle and air [mm]."""
        return self.nozzle_mm + AIR_WATER_EQUIVALENT * self.air_gap_mm

    def limits(self) -> dict[str, tuple[float, float, float]]:
        """List value, lowest and highest of everything by name."""
        return {
            "momentum_spread": (self.momentum_spread, 0.0, 0.02),
            "ripple_filter_mm": (self.ripple_filter_mm, 0.0, 20.0),
            "nozzle_mm": (self.nozzle_mm, 0.0, 200.0),
            "air_gap_mm": (self.air_gap_mm, 0.0, 5000.0),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Beams:
    """Beams as they enter the nozzle.

    csda : (energy,) [g/cm2] at the first depth, behind nozzle and air
    start : (energy, fine cell) ions by residual range
    variance : (energy, fine step) [(g/cm2)2], moments : (energy, coarse step, 3)
    skipped : fine steps of nozzle and air, a whole number of coarse steps
    gap_step : coarse step in front of which the gap lies
    """

    ion: str
    csda: Floats
    start: Floats
    sigma: Floats
    ripple: float
    skipped: int
    gap_step: int

    @staticmethod
    def of(energies: Floats, tables: Tables, line: BeamLine) -> "Beams":
        """Place the ions of every beam.

        What is in front of the first depth is rounded to whole coarse steps of reactions; the range is not.
        """
        ion, medium = tables.names[0], tables.medium
        entering = range_at(ion, energies, medium)
        # water-equivalent thicknesses as mass thickness of the medium, at the energies where they act
        per_water = float(np.mean(entering / range_at(ion, energies)))
        in_front = line.in_front_mm * MM * per_water
        steps = round(in_front / (tables.step * tables.ratio))
        centres = entering - (in_front - steps * tables.step * tables.ratio)
        if not (entering > in_front + 1e-3).all():
            raise InputError(
                f"nozzle_mm: expected less than the beam's range of {entering.min() / MM / per_water:.1f} mm "
                f"of water, got {line.in_front_mm:g} mm with the air"
            )
        sigma = np.array([range_sigma(ion, float(value), line, medium) for value in energies])
        ripple = line.ripple_filter_mm * MM * per_water
        start = [_start(centre, width, ripple, tables) for centre, width in zip(centres, sigma, strict=True)]
        before_gap = (line.nozzle_mm + AIR_WATER_EQUIVALENT * line.air_gap_mm / 3.0) * MM * per_water
        return Beams(
            ion=ion,
            csda=entering - in_front,
            start=np.array(start),
            sigma=sigma,
            ripple=ripple,
            skipped=steps * tables.ratio,
            gap_step=min(round(before_gap / (tables.step * tables.ratio)), steps),
        )

    def moments(self, coarse: int, tables: Tables, line: BeamLine) -> tuple[Floats, Floats]:
        """Compute the lateral variance [(g/cm2)2] in fine steps, and all moments in coarse steps.

        Ions at the mean residual range stand for all; behind their end the last value holds.
        """
        gap = line.air_gap_mm * tables.medium.density / 10.0
        variance, moments = [], []
        for centre, sigma in zip(self.csda + self.skipped * tables.step, self.sigma, strict=True):
            left = centre - 0.5 * self.ripple - grid(coarse * tables.ratio, 0.5, tables.step)
            alive = left > 0.5 * sigma
            energy = energy_at_range(self.ion, np.maximum(left, 0.5 * sigma), tables.medium)
            power = scattering_power(species_of(self.ion), energy, float(energy[0]) * 1.001, tables.medium)
            every = np.stack(
                fermi_eyges_moments(
                    np.where(alive, power, 0.0), tables.step, gap_step=self.gap_step * tables.ratio, gap=gap
                ),
                axis=1,
            )
            last = max(int(np.count_nonzero(alive)) - 1, 0)
            every[last:] = every[last]
            variance.append(every[:, 0])
            moments.append(every.reshape(coarse, tables.ratio, 3).mean(axis=1))
        return np.array(variance), np.array(moments)


def range_sigma(ion: str, energy: float, line: BeamLine, medium: Medium) -> float:
    """Spread of the residual range [g/cm2]: straggling up to the end, and the beam's momentum."""
    straggling = range_straggling(ion, energy, medium)
    return float(np.hypot(straggling, momentum_range_spread(ion, energy, line.momentum_spread, medium)))


def _start(centre: float, sigma: float, ripple: float, tables: Tables) -> Floats:
    """Share the primary ions among cells: a Gaussian, folded with a uniform thickness from 0 to `ripple`."""
    edges = grid(tables.primary.survival.size + 1, 0.0, tables.step)
    if ripple > 1e-9:
        with_filter = _integrated_normal((edges + ripple - centre) / sigma)
        below = (with_filter - _integrated_normal((edges - centre) / sigma)) * (sigma / ripple)
    else:
        below = ndtr((edges - centre) / sigma)
    return np.asarray(np.diff(below))


def grid(size: int, first: float, step: float) -> Floats:
    """Count steps: (first, first + 1, ...) times the step."""
    return np.asarray((np.arange(size) + first) * step, dtype=np.float64)


def _integrated_normal(value: Floats) -> Floats:
    """Integral of the normal distribution function."""
    return np.asarray(value * ndtr(value) + np.exp(-0.5 * value**2) / np.sqrt(2.0 * np.pi))
