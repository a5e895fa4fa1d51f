"""Names of the tissues of the voxel model."""

TISSUES = (
    "air",
    "skin",
    "fat",
    "muscle",
    "lung",
    "disc",
    "cortical_bone",
    "spongiosa",
    "epidural_fat",
    "tumour",
    "cavity",
    "csf",
    "cord",
    "aorta",
    "kidney",
    "airway",
    "sclerotic_tumour",
    "cauda_equina",
    "replacement",
    "cement",
    "implant",
)
"""Names of the codes of `tissue`."""
