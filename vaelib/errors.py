"""Every error that the library raises on purpose. Nothing here imports anything but Python's own."""


class UserError(Exception):
    """An error whose message says all there is to say: a notebook shows it without the library's frames."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class SettingError(UserError, ValueError):
    """A setting that does not exist or has a value that is not allowed; the message names it and what is."""


class StoreError(UserError, RuntimeError):
    """A file or folder that could not be written; the message names it, the reason and what is safe."""


class DamagedError(UserError, RuntimeError):
    """A file whose content is not what was written; the message names the file and what is wrong."""


class TrainingError(UserError, RuntimeError):
    """A training that cannot begin or go on; the message says why and what to do."""


class DeviceError(UserError, RuntimeError):
    """This machine or this backend lacks what a training asks for; the message says what is allowed."""


class ForkError(UserError, RuntimeError):
    """A forked process that cannot use the backend, since the process that it was forked from did."""


class BuildError(UserError, RuntimeError):
    """The book could not be built; the message names the part, the reason and where to look."""
