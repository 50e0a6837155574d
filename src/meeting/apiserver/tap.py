"""What twistd and `meeting` load to run `apiserver`: its options, and the service made from them."""

from twisted.application.service import IService

from meeting.apiserver.options import Options

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> IService:
    """The hub with its listeners."""
    from twisted.internet import reactor

    from meeting.apiserver.service import ApiServer
    from meeting.daemon.certificates.choice import certificate_for
    from meeting.daemon.listeners import with_listeners

    certificate = certificate_for(options, reactor)
    return with_listeners(options, ApiServer(options, reactor, certificate=certificate), reactor, certificate)
