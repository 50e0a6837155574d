"""What twistd and `meeting` load to run `fsserver`: its options, and the service made from them."""

from twisted.application.service import IService

from meeting.fsserver.options import Options

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> IService:
    """The file server with its listeners."""
    from twisted.internet import reactor

    from meeting.daemon.certificates.choice import certificate_for
    from meeting.daemon.listeners import with_listeners
    from meeting.fsserver.service import FsServer

    certificate = certificate_for(options, reactor)
    return with_listeners(options, FsServer(options, reactor, certificate=certificate), reactor, certificate)
