import json
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from streamlit_app.inference.classifier import Classifier
from tests.conftest import SPECIES, break_variant, colour_checkpoint, draw_bird, encode
from tests.measurements import write_report

ROOT = Path(__file__).parents[3]


@pytest.fixture
def app(checkpoints: Path) -> AppTest:
    """The page with three variants; gn is less confident and nn confuses red and blue."""
    colour_checkpoint(checkpoints / "gn", temperature="4")
    swapped = ["Blue Bird", "Green Bird", "Red Bird", *SPECIES[3:]]
    colour_checkpoint(checkpoints / "nn", species=json.dumps(swapped))
    return AppTest.from_file(str(ROOT / "streamlit_app" / "views" / "compare.py"))


def upload(app: AppTest, data: bytes) -> AppTest:
    app.file_uploader(key="photo").set_value(("bird.png", data, "image/png"))
    return run(app)


def run(app: AppTest) -> AppTest:
    app.run(timeout=300)
    assert not app.exception
    return app


def cards(app: AppTest) -> list[str]:
    """The words under each variant's picture."""
    return [text.value for text in app.markdown if "  \n**" in text.value]


def pictures(app: AppTest) -> list[str]:
    """The address of each picture, which changes with its pixels."""
    return [image.proto.imgs[0].url for image in app.get("image")]


def test_before_a_photo_every_variant_is_introduced_with_its_score(
    app: AppTest, checkpoints: Path
) -> None:
    write_report(checkpoints / "gn", 0.873)
    run(app)
    text = " ".join(element.value for element in app.markdown)
    assert all(words in text for words in ("bn: batch norm", "gn: group norm", "nn: no norm"))
    assert "Right on **87.3%** of 120 test photos" in text


def test_every_variant_answers_and_the_consensus_is_their_mean(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("red"), "PNG"))
    of_bn, of_gn, of_nn = cards(app)
    assert of_bn.startswith(":small[bn: batch norm]  \n**Red Bird, 85%**")
    assert of_gn.startswith(":small[gn: group norm]  \n**Red Bird,")
    assert of_nn.startswith(":small[nn: no norm]  \n**Blue Bird, 85%**")
    assert app.header[0].value.startswith("Red Bird, ")
    assert "**2 of 3 say Red Bird.** `nn` says Blue Bird." in [text.value for text in app.markdown]


def test_a_photo_of_no_bird_is_told_so_by_all_and_each(app: AppTest) -> None:
    upload(run(app), encode(Image.new("RGB", (60, 60), "white")))
    assert [header.value for header in app.header] == ["No bird of these 6"]
    assert all("**No bird of these 6**" in card for card in cards(app))


def test_a_minority_that_sees_no_bird_of_these_is_named(app: AppTest, checkpoints: Path) -> None:
    colour_checkpoint(checkpoints / "gn", novelty_threshold="0")
    upload(run(app), encode(draw_bird("red"), "PNG"))
    assert app.header[0].value.startswith("Red Bird, ")
    said = " ".join(text.value for text in app.markdown)
    assert "But `gn` doubts that it is one of these 6 birds." in said


def test_all_pictures_show_one_species_which_can_be_chosen(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("green"), "PNG"))
    before = pictures(app)
    assert len(before) == 1 + 3  # the first has the mean of the others
    app.selectbox(key="species").set_value("Magenta Bird")
    run(app)
    assert not set(before) & set(pictures(app))
    assert app.subheader[0].value == "Evidence for Magenta Bird in each variant"
    assert all("Magenta Bird" in card for card in cards(app))
    assert app.query_params == {"species": "Magenta Bird"}


def test_choosing_a_species_asks_no_model_again(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(run(app), encode(draw_bird("green"), "PNG"))
    monkeypatch.setattr(Classifier, "classify", lambda *_: pytest.fail("a model was run again"))
    app.selectbox(key="species").set_value("Cyan Bird")
    run(app)


def test_a_link_to_a_species_waits_for_the_photo_and_another_photo_forgets_it(
    app: AppTest,
) -> None:
    app.query_params["species"] = "Yellow Bird"
    upload(run(app), encode(draw_bird("red"), "PNG"))
    assert app.selectbox(key="species").value == "Yellow Bird"
    upload(app, encode(draw_bird("green"), "PNG"))
    assert app.selectbox(key="species").value == "Green Bird"


def test_variants_of_other_classes_are_a_set_of_their_own(app: AppTest, checkpoints: Path) -> None:
    renamed = json.dumps(["Scarlet Bird", *SPECIES[1:]])
    colour_checkpoint(checkpoints / "mine", species=renamed)
    upload(run(app), encode(draw_bird("red"), "PNG"))
    assert len(cards(app)) == 3
    app.selectbox(key="set").set_value("6 birds (mine)")
    run(app)
    (mine,) = cards(app)
    assert "**Scarlet Bird, 85%**" in mine


def test_the_probabilities_can_be_downloaded(app: AppTest) -> None:
    upload(run(app), encode(draw_bird("red"), "PNG"))
    labels = [element.proto.label for element in app.get("download_button")]
    assert labels.count("Download the numbers") == len(app.get("vega_lite_chart")) == 1


def test_one_variant_alone_says_how_to_get_another(checkpoints: Path) -> None:
    app = AppTest.from_file(str(ROOT / "streamlit_app" / "views" / "compare.py"))
    assert "Only `bn` is here yet" in run(app).info[0].value
    upload(app, encode(draw_bird("red"), "PNG"))
    assert len(cards(app)) == 1


def test_a_broken_variant_is_named_and_the_others_answer(app: AppTest, checkpoints: Path) -> None:
    (checkpoints / "ln").mkdir()
    (checkpoints / "ln" / "model.onnx").touch()
    upload(run(app), encode(draw_bird("red"), "PNG"))
    assert "ln" in app.warning[0].value
    assert len(cards(app)) == 3


def test_a_variant_that_fails_on_a_photo_is_named_and_the_others_answer(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_variant(monkeypatch, "nn")
    upload(run(app), encode(draw_bird("red"), "PNG"))
    (warning,) = app.warning
    assert "The checkpoint nn cannot answer" in warning.value.replace("\\", "")
    assert len(cards(app)) == 2
    assert app.header[0].value.startswith("Red Bird")


def test_where_every_variant_fails_each_is_named(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bn", "gn", "nn"):
        break_variant(monkeypatch, name)
    upload(run(app), encode(draw_bird("red"), "PNG"))
    assert len(app.warning) == 3
    assert not cards(app)


def test_an_added_norm_has_name_and_explanation_and_answers(
    app: AppTest, checkpoints: Path
) -> None:
    colour_checkpoint(checkpoints / "mine")
    run(app)
    words = " ".join(element.value for element in app.markdown)
    assert "**mine: another norm**" in words
    assert "Not one of the study's seven norms." in words
    upload(app, encode(draw_bird("red"), "PNG"))
    assert cards(app)[-1].startswith(":small[mine: another norm]")


@pytest.mark.parametrize("data", [b"", b"not a photo"])
def test_what_cannot_be_read_gets_one_sentence(app: AppTest, data: bytes) -> None:
    upload(run(app), data)
    (error,) = app.error
    assert error.value.endswith(".")
    assert not cards(app)
