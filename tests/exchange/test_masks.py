"""CT and masks as NIfTI or npz."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from doseplan.anatomy import inside_contours, planes_of
from doseplan.exchange.masks import read_masks
from doseplan.messages import InputError

SHAPE, SPACING, ORIGIN = (6, 9, 8), (2.0, 1.0, 1.5), (-10.0, 20.0, -30.0)


def volume() -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """CT numbers, a mask of no symmetry, and axes z, y, x."""
    hu = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE) - 200
    mask = np.zeros(SHAPE, bool)
    mask[1:4, 2:6, 3:7] = True
    mask[2, 2, 3] = False
    axes = tuple(o + s * np.arange(n) for o, s, n in zip(ORIGIN, SPACING, SHAPE, strict=True))
    return hu, mask, axes


def npz(tmp_path: Path, **changed: object) -> Path:
    hu, mask, _ = volume()
    content = {"hu": hu, "mask_cord": mask, "spacing_mm": SPACING, "origin_mm": ORIGIN, **changed}
    np.savez(tmp_path / "ct.npz", **{name: value for name, value in content.items() if value is not None})
    return tmp_path / "ct.npz"


def nifti(folder: Path, name: str, values: np.ndarray, flips: tuple[int, int, int] = (1, 1, 1)) -> None:
    """Write (z, y, x) in patient LPS as NIfTI (x, y, z) in RAS, axes turned round at will."""
    _, _, (z, y, x) = volume()
    turned = values.transpose(2, 1, 0)[:: flips[0], :: flips[1], :: flips[2]]
    affine = np.diag([-SPACING[2] * flips[0], -SPACING[1] * flips[1], SPACING[0] * flips[2], 1.0])
    first = [axis[0] if flip > 0 else axis[-1] for axis, flip in zip((x, y, z), flips, strict=True)]
    affine[:3, 3] = [-first[0], -first[1], first[2]]
    folder.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(turned.astype(np.int16), affine), folder / f"{name}.nii.gz")


def same(scan) -> None:
    hu, mask, axes = volume()
    np.testing.assert_array_equal(scan["ct_number"].values, hu)
    for name, axis in zip("zyx", axes, strict=True):
        np.testing.assert_allclose(scan[name].values, axis, atol=1e-5)
    found = inside_contours(planes_of(scan, "cord"), *axes)
    np.testing.assert_array_equal(found, mask)


def test_npz_is_read(tmp_path) -> None:
    same(read_masks(npz(tmp_path)))


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (-1, 1, 1), (1, -1, -1)])
def test_nifti_is_read_whichever_way_its_axes_run(tmp_path, flips) -> None:
    hu, mask, _ = volume()
    nifti(tmp_path / "case", "ct", hu, flips)
    nifti(tmp_path / "case", "cord", mask, flips)
    same(read_masks(tmp_path / "case"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"spacing_mm": None}, "got no spacing_mm"),
        ({"hu": np.zeros((3, 4))}, r"hu: expected \(z, y, x\)"),
        ({"mask_cord": np.zeros((6, 9, 7))}, "mask_cord: expected the shape of hu"),
        ({"spacing_mm": (1.0, -1.0, 1.0)}, "expected three finite numbers"),
    ],
)
def test_nonsense_in_an_npz_is_named(tmp_path, changed, said) -> None:
    with pytest.raises(InputError, match=said):
        read_masks(npz(tmp_path, **changed))


def test_a_damaged_npz_is_named(tmp_path) -> None:
    path = npz(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="expected an npz file, got a damaged one"):
        read_masks(path)


def test_a_mask_on_another_grid_is_named(tmp_path) -> None:
    hu, mask, _ = volume()
    nifti(tmp_path / "case", "ct", hu)
    nifti(tmp_path / "case", "cord", mask[:, :, :-1])
    with pytest.raises(InputError, match=r"cord\.nii\.gz: expected the grid of the CT"):
        read_masks(tmp_path / "case")


def test_an_oblique_nifti_is_refused(tmp_path) -> None:
    hu, _, _ = volume()
    turn = np.radians(10.0)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    (tmp_path / "case").mkdir()
    nibabel.save(nibabel.Nifti1Image(hu, affine), tmp_path / "case" / "ct.nii")
    with pytest.raises(InputError, match="got an oblique image"):
        read_masks(tmp_path / "case")


def test_a_folder_without_a_ct_is_named(tmp_path) -> None:
    nifti(tmp_path / "case", "cord", volume()[1])
    with pytest.raises(InputError, match="expected one CT among the NIfTI files"):
        read_masks(tmp_path / "case")
