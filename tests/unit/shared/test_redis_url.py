"""Addresses of Redis, as the ledger's client and Celery read them alike."""

from __future__ import annotations

from kombu.utils.url import url_to_parts

from batchline_shared.broker import broker_settings
from batchline_shared.redis_url import SentinelAddress


def test_a_sentinel_may_have_a_numeric_address() -> None:
    url = "sentinel://u:p%40%5B@[2001:db8::1]:26380,10.0.0.2,[::1]/3?master=m"

    address = SentinelAddress.parse(url)
    brokers = [url_to_parts(one) for one in broker_settings(url)["broker_url"].split(";")]

    assert address.hosts == (("2001:db8::1", 26380), ("10.0.0.2", 26379), ("::1", 26379))
    assert [(one.hostname, one.port) for one in brokers] == list(address.hosts)
    assert {(one.username, one.password, one.path) for one in brokers} == {("u", "p@[", "3")}
