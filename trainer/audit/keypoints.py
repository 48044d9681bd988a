"""Whether one photo lies in another: corners of the two that match and agree on one place.

Corners and their descriptors are ORB's (Rublee et al. 2011). Two photos' corners match if each is
the other's nearest. Few strangers have many matches that are turned by the same angle (weak
geometric consistency: Jegou et al. 2008), so the place is looked for in few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor

from trainer.audit.survey import in_threads

MOST = 100  # corners of a photo
LEAST_MATCHES = 14  # that agree on one place, turn and size; strangers reach 12
LEAST_TURNED = 10  # that are turned alike, from which on a place is looked for
STEPS = 36  # of the full turn, in which turns are counted; three next to each other are alike
HAMMING = 64  # of 256 bits in which corners that match may differ
REACH = 4.0  # pixels by which corners that agree may differ
AT_ONCE = 64  # pairs whose tables stay near the core

FAR = 257  # bits in which a corner differs from one that is not there

# The bits of each byte, as 0 and 1 and as -1 and 1.
ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
SIGNS = 2 * ONES.astype(np.int8) - 1


@dataclass(frozen=True)
class Corners:
    """Corners of N photos, the first `counts` of the MOST that there is room for.

    Attributes:
        places: (N, MOST, 2) float32, in pixels.
        turns: (N, MOST) float32, degrees.
        bits: (N, MOST, 32) uint8 descriptors.
        counts: (N,) how many each photo has.
    """

    places: NDArray[np.float32]
    turns: NDArray[np.float32]
    bits: NDArray[np.uint8]
    counts: NDArray[np.int64]


def find_corners(
    greys: Sequence[NDArray[np.uint8]],
    masks: Sequence[NDArray[np.uint8] | None],
    mirror: NDArray[np.bool_],
) -> tuple[Corners, Corners]:
    """Corners of grey photos where their masks, if given, are not 0; and of mirror images.

    mirror: (photos,) whether the mirror image of each is wanted; those of others have no corners.
    """
    both = [_room(len(greys)) for _ in range(2)]

    def one(index: int) -> None:
        orb = cv2.ORB.create(MOST, 1.2, 6, edgeThreshold=12, patchSize=25, fastThreshold=15)
        grey = greys[index]
        found: list[tuple[Sequence[Any], Any]] = [orb.detectAndCompute(grey, masks[index])]
        if mirror[index]:
            last = grey.shape[1] - 1
            mirrored = [
                cv2.KeyPoint(last - p.pt[0], p.pt[1], p.size, (180 - p.angle) % 360, 0, p.octave)
                for p in found[0][0]
            ]
            found.append(orb.compute(np.ascontiguousarray(grey[:, ::-1]), mirrored))
        for corners, (points, bits) in zip(both, found, strict=False):
            kept = points[:MOST]  # there are more where several are as good as the last
            count = corners.counts[index] = len(kept)
            if count:
                corners.places[index, :count] = cv2.KeyPoint.convert(kept)
                corners.turns[index, :count] = [point.angle for point in kept]
                corners.bits[index, :count] = bits[:count]

    in_threads(one, range(len(greys)))
    return both[0], both[1]


def _room(count: int) -> Corners:
    return Corners(
        np.zeros((count, MOST, 2), np.float32),
        np.zeros((count, MOST), np.float32),
        np.zeros((count, MOST, 32), np.uint8),
        np.zeros(count, np.int64),
    )


def matches(
    first: Corners, second: Corners, pairs: NDArray[np.int64]
) -> list[tuple[int, NDArray[np.int64]]]:
    """Pairs (P, 2) of photos that may lie over each other: which of the pairs, and (n, 2) corners.

    Args:
        first, second: corners of the photos that the pairs' first and second column number.
        pairs: of photos.
    """

    def some(start: int) -> list[tuple[int, NDArray[np.int64]]]:
        a, b = pairs[start : start + AT_ONCE].T
        distance = distances(first, second, a, b)
        least, partner = distance.min(dim=2)
        nearest = least == distance.amin(dim=1).gather(1, partner)
        match = nearest & (least < HAMMING)
        start_turn, end_turn = torch.from_numpy(first.turns[a]), torch.from_numpy(second.turns[b])
        turn = (end_turn.gather(1, partner) - start_turn).remainder(360)
        step = (turn * (STEPS / 360)).long().clamp(max=STEPS - 1)
        votes = torch.zeros(len(a), STEPS).scatter_add_(1, step, match.float())
        alike_turned = votes + votes.roll(1, 1) + votes.roll(-1, 1)
        found = []
        for row in (alike_turned.amax(dim=1) >= LEAST_TURNED).nonzero()[:, 0].tolist():
            own = match[row].nonzero()[:, 0]
            found.append((start + row, torch.stack([own, partner[row, own]], dim=1).numpy()))
        return found

    return list(chain.from_iterable(in_threads(some, range(0, len(pairs), AT_ONCE))))


def distances(
    first: Corners, second: Corners, a: NDArray[np.int64], b: NDArray[np.int64]
) -> Tensor:
    """(pairs, MOST, MOST) int32 bits in which each corner of the first photos `a` differs from each
    of the second photos `b`; FAR where one of the two is not there."""
    shape = len(a), MOST, 8 * first.bits.shape[-1]
    ones = ONES.take(first.bits[a], axis=0).reshape(shape)
    signs = SIGNS.take(second.bits[b], axis=0).reshape(shape)
    # For each bit that is set in the first: 1 if it is in the second, too, else -1.
    (products,) = _products().run(None, {"ones": ones, "signs": signs})
    its_ones = ONES.sum(axis=1).take(second.bits[b]).sum(axis=2, dtype=np.int32)
    found = its_ones[:, None] - products
    for pair in np.flatnonzero(first.counts[a] < MOST):
        found[pair, first.counts[a[pair]] :] = FAR
    for pair in np.flatnonzero(second.counts[b] < MOST):
        found[pair, :, second.counts[b[pair]] :] = FAR
    return torch.from_numpy(found)


@cache
def _products() -> onnxruntime.InferenceSession:
    """Matrices (N, MOST, bits) times others, transposed, in 8 bits: twice as fast as in 32."""
    batch = ["pairs", "corners", "bits"]
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["signs"], ["columns"], perm=[0, 2, 1]),
            helper.make_node("MatMulInteger", ["ones", "columns"], ["products"]),
        ],
        "products",
        [
            helper.make_tensor_value_info("ones", TensorProto.UINT8, batch),
            helper.make_tensor_value_info("signs", TensorProto.INT8, batch),
        ],
        [helper.make_tensor_value_info("products", TensorProto.INT32, ["pairs", None, None])],
    )
    opset = helper.make_opsetid("", 18)
    model = helper.make_model_gen_version(graph, opset_imports=[opset])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the threads here have pairs of their own
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def lay_over(start: NDArray[np.float32], end: NDArray[np.float32]) -> NDArray[Any] | None:
    """(2, 3) where a photo lies in another, if enough of its corners at `start` agree that they
    lie at `end`, (n, 2) each."""
    if len(start) < LEAST_MATCHES:
        return None
    place, agree = cv2.estimateAffinePartial2D(
        start, end, ransacReprojThreshold=REACH, maxIters=200, confidence=0.98
    )
    if place is None or agree.sum() < LEAST_MATCHES:
        return None
    return place if 0.4 < np.sqrt(np.linalg.det(place[:, :2])) < 2.5 else None
