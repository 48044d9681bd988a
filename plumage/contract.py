"""The contract between trainer and app: names in a checkpoint, the rule for species, shared words.

A checkpoint is a folder checkpoints/VARIANT/; checkpoints/README.md says what each file holds.
"""

# The files of a checkpoint.
MODEL = "model.onnx"
SALIENCY = "saliency.onnx"
WEIGHTS = "weights.safetensors"
REPORT = "report.json"
HISTORY = "history.csv"
SPLIT_TABLE = "splits.csv"  # of a run that cut the splits that its photos' folder lacks

RESULTS = "results"  # the folder in checkpoints/ of what was measured, no variant
STUDIES = "studies"  # the folder in RESULTS of tables of many short runs
GALLERY = "gallery"  # the folder in RESULTS of test photos with heatmaps, a folder a variant

# What MODEL takes and gives.
PHOTOS = "photos"  # (N, S, S, 3) uint8
LOGITS, HEATMAPS, NOVELTY = "logits", "heatmaps", "novelty"
OUTPUTS = (LOGITS, HEATMAPS, NOVELTY)

# Keys of MODEL's metadata; all values are strings, some of them JSON.
NORM = "norm"
IMAGE_SIZE = "image_size"
SPECIES = "species"
TEMPERATURE = "temperature"
NOVELTY_THRESHOLD = "novelty_threshold"
SET_THRESHOLDS = "set_thresholds"
NOUN = "noun"  # of what a photo shows, such as bird; a model may lack it
# JSON, of the answer that combines several looks (plumage/looks.py); a model may lack it, and then
# answers from one. It holds `names` of the looks, `energy_weight`, and the combined answer's own
# TEMPERATURE, NOVELTY_THRESHOLD and SET_THRESHOLDS; those above are of one look at the whole photo.
# Its SET_THRESHOLDS are for photos less than VERY_LIKELY; a set of others is the likeliest alone.
LOOKS = "looks"

# What SALIENCY takes besides PHOTOS, and gives.
TARGET = "target"  # (N,) int64
STAGES = (1, 2, 3)  # of the network; the last is the one of MODEL's heatmaps
SALIENCY_OUTPUTS = (
    "saliency",
    *(f"features_{stage}" for stage in STAGES),
    *(f"gradients_{stage}" for stage in STAGES),
)
WEIGHTS_DIGEST = "weights"  # metadata of SALIENCY: the SHA-256 of WEIGHTS

# Coverages of the prediction sets in SET_THRESHOLDS, and the one of the sets that people see.
SET_LEVELS = (0.9, 0.95)
COVERAGE = 0.95

# The least calibrated probability of a prediction that the app does not call doubtful.
VERY_LIKELY = 0.9

# The study's seven normalisations by their keys, in its order.
NORM_NAMES = {
    "bn": "batch norm",
    "in": "instance norm",
    "bin": "batch-instance norm",
    "ln": "layer norm",
    "gn": "group norm",
    "nn": "no norm",
    "torch-bn": "built-in batch norm",
}

# The mean of all variants' probabilities, where it stands beside the variants.
CONSENSUS = "consensus"

# Saliency methods, as files of results and pages write them.
GRAD_CAM, HIRESCAM, LAYERCAM, SMOOTH_GRAD = "Grad-CAM", "HiResCAM", "LayerCAM", "SmoothGrad"
# SmoothGrad (Smilkov et al. 2017, arXiv:1706.03825) averages the gradients of noisy copies.
SMOOTH_GRAD_COPIES = 8
SMOOTH_GRAD_NOISE = 0.15  # the noise's standard deviation, as a share of the photo's pixel range

MIN_SPECIES, MAX_SPECIES = 2, 1000
_MAX_LENGTH = 100
_JOINERS = "\u200c\u200d"  # invisible, and part of words in Indian scripts
SPECIES_RULE = f"1 to {_MAX_LENGTH} printable characters"


def is_species_name(value: object) -> bool:
    """Whether a species may have this name; SPECIES_RULE says it in words."""
    return (
        isinstance(value, str)
        and len(value) <= _MAX_LENGTH
        and bool(value.strip(f" {_JOINERS}"))
        # No control characters, and none that turn the direction of writing.
        and value.translate(dict.fromkeys(map(ord, _JOINERS))).isprintable()
    )


def display_name(species: str) -> str:
    """A species' folder name as people write it: spaces for hyphens and underscores."""
    return species.replace("-", " ").replace("_", " ")
