"""One ion beam in matter, from first principles."""

from doseplan.beam.cross_sections import reaction_cross_section
from doseplan.beam.line import BeamLine
from doseplan.beam.medium import Medium
from doseplan.beam.stopping import csda_range, stopping_power

__all__ = ["BeamLine", "Medium", "csda_range", "reaction_cross_section", "stopping_power"]
