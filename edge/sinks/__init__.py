"""Sinks: results of all sessions sent on to webhooks, files and MQTT brokers.

Knows nothing of sessions: whoever has the messages puts them into a `sink_set.SinkSet`.
"""
