"""`twistd meeting-sfuserver`."""

from meeting.cli import service_maker

meeting_sfuserver = service_maker("sfuserver")
