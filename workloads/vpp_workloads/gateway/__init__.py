"""The site gateway: takes measurements of one site's DERs, keeps them on disk, publishes them until they are confirmed.

A measurement that `Gateway.accept` took is on disk and is published until a broker has confirmed it, through restarts
of the gateway and of brokers. What cannot be taken is refused with a sentence; nothing is dropped in silence.
"""
