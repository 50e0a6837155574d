"""What twistd and `meeting` load to run `sfuserver`: its options, and the service made from them."""

from twisted.application.service import IService

from meeting.sfuserver.options import Options

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> IService:
    """The sfuserver with its listeners."""
    from twisted.internet import reactor

    from meeting.daemon.certificates.choice import certificate_for
    from meeting.daemon.listeners import with_listeners
    from meeting.sfuserver.service import SfuServer

    certificate = certificate_for(options, reactor)
    server = SfuServer(options, reactor, certificate=certificate)
    return with_listeners(options, server, reactor, certificate, server.media_streams)
