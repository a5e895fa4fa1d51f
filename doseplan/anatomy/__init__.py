"""A case to voxels: vertebrae, cord, tumour, surgery, materials, sample points."""

from doseplan.anatomy.contours import inside_contours, planes_of
from doseplan.anatomy.phantom import build_phantom, phantom_of_patient
from doseplan.anatomy.samples import place_samples
from doseplan.anatomy.scan import patient_of
from doseplan.anatomy.staging import stage

__all__ = [
    "build_phantom",
    "inside_contours",
    "patient_of",
    "phantom_of_patient",
    "place_samples",
    "planes_of",
    "stage",
]
