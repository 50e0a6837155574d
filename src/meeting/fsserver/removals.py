"""Forgetting an object, as the hub asks for it when its time is over."""

from collections.abc import Callable, Mapping
from typing import Any

from meeting.daemon.secret import Secret, verify_file_link


class Removals:
    """Removes objects for those who have a link that says so."""

    def __init__(self, store: Any, secret: Secret, seconds: Callable[[], float]) -> None:
        """`store` provides IStore."""
        self._store = store
        self._secret = secret
        self._seconds = seconds

    async def remove(self, path: str, id: str, query: Mapping[str, str]) -> None:
        """Forget the object; one that is not there is forgotten. Raises BadLink, LinkExpired, StoreFailed."""
        verify_file_link(self._secret, "DELETE", path, query, self._seconds())
        await self._store.remove(id)
