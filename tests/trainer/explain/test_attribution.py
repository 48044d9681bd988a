import numpy as np
import pytest
import torch
from pytorch_grad_cam import EigenCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from torch.nn import functional as F

from trainer.checkpoint.export.classifier_onnx import Exported
from trainer.checkpoint.novelty import fit_novelty
from trainer.explain.attribution import METHODS, Guided, gradients, heatmaps, smooth
from trainer.model.norms import NORMS
from trainer.model.resnet import ResNet, to_input

SIZE = 24


@pytest.fixture(scope="module")
def asked():
    """A network with random weights, photos and the species to explain."""
    torch.manual_seed(0)
    network = ResNet(NORMS["in"], n=1, outputs=5).eval().requires_grad_(False)
    photos = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    return network, photos, np.array([3, 1])


@pytest.fixture(scope="module")
def found(asked):
    return {(method, stage): maps for method, stage, maps in heatmaps(*asked)}


def test_every_method_gives_a_map_of_the_photos_size_at_every_stage(found):
    assert set(found) == {(method, stage) for method in METHODS for stage in (1, 2, 3)}
    for maps in found.values():
        assert maps.shape == (2, SIZE, SIZE)
        assert maps.min() >= 0
        assert maps.max() <= 1


def test_grad_cam_at_the_last_stage_is_the_map_that_is_shipped_and_hirescam_is_the_same(
    asked, found
):
    network, photos, species = asked
    noise = np.random.default_rng(1).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8)
    novelty, _ = fit_novelty(network, noise, np.arange(8) % 2)
    _, shipped, _ = Exported(network, novelty)(torch.from_numpy(photos))
    maps = shipped[[0, 1], species].detach().numpy()
    expected = scale_cam_image(maps, (SIZE, SIZE))
    np.testing.assert_allclose(found["Grad-CAM", 3], expected, atol=1e-3)
    np.testing.assert_allclose(found["HiResCAM", 3], expected, atol=1e-3)


def test_eigen_cam_is_the_librarys_up_to_its_sign(asked, found):
    network, photos, _ = asked
    with EigenCAM(network, [network.stages[-1]]) as cam:
        cam.get_target_width_height = lambda _: None
        raw = []
        cam.aggregate_multi_layers = raw.append
        cam.get_cam_image, usual = lambda *a: np.abs(usual(*a)), cam.get_cam_image
        cam(to_input(torch.from_numpy(photos)).requires_grad_(), None)
    theirs = raw[0][0][:, 0]
    assert theirs.shape == (2, SIZE // 4, SIZE // 4)
    ours = found["Eigen-CAM", 3]
    for mine, other in zip(ours, theirs, strict=True):
        hottest = np.unravel_index(mine.argmax(), mine.shape)
        assert other[hottest[0] // 4, hottest[1] // 4] > np.median(other)


def test_guided_relus_let_back_only_what_is_positive():
    x = torch.tensor([-1.0, 2.0, 3.0], requires_grad=True)
    with Guided():
        (F.relu(x) * torch.tensor([1.0, 1.0, -1.0])).sum().backward()
    assert x.grad.tolist() == [0, 1, 0]


def test_guided_backpropagation_is_not_the_plain_gradient(asked, found):
    network, photos, species = asked
    x = to_input(torch.from_numpy(photos))
    plain = gradients(network, x, torch.from_numpy(species))[0].abs().amax(1).numpy()
    assert np.abs(found["guided backpropagation", 1] - scale_cam_image(plain)).max() > 0.05


def test_smoothing_a_linear_function_is_the_function_but_for_noise():
    x = torch.rand(4, 3, 32, 32)
    (smoothed,) = smooth(lambda noisy: [2 * noisy], x)
    assert (smoothed - 2 * x).abs().mean() < 0.2
    assert not smoothed.equal(2 * x)
