"""Where a request's time went, as the interceptor reads it from an answer's bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.route.stage import read_stages
from rilaas.wire import encode_response
from rilaas.wire import inference_pb2 as pb

NAMES = ("rilaas_queue_s", "rilaas_batch_s", "rilaas_preprocess_s", "rilaas_compute_s", "rilaas_postprocess_s")
SECONDS = st.floats(0.0, 10.0)


@given(st.tuples(SECONDS, SECONDS, SECONDS, SECONDS, SECONDS), st.floats(0.0, 100.0))
def test_the_stages_add_up_to_the_round_trip(values, latency_s):
    told = dict(zip(NAMES, values, strict=True))
    reply = encode_response("m", "1", {"y": np.zeros(9, np.float32)}, request_id="r", parameters=told)
    for body in (reply, pb.ModelInferResponse.FromString(reply).SerializeToString()):  # ours, and protobuf's own
        stages = read_stages(body, latency_s)
        assert (stages.queue_s, stages.batch_s) == values[:2]
        assert stages.compute_s == pytest.approx(sum(values[2:]))
        assert stages.wire_s == pytest.approx(max(0.0, latency_s - sum(values)))


def test_a_server_that_does_not_batch_has_no_batch_stage_and_one_that_tells_nothing_none_at_all():
    told = {"rilaas_queue_s": 0.001, "rilaas_compute_s": 0.002}
    assert read_stages(encode_response("m", "1", {}, parameters=told), 1.0).batch_s is None
    assert read_stages(encode_response("m", "1", {}), 1.0) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e9, "1.0", 3, True], ids=str)
def test_what_a_model_makes_up_is_not_believed(value):
    assert read_stages(encode_response("m", "1", {}, parameters={"rilaas_queue_s": value}), 1.0) is None


def test_an_answer_cut_short_is_read_without_harm():
    reply = encode_response("m", "1", {}, parameters={"rilaas_queue_s": 1.0})
    for end in range(len(reply)):
        read_stages(reply[:end], 1.0)
