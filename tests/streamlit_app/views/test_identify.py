import json
import string
from html import escape
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from streamlit_app.inference.classifier import Classifier
from streamlit_app.markdown import escape_markdown, escaped_name
from streamlit_app.species import FACTS
from streamlit_app.ui.examples import KNOWN
from tests.conftest import SPECIES, break_variant, colour_checkpoint, draw_bird, encode
from tests.measurements import result_file, write_report

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "birds25" / "test"


@pytest.fixture
def app(checkpoints: Path) -> AppTest:
    return AppTest.from_file(str(ROOT / "streamlit_app" / "main.py"), default_timeout=300)


@pytest.fixture
def known_birds(checkpoints: Path) -> Path:
    """The checkpoints folder, its colours under the names of birds that have facts."""
    colour_checkpoint(checkpoints / "bn", species=json.dumps(list(FACTS)[:6]))
    return checkpoints


def upload(app: AppTest, data: bytes, name: str = "bird.jpg") -> AppTest:
    app.file_uploader(key="photo").set_value((name, data, "image/jpeg"))
    return run(app)


def run(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def shown(app: AppTest) -> str:
    return " ".join(element.value for element in app.markdown)


def button(app: AppTest, label: str) -> Button:
    (found,) = (button for button in app.button if button.label == label)
    return found


def legend(app: AppTest) -> str:
    return app.get("html")[0].proto.body


def picture(app: AppTest) -> str:
    """The address of the photo shown, which changes with its pixels."""
    (image,) = app.get("imgs") or app.get("image")
    return image.proto.imgs[0].url


def test_without_a_photo_the_page_says_what_it_does_and_which_birds_it_knows(app: AppTest) -> None:
    run(app)
    assert "names the bird" in shown(app)
    assert all(species in legend(app) for species in SPECIES)
    assert not app.error


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_photo_is_answered_with_its_species_and_probability(app: AppTest, format: str) -> None:
    upload(run(app), encode(draw_bird("blue"), format))
    assert app.header[0].value == "Blue Bird, 85%"
    assert "Blue Bird" in legend(app)
    assert app.get("vega_lite_chart")


def test_another_species_heatmap_can_be_seen(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("blue")))
    before = picture(app)
    app.selectbox(key="species").set_value("Cyan Bird")
    run(app)
    assert "Cyan Bird" in legend(app)
    assert picture(app) != before
    assert app.header[0].value.startswith("Blue Bird")


def test_a_species_that_nothing_speaks_for_is_said_to_have_no_heatmap(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("blue"), "PNG"))
    app.selectbox(key="species").set_value("Yellow Bird")
    run(app)
    assert any("No evidence for" in text.value for text in app.markdown)


def test_the_slider_changes_the_picture_and_asks_the_model_nothing(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(run(app), encode(draw_bird("red")))
    before = picture(app)
    monkeypatch.setattr(Classifier, "classify", lambda *_: pytest.fail("the model was run again"))
    app.slider(key="strength").set_value(20)
    run(app)
    assert picture(app) != before


def test_a_new_photo_keeps_the_strength_and_drops_the_other_species(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("blue")))
    app.slider(key="strength").set_value(20)
    app.selectbox(key="species").set_value("Cyan Bird")
    run(app)
    upload(app, encode(draw_bird("red")))
    assert app.slider(key="strength").value == 20
    assert app.selectbox(key="species").value == "Red Bird"
    assert "Red Bird" in legend(app)


@pytest.mark.parametrize("data", [b"", b"not a photo", encode(draw_bird())[:-200]])
def test_what_cannot_be_read_gets_one_sentence(app: AppTest, data: bytes) -> None:
    upload(run(app), data)
    (error,) = app.error
    assert error.value.endswith(".")
    assert not app.header


def test_an_example_takes_the_place_of_a_file_that_is_no_photo(
    app: AppTest, checkpoints: Path
) -> None:
    known = json.dumps([KNOWN, *SPECIES[1:]])
    colour_checkpoint(checkpoints / "bn", species=known)
    upload(run(app), b"no photo")
    app.button(key="example-bird").click()
    run(app)
    assert app.header
    assert not app.error
    assert app.file_uploader(key="photo1").value is None
    button(app, "Remove").click()
    run(app)
    assert app.button(key="example-bird")


def test_a_removed_photo_brings_the_first_page_back(app: AppTest) -> None:
    upload(run(app), encode(draw_bird()))
    app.file_uploader(key="photo").set_value(None)
    run(app)
    assert not app.header
    assert app.subheader[0].value == "The 6 birds"


def test_the_guide_lists_names_families_and_threats(app: AppTest, known_birds: Path) -> None:
    run(app)
    for facts in list(FACTS.values())[:6]:
        assert facts.common_name in legend(app)
        assert f"<i>{facts.scientific_name}</i>" in legend(app)
        assert facts.family in legend(app)
    assert "Vulnerable" not in legend(app)  # none of these six is


def test_a_bird_is_looked_up_with_the_two_it_is_mistaken_for(
    app: AppTest, known_birds: Path
) -> None:
    run(app)
    app.selectbox(key="bird").set_value("Common-Kingfisher")
    run(app)
    assert "Alcedo atthis" in shown(app)
    assert len(app.expander[0].markdown) == 2
    assert "Common-Kingfisher" in app.query_params["bird"]


def test_an_answer_comes_with_the_facts_of_its_species(app: AppTest, known_birds: Path) -> None:
    upload(run(app), encode(draw_bird("blue")))
    assert app.header[0].value == "Cattle Egret, 85%"
    assert "Bubulcus ibis" in shown(app)
    assert "Least Concern" in shown(app)
    assert len(app.expander[0].markdown) == 2


def test_the_measured_confusion_chooses_who_it_is_told_apart_from(
    app: AppTest, known_birds: Path
) -> None:
    birds = ["Cattle-Egret", "White-Breasted-Waterhen", "Jungle-Babbler"]
    confusion = [[9, 1, 3], [1, 9, 0], [3, 0, 9]]
    comparison = {"species": birds, "variants": {"bn": {"confusion": confusion}}, "pairs": []}
    comparison |= {"models": {"bn": ""}, "sentence": "`bn` is alone."}
    result_file(known_birds, "comparison.json").write_text(json.dumps(comparison))
    upload(run(app), encode(draw_bird("blue")))
    first, second = app.expander[0].markdown
    assert "Jungle Babbler" in first.value
    assert escape_markdown("White-breasted Waterhen") in second.value


def test_a_damaged_comparison_does_not_keep_an_answer_back(app: AppTest, known_birds: Path) -> None:
    result_file(known_birds, "comparison.json").write_text("{")
    upload(run(app), encode(draw_bird("blue")))
    assert app.header[0].value == "Cattle Egret, 85%"


def test_an_unsure_answer_says_so_and_names_the_runner_up(app: AppTest, checkpoints: Path) -> None:
    upload(run(app), encode(draw_bird("blue")))
    assert "**Confidence: probable.** If not, then" in shown(app)
    colour_checkpoint(checkpoints / "bn", temperature="4")
    run(app)
    assert "**Confidence: a guess.** It could equally be" in shown(app)
    colour_checkpoint(checkpoints / "bn", temperature="0.3")
    run(app)
    assert "**Confidence: very likely.**" in shown(app)


def test_a_prediction_set_of_several_species_is_named_without_a_promise(
    app: AppTest, checkpoints: Path
) -> None:
    thresholds = json.dumps({"0.9": 0.5, "0.95": 0.1})
    colour_checkpoint(checkpoints / "bn", set_thresholds=thresholds)
    both = Image.new("RGB", (80, 80), (128, 128, 128))
    both.paste((160, 128, 128), (0, 0, 39, 80))
    both.paste((128, 128, 160), (40, 0, 80, 80))
    upload(run(app), encode(both, "PNG"))
    among = Classifier(checkpoints / "bn").classify([both]).prediction_set(0)
    assert len(among) > 1
    names = ", ".join(among)
    assert f"Usually one of: {names}." in shown(app)


@pytest.mark.parametrize("page", ["identify", "compare", "explain"])
def test_a_photo_of_no_bird_is_told_so_in_the_same_words_on_every_page(
    app: AppTest, page: str
) -> None:
    run(run(app).switch_page(f"views/{page}.py"))
    upload(app, encode(Image.new("RGB", (60, 60), "white")))
    assert [header.value for header in app.header] == ["No bird of these 6"]
    nearest = app.selectbox(key="species").value
    assert f"If it shows one of them, {nearest} is the nearest, " in shown(app)
    # Also in the words to take along, which stand on the picture, too.
    assert app.code[0].value.startswith(f"No bird of these 6; the nearest is {nearest}, ")
    upload(run(app), encode(draw_bird("blue")))
    assert app.header[0].value.startswith("Blue Bird")


def test_a_photo_of_no_bird_comes_with_the_measured_share_of_false_alarms(
    app: AppTest, checkpoints: Path
) -> None:
    white = encode(Image.new("RGB", (60, 60), "white"))
    assert "test photos" not in shown(upload(run(app), white))
    write_report(checkpoints / "bn", 0.9)
    report = json.loads((checkpoints / "bn" / "report.json").read_text())
    report["novelty"] = {"accepted": {"val": 0.95, "test": 0.877}}
    (checkpoints / "bn" / "report.json").write_text(json.dumps(report))
    assert "So are 12.3% of the test photos of its own birds." in shown(run(app))


def test_a_model_that_fails_on_a_photo_is_named_and_another_can_be_chosen(
    app: AppTest, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colour_checkpoint(checkpoints / "gn")
    break_variant(monkeypatch, "bn")
    upload(run(app), encode(draw_bird("blue")))
    (error,) = app.error
    assert error.value.replace("\\", "").startswith("The checkpoint bn cannot answer")
    app.selectbox(key="variant").set_value("gn")
    run(app)
    assert not app.error
    assert app.header[0].value.startswith("Blue Bird")


def crop(app: AppTest, box: tuple[int, int, int, int] | None) -> None:
    """As if the frame had been dragged: what its script does is tested in a browser."""
    app.session_state.given = app.session_state.given._replace(crop=box)
    run(app)


def two_birds() -> bytes:
    """A large red bird on the left, a small blue one in the bottom right corner."""
    photo = Image.new("RGB", (120, 80), (128, 128, 128))
    photo.paste("red", (0, 0, 60, 80))
    photo.paste("blue", (100, 60, 120, 80))
    return encode(photo, "PNG")


def test_the_answer_follows_the_crop(app: AppTest) -> None:
    upload(run(app), two_birds())
    assert app.header[0].value.startswith("Red Bird")
    before = picture(app)
    crop(app, (100, 60, 120, 80))
    assert app.header[0].value.startswith("Blue Bird")
    assert picture(app) != before
    button(app, "Whole photo").click()
    run(app)
    assert app.header[0].value.startswith("Red Bird")
    assert picture(app) == before


def test_a_new_photo_starts_whole(app: AppTest) -> None:
    upload(run(app), two_birds())
    crop(app, (100, 60, 120, 80))
    upload(app, encode(draw_bird("blue")))
    assert app.session_state.given.crop is None


def test_the_camera_is_shown_only_to_who_asks_for_it(app: AppTest) -> None:
    run(app)
    assert not app.get("camera_input")
    app.toggle(key="camera").set_value(True)
    run(app)
    assert app.get("camera_input")
    assert not app.get("file_uploader")


def test_a_link_opens_its_variant_and_species(app: AppTest, checkpoints: Path) -> None:
    colour_checkpoint(checkpoints / "gn", temperature="4")
    app.query_params["variant"] = "gn"
    app.query_params["species"] = "Cyan Bird"
    upload(run(app), encode(draw_bird("red")))
    assert app.selectbox(key="variant").value == "gn"
    assert app.selectbox(key="species").value == "Cyan Bird"


def test_a_link_to_what_is_not_there_opens_the_first_variant(
    app: AppTest, checkpoints: Path
) -> None:
    colour_checkpoint(checkpoints / "gn")
    app.query_params["variant"] = "gone"
    app.query_params["species"] = "Dodo"
    upload(run(app), encode(draw_bird("red")))
    assert app.selectbox(key="variant").value == "bn"
    assert app.selectbox(key="species").value == "Red Bird"


def test_one_variant_leaves_no_model_to_choose(app: AppTest) -> None:
    assert not run(app).selectbox


def test_a_new_folder_is_a_new_variant_without_a_restart(app: AppTest, checkpoints: Path) -> None:
    upload(run(app), encode(draw_bird("red")))
    colour_checkpoint(checkpoints / "gn", temperature="4")
    run(app)
    assert app.selectbox(key="variant").options == ["bn: batch norm", "gn: group norm"]
    sure = app.header[0].value
    app.selectbox(key="variant").set_value("gn")
    run(app)
    assert app.header[0].value.startswith("Red Bird")
    assert app.header[0].value != sure


def test_a_changed_checkpoint_answers_anew(app: AppTest, checkpoints: Path) -> None:
    upload(run(app), encode(draw_bird("red")))
    before = app.header[0].value
    colour_checkpoint(checkpoints / "bn", temperature="4")
    run(app)
    assert app.header[0].value != before


def test_a_broken_variant_is_named_and_the_others_answer(app: AppTest, checkpoints: Path) -> None:
    (checkpoints / "gn").mkdir()
    (checkpoints / "gn" / "model.onnx").write_bytes(b"not a model")
    (checkpoints / "gn" / "model.onnx").touch()
    upload(run(app), encode(draw_bird("red")))
    assert "gn" in app.warning[0].value
    assert app.header[0].value.startswith("Red Bird")


def test_no_checkpoint_is_explained_with_the_command_that_makes_one(
    app: AppTest, checkpoints: Path
) -> None:
    (checkpoints / "bn" / "model.onnx").unlink()
    run(app)
    (error,) = app.error
    assert "python -m trainer --norm bn --data PHOTOS" in error.value


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos are not here")
def test_a_real_photo_is_answered(app: AppTest) -> None:
    photo = next(SHARED.rglob("*.jpg"))
    upload(run(app), photo.read_bytes(), photo.name)
    assert app.header[0].value.endswith("%")


@pytest.mark.parametrize("page", ["identify", "compare", "explain", "many"])
def test_an_uploader_offers_files_of_any_name(app: AppTest, page: str) -> None:
    """The bytes decide: browsers and phones name photos download.jfif, 1000012345 or .HIF."""
    run(app.switch_page(f"views/{page}.py"))
    (uploader,) = app.get("file_uploader")
    assert not uploader.proto.type


def test_a_photo_is_answered_whatever_its_file_is_called(app: AppTest) -> None:
    run(app)
    for name in ("download.jfif", "DSC00001.HIF", "1000012345", "photo.jpg_large"):
        upload(app, encode(draw_bird("red")), name)
        assert "Red Bird" in app.header[0].value
        assert not app.error


@pytest.mark.parametrize("page", ["identify", "compare", "explain"])
def test_a_species_of_any_name_is_shown_letter_by_letter(
    app: AppTest, checkpoints: Path, page: str
) -> None:
    """As Markdown in headings and text, as HTML beside the picture, as it is in choices."""
    names = [f"{mark}a{mark}b {mark * 2} c{mark}" for mark in string.punctuation.replace("_", "")]
    names = [name.replace("-", "+") for name in [*names, "<b>B</b>", "[x](http:y)", ":joy:"]]
    names += ["\u0d2e\u0d2f\u0d3f\u0d32\u0d4d\u200d"]
    for start in range(0, len(names) - 5, 6):
        some = names[start : start + 6]
        colour_checkpoint(checkpoints / "bn", species=json.dumps(some))
        fresh = AppTest.from_file(str(ROOT / "streamlit_app" / "main.py"), default_timeout=300)
        run(run(fresh).switch_page(f"views/{page}.py"))
        upload(fresh, encode(draw_bird("red")))
        assert any(set(some) <= set(choice.options) for choice in fresh.selectbox)
        words = [e.value for e in (*fresh.header, *fresh.markdown)]
        assert any(escaped_name(some[0]) in text for text in words)
        html = " ".join(element.proto.body for element in fresh.get("html"))
        assert f"<b>{escape(some[0])}</b>" in html or page != "identify"


def test_photo_crop_and_species_are_kept_from_page_to_page_and_a_removed_photo_is_not(
    app: AppTest,
) -> None:
    upload(run(app), encode(draw_bird("blue"), "PNG"))
    crop(app, (0, 0, 60, 60))
    app.selectbox(key="species").set_value("Cyan Bird")
    run(app)
    for page in ("compare", "explain"):
        run(app.switch_page(f"views/{page}.py"))
        assert app.header[0].value.startswith("Blue Bird")
        assert app.selectbox(key="species").value == "Cyan Bird"
        button(app, "Whole photo")
    button(app, "Remove").click()
    run(app)
    assert not app.header
    run(app.switch_page("views/identify.py"))
    assert not app.header


def test_a_photo_given_on_another_page_takes_the_place_of_the_first(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("blue")))
    run(app.switch_page("views/explain.py"))
    upload(app, encode(draw_bird("red")))
    run(app.switch_page("views/identify.py"))
    assert app.header[0].value.startswith("Red Bird")


def test_other_classes_have_their_own_words_and_no_facts(app: AppTest, checkpoints: Path) -> None:
    names = ["rose_1", "Hoopoe", "x-1", "a", "b", "c"]
    colour_checkpoint(checkpoints / "bn", species=json.dumps(names), noun="flower")
    run(app)
    assert "names the flower on your photo" in shown(app)
    assert app.subheader[0].value == "The 6 flowers"
    assert "rose_1" in legend(app)
    assert "Upupa" not in legend(app)
    upload(app, encode(Image.new("RGB", (60, 60), "white")))
    assert app.header[0].value == "No flower of these 6"
    upload(app, encode(draw_bird("red")))
    assert app.header[0].value == escape_markdown("rose_1") + ", 85%"
    words = shown(app) + legend(app)
    assert "bird" not in words.lower()


def test_the_set_is_chosen_first_and_kept_on_the_next_page(app: AppTest, checkpoints: Path) -> None:
    flowers = json.dumps(["rose", "tulip", "x", "a", "b", "c"])
    colour_checkpoint(checkpoints / "garden" / "gn", species=flowers, noun="flower")
    upload(run(app), encode(draw_bird("red")))
    assert app.selectbox(key="set").options == ["6 birds", "garden: 6 flowers"]
    app.selectbox(key="set").set_value("garden: 6 flowers")
    run(app)
    assert app.header[0].value == "rose, 85%"
    assert app.query_params["set"] == "garden: 6 flowers"
    run(app.switch_page("views/compare.py"))
    assert app.header[0].value == "rose, 85%"
