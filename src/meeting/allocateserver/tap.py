"""What twistd and `meeting` load to run `allocateserver`: its options, and the service made from them."""

from twisted.application.service import IService

from meeting.allocateserver.options import Options

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> IService:
    """The allocateserver with its listeners."""
    from twisted.internet import reactor

    from meeting.allocateserver.service import AllocateServer
    from meeting.daemon.certificates.choice import certificate_for
    from meeting.daemon.listeners import with_listeners

    certificate = certificate_for(options, reactor)
    return with_listeners(options, AllocateServer(options, reactor, certificate=certificate), reactor, certificate)
