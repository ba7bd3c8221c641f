"""Publishing over WHIP and WebRTC: what `edge publish` and the laboratory's publishers share."""
