"""`twistd meeting-turnserver`."""

from meeting.cli import service_maker

meeting_turnserver = service_maker("turnserver")
