"""The teaching page in a browser: moved by mouse and keyboard, on a narrow screen, without a network."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from doseplan.dose import depth_dose
from doseplan.present.beam_table import rbe_dose
from doseplan.present.explore import explore_numbers, export_page

api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (extra `test`)")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt install chromium)")

NUMBERS = explore_numbers()
STEP_MS, LOAD_MS = 100.0, 1000.0


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return export_page(tmp_path_factory.mktemp("site")).as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator["api.Browser"]:
    with api.sync_playwright() as playwright:
        # tests may run as root, where chromium refuses its sandbox
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Seen:
    """A page, with all it asked for and complained about."""

    def __init__(self, browser: "api.Browser", address: str, **options: object) -> None:
        self.page = browser.new_page(
            **{"viewport": {"width": 1200, "height": 900}, "locale": "en-GB", **options}
        )
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)
        self.page.wait_for_selector("body[data-ready=yes]", timeout=20_000)

    def number(self, name: str) -> float:
        """Read a number with its unit, as people see it."""
        return float(self.page.inner_text(f"#{name}").split()[0])

    def move(self, slider: str, value: float) -> None:
        self.page.fill(f"#{slider}", f"{value:g}")


@pytest.fixture
def seen(browser: "api.Browser", address: str) -> Iterator[Seen]:
    opened = Seen(browser, address)
    yield opened
    opened.page.close()
    assert opened.complaints == []
    assert opened.requests == [address], "the page asks for nothing but itself"


def energy_stop(energy: float, ion: str = "12C") -> int:
    return [beam["energy"] for beam in NUMBERS["beams"][ion]].index(energy)


@pytest.mark.parametrize("energy", [200.0, 290.0, 400.0])
def test_the_numbers_of_a_beam_are_those_of_the_library(seen: Seen, energy: float) -> None:
    curve = depth_dose(energy)
    depth = curve["depth"].values
    where = round(0.7 * curve.attrs["r80_mm"] * 2.0) / 2.0
    seen.move("energy", energy_stop(energy))
    seen.move("entrance", 1.5)
    seen.move("probe", where)
    assert seen.page.inner_text("#energy-out") == f"{energy:g} MeV/u"
    # what is shown is rounded to 0.1 mm
    assert seen.number("r80") == pytest.approx(curve.attrs["r80_mm"], abs=0.1)
    assert seen.number("peak-depth") == pytest.approx(curve.attrs["peak_depth_mm"], abs=0.1)
    dose = 1.5 * curve["idd"].values / curve["idd"].values[0]
    gye, lem = (np.interp(where, depth, rbe_dose(curve, dose, scale)) for scale in ("NIRS", "LEM1"))
    here = float(np.interp(where, depth, dose))
    # lines between kept depths miss up to 0.15 % of the peak, which is several times the dose here
    allowed = 0.0015 * float(dose.max()) + 0.001
    assert seen.number("probe-dose") == pytest.approx(here, abs=allowed)
    assert seen.number("probe-gye") == pytest.approx(gye, rel=0.01)
    assert seen.number("probe-let") == pytest.approx(np.interp(where, depth, curve["let_d"]), rel=0.03)
    assert seen.number("probe-rbe") == pytest.approx(gye / here, abs=0.015)
    assert seen.number("probe-lem") == pytest.approx(lem / here, abs=0.02)
    for charge in (1, 2, 5, 6):
        fluence = np.interp(where, depth, curve["fluence_by_charge"].sel(charge=charge))
        assert seen.number(f"fluence-{charge}") == pytest.approx(fluence, abs=0.004)


@pytest.mark.parametrize(("name", "ratio"), sorted(NUMBERS["slabs"].items()))
def test_a_slab_moves_the_range_by_its_water_equivalent(seen: Seen, name: str, ratio: float) -> None:
    before = seen.number("r80")
    seen.page.check(f"input[name=slab][value={name}]")
    seen.move("thickness", 10)
    seen.move("place", 40)
    assert seen.number("shift") == pytest.approx(-(ratio - 1.0) * 10.0, abs=0.051)
    assert seen.number("r80") == pytest.approx(before - (ratio - 1.0) * 10.0, abs=0.11)


def test_other_ions_have_fragments_of_their_own(seen: Seen) -> None:
    for ion, count in (("1H", 1), ("4He", 2), ("12C", 6)):
        seen.page.check(f"input[name=ion][value='{ion}']")
        assert seen.page.locator("#charges tr").count() == count
        assert seen.page.locator("#beam-dose path[stroke]").count() == count + 1


def test_the_numbers_of_a_spread_out_peak_are_those_embedded(seen: Seen) -> None:
    for number, width in enumerate(NUMBERS["peak_width_mm"]):
        for flat in ("dose", "rbe"):
            seen.move("width", number)
            seen.page.check(f"input[name=flat][value={flat}]")
            peak = next(
                peak
                for peak in NUMBERS["peaks"]
                if (peak["distal_mm"], peak["width_mm"], peak["flat"]) == (150.0, width, flat)
            )
            assert seen.number("flatness") == pytest.approx(peak["flatness_percent"], abs=0.05)
            assert seen.number("peak-r80") == pytest.approx(peak["r80_mm"], abs=0.05)


def test_every_position_of_the_spine_shows_its_own_numbers(seen: Seen) -> None:
    spine = NUMBERS["spine"]
    sizes = [len(spine[name]) for name in ("separation", "prescription", "range_error")]
    shown = ("cord_max", "target_max", "target_min", "target_v95_percent")
    for place in ((0, 0, 0), (0, 1, 2), (3, 1, 2), (sizes[0] - 1, sizes[1] - 1, sizes[2] - 1), (2, 0, 4)):
        for slider, value in zip(("separation", "prescription", "range-error"), place, strict=True):
            seen.move(slider, value)
        index = int(np.ravel_multi_index(place, sizes))
        for row, name in enumerate(shown):
            # the last digit that is shown: 0.01 GyE or 0.1 %
            allowed = 0.051 if name.endswith("percent") else 0.0051
            assert seen.number(f"value-{row}") == pytest.approx(spine["metrics"][name][index], abs=allowed)
            said = seen.page.inner_text(f"#met-{row}")
            assert said.startswith("✓" if spine["met"][index][row] else "✗")
        for cell, name in (
            ("cord-d003", "cord_d0_03cc"),
            ("target-d98", "target_d98"),
            ("target-d95", "target_d95"),
        ):
            assert seen.number(cell) == pytest.approx(spine["metrics"][name][index], abs=0.0051)


def test_the_keyboard_moves_sliders_and_numbers(seen: Seen) -> None:
    energy = seen.page.locator("#energy")
    energy.focus()
    before, stop = seen.number("r80"), int(energy.input_value())
    energy.press("ArrowRight")
    assert seen.number("r80") > before
    after = NUMBERS["beams"]["12C"][stop + 1]
    assert seen.page.inner_text("#energy-out") == f"{after['energy']:g} MeV/u"
    assert energy.get_attribute("aria-valuetext") == f"{after['energy']:g} MeV/u"
    separation = seen.page.locator("#separation")
    separation.press("End")
    assert seen.page.inner_text("#separation-out") == f"{NUMBERS['spine']['separation'][-1]:g} mm"
    separation.press("Home")
    assert seen.page.inner_text("#separation-out") == "no surgery"


def test_the_mouse_drags_sliders(seen: Seen) -> None:
    for slider, cell in (("energy", "r80"), ("separation", "target-min")):
        bar = seen.page.locator(f"#{slider}")
        bar.scroll_into_view_if_needed()
        box = bar.bounding_box()
        assert box is not None
        low, high = (float(bar.get_attribute(name) or 0) for name in ("min", "max"))
        part = (float(bar.input_value()) - low) / (high - low)
        before = seen.number(cell)
        # the middle of the knob runs from 8 px inside one end to 8 px inside the other
        middle = box["y"] + 0.5 * box["height"]
        seen.page.mouse.move(box["x"] + 8.0 + part * (box["width"] - 16.0), middle)
        seen.page.mouse.down()
        seen.page.mouse.move(box["x"] + 0.9 * box["width"], middle, steps=5)
        seen.page.mouse.up()
        assert float(bar.input_value()) > low + 0.8 * (high - low)
        assert seen.number(cell) > before


def test_a_step_takes_less_than_a_tenth_of_a_second(seen: Seen) -> None:
    took = []
    for slider, stops in (("energy", 12), ("width", 4), ("separation", 6), ("range-error", 4)):
        for stop in range(stops):
            seen.move(slider, stop)
            took.append(float(seen.page.get_attribute("body", "data-step-ms") or "inf"))
    assert np.median(took) < STEP_MS


def test_it_loads_in_less_than_a_second(browser: "api.Browser", address: str) -> None:
    took = []
    for _ in range(3):
        opened = Seen(browser, address)
        took.append(_loaded(opened))
        opened.page.close()
    # the best of three: other work on the machine is none of the page's
    assert min(took) < LOAD_MS


def _loaded(opened: Seen) -> float:
    return float(
        opened.page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    )


@pytest.mark.parametrize("width", [320, 390])
def test_a_narrow_screen_has_no_sideways_scrolling(browser: "api.Browser", address: str, width: int) -> None:
    opened = Seen(browser, address, viewport={"width": width, "height": 700}, has_touch=True)
    for language in ("en", "ja"):
        assert opened.page.get_attribute("html", "lang") == language
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        for chart in ("beam-dose", "beam-let", "peak-dose", "dvh", "slice"):
            box = opened.page.locator(f"#{chart}").bounding_box()
            assert box is not None
            assert box["width"] > 0.6 * width
            assert box["height"] > 80.0
        opened.page.click("#language")
    assert opened.complaints == []
    opened.page.close()


def test_the_slice_is_drawn_and_moves_with_the_plan(seen: Seen) -> None:
    """The canvas holds many colours, and lines of equal dose at every level."""
    pictures = []
    for separation in (0, 3):
        seen.move("separation", separation)
        pictures.append(seen.page.evaluate("document.getElementById('slice').toDataURL()"))
        lines = seen.page.evaluate("JSON.parse(document.getElementById('slice').dataset.lines)")
        assert all(count > 0 for count in lines.values()), lines
    assert pictures[0] != pictures[1]
    assert min(map(len, pictures)) > 50_000, "a blank picture packs to next to nothing"


def test_japanese_for_a_japanese_browser(browser: "api.Browser", address: str) -> None:
    opened = Seen(browser, address, locale="ja-JP")
    assert opened.page.get_attribute("html", "lang") == "ja"
    assert opened.page.inner_text("h1") == "炭素イオン線と脊髄"
    left = opened.page.evaluate(
        "[...document.querySelectorAll('[data-t]')].filter((node) => node.textContent.trim() === '').length"
    )
    assert left == 0
    opened.page.click("#language")
    assert opened.page.inner_text("h1") == "Carbon ions and the spinal cord"
    opened.page.close()
    linked = Seen(browser, f"{address}?lang=ja")
    assert linked.page.get_attribute("html", "lang") == "ja"
    linked.page.close()


def test_the_lesson_is_answered_by_dragging(seen: Seen) -> None:
    page = seen.page
    page.click("#teach")
    beams = NUMBERS["beams"]["12C"]
    assert right(seen) is False
    stop = min(range(len(beams)), key=lambda number: abs(beams[number]["peak_mm"] - 150.0))
    seen.move("energy", stop)
    assert right(seen) is True

    page.click("#next")
    page.check("input[name=slab][value=cortical_bone]")
    seen.move("thickness", 30)
    seen.move("place", 40)
    assert right(seen) is False
    for _ in range(40):
        page.press("#energy", "ArrowRight")
        if right(seen):
            break
    assert right(seen) is True

    page.click("#next")
    page.check("input[name=slab][value='']")
    curve = depth_dose(beams[int(page.input_value("#energy"))]["energy"])
    clear = curve["idd"].values > 0.01 * float(curve["idd"].max())
    best = float(curve["depth"].values[np.argmax(np.where(clear, curve["let_d"].values, 0.0))])
    seen.move("probe", round(best - 10.0))
    assert right(seen) is False
    seen.move("probe", round(2.0 * best) / 2.0)
    assert right(seen) is True

    page.click("#next")
    seen.move("width", NUMBERS["peak_width_mm"].index(60.0))
    assert right(seen) is False
    page.check("input[name=flat][value=rbe]")
    assert right(seen) is True

    page.click("#next")
    assert right(seen) is False
    spine = NUMBERS["spine"]
    for _ in spine["separation"]:
        page.press("#separation", "ArrowRight")
        if right(seen):
            break
    assert right(seen) is True
    assert "All five answered" in page.inner_text("#verdict")
    page.press("#separation", "End")
    page.press("#separation", "ArrowLeft")
    page.click("#end-lesson")
    assert page.is_hidden("#lesson")


def test_a_question_on_a_phone_does_not_cover_what_is_dragged(browser: "api.Browser", address: str) -> None:
    opened = Seen(browser, address, viewport={"width": 390, "height": 800}, has_touch=True)
    page = opened.page
    page.click("#teach")
    for slider, picture in (("energy", "beam-dose"), ("separation", "slice")):
        page.evaluate(f"document.getElementById('{slider}').scrollIntoView({{ block: 'nearest' }})")
        page.wait_for_timeout(50)  # sticky pictures settle after a scroll
        places = [page.locator(f"#{name}").bounding_box() for name in (picture, slider, "lesson")]
        above, knob, below = (place for place in places if place is not None)
        assert above["y"] + above["height"] <= knob["y"]
        assert knob["y"] + knob["height"] <= below["y"]
    page.click("#end-lesson")
    assert page.get_attribute("body", "data-lesson") is None
    assert opened.complaints == []
    page.close()


def right(seen: Seen) -> bool:
    return seen.page.get_attribute("#verdict", "data-right") == "true"


def test_every_control_has_a_name(seen: Seen) -> None:
    nameless = seen.page.evaluate(
        """[...document.querySelectorAll('input, button, svg[role=img], canvas')].filter((node) => {
          const label = node.labels && node.labels.length ? node.labels[0].textContent : '';
          return !(label + node.textContent + (node.getAttribute('aria-label') || '')).trim();
        }).map((node) => node.id || node.outerHTML)"""
    )
    assert nameless == []


def test_it_works_from_a_folder_with_other_letters(browser: "api.Browser", tmp_path: Path) -> None:
    opened = Seen(browser, export_page(tmp_path / "コース site").as_uri())
    assert opened.number("r80") > 0.0
    opened.page.close()
