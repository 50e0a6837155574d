"""What twistd and `meeting` load to run `turnserver`: its options, and the service made from them."""

from twisted.application.service import IService, MultiService

from meeting.turnserver.options import Options

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> IService:
    """The turnserver with its status port."""
    from twisted.internet import reactor

    from meeting.daemon.certificates.choice import certificate_for
    from meeting.daemon.listeners import listeners
    from meeting.turnserver.service import TurnServer

    certificate = certificate_for(options, reactor)
    together = MultiService()
    # The certificate is there before the port that needs it.
    server = TurnServer(options, reactor, certificate=certificate)
    listeners(options, None, reactor, server.status, certificate).setServiceParent(together)
    server.setServiceParent(together)
    return together
