"""The job behind the button *Sample*."""


def warm() -> None:
    """Import what fits need."""
