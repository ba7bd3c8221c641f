"""MQTT discovery for Home Assistant: a sensor for each label and class. Pure.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

import json
import re
import zlib

import edge
from edge.sinks.mqtt import topics

_NO_ID = re.compile(r"[^A-Za-z0-9_-]")


def identifier(text: str) -> str:
    """The text as part of an identifier: letters, digits, `_` and `-`; different for different
    texts."""
    plain = _NO_ID.sub("_", text)
    return plain if plain == text else f"{plain}_{zlib.crc32(text.encode()):08x}"


def discovery(prefix: str, discovery_prefix: str, label: str, class_name: str) -> tuple[str, str]:
    """(topic, payload) that make the sensor known; to be retained."""
    node = identifier(f"{prefix}_{label}")
    sensor = identifier(class_name)
    payload = {
        "name": class_name,
        "unique_id": f"{node}_{sensor}",
        "state_topic": topics.label_counts(prefix, label),
        "value_template": f"{{{{ value_json[{json.dumps(class_name)}] }}}}",
        "state_class": "measurement",
        "availability": [
            {"topic": topics.status(prefix)},
            {"topic": topics.label_status(prefix, label)},
        ],
        "availability_mode": "all",
        "device": {"identifiers": [node], "name": label, "manufacturer": "Edge"},
        "origin": {"name": "Edge", "sw_version": edge.__version__},
    }
    return f"{discovery_prefix}/sensor/{node}/{sensor}/config", json.dumps(payload)
