"""Predictions of checkpoints on tens of thousands of photos.

A fast network sees every photo, an accurate one those that the fast one finds unlikely.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from scipy import special
from torch.nn import functional as F

from plumage.contract import IMAGE_SIZE, LOGITS, MODEL, PHOTOS, SPECIES, TEMPERATURE
from trainer.audit.detect.survey import Pixels, in_threads

BATCH = 4  # photos at a time: the layers' maps stay near the core
FAST = "torch-bn"  # the variant whose graph is the simplest, so the fastest in 8 bits
FAST_SCALE = 2 / 3  # of its photos' side: cheaper; its errors go to the accurate network
CALIBRATING = 128  # photos that show how large numbers get in the network

Photos = Pixels | NDArray[np.uint8]


class Network:
    """A checkpoint's logits, without its other outputs.

    Attributes:
        species: names in the order of the logits.
        size: of the photos that it takes, in pixels.
        temperature: by which logits are divided before they become probabilities.
    """

    def __init__(self, model: Path, calibrate_with: Photos | None = None) -> None:
        """Read a model.onnx; given photos, be fast: small photos, whole numbers of 8 bits."""
        whole = onnx.load(model)
        metadata = {entry.key: entry.value for entry in whole.metadata_props}
        self.size = int(metadata[IMAGE_SIZE])
        self.species: tuple[str, ...] = tuple(json.loads(metadata[SPECIES]))
        self.temperature = float(metadata.get(TEMPERATURE, 1))
        graph = onnx.utils.Extractor(whole).extract_model([PHOTOS], [LOGITS])
        if calibrate_with is not None:
            self.size = round(self.size * FAST_SCALE)
            for side in graph.graph.input[0].type.tensor_type.shape.dim[1:3]:
                side.dim_value = self.size
            del graph.graph.value_info[:]  # shapes of before
            which = np.linspace(0, len(calibrate_with) - 1, CALIBRATING).astype(int)
            graph = _in_8_bits(graph, self._squeezed(calibrate_with, which))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the threads here have a batch each
        self.session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def logits(
        self, pixels: Photos, which: NDArray[np.int64], flipped: bool = False
    ) -> NDArray[np.float32]:
        """(len(which), outputs) for some photos of (N, S, S, 3), or their upside-down copies."""
        parts = in_threads(lambda some: self.answer(pixels, some, flipped), self.batches(which))
        return np.concatenate([np.zeros((0, len(self.species)), np.float32), *parts])

    def batches(self, which: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The numbers of photos, a few at a time."""
        return [which[start : start + BATCH] for start in range(0, len(which), BATCH)]

    def answer(
        self, pixels: Photos, which: NDArray[np.int64], flipped: bool = False
    ) -> NDArray[np.float32]:
        """As `logits`, in this thread."""
        photos = self._squeezed(pixels, which)
        way = np.ascontiguousarray(photos[:, ::-1]) if flipped else photos
        return self.session.run([LOGITS], {PHOTOS: way})[0]

    def columns(self, species: Sequence[str]) -> NDArray[np.int64]:
        """(species,) the index of each species in the logits, -1 where the network knows none."""
        return np.array([self.species.index(n) if n in self.species else -1 for n in species])

    def probabilities(
        self, logits: NDArray[np.float32], species: Sequence[str]
    ) -> NDArray[np.float64] | None:
        """(photos, species) among these species; None if the network does not know all of them."""
        columns = self.columns(species)
        if (columns < 0).any():
            return None
        return special.softmax(logits[:, columns].astype(float) / self.temperature, axis=1)

    def _squeezed(self, pixels: Photos, which: NDArray[np.int64]) -> NDArray[np.uint8]:
        photos = torch.from_numpy(np.stack([pixels[i] for i in which.tolist()])).permute(0, 3, 1, 2)
        size = self.size, self.size
        # As Pillow squeezes, to a grey level.
        squeezed = F.interpolate(photos, size, mode="bicubic", antialias=True)
        return squeezed.permute(0, 2, 3, 1).contiguous().numpy()


def networks(checkpoints: Path, variant: str, pixels: Photos) -> tuple[Network, Network]:
    """The variant's network, and one for every photo: FAST in 8 bits, or the same without it."""
    accurate = Network(checkpoints / variant / MODEL)
    model = checkpoints / FAST / MODEL
    if not model.exists():
        return accurate, accurate
    fast = Network(model, calibrate_with=pixels)
    return accurate, fast if fast.species == accurate.species else accurate


class _Batches(CalibrationDataReader):
    """Batches of photos (N, S, S, 3), one after the other."""

    def __init__(self, photos: NDArray[np.uint8]) -> None:
        self.left = iter(np.array_split(photos, len(photos) // BATCH))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next batch, as the network takes it."""
        batch = next(self.left, None)
        return None if batch is None else {"photos": batch}


def _in_8_bits(graph: onnx.ModelProto, photos: NDArray[np.uint8]) -> onnx.ModelProto:
    """The graph with its convolutions and sums in 8-bit numbers (Jacob et al. 2018), as large as
    they get on these photos.

    The first convolution, of pixels, stays as it is: three channels are too few to gain by it.
    """
    with tempfile.TemporaryDirectory() as home:
        given, ready, fast = (Path(home) / f"{step}.onnx" for step in ("given", "ready", "fast"))
        onnx.save(graph, given)
        quant_pre_process(given, ready, skip_symbolic_shape=True)
        prepared = onnx.load(ready)
        for number, node in enumerate(prepared.graph.node):
            node.name = f"{node.op_type} {number}"
        kinds = [node.op_type for node in prepared.graph.node]
        of_pixels = kinds.index("Relu") + 1 if "Relu" in kinds else 0
        quantize_static(
            prepared,
            fast,
            _Batches(photos),
            op_types_to_quantize=["Conv", "Add", "Relu"],
            nodes_to_exclude=[node.name for node in prepared.graph.node[:of_pixels]],
            per_channel=True,
            activation_type=QuantType.QUInt8,  # with a sign it is slower than in 32 bits
        )
        return onnx.load(fast)
