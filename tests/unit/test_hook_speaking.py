"""Speaking through a hook of the chat: its address shows nowhere, and a proxy gets time to see the chat."""

from __future__ import annotations

import json
import logging

import pytest
from core_fixtures import Reply

from salt_itstack.errors import ItstackError
from salt_itstack.http import Session
from salt_itstack.integrations import probing, webhook

KEY = "canary6kz1pdnyxq8"


def values(web):
    return {"hook": f"{web.url}/hooks/{KEY}", "ca": None}


def test_it_waits_for_a_proxy_that_has_not_seen_the_chat_yet(web):
    web.script(Reply(503, body="no available server"), Reply(503, body="no available server"), Reply(200))
    webhook.speak(values(web), "hello", "mark-1", "sandbox")
    assert [json.loads(seen.body) for seen in web.seen] == [
        {"text": "hello (mark-1)", "channel": "sandbox"}
    ] * 3


def test_a_chat_that_stays_away_is_told_readably_and_without_the_address(web, monkeypatch):
    monkeypatch.setattr(probing, "HEALTH_SECONDS", 0.0)
    plain = {"Content-Type": "text/plain"}
    web.script(Reply(503, body=f"no available server for /hooks/{KEY}", headers=plain))
    with pytest.raises(ItstackError) as caught:
        webhook.speak(values(web), "hello")
    assert "no available server for /(hidden)/(hidden)" in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_refusal_is_not_tried_again(web):
    web.script(Reply(404, {"message": "Invalid webhook"}))
    with pytest.raises(ItstackError, match="Invalid webhook"):
        webhook.speak(values(web), "hello")
    assert len(web.seen) == 1


def test_no_log_shows_the_address_and_other_requests_are_logged(web, caplog):
    caplog.set_level(logging.DEBUG)
    webhook.speak(values(web), "hello")
    free = web.url.rpartition(":")[0] + ":9"
    with pytest.raises(ItstackError):
        webhook.speak({"hook": f"{free}/hooks/{KEY}", "ca": None}, "hello")
    assert KEY not in caplog.text
    Session(web.url).get("/status")
    assert "GET /status" in caplog.text
