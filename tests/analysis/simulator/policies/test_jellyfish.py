"""Jellyfish: one size for picture and input, by its plan and its bandwidth estimate."""

import pytest

from analysis.simulator.components.encoder import jpeg_bits
from analysis.simulator.components.frame import SimulatedFrame
from analysis.simulator.components.link import Crossing
from analysis.simulator.policies.jellyfish import Jellyfish, JellyfishVideo
from analysis.simulator.run import SimulationRun
from analysis.simulator.specification import PolicyName
from tests.analysis.simulator.experiment import run

FAST = {"traces": [{"kind": "stepped", "rtt_ms": 10}], "slo_ms": [150], "seconds": 5}


def policy_of(made: SimulationRun) -> Jellyfish:
    assert isinstance(made.policy, Jellyfish)
    return made.policy


@pytest.mark.parametrize("name", ["jellyfish", "jellyfish-video"])
def test_the_sent_size_is_the_networks_input(name: PolicyName) -> None:
    made = run(name, **FAST)
    made.run()
    for client in made.clients:
        assert client.last_variant == f"yolov4-{client.encoder.request.long_side}"


def test_clients_begin_small_and_get_what_their_bandwidth_allows() -> None:
    made = run("jellyfish", **FAST)
    first = policy_of(made).first_request(0)
    assert first.long_side == 128
    assert first.bps == pytest.approx(15 * jpeg_bits(128))
    made.run()
    assert all(client.encoder.request.long_side > 128 for client in made.clients)


def test_pictures_are_square_jpegs_or_video_of_the_cameras_shape() -> None:
    jpeg, video = run("jellyfish", **FAST), run("jellyfish-video", **FAST)
    assert {client.encoder.codec for client in jpeg.clients} == {"jpeg90"}
    assert {client.encoder.codec for client in video.clients} == {"vp8"}
    assert isinstance(video.policy, JellyfishVideo)
    assert video.policy.bits(320) < jpeg_bits(320)


def test_the_bandwidth_is_the_harmonic_mean_of_the_last_second() -> None:
    made = run("jellyfish", **FAST)
    policy, client = policy_of(made), made.clients[0]
    made.events.run(0.0)
    policy.start()
    assert policy._bandwidth_bps(client, 0.0) == client.link.rate_bps(0.0)  # nothing measured yet
    frame = SimulatedFrame(0, 0, 0.0, 128, 1e6, 15.0, reachable=True)
    for sent_ms, took_ms in ((0.0, 10.0), (2000.0, 10.0), (2100.0, 40.0)):
        received_ms = sent_ms + client.back_ms + took_ms
        policy.sent(client, frame, Crossing([(5000, received_ms)], received_ms, 1, 0), sent_ms)
    # 40 kbit in 10 ms and in 40 ms: 4 and 1 Mbit/s; the first frame is too old.
    assert policy._bandwidth_bps(client, 2200.0) == pytest.approx(2 / (1 / 4e6 + 1 / 1e6))
