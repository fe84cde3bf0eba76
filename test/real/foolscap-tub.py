"""Two real Tubs on loopback, for tahoe-tub.real.test.ts.

Takes a swissnum as its argument. Says on standard output, one JSON object a line, where the Tubs
are, and every byte that the first one gets: in plain text, and inside TLS after deciphering.
"""

import json
import sys

from foolscap import negotiate
from foolscap.api import Referenceable, Tub
from twisted.internet import reactor


def say(**fields):
    sys.stdout.write(json.dumps(fields, sort_keys=True) + "\n")
    sys.stdout.flush()


class Watched(negotiate.Negotiation):
    def dataReceived(self, data):
        say(heard=data.decode("latin-1"))
        return negotiate.Negotiation.dataReceived(self, data)

    def connectionLost(self, reason):
        say(lost=True)
        return negotiate.Negotiation.connectionLost(self, reason)


def start(name, watched):
    tub = Tub()
    if watched:
        tub.negotiationClass = Watched
    tub.listenOn("tcp:0:interface=127.0.0.1")
    tub.startService()
    port = tub.getListeners()[0]._lp.getHost().port
    tub.setLocation("tcp:127.0.0.1:%d" % port)
    furl = tub.registerReference(Referenceable(), name=sys.argv[1])
    say(tub=name, furl=str(furl), port=port)


reactor.callWhenRunning(start, "first", True)
reactor.callWhenRunning(start, "other", False)
reactor.run()
