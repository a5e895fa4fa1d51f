"""Monte Carlo of carbon ions and their fragments in voxels, independent of the pencil beam."""

from doseplan.montecarlo.recalculate import recalculate
from doseplan.montecarlo.water import water_box

__all__ = ["recalculate", "water_box"]
