"""Every error that the library raises on purpose. Nothing is imported here."""


class UserError(Exception):
    """An error whose message says everything: a notebook shows it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class SettingError(UserError, ValueError):
    """A setting that does not exist or whose value is not allowed; the message names it and what is allowed."""


class StoreError(UserError, RuntimeError):
    """A file or folder that could not be written; the message names it and the reason."""


class DamagedError(UserError, RuntimeError):
    """A file that is missing or whose content is not what was written; the message names it and what is wrong."""


class TrainingError(UserError, RuntimeError):
    """A training that cannot begin or continue; the message says why and what to do."""


class DeviceError(UserError, RuntimeError):
    """This machine or backend lacks what a training needs; the message says what is allowed."""


class ForkError(UserError, RuntimeError):
    """A forked process cannot use the backend, since its parent had used it before the fork."""


class BuildError(UserError, RuntimeError):
    """The book could not be built; the message names the part that failed, the reason and where to look."""
