"""Commands on one beam: bragg and sobp."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doseplan.cli.tell import Json, answer, app, checked_path, draw, prepare_kernels, progress, say
from doseplan.messages import InputError

if TYPE_CHECKING:
    import xarray as xr

Ion = Annotated[str, typer.Option(help="Primary ion: 12C, 4He, 1H, ...")]
Picture = Annotated[Path | None, typer.Option(help="Picture, .png.")]
Data = Annotated[Path | None, typer.Option(help="All curves as NetCDF, .nc.")]
Momentum = Annotated[float, typer.Option(help="Momentum spread of the beam, one sigma, %.")]
Ripple = Annotated[float, typer.Option(help="Ripple filter, mm of water.")]
Nozzle = Annotated[float, typer.Option(help="Nozzle in front of the air, mm of water.")]
AirGap = Annotated[float, typer.Option(help="Air between nozzle and first depth, mm.")]


@app.command(epilog="Example: doseplan bragg 290 --ion 12C --material cortical_bone --out bragg.png")
def bragg(
    energy: Annotated[float, typer.Argument(metavar="ENERGY", help="MeV/u: 50 to 430, up to helium to 250.")],
    ion: Ion = "12C",
    material: Annotated[str, typer.Option(help="Name in data/materials.csv.")] = "water",
    i_value_ev: Annotated[float | None, typer.Option(help="Mean excitation energy, eV.")] = None,
    momentum_spread_percent: Momentum = 0.05,
    ripple_filter_mm: Ripple = 0.0,
    nozzle_mm: Nozzle = 0.0,
    air_gap_mm: AirGap = 0.0,
    spectra_mm: Annotated[str, typer.Option(help="Energy spectra at these depths, such as 10,80,150.")] = "",
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="What moves with what is not known.")
    ] = False,
    out: Picture = None,
    save: Data = None,
    as_json: Json = False,
) -> None:
    """Show one Bragg curve: by charge and component, LET, GyE; picture, numbers, spectra, sensitivities."""
    prepare_kernels()
    from doseplan.beam.line import BeamLine
    from doseplan.dose import depth_dose, energy_spectra, sensitivities
    from doseplan.present import bragg_curve, bragg_numbers, bragg_table, sensitivity_table, spectra_figure

    depths = _depths(spectra_mm)
    picture = checked_path(out or Path(f"bragg_{ion}_{energy:g}.png"), ".png")
    data = None if save is None else checked_path(save, ".nc", option="--save")
    line = BeamLine(
        momentum_spread=0.01 * momentum_spread_percent,
        ripple_filter_mm=ripple_filter_mm,
        nozzle_mm=nozzle_mm,
        air_gap_mm=air_gap_mm,
    )
    curve = depth_dose(
        energy,
        ion=ion,
        material=material,
        i_value_ev=i_value_ev,
        momentum_spread=line.momentum_spread,
        ripple_filter_mm=ripple_filter_mm,
        nozzle_mm=nozzle_mm,
        air_gap_mm=air_gap_mm,
    )
    stated = {"ion": ion, "material": material, "i_value_ev": i_value_ev}
    spectra = energy_spectra(energy, depths, line=line, **stated) if depths else None  # type: ignore[arg-type]
    with progress() as report:
        rows = sensitivities(energy, ion=ion, material=material, progress=report) if uncertainty else []
    numbers = bragg_numbers(curve) | ({"uncertainty": rows} if rows else {})
    draw(bragg_curve(curve), picture)
    if data is not None:
        _write(curve, data)
    if spectra is not None:
        draw(spectra_figure(spectra), picture.with_name(f"{picture.stem}_spectra.png"))
        if data is not None:
            _write(spectra, data.with_name(f"{data.stem}_spectra.nc"))
    answer(numbers, as_json, lambda console: console.print(bragg_table(curve)))
    if rows and not as_json:
        answer({}, as_json, lambda console: console.print(sensitivity_table(rows)))


@app.command(epilog="Example: doseplan sobp --distal-mm 150 --width-mm 60 --flat rbe")
def sobp(
    energy: Annotated[
        float | None, typer.Argument(metavar="ENERGY", help="Highest energy, MeV/u; or give --distal-mm.")
    ] = None,
    distal_mm: Annotated[float | None, typer.Option(help="Depth where the flat part ends, mm.")] = None,
    width_mm: Annotated[float, typer.Option(help="Width of the flat part, mm.")] = 60.0,
    flat: Annotated[str, typer.Option(help="What is flat: dose (absorbed) or rbe (RBE-weighted).")] = "rbe",
    level: Annotated[float, typer.Option(help="Dose of the flat part in one fraction, Gy or Gy(RBE).")] = 4.0,
    scale: Annotated[str, typer.Option(help="Scale of the RBE-weighted dose: NIRS or LEM1.")] = "NIRS",
    ion: Ion = "12C",
    momentum_spread_percent: Momentum = 0.05,
    ripple_filter_mm: Ripple = 3.0,
    nozzle_mm: Nozzle = 0.0,
    air_gap_mm: AirGap = 0.0,
    out: Picture = None,
    save: Data = None,
    as_json: Json = False,
) -> None:
    """Make a spread-out Bragg peak: weights of energies for a flat dose, and how flat it is."""
    prepare_kernels()
    from doseplan.dose import spread_out_peak
    from doseplan.present import spread_out_figure, spread_out_numbers, spread_out_table

    place = f"{energy:g}" if energy is not None else f"{distal_mm:g}mm" if distal_mm is not None else "none"
    picture = checked_path(out or Path(f"sobp_{ion}_{place}.png"), ".png")
    data = None if save is None else checked_path(save, ".nc", option="--save")
    with progress() as report:
        peak = spread_out_peak(
            energy,
            distal_mm=distal_mm,
            width_mm=width_mm,
            flat=flat,  # type: ignore[arg-type]
            level=level,
            scale=scale,
            ion=ion,
            momentum_spread=0.01 * momentum_spread_percent,
            ripple_filter_mm=ripple_filter_mm,
            nozzle_mm=nozzle_mm,
            air_gap_mm=air_gap_mm,
            progress=report,
        )
    draw(spread_out_figure(peak), picture)
    if data is not None:
        _write(peak, data)
    answer(spread_out_numbers(peak), as_json, lambda console: console.print(spread_out_table(peak)))


def _depths(stated: str) -> list[float]:
    """Read depths separated by commas."""
    try:
        return [float(text) for text in stated.split(",") if text.strip()]
    except ValueError:
        raise InputError(f"--spectra-mm: expected numbers such as 10,80,150, got {stated!r}") from None


def _write(dataset: "xr.Dataset", path: Path) -> None:
    """Write a NetCDF file, complete or not at all; lists of texts become lines."""
    from doseplan.exchange.files import write_netcdf

    attributes: dict[str, Any] = {
        name: "\n".join(value) if isinstance(value, list) else value for name, value in dataset.attrs.items()
    }
    write_netcdf(dataset.assign_attrs(attributes), path)
    say(f"Data: {path}")
