"""`twistd meeting-fsserver`."""

from meeting.cli import service_maker

meeting_fsserver = service_maker("fsserver")
