"""List a folder: the one lister of training, audit and the folder command.

Links are followed, each folder once. Hidden and system files are not looked at. The suffix tells
photos from videos and raw files; where it says nothing, the first bytes do. What is left out is
counted by kind, so that nothing is skipped silently.
"""

import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PHOTO_SUFFIXES = frozenset(
    "avif bmp dib gif heic heif hif j2c j2k jfif jif jp2 jpc jpe jpeg jpf jpg jpx pbm pgm png pnm "
    "ppm tif tiff webp".split()
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
LISTED_BEFORE = "folder listed under another name"
EMPTY_FOLDER, UNREADABLE = "empty folder", "photo that cannot be read"
SAME_NAME = "file named as another one in a different Unicode form"
OUTSIDE_CLASSES, OUTSIDE_SPLITS = "photo outside a class folder", "photo outside the splits"
SPECIAL, BROKEN_LINK, OTHER = "device or pipe", "link to nowhere", "file of another kind"
PLURALS = {
    DENIED: "files that may not be read",
    DENIED_FOLDER: "folders that may not be read",
    LISTED_BEFORE: "folders listed under another name",
    SAME_NAME: "files named as another one in a different Unicode form",
    SPECIAL: "devices or pipes",
    BROKEN_LINK: "links to nowhere",
    OTHER: "files of another kind",
    UNREADABLE: "photos that cannot be read",
    OUTSIDE_CLASSES: "photos outside a class folder",
    OUTSIDE_SPLITS: "photos outside the splits",
}
# Of Windows, macOS, Synology, QNAP, Android, Picasa and Python; in lower case.
SYSTEM_NAMES = frozenset(
    "$recycle.bin,recycler,recycled,system volume information,thumbs.db,ehthumbs.db,"
    "ehthumbs_vista.db,desktop.ini,__macosx,icon\r,network trash folder,temporary items,"
    "thevolumesettingsfolder,desktop db,desktop df,@eadir,@tmp,#recycle,#snapshot,~snapshot,"
    "@recycle,@recently-snapshot,lost.dir,lost+found,picasa.ini,zbthumbnail.info,__pycache__,_gsdata_,"
    "indexervolumeguid,wpsettings.dat".split(",")
)
# FOUND.000 holds what Windows saved of a damaged card, $RECYCLE.BIN what was deleted.
SYSTEM_STARTS = (".", "$recycle", "$extend", "found.00", "~$")
HEADER_BYTES = 32
SIGNATURES = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"\0\0\0\x0cjP  \r\n\x87\n": "image/jp2",
    b"\xffO\xffQ": "image/j2c",
    **{
        b"P%d%c" % (kind, end): "image/x-portable-anymap"
        for kind in range(1, 7)
        for end in b"\n\r "
    },
    b"Pf": "image/x-portable-floatmap",
}
HEIF_BRANDS = frozenset(b"heic heix heim heis hevc hevx mif1 msf1".split())
DIB_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)


SPLITS = ("train", "val", "test")
ALL = "all"  # the one split of a set that has none
SPLIT_OF = (
    dict.fromkeys(("train", "training", "trainval"), "train")
    | dict.fromkeys(("val", "valid", "validation", "dev", "eval", "validate"), "val")
    | dict.fromkeys(("test", "testing"), "test")
)
# What names of splits hold besides: `train_set`, `Test Images`, `validation-data`, `train2017`.
BESIDE_SPLIT = re.compile(r"[\W\d_]+|data|set|images?|photos|pictures|folder|split")


LeftOut = dict[str, list[Path]]


@dataclass(frozen=True)
class Listing:
    """The photos below a folder.

    Attributes:
        root: the folder.
        photos: relative to it, in order of their names.
        left_out: the other files and folders, relative to it, by kind.
    """

    root: Path
    photos: tuple[Path, ...]
    left_out: LeftOut


def in_words(left_out: Mapping[str, Sequence[Path]]) -> str:
    """Numbers of files left out, by kind, most first: `12 videos, 1 raw file`."""
    counts = sorted(((len(files), kind) for kind, files in left_out.items() if files), reverse=True)
    return ", ".join(counted(count, kind) for count, kind in counts)


def counted(count: int, kind: str) -> str:
    """A number of files or of other things: `1 raw file`, `12 videos`."""
    return f"{count:,} {kind if count == 1 else PLURALS.get(kind, f'{kind}s')}"


def list_photos(root: Path) -> Listing:
    """List every photo below a folder.

    A file with a photo's suffix is listed even where it cannot be opened, such as a link to
    nowhere: reading it gives the reason.

    Raises: OSError where the folder itself cannot be read.
    """
    os.scandir(root).close()
    left_out: LeftOut = {}
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
    lower = name.casefold()
    return lower.startswith(SYSTEM_STARTS) or lower in SYSTEM_NAMES


def is_photo(header: bytes) -> bool:
    """Whether a file that starts with these bytes is of a format that is read."""
    return bool(media_type(header))


def media_type(header: bytes) -> str:
    """The media type (RFC 6838) of a photo that starts with these bytes; empty where it is none.

    header: HEADER_BYTES of the file.
    """
    for start, kind in SIGNATURES.items():
        if header.startswith(start):
            return kind
    if header.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "image/tiff" if header[8:10] != b"CR" else ""  # Canon's raw files are TIFFs
    if header.startswith(b"RIFF") and header[8:12] == b"WEBP":
        return "image/webp"
    if header.startswith(b"BM") and int.from_bytes(header[14:18], "little") in DIB_HEADERS:
        return "image/bmp"
    if header[4:8] != b"ftyp":
        return ""
    # The main brand, its version, then brands that are as true.
    box = header[8 : int.from_bytes(header[:4], "big")]
    brands = {box[at : at + 4] for at in range(0, len(box), 4)}
    if brands & {b"avif", b"avis"}:
        return "image/avif"
    return "image/heic" if brands & HEIF_BRANDS else ""


def _walk(root: Path, here: Path, left_out: LeftOut, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """The photos below root/here, relative to root; `seen`: folders that were entered."""

    def leave_out(kind: str, path: Path) -> None:
        left_out.setdefault(kind, []).append(path)

    try:
        status = (root / here).stat()
        with os.scandir(root / here) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError:
        leave_out(DENIED_FOLDER, here)
        return
    if (status.st_dev, status.st_ino) in seen:
        leave_out(LISTED_BEFORE, here)
        return
    seen.add((status.st_dev, status.st_ino))
    if not entries and here.parts:
        leave_out(EMPTY_FOLDER, here)
    names: set[str] = set()
    for entry in entries:
        path, folder = here / entry.name, _is_dir(entry)
        if is_system(entry.name) or _is_hidden(entry):
            leave_out(HIDDEN_FOLDER if folder else HIDDEN, path)
        elif folder:
            yield from _walk(root, path, left_out, seen)
        elif kind := _kind(entry):
            leave_out(kind, path)
        elif (name := same_form(entry.name)) in names:
            leave_out(SAME_NAME, path)
        else:
            names.add(name)
            yield path


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    """Whether the file managers of Windows and macOS hide an entry, whatever it is called."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    windows, macos = getattr(status, "st_file_attributes", 0), getattr(status, "st_flags", 0)
    return bool(windows & stat.FILE_ATTRIBUTE_HIDDEN or macos & stat.UF_HIDDEN)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _kind(entry: os.DirEntry[str]) -> str:
    """The kind of an entry that is no photo; empty for a photo."""
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
class PhotoSetListing:
    """The photos of a set, whatever its layout.

    Attributes:
        root: the folder.
        photos: of each split that is there, its photos as SPLIT/CLASS/NAME, in order; folders
            beside train, val and test are splits of their own, and in a set of class folders alone
            all photos are in the split ALL.
        paths: of each of these photos the path relative to `root`.
        left_out: the other files and folders, relative to `root`, by kind.
    """

    root: Path
    photos: dict[str, list[Path]]
    paths: dict[Path, Path]
    left_out: LeftOut


def list_photo_set(root: Path) -> PhotoSetListing:
    """List a photo set: train, val and test with a folder a class in each, or class folders alone.

    Splits may be named in any case and as other programs name them (`split_of`), and lie in further
    folders (`archive/train`, `test_set/test_set`); photos may lie in folders inside their class.
    Names of classes are in Unicode's composed form, in which those of different systems compare,
    without spaces at their ends, which nobody sees.

    Raises: OSError where the folder itself cannot be read.
    """
    listing = list_photos(root)
    home, splits = _home(listing.photos)
    depth = len(home)
    found: dict[str, list[Path]] = {}
    paths: dict[Path, Path] = {}
    left_out = dict(listing.left_out)
    for path in listing.photos:
        key, inside = ALL, path.parts[depth:]
        if splits and len(inside) > 1:
            split, *rest = inside
            key = split_of(split) or split
            twice = len(rest) > 2 and split_of(split) == split_of(rest[0])
            inside = tuple(rest[1:] if twice else rest)
        if path.parts[:depth] != home:
            left_out.setdefault(OUTSIDE_SPLITS if splits else OUTSIDE_CLASSES, []).append(path)
        elif len(inside) < 2:
            left_out.setdefault(OUTSIDE_CLASSES, []).append(path)
        else:
            name = same_form(inside[0])
            photo = Path(key, name.strip() or name, *inside[1:])
            while photo in paths:  # folders `Test` and `testing`, or of two Unicode forms
                photo = photo.with_stem(f"{photo.stem}-2")
            paths[photo] = path
            found.setdefault(key, []).append(photo)
    order = dict.fromkeys((*(split for split in SPLITS if split in found), *sorted(found)))
    return PhotoSetListing(root, {split: sorted(found[split]) for split in order}, paths, left_out)


def split_of(name: str) -> str | None:
    """The split that a folder of this name holds: train, val or test; None for another folder."""
    folded = name.casefold()
    return SPLIT_OF.get(folded) or SPLIT_OF.get(BESIDE_SPLIT.sub("", folded))


def _home(photos: Sequence[Path]) -> tuple[tuple[str, ...], bool]:
    """The folder that holds the splits, or else the classes; and whether it holds splits.

    That of splits has folders of a split's name with class folders inside; a class may be called
    `test`, too: that holds photos. Further down it is the only one with a folder of training
    photos. That of classes is reached through folders that hold one folder and no photos.
    """
    homes = {
        photo.parts[:depth]
        for photo in photos
        for depth in range(len(photo.parts) - 2)
        if (split := split_of(photo.parts[depth])) and (split == "train" or not depth)
    }
    shallowest = min(map(len, homes), default=0)
    homes = {home for home in homes if len(home) == shallowest}
    if len(homes) == 1:
        return homes.pop(), True
    home: tuple[str, ...] = ()
    while True:
        depth = len(home)
        inside = [p for p in photos if p.parts[:depth] == home and len(p.parts) > depth + 1]
        above = {photo.parts[: depth + 1] for photo in inside}
        if len(above) != 1 or any(len(photo.parts) < depth + 3 for photo in inside):
            return home, False
        home = above.pop()
