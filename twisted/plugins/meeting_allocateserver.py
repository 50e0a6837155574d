"""`twistd meeting-allocateserver`."""

from meeting.cli import service_maker

meeting_allocateserver = service_maker("allocateserver")
