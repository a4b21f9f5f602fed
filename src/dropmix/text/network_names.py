"""Names of the networks for text, without torch."""

from pathlib import Path

TEXT_NETWORKS: dict[str, str] = {
    "textcnn": "convolutions of width 1, 3 and 5 over words, max over time (Kim 2014)",
    "transformer": "a transformer encoder of two layers, mean over words",
    "transformers:FOLDER": "an encoder of Hugging Face from a local folder, with its own tokeniser",
}
FOREIGN = "transformers:"


def encoder_folder(network: str) -> Path | None:
    """The folder that a network's name carries, or None for networks of ours.

    Example:
        >>> encoder_folder("transformers:models/bert").name, encoder_folder("textcnn")
        ('bert', None)
    """
    return Path(network.removeprefix(FOREIGN)) if network.startswith(FOREIGN) else None


def check_text_network(network: str) -> None:
    """Raise ValueError unless `network` names a network for text whose folder, if it has one, exists."""
    folder = encoder_folder(network)
    if folder is None:
        if network not in TEXT_NETWORKS:
            raise ValueError(
                f"network: expected one of {', '.join(TEXT_NETWORKS)} for text, got {network!r}. Name one."
            )
    elif not (folder / "config.json").is_file():
        raise ValueError(
            f"network: expected a folder with config.json of a Hugging Face encoder, got {str(folder)!r}. "
            "Save one there with save_pretrained."
        )
