"""Living outputs where they cannot live: each is a picture with its words, in the notebook itself, wherever it lies."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import papermill
import pytest
from matplotlib.figure import Figure
from nbconvert import HTMLExporter, MarkdownExporter
from nbformat.v4 import new_code_cell, new_notebook
from traitlets.config import Config

from vaelib import figures
from vaelib.figures import living

PNG = living.png(Figure(figsize=(0.1, 0.1)))
CELLS = {
    "a turning square": "figures.show_plotly(figures.loss.living_rotation(n=3, dots=2), words)",
    "a surface to turn": "figures.show_plotly(figures.loss.living_pair_surface(n=2), words)",
    "the explorer": "show(explorer({'one': run}), living.png(figures.explorer.still(run, (1.25, 1))), words)",
    "a film": "figures.show_video(animation.rotating_embedding(notebook.media('film.mp4'), mu, "
    "{'a': mu[:, 0]}, frames=2), words)",
    "Left, the image of a curve": "controls.curve_explorer(experiment)",
    "The surface over two latents": "controls.loss_surfaces(experiment)",
    "The image decoded at a latent point": "run_controls.latent_explorer(run)",
    "A curve of a transect": "run_controls.transect_explorer(run)",
    "The embedding at one epoch": "run_controls.epoch_explorer(run)",
}
BEGIN = """
from vaelib import Experiment, animation, figures, notebook, train
from vaelib.figures import living
from vaelib.interactive import controls, run_controls
from vaelib.explorer import explorer, show
experiment = Experiment.from_profile("smoke", n_images=80, width=0.06, epochs=1, snapshots=[])
run = train(experiment, "runs", progress=False)
mu = run.embeddings[-1]
"""


class Pictures(HTMLParser):
    """The words of the pictures that a text holds itself."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "img" and str(attributes["src"]).startswith("data:image/"):
            self.words.append(str(attributes["alt"]))


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook of every kind of living output, executed by papermill in one folder into another."""
    folder = tmp_path_factory.mktemp("living")
    sources = [BEGIN, *(f"words = {words!r}\n{call}" for words, call in CELLS.items())]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = new_notebook(cells=[new_code_cell(source) for source in sources], metadata={"kernelspec": kernel})
    (folder / "work").mkdir()
    nbformat.write(made, folder / "made.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("VAELIB_STATIC", raising=False)
        target = folder / "executed.ipynb"
        papermill.execute_notebook(
            str(folder / "made.ipynb"), str(target), cwd=str(folder / "work"), progress_bar=False
        )
    assert {path.name for path in (folder / "work").iterdir()} == {"runs"}, "a film was left in the working folder"
    return target


@pytest.mark.parametrize("exporter", [HTMLExporter, MarkdownExporter])
def test_a_converted_notebook_shows_a_picture_and_its_words_for_every_living_output(
    executed: Path, exporter: type[HTMLExporter]
) -> None:
    # Without the widgets' states, of which nbconvert's HTML would make widgets that need a network.
    config = Config({"ClearMetadataPreprocessor": {"enabled": True}})
    text, _ = exporter(config=config).from_filename(str(executed))
    pictures = Pictures()
    pictures.feed(text)
    assert len(pictures.words) == len(CELLS)
    for words, alt in zip(CELLS, pictures.words, strict=True):
        assert alt.startswith(words)


@pytest.mark.parametrize("exporter", [HTMLExporter, MarkdownExporter])
def test_a_converted_notebook_shows_no_objects_address(executed: Path, exporter: type[HTMLExporter]) -> None:
    text, _ = exporter().from_filename(str(executed))
    assert not re.search(r"object at 0x|IPython\.core|VBox\(children|Explorer\(", text)


def test_every_living_output_still_lives_where_it_can_and_has_a_picture_for_print(executed: Path) -> None:
    widget, plotly = "application/vnd.jupyter.widget-view+json", "application/vnd.plotly.v1+json"
    kinds = [plotly, plotly, widget, "text/html", *[widget] * 5]
    for cell, kind in zip(nbformat.read(executed, as_version=4).cells[1:], kinds, strict=True):
        (data,) = (output.data for output in cell.outputs if "data" in output)
        assert kind in data
        if kind == plotly:  # JupyterLab shows a PNG beside it, and not the figure
            assert "image/png" not in data and data["text/html"].startswith("<img ")
        else:
            assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")


def test_a_film_is_within_the_notebook_that_shows_it(executed: Path) -> None:
    (film,) = re.findall(r'<video[^>]* src=\\"data:video/mp4;base64,([^\\"]+)', executed.read_text())
    assert base64.b64decode(film)[4:8] == b"ftyp"


def test_no_chapter_writes_a_film_to_a_folder_that_other_executions_share() -> None:
    for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"):
        source = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        assert source.count("show_video(") == source.count("notebook.media("), path.name


def test_a_pages_turnable_figure_is_a_picture_with_words_until_it_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAELIB_STATIC", "1")
    page = figures.show_plotly(figures.loss.living_rotation(n=3, dots=2), 'a "square"', height=300)
    before = page.data.split("<template>")[0]
    assert re.search(r'<img class="stand-in"[^>]*height: 300px[^>]*src="data:image/png[^>]*alt="a &quot;square', before)
    data, _ = page._repr_mimebundle_()
    assert set(data) == {"text/html", "text/plain"} and data["text/plain"] == 'a "square"'


def test_a_bundle_keeps_living_html_and_gives_it_words() -> None:
    data, metadata = living.bundle(({"text/html": "lives"}, {"more": 1}), PNG, "words")
    assert (data["text/html"], data["text/plain"]) == ("lives", "words")
    assert metadata == {"more": 1, "image/png": {"alt": "words"}}
    assert "a &lt; b" in living.image(PNG, "a < b")
