"""The command of the teaching page."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from doseplan.cli.tell import Json, answer, app, say


@app.command(epilog="Example: doseplan explore --export course_site")
def explore(
    export: Annotated[
        Path | None, typer.Option(help="Write the page into this folder, for a course site; no browser.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    as_json: Json = False,
) -> None:
    """Open the teaching page, offline: one ion beam, a spread-out peak, a spine, five questions."""
    from doseplan.present.explore import export_page

    page = export_page(export or _own_folder())
    content = {"page": str(page), "bytes": page.stat().st_size}
    answer(content, as_json, lambda console: console.print(f"Page: {page}", soft_wrap=True))
    if export is None and browser:
        import webbrowser

        if not webbrowser.open(page.resolve().as_uri()):
            say("no browser was found here: open this file in one")


def _own_folder() -> Path:
    """Choose a place that stays, or a temporary one where nothing may be kept."""
    from platformdirs import user_cache_path

    folder = user_cache_path("doseplan") / "explore"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return Path(tempfile.mkdtemp(prefix="doseplan-explore-"))
    return folder
