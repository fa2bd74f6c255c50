"""
What happens to processes, servers and connections in a round.

A fault lasts for a while and mends itself; what it returns is noted.
"""

from __future__ import annotations

from tests.hammer.bench import holder
from tests.hammer.relaying import TTL


BRIEF, LONG = (0.1, 1.2), (3.2, 4.0)


def _while(chance):
    """
    Mostly shorter than the deadlines of a relay, now and then longer.
    """
    return chance.uniform(*(LONG if chance.random() < 0.1 else BRIEF))


def _killed(member):
    member.kill()
    member.start()
    return member.name


def writer_killed(stage, chance):
    return _killed(chance.choice(stage.writers))


def relay_killed(stage, chance):
    return _killed(chance.choice(stage.relays))


def holder_killed(stage, chance):
    return _killed(_holder(stage, chance))


def holder_frozen(stage, chance):
    """
    For longer than its lease lasts, so that the other one takes over.
    """
    member = _holder(stage, chance)
    member.freeze()
    try:
        stage.hold(TTL + chance.uniform(0.3, 1.0))
    finally:
        member.thaw()
    return member.name


def _holder(stage, chance):
    found = holder(stage.url)
    for each in stage.relays:
        if each.pid == found:
            return each
    return chance.choice(stage.relays)


def writer_frozen(stage, chance):
    """
    Most likely with a transaction open, which holds the order back.
    """
    member = chance.choice(stage.writers)
    member.freeze()
    try:
        stage.hold(_while(chance))
    finally:
        member.thaw()
    return member.name


def _through(name):
    """
    The faults of the proxy of that name on the bench.
    """

    def cut(stage, chance):
        for _ in range(chance.randint(1, 4)):
            getattr(stage.bench, name).cut()
            stage.hold(chance.uniform(0.01, 0.3))

    def stalled(stage, chance):
        proxy = getattr(stage.bench, name)
        direction = chance.choice(["up", "down", "both"])
        proxy.stall(direction)
        _restored(stage, chance, proxy)
        return direction

    def black_holed(stage, chance):
        proxy = getattr(stage.bench, name)
        direction = chance.choice(["up", "down", "both"])
        proxy.black_hole(direction)
        _restored(stage, chance, proxy)
        return direction

    found = cut, stalled, black_holed
    for each in found:
        each.__name__ = f"{name.partition('_')[0]}_{each.__name__}"
    return found


def _restored(stage, chance, proxy):
    try:
        stage.hold(_while(chance))
    finally:
        proxy.restore()


def pooler_cut(stage, chance):
    stage.bench.pooler.cut()


def database_restarted(stage, chance):
    stage.bench.postgres.restart()


def database_killed(stage, chance):
    stage.bench.postgres.kill()
    stage.hold(chance.uniform(0, 0.5))
    stage.bench.postgres.start()


def broker_frozen(stage, chance):
    return _frozen(stage, chance, stage.bench.broker)


def broker_killed(stage, chance):
    return _down(stage, chance, stage.bench.broker)


def one_of_three_frozen(stage, chance):
    return _frozen(stage, chance, chance.choice(stage.bench.cluster.servers))


def one_of_three_killed(stage, chance):
    return _down(stage, chance, chance.choice(stage.bench.cluster.servers))


def _frozen(stage, chance, server):
    server.pause()
    try:
        stage.hold(_while(chance))
    finally:
        server.resume()
    return str(server.port)


def _down(stage, chance, server):
    server.kill()
    stage.hold(chance.uniform(0, 0.5))
    server.start()
    return str(server.port)


database_cut, database_stalled, database_black_holed = _through(
    "database_proxy"
)
broker_cut, broker_stalled, broker_black_holed = _through("broker_proxy")

# By their chances.
TO_PROCESSES = {
    writer_killed: 6,
    relay_killed: 1,
    holder_killed: 3,
    holder_frozen: 3,
    writer_frozen: 2,
}
TO_DATABASE = {
    database_cut: 3,
    database_stalled: 2,
    database_black_holed: 3,
    database_restarted: 2,
    database_killed: 2,
}
TO_POOLER = {pooler_cut: 2}
TO_BROKER = {
    broker_cut: 3,
    broker_stalled: 2,
    broker_black_holed: 3,
    broker_frozen: 2,
}
# It takes ten seconds to come back.
TO_FALLEN_BROKER = {broker_killed: 8, **TO_BROKER}
TO_CLUSTER = {one_of_three_killed: 4, one_of_three_frozen: 2}
