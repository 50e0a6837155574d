"""The options of `meeting fsserver`."""

from twisted.python import usage

from meeting.daemon import options as shared
from meeting.daemon.options import DaemonOptions, Flag


class Options(DaemonOptions):
    """The file server's options."""

    flags = (
        shared.CONFIG,
        shared.SECRET,
        shared.DOMAIN_ADDRESS,
        shared.APISERVER,
        *shared.WEB,
        Flag("directory", "where the files are kept; one file system", convert=shared.directory, required=True),
        Flag(
            "webOrigin",
            "an origin whose pages may upload and read, if browsers reach the hub otherwise than by --apiserver",
            convert=shared.url,
            repeatable=True,
        ),
        Flag("maxFileSize", "the largest upload", "100MB", shared.size),
        Flag("maxUploads", "most uploads at once", "64", shared.whole_number),
        Flag("uploadSilence", "how long an upload may stand still", "30s", shared.seconds),
        Flag("slowestUpload", "bytes a second that an upload keeps up on the average", "16KB", shared.size),
        Flag("readerStall", "how long a download's reader may take nothing", "1m", shared.seconds),
        Flag("freeSpace", "what uploads leave free in the file system", "1GB", shared.size),
        Flag("maxPixels", "a picture with more is offered for saving only", "100000000", shared.whole_number),
    )

    def check(self) -> None:
        """What fits together."""
        for name in ("maxUploads", "slowestUpload", "uploadSilence", "readerStall"):
            if not self[name]:
                raise usage.UsageError(f"--{name}: write more than 0")
