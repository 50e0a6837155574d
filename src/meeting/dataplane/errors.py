"""What the data plane raises."""

from __future__ import annotations

__all__ = ["DataPlaneError", "LimitReached", "StaleBuild"]


class DataPlaneError(Exception):
    """Something about the data plane; its text is safe to show."""


class StaleBuild(DataPlaneError):
    """The native library was built from other sources than this checkout's: run make rust."""


class LimitReached(DataPlaneError):
    """A bound of PortLimits would be passed; its text names which."""
