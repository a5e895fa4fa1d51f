"""One ion beam in water, from first principles."""

from doseplan.beam.cross_sections import reaction_cross_section
from doseplan.beam.stopping import csda_range, stopping_power

__all__ = ["csda_range", "reaction_cross_section", "stopping_power"]
