"""ICC profiles by their published numbers, for the tests of what converts by them."""

import struct
from collections.abc import Callable

import numpy as np

D50 = np.array([0.9642, 1, 0.8249])
D65 = (0.3127, 0.329)
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
Curve = float | Callable[[float], float]  # a gamma, or light by value, both 0 to 1


def srgb_curve(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def display_p3() -> bytes:
    return rgb_profile([(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)], D65, srgb_curve)


def adobe_rgb() -> bytes:
    return rgb_profile([(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)], D65, 563 / 256)


def prophoto() -> bytes:
    white = (0.3457, 0.3585)
    return rgb_profile([(0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)], white, 1.8)


def srgb_of_another_maker() -> bytes:
    return rgb_profile([(0.64, 0.33), (0.3, 0.6), (0.15, 0.06)], D65, srgb_curve)


def rgb_profile(
    primaries: list[tuple[float, float]], white: tuple[float, float], curve: Curve
) -> bytes:
    """A matrix profile of primaries and white (x, y), adapted to D50 as ICC asks."""
    matrix = np.stack([_xyz(*primary) for primary in primaries], axis=1)
    matrix = matrix * np.linalg.solve(matrix, _xyz(*white))
    gain = np.diag((BRADFORD @ D50) / (BRADFORD @ _xyz(*white)))
    red, green, blue = (np.linalg.inv(BRADFORD) @ gain @ BRADFORD @ matrix).T
    tags = {b"rXYZ": _place(red), b"gXYZ": _place(green), b"bXYZ": _place(blue)}
    return _profile(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(curve)))


def grey_profile(curve: Curve) -> bytes:
    return _profile(b"GRAY", {b"kTRC": _curve(curve)})


def cmyk_profile() -> bytes:
    """A press that prints what Pillow's own conversion gives, with a fifth of the black ink."""
    steps = np.linspace(0, 1, 5)
    cyan, magenta, yellow, black = np.meshgrid(*[steps] * 4, indexing="ij")
    light = np.stack([1 - cyan, 1 - magenta, 1 - yellow], axis=-1) * (1 - black[..., None] / 5)
    lightness = 100 * np.cbrt(light.mean(axis=-1))
    a = 100 * (light[..., 0] - light[..., 1])
    b = 100 * (light[..., 1] - light[..., 2])
    lab = np.stack([lightness / 100, (a + 128) / 255, (b + 128) / 255], axis=-1)
    table = lab.clip(0, 1) * 255
    ramp = bytes(range(256))
    identity = b"".join(struct.pack(">i", round(65536 * v)) for v in np.eye(3).ravel())
    lut = b"mft1" + bytes(4) + bytes((4, 3, 5, 0)) + identity
    lut += 4 * ramp + table.round().astype(np.uint8).tobytes() + 3 * ramp
    return _profile(b"CMYK", {b"A2B0": lut}, b"prtr", b"Lab ")


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1, (1 - x - y) / y])


def _place(xyz: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(65536 * v)) for v in xyz)


def _curve(curve: Curve) -> bytes:
    if isinstance(curve, float):
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * curve))
    values = [round(65535 * curve(step / 1023)) for step in range(1024)]
    return b"curv" + bytes(4) + struct.pack(">I1024H", 1024, *values)


def _profile(
    space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr", target: bytes = b"XYZ "
) -> bytes:
    name = b"drawn\0"
    words = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78)
    tags = {b"desc": words, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": _place(D50)} | tags
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for key, value in tags.items():
        table += key + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = bytes(4) + struct.pack(">I", 0x02400000) + kind + space + target
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _place(D50)[8:]
    whole = head + bytes(48) + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole) + 4) + whole
