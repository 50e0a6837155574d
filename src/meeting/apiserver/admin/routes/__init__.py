"""/api/v1/admin/…: what administrators see and do, a file per page of the web client."""

from collections.abc import Callable
from dataclasses import dataclass

from meeting.apiserver.admin.retention import Sweeper
from meeting.apiserver.admin.routes import audit, hooks, meetings, people, settings, system
from meeting.apiserver.admin.use_cases import Administration
from meeting.apiserver.audit.use_cases import Audit
from meeting.apiserver.hooks.use_cases import Hooks
from meeting.apiserver.settings.use_cases import Settings
from meeting.daemon.web import Api


@dataclass(frozen=True)
class Parts:
    """What the routes stand on."""

    administration: Administration
    audit: Audit
    settings: Settings
    sweeper: Sweeper
    hooks: Hooks
    wake_hooks: Callable[[], None]


def add_routes(api: Api, parts: Parts) -> None:
    """Declare the routes of administrators, and of the brand, which everybody sees."""
    system.add_routes(api, parts.administration)
    meetings.add_routes(api, parts.administration)
    people.add_routes(api, parts.administration)
    audit.add_routes(api, parts.administration)
    settings.add_routes(api, parts.settings, parts.sweeper, parts.audit)
    hooks.add_routes(api, parts.hooks, parts.wake_hooks, parts.audit)
