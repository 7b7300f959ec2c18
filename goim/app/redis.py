"""Finds the Redis that the settings name."""

from __future__ import annotations

import ssl

from goim.config import Settings
from goim.config.values import address
from goim.resp.link import Login, Server
from goim.resp.places import Cluster, OneServer, Places, Sentinels


def redis_of(settings: Settings) -> tuple[Places, Login]:
    """Where it is and how to be let in."""
    redis = settings.redis
    login = Login(redis.username, redis.password.get_secret_value(), redis.db, _tls(settings))
    if redis.sentinels:
        return Sentinels([_server(each) for each in redis.sentinels], redis.sentinel_name, login), login
    if redis.cluster:
        return Cluster([_server(redis.addr)], login), login
    return OneServer(_server(redis.addr)), login


def _server(text: str) -> Server:
    found = address(text)
    return Server(found.host, found.port)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.redis.tls:
        return None
    return ssl.create_default_context(cafile=settings.redis.tls_ca or None)
