"""Settings of data sets that are drawn in an instant."""

from typing import Any

from vaelib.experiment import DataSettings


def small(**settings: Any) -> DataSettings:
    """Return the settings of 300 images of 32×32 pixels, save for what is given."""
    return DataSettings(**{"n_images": 300, "image_size": 32, "line_width": 1.2, **settings})
