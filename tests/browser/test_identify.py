import csv
import json
import re
from itertools import combinations
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from benchmarks.client.browser import SIZES, choose, give, tab_to
from streamlit_app.inference.classifier import (
    Classifier,
    checkpoints_folder,
    variant_folders,
)
from streamlit_app.results.charts import percent
from streamlit_app.species import common_name
from streamlit_app.ui.cropping import Box
from tests.browser.conftest import Open

pytestmark = pytest.mark.slow

pillow_heif.register_heif_opener()  # lets the tests write HEIC, which Pillow calls HEIF


def accuracy(variant: Path) -> float:
    """On val photos, by which the app chooses whom to ask."""
    report = json.loads((variant / "report.json").read_text(encoding="utf-8"))
    return report["metrics"]["val"]["accuracy"]["value"]


VARIANTS = sorted(variant_folders(checkpoints_folder()), key=accuracy, reverse=True)


def answered(photo: Path, variant: Path = VARIANTS[0], box: Box | None = None) -> str:
    """What the heading has to say: asked without the app."""
    answer = Classifier(variant).classify([Image.open(photo).crop(box)])
    species, probability = answer.ranking(0)[0]
    if answer.is_ood[0]:  # a drawing is no photo, and some variants notice
        return answer.ood_label
    return f"{common_name(species)}, {percent(probability)}"


def heading(page: Page) -> str:
    return page.get_by_role("heading", level=2).inner_text()


def picture(page: Page) -> str:
    """The address of the photo with its heatmap, which changes with its pixels."""
    return page.get_by_alt_text("bright colours mark").get_attribute("src") or ""


def test_a_photo_is_answered_with_its_heatmap_facts_and_numbers(
    open_page: Open, kingfisher: Path, size: tuple[int, int]
) -> None:
    page = open_page("identify", size=size)
    expect(page.get_by_text("The 25 birds")).to_be_visible()
    give(page, kingfisher)
    assert heading(page) == answered(kingfisher)
    assert page.get_by_alt_text("bright colours mark").evaluate("i => i.naturalWidth") == 480
    expect(page.get_by_text(re.compile("Evidence for .+"))).to_be_visible()
    expect(page.get_by_text("IUCN Red List")).to_be_visible()
    expect(page.get_by_text("The 25 birds")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the numbers").click()
    assert download.value.suggested_filename == "answer.csv"
    assert len(list(csv.DictReader(download.value.path().open()))) == 25


def test_another_species_stands_in_the_address_and_back_undoes_it(
    open_page: Open, kingfisher: Path, size: tuple[int, int]
) -> None:
    page = open_page("identify", size=size)
    give(page, kingfisher)
    before = picture(page)
    choose(page, "Evidence for", "Sarus Crane")
    expect(page.get_by_text("for Sarus Crane")).to_be_visible()
    expect(page).to_have_url(re.compile("species=Sarus-Crane"))
    expect(page.get_by_alt_text("evidence for Sarus Crane")).not_to_have_attribute("src", before)
    page.go_back()
    expect(page).not_to_have_url(re.compile("species="))
    expect(page.get_by_alt_text("evidence for Sarus Crane")).to_have_count(0)
    assert heading(page) == answered(kingfisher)


def test_the_answer_follows_the_crop(
    open_page: Open, kingfisher: Path, size: tuple[int, int]
) -> None:
    page = open_page("identify", size=size)
    give(page, kingfisher)
    before = picture(page)
    page.get_by_role("button", name="Frame to look at").press("-")
    expect(page.get_by_role("button", name="Whole photo")).to_be_visible()
    left, top, width, height = (round(480 * part) for part in frame_of(page))
    box = left, top, left + width, top + height
    expect(page.get_by_role("heading", level=2)).to_have_text(answered(kingfisher, box=box))
    expect(page.get_by_alt_text("bright colours mark")).not_to_have_attribute("src", before)
    page.get_by_role("button", name="Whole photo").click()
    expect(page.get_by_alt_text("bright colours mark")).to_have_attribute("src", before)


def frame_of(page: Page) -> list[float]:
    """The frame's edges as parts of the photo."""
    return page.locator(".crop-frame").evaluate(
        """frame => ['left', 'top', 'width', 'height'].map(k => parseFloat(frame.style[k]) / 100)"""
    )


# Of each grip what is seen of it, which the photo's edges cut off.
GRIPS = """() => [...document.querySelectorAll('[data-grip]')].map(grip => {
    const [box, stage] = [grip, grip.closest('.crop-stage')].map(e => e.getBoundingClientRect());
    const left = Math.max(box.left, stage.left), right = Math.min(box.right, stage.right);
    const top = Math.max(box.top, stage.top), bottom = Math.min(box.bottom, stage.bottom);
    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return {name: grip.dataset.grip, left, right, top, bottom, reached: hit === grip};
})"""


@pytest.mark.parametrize("shape", [(1200, 200), (200, 1200)], ids=["panorama", "tall"])
def test_no_grip_of_the_frame_covers_another_and_each_is_reached(
    open_page: Open, tmp_path: Path, shape: tuple[int, int], size: tuple[int, int]
) -> None:
    Image.effect_noise(shape, 60).convert("RGB").save(tmp_path / "photo.png")
    page = open_page("identify", size=size)
    give(page, tmp_path / "photo.png")
    frame = page.get_by_role("button", name="Frame to look at")
    for presses in (0, 1, 8):
        frame.focus()
        for _ in range(presses):
            page.keyboard.press("-")
        grips = page.evaluate(GRIPS)
        for one, other in combinations(grips, 2):
            across = min(one["right"], other["right"]) - max(one["left"], other["left"])
            down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
            assert min(across, down) < 0.5, (presses, one, other)
        assert all(grip["reached"] for grip in grips), (presses, grips)
        corners = [grip for grip in grips if grip["name"] != "drag"]
        assert min(grip["right"] - grip["left"] for grip in corners) > 16
        assert min(grip["bottom"] - grip["top"] for grip in corners) > 16


@pytest.mark.parametrize("pointer", ["mouse", "finger"])
def test_the_frame_is_dragged_by_a_corner(open_page: Open, kingfisher: Path, pointer: str) -> None:
    page = open_page("identify")
    give(page, kingfisher)
    before, frame = picture(page), frame_of(page)
    corner, grip = (page.locator(f"[data-grip={name}]") for name in ("se", "drag"))
    if pointer == "mouse":
        corner.drag_to(grip)
    else:
        corner.evaluate(
            """(corner, target) => {
                const at = element => {
                    const box = element.getBoundingClientRect();
                    return {clientX: box.x + box.width / 2, clientY: box.y + box.height / 2,
                        pointerType: 'touch', bubbles: true, button: 0};
                };
                corner.dispatchEvent(new PointerEvent('pointerdown', at(corner)));
                window.dispatchEvent(new PointerEvent('pointermove', at(target)));
                window.dispatchEvent(new PointerEvent('pointerup', at(target)));
            }""",
            grip.element_handle(),
        )
    expect(page.get_by_role("button", name="Whole photo")).to_be_visible()
    expect(page.get_by_alt_text("bright colours mark")).not_to_have_attribute("src", before)
    dragged = frame_of(page)
    assert dragged[:2] == pytest.approx(frame[:2], abs=1 / 480)  # the corner opposite stays
    assert dragged[2] == pytest.approx(dragged[3], abs=1 / 480)
    assert dragged[2] < frame[2]


def test_the_photo_its_crop_and_species_are_on_the_other_pages_until_removed(
    open_page: Open, kingfisher: Path
) -> None:
    page = open_page("identify")
    give(page, kingfisher)
    page.get_by_role("button", name="Frame to look at").press("-")
    expect(page.get_by_role("button", name="Whole photo")).to_be_visible()
    choose(page, "Evidence for", "Sarus Crane")
    expect(page.get_by_text("for Sarus Crane").first).to_be_visible()
    for name in ("Compare", "Explain"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_alt_text("evidence for Sarus Crane").first).to_be_visible()
        expect(page.get_by_role("button", name="Whole photo")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_alt_text("Your photo")).to_have_count(0)
    page.get_by_role("link", name="Identify", exact=True).click()
    expect(page.get_by_text("The 25 birds")).to_be_visible()


def test_a_picture_to_try_is_answered_with_one_click_and_shared(open_page: Open) -> None:
    page = open_page("identify", size=SIZES["phone"])
    page.get_by_role("button", name="Bird", exact=True).click()
    expect(page.get_by_role("heading", level=2)).to_have_text(
        re.compile("^White-breasted Kingfisher")
    )
    page.get_by_role("button", name="Share").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the picture").click()
    with Image.open(download.value.path()) as shared:
        assert shared.height > shared.width
    expect(page.get_by_text(re.compile(r"http.*variant=")).first).to_be_visible()


def test_the_variant_stands_in_the_address_and_a_link_opens_it(
    open_page: Open, kingfisher: Path
) -> None:
    page = open_page("identify")
    choose(page, "Model", f"{VARIANTS[1].name}:")
    expect(page).to_have_url(re.compile(f"variant={VARIANTS[1].name}"))
    linked = open_page("identify", f"variant={VARIANTS[2].name}&species=House-Crow")
    give(linked, kingfisher)
    assert heading(linked) == answered(kingfisher, VARIANTS[2])
    expect(linked.get_by_alt_text("evidence for House Crow")).to_be_visible()


def test_a_photo_is_pasted_from_the_clipboard(open_page: Open, kingfisher: Path) -> None:
    page = open_page("identify")
    page.evaluate(
        """async bytes => {
            const photo = new Blob([new Uint8Array(bytes)], {type: 'image/png'});
            await navigator.clipboard.write([new ClipboardItem({'image/png': photo})]);
        }""",
        list(kingfisher.read_bytes()),
    )
    page.locator("button", has_text="Upload").focus()
    page.keyboard.press("Control+V")
    expect(page.get_by_role("heading", level=2)).to_have_text(answered(kingfisher))


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_a_phones_photo_is_answered(open_page: Open, kingfisher: Path, format: str) -> None:
    photo = kingfisher.with_suffix({"HEIF": ".heic", "AVIF": ".avif"}[format])
    with Image.open(kingfisher) as drawn:
        drawn.save(photo, format)
    page = open_page("identify")
    give(page, photo)
    assert heading(page) == answered(photo)


def test_a_photo_is_taken_with_the_camera(open_page: Open) -> None:
    page = open_page("identify")
    page.get_by_text("Use the camera").click()
    # A photo that is taken before the camera's first picture is there is none.
    page.wait_for_function("() => document.querySelector('video')?.readyState >= 2")
    page.get_by_role("button", name="Take Photo").click()
    expect(page.get_by_alt_text("bright colours mark")).to_be_visible()
    expect(page.get_by_role("heading", level=2)).to_be_visible()
    page.get_by_role("button", name="Clear photo").click()
    expect(page.get_by_text("The 25 birds")).to_be_visible()


def test_a_photo_is_given_by_keyboard_alone(open_page: Open, kingfisher: Path) -> None:
    page = open_page("identify")
    expect(page.get_by_text("The 25 birds")).to_be_visible()
    upload = page.locator("button", has_text="Upload")
    # Asked to listen for a chooser, Playwright continues before it does: one that is opened at once
    # is missed. So it is asked long before the key that opens it.
    with page.expect_file_chooser() as chooser:
        tab_to(page, upload)
        page.keyboard.press("Enter")
    chooser.value.set_files(kingfisher)
    expect(page.get_by_role("heading", level=2)).to_have_text(answered(kingfisher))


def test_a_file_that_is_no_photo_is_refused_with_advice(open_page: Open, no_photo: Path) -> None:
    page = open_page("identify")
    page.locator("input[type=file]").set_input_files(no_photo)
    expect(page.get_by_role("alert")).to_contain_text("save it as JPEG and try again")
    expect(page.get_by_text("The 25 birds")).to_be_visible()
