"""Films of a training, of an embedding and of a transect, and the encoder that draws them on all cores."""

from vaelib.animation.films import rotating_embedding, sheets_in_step, training_film
from vaelib.animation.transects import transect_film

__all__ = ["rotating_embedding", "sheets_in_step", "training_film", "transect_film"]
