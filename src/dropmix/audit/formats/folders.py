"""Which files of a folder hold predictions, and which one lists the classes, by their names."""

from itertools import islice
from pathlib import Path

from dropmix.audit.errors import AuditError
from dropmix.audit.formats.archives import read_json
from dropmix.audit.formats.kinds import ENDINGS, ending_of

CLASS_LISTS = {f"{stem}{ending}" for stem in ("classes", "class_names", "classnames") for ending in (".txt", ".json")}
CLASS_LISTS |= {"id2label.json", "label2id.json", "class_to_idx.json", "idx_to_class.json"}
CONFIG = "config.json"  # of Hugging Face, which may hold id2label
MOST = 10_000  # files and folders that are looked at for predictions further down


def files_of(path: Path) -> list[Path] | None:
    """Prediction files in a folder that is not a run folder, or else in its folders; None for a file or a run folder.

    Raises:
        AuditError: a folder without any such file, a grid, or a folder of `datasets`.
    """
    if not path.is_dir() or (path / "predictions.parquet").is_file():
        return None
    if (path / "dataset_info.json").is_file() and any(path.glob("*.arrow")):
        raise AuditError(
            f"{path}: expected files of predictions, got a data set that save_to_disk wrote. "
            "Save it as parquet (load_from_disk(...).to_parquet(FILE)), and give that file."
        )
    files = _files_in(path)
    if not files and not any(path.glob("*/spec.json")):
        files = [file for folder in sorted(path.iterdir()) if _is_open(folder) for file in _files_in(folder)]
    if not files:
        below = next((p for p in islice(path.rglob("*"), MOST) if _is_predictions(p)), None)
        deeper = f"; further down lies {below}" if below else ""
        advice = "Give the folders that hold the files" if below else "Give a file of predictions"
        raise AuditError(
            f"{path}: expected a run folder or a folder of prediction files, got no file that ends in "
            f"{', '.join(sorted(ENDINGS))}{deeper}. {advice}, or audit the whole grid."
        )
    return files


def class_list_beside(path: str | Path) -> Path | None:
    """The one file beside a file of predictions that lists the classes; None without one, or with several."""
    folder = Path(path).parent
    found = [folder / name for name in sorted({*CLASS_LISTS, CONFIG}) if _is_class_list(folder / name)]
    return found[0] if len(found) == 1 else None


def classes_option(path: str) -> str:
    """The option that names the classes of a file of predictions, with the list that lies beside it.

    Example:
        >>> classes_option("nowhere/preds.csv")
        '--classes FILE'
    """
    return f"--classes {class_list_beside(path) or 'FILE'}"


def _files_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if _is_predictions(p))


def _is_predictions(path: Path) -> bool:
    return ending_of(path) in ENDINGS and path.name[0] not in "._~" and path.is_file() and not _is_class_list(path)


def _is_open(folder: Path) -> bool:
    return folder.name[0] not in "._~" and folder.is_dir()


def _is_class_list(path: Path) -> bool:
    try:
        if path.name.lower() != CONFIG:
            return path.name.lower() in CLASS_LISTS and path.is_file()
        content = read_json(path)
    except (AuditError, OSError, ValueError):  # a name from an error may be none of a file
        return False
    return isinstance(content, dict) and isinstance(content.get("id2label"), dict)
