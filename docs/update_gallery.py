"""Write what the voxel model of every bundled case has into its [check]: `python docs/update_gallery.py`."""

import sys

from doseplan.anatomy import build_phantom, stage
from doseplan.case import bundled_cases, load_case


def main() -> None:
    """Build every bundled case and write what its voxel model has; look at the pictures before committing."""
    for name, path in bundled_cases().items():
        case = load_case(path)
        before = build_phantom(case, separation_mm=None)
        free = build_phantom(case, separation_mm=0.0)
        after = build_phantom(case, separation_mm=case.surgery.separation_mm)
        text = path.read_text(encoding="utf-8").split("\n# Volumes and the grade")[0].rstrip()
        lines = [
            "# Volumes and the grade that the voxel model must have, written by docs/update_gallery.py.",
            "[check]",
            f"gtv_cm3 = {before.attrs['gtv_cm3']:.2f}",
            f"target_cm3 = {before.attrs['target_cm3']:.2f}",
            f"residual_cm3 = {after.attrs['gtv_cm3']:.2f}",
            f"cord_cm3 = {free.attrs['cord_cm3']:.2f}",
            f"sac_cm3 = {free.attrs['sac_cm3']:.2f}",
            f'escc = "{stage(before, free)["escc"]}"',
        ]
        path.write_text(text + "\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
        sys.stdout.write(" ".join([name, *lines[2:]]) + "\n")


if __name__ == "__main__":
    main()
