"""What a folder holds: the one lister of training, audit and the folder command.

Links are followed, each folder once. Hidden and system files are not looked at. The suffix tells
photos from videos and raw files; where it says nothing, the first bytes do. What is left out is
counted by kind, so that nothing is skipped silently.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PHOTO_SUFFIXES = frozenset(
    "avif bmp dib gif heic heif hif jfif jif jpe jpeg jpg pbm pgm png pnm ppm tif tiff webp".split()
)
KINDS = {
    "video": "3gp avi insv lrv m2ts m4v mkv mov mp4 mpeg mpg mts webm wmv",
    "raw file": "3fr arw cr2 cr3 crw dcr dng erf fff gpr iiq kdc mef mos mrw nef nrw orf pef raf "
    "raw rw2 rwl sr2 srf srw x3f",
    "sound": "aac flac m4a mp3 ogg wav wma",
    "sidecar file": "aae csv dop htm html ini json log md pdf pp3 thm txt xml xmp",
    "archive": "7z bz2 gz rar tar xz zip",
}
KIND_OF = {suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes.split()}
HIDDEN, HIDDEN_FOLDER = "hidden or system file", "hidden or system folder"
DENIED, DENIED_FOLDER = "file that may not be read", "folder that may not be read"
SAME_NAME = "file named as another one in a different Unicode form"
OUTSIDE_CLASSES, OUTSIDE_SPLITS = "photo outside a class folder", "photo outside the splits"
SPECIAL, BROKEN_LINK, OTHER = "device or pipe", "link to nowhere", "file of another kind"
PLURALS = {
    DENIED: "files that may not be read",
    DENIED_FOLDER: "folders that may not be read",
    SAME_NAME: "files named as another one in a different Unicode form",
    SPECIAL: "devices or pipes",
    BROKEN_LINK: "links to nowhere",
    OTHER: "files of another kind",
    OUTSIDE_CLASSES: "photos outside a class folder",
    OUTSIDE_SPLITS: "photos outside the splits",
}
# Of Windows, macOS, Synology, QNAP, Android, Picasa and Python; in lower case.
SYSTEM_NAMES = frozenset(
    "$recycle.bin,recycler,recycled,system volume information,thumbs.db,ehthumbs.db,"
    "ehthumbs_vista.db,desktop.ini,found.000,__macosx,icon\r,network trash folder,temporary items,"
    "@eadir,#recycle,#snapshot,@recycle,@recently-snapshot,lost.dir,lost+found,picasa.ini,"
    "zbthumbnail.info,__pycache__".split(",")
)
HEADER_BYTES = 32
HEIF_BRANDS = (
    b"heic",
    b"heix",
    b"heim",
    b"heis",
    b"hevc",
    b"hevx",
    b"mif1",
    b"msf1",
    b"avif",
    b"avis",
)
DIB_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)


SPLITS = ("train", "val", "test")
ALL = "all"  # the one split of a set that has none
SPLIT_OF = (
    dict.fromkeys(("train", "training", "train_set"), "train")
    | dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "val")
    | dict.fromkeys(("test", "testing", "test_set", "holdout"), "test")
)


@dataclass(frozen=True)
class Listing:
    """The photos below a folder.

    Attributes:
        root: the folder.
        photos: relative to it, in order of their names.
        left_out: how many other files and folders there are, by kind.
    """

    root: Path
    photos: tuple[Path, ...]
    left_out: Counter[str] = field(default_factory=Counter)

    def left_out_in_words(self) -> str:
        """The kinds and numbers of what was left out: `12 videos, 1 raw file`; empty for none."""
        return in_words(self.left_out)


def in_words(counts: Counter[str]) -> str:
    """Counted kinds in words, most first: `12 videos, 1 raw file`."""
    return ", ".join(
        f"{count:,} {kind if count == 1 else PLURALS.get(kind, f'{kind}s')}"
        for kind, count in counts.most_common()
    )


def list_photos(root: Path) -> Listing:
    """List every photo below a folder.

    A file with a photo's suffix is listed even where it cannot be opened, such as a link to
    nowhere: reading it gives the reason.

    Raises: OSError where the folder itself cannot be read.
    """
    os.scandir(root).close()
    left_out: Counter[str] = Counter()
    photos = sorted(_walk(root, Path(), left_out, set()))
    return Listing(root, tuple(photos), left_out)


def same_form(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which names of different systems compare."""
    return unicodedata.normalize("NFC", name)


def printable(name: str | Path) -> str:
    """A file's name as text that any output takes; bytes that are no UTF-8 show as escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_system(name: str) -> bool:
    """Whether systems and programs make files of that name for themselves."""
    return name.startswith(".") or name.casefold() in SYSTEM_NAMES


def is_photo(header: bytes) -> bool:
    """Whether a file that starts with these bytes is of a format that is read."""
    if header.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")):
        return True
    if header.startswith((b"II*\0", b"MM\0*")):
        return header[8:10] != b"CR"  # Canon's raw files are TIFFs
    if header.startswith(b"RIFF"):
        return header[8:12] == b"WEBP"
    if header.startswith(b"BM"):
        return int.from_bytes(header[14:18], "little") in DIB_HEADERS
    return header[4:8] == b"ftyp" and header[8:12] in HEIF_BRANDS


def _walk(
    root: Path, here: Path, left_out: Counter[str], seen: set[tuple[int, int]]
) -> Iterator[Path]:
    """The photos below root/here, relative to root; `seen`: folders that were entered."""
    try:
        status = (root / here).stat()
        entries = sorted(os.scandir(root / here), key=lambda entry: entry.name)
    except OSError:
        left_out[DENIED_FOLDER] += 1
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    names: set[str] = set()
    for entry in entries:
        folder = _is_dir(entry)
        if is_system(entry.name):
            left_out[HIDDEN_FOLDER if folder else HIDDEN] += 1
        elif folder:
            yield from _walk(root, here / entry.name, left_out, seen)
        elif kind := _kind(entry):
            left_out[kind] += 1
        elif (name := same_form(entry.name)) in names:
            left_out[SAME_NAME] += 1
        else:
            names.add(name)
            yield here / entry.name


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _kind(entry: os.DirEntry[str]) -> str:
    """What kind of file an entry is that is no photo; empty for a photo."""
    suffix = Path(entry.name).suffix.lower().removeprefix(".")
    try:
        if entry.is_symlink() and not Path(entry.path).exists():
            return "" if suffix in PHOTO_SUFFIXES else BROKEN_LINK
        if not entry.is_file():
            return SPECIAL  # a pipe would be waited for
        if suffix in PHOTO_SUFFIXES:
            return ""
        if suffix in KIND_OF:
            return KIND_OF[suffix]
        with Path(entry.path).open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError:
        return "" if suffix in PHOTO_SUFFIXES else DENIED
    return "" if is_photo(header) else OTHER


@dataclass(frozen=True)
class PhotoSet:
    """The photos of a set by split and class.

    Attributes:
        root: the folder that holds the splits or, without splits, the classes.
        photos: of each split that is there, the photos of each class, relative to `root`; in a set
            of class folders alone, all of them are in the split ALL.
        left_out: how many other files and folders there are, by kind.
    """

    root: Path
    photos: dict[str, dict[str, list[Path]]]
    left_out: Counter[str]


def list_photo_set(root: Path) -> PhotoSet:
    """List a photo set: train, val and test with a folder a class in each, or class folders alone.

    Splits may be named in any case and as other programs name them (SPLIT_OF), and lie one folder
    deeper (`archive/train`); photos may lie in folders inside their class. Names of classes are
    compared and given in Unicode's composed form.

    Raises: OSError where the folder itself cannot be read.
    """
    listing = list_photos(root)
    photos, left_out = listing.photos, Counter(listing.left_out)
    above = Path()
    while True:
        tops = {photo.parts[0] for photo in photos if len(photo.parts) > 1}
        # A class may be called `test`: a split holds class folders.
        splits = {top for top in tops if _holds_classes(top, photos)}
        if splits or len(tops) != 1 or not all(len(photo.parts) > 2 for photo in photos):
            break
        (top,) = tops
        above /= top
        photos = tuple(photo.relative_to(top) for photo in photos)
    found: dict[str, dict[str, list[Path]]] = {}
    for photo in photos:
        if splits and photo.parts[0] not in splits:
            left_out[OUTSIDE_SPLITS] += 1
            continue
        split = SPLIT_OF[photo.parts[0].casefold()] if splits else ALL
        inside = photo.parts[1 if splits else 0 :]
        if len(inside) < 2:
            left_out[OUTSIDE_CLASSES] += 1
            continue
        found.setdefault(split, {}).setdefault(same_form(inside[0]), []).append(photo)
    return PhotoSet(root / above, found, left_out)


def _holds_classes(top: str, photos: tuple[Path, ...]) -> bool:
    """Whether a folder has a split's name, and photos in folders inside only."""
    inside = [photo for photo in photos if photo.parts[0] == top]
    return top.casefold() in SPLIT_OF and any(len(photo.parts) > 2 for photo in inside)
