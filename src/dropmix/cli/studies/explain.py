"""The command explain: what predicts which classes an augmentation hurts."""

from pathlib import Path
from typing import Annotated

import typer

from dropmix.cli.app import app
from dropmix.cli.streams import say


@app.command(name="explain")
def explain_command(
    folder: Annotated[Path, typer.Argument(help="A grid's folder.")],
    data: Annotated[
        Path | None, typer.Option(help="The images or texts that the grid was trained on; adds predictors.")
    ] = None,
    accept: Annotated[
        Path | None, typer.Option(help="JSON file of acceptable classes per test example; adds label ambiguity.")
    ] = None,
    baseline: Annotated[str, typer.Option(help="Arm to compare the others with.")] = "vanilla",
    out: Annotated[Path | None, typer.Option(help="Folder for the page; default the grid's folder.")] = None,
) -> None:
    """Test what predicts which classes are hurt.

    Correlates candidate predictors with the recall change of each class, corrected for seed noise.
    """
    from dropmix.cli.beside_runs import tell_left_out
    from dropmix.studies.explain_page import explain_grid, write_explained
    from dropmix.studies.explain_words import in_words
    from dropmix.studies.predictors import of_texts, on_texts

    tell_left_out(folder)
    networks: dict = {}
    if data is None:
        given = {}
    elif on_texts(folder):
        given = of_texts(folder, data)
    else:
        from dropmix.studies.image_predictors import of_images

        given, networks = of_images(folder, data, baseline)
    arms, left_out = explain_grid(folder, given, baseline, networks, accept)
    page = write_explained(arms, out or folder, folder.name)[0]
    for line in [*(in_words(arm, explained) for arm, explained in arms.items()), *left_out]:
        say(line)
    say(page)
