"""RobotClient over TLS to a real front: answers, deadlines, breaks, refusals."""

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rilaas.client import RobotClient, StreamTransport, connection, line
from rilaas.core import (
    DeadlineExceeded,
    InvalidInput,
    ModelFailed,
    RilaasError,
    SignatureMismatch,
    Unavailable,
    check_policy,
)
from tests.client.front import eventually, x


def test_a_prediction_comes_over_tls_with_its_timing(robot, service):
    service.told = {"rilaas_compute_s": 0.25, "rilaas_server": "edge-1", "rilaas_attempts": 2}
    prediction = robot().predict(x(1, 2))
    assert prediction["y"].tolist() == [2, 4]
    timing = prediction.timing
    assert (timing.compute_s, timing.server, timing.attempts) == (0.25, "edge-1", 2)
    assert timing.total_s > 0
    assert timing.request_id == service.asked[0].request_id


def test_the_client_keeps_the_contract_of_a_policy(robot):
    check_policy(robot())


def test_a_client_without_tls_works_too(plain_robot):
    check_policy(plain_robot)


@pytest.mark.parametrize("told", ["much", True, -1.0, float("nan"), float("inf")])
def test_a_server_that_tells_nonsense_for_its_timing_is_not_believed(robot, service, told):
    service.told = {"rilaas_compute_s": told, "rilaas_attempts": told}
    timing = robot().predict(x(1)).timing
    assert timing.compute_s == (1.0 if told is True else 0.0)
    assert timing.attempts == 1


def test_an_error_of_the_model_arrives_with_its_hint(robot):
    with pytest.raises(ModelFailed, match="divides by zero") as caught:
        robot("broken").predict(x(1))
    assert caught.value.hint == "See its log."


def test_a_tensor_of_20_megabytes_goes_there_and_back(robot):
    values = np.arange(5_000_000, dtype=np.float32)
    client = robot()
    for _ in range(2):
        assert np.array_equal(client.predict({"x": values})["y"], 2 * values)


def test_32_threads_on_one_client_each_get_their_own_answers(robot, network, server):
    line = network(server)
    client = robot(address=line.address)

    def ask(thread):
        return all(
            client.predict(x(thread, number))["y"].tolist() == [2 * thread, 2 * number] for number in range(50)
        )

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask, range(32)))
    assert line.connections == 1


def test_threads_with_large_tensors_and_futures_share_the_connection(robot):
    client = robot()

    def ask(number):
        values = np.full(500_000, number, np.float32)
        if number % 2:
            return float(client.submit({"x": values}).result(60)["y"][-1])
        return float(client.predict({"x": values})["y"][-1])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(24))) == [2.0 * number for number in range(24)]


def test_a_deadline_that_passes_leaves_the_connection_and_the_late_answer_is_dropped(robot, service, network, server):
    line = network(server)
    client = robot("slow", line.address)
    client.predict(x(0))
    with pytest.raises(DeadlineExceeded):
        client.predict(x(0.4), deadline_s=0.05)
    assert client.predict(x(0, 7))["y"].tolist() == [0, 14]
    eventually(lambda: service.answered == 3)
    assert client.predict(x(0, 8))["y"].tolist() == [0, 16]
    assert line.connections == 1


def test_the_deadline_travels_with_the_request(robot, service):
    robot().predict(x(1), deadline_s=5.0)
    assert 4.0 < service.asked[0].parameters["rilaas_deadline_s"] <= 5.0


def test_when_the_reading_thread_gives_up_another_one_reads_on(robot):
    client = robot("slow")
    client.predict(x(0))
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(client.predict, x(5), deadline_s=0.1)
        time.sleep(0.02)  # it reads now
        others = [pool.submit(client.predict, x(0.3, number)) for number in range(8)]
        with pytest.raises(DeadlineExceeded):
            first.result()
        assert [float(other.result()["y"][1]) for other in others] == [2.0 * number for number in range(8)]


@pytest.mark.parametrize("deadline_s", [0.0, -1.0, float("-inf")])
def test_a_deadline_that_has_passed_sends_nothing(robot, service, deadline_s):
    client = robot()
    with pytest.raises(DeadlineExceeded):
        client.predict(x(1), deadline_s=deadline_s)
    with pytest.raises(DeadlineExceeded):
        client.submit(x(1), deadline_s=deadline_s).result(5)
    assert not service.asked


@pytest.mark.parametrize("deadline_s", [float("nan"), "soon", True, 1j])
def test_a_deadline_that_is_no_number_is_refused(robot, deadline_s):
    with pytest.raises(InvalidInput, match="number of seconds"):
        robot().predict(x(1), deadline_s=deadline_s)
    with pytest.raises(InvalidInput, match="number of seconds"):
        robot(deadline_s=deadline_s)


@pytest.mark.parametrize("deadline_s", [float("inf"), 1e300, 10, np.float32(10)])
def test_a_deadline_may_be_any_number(robot, deadline_s):
    assert robot().predict(x(1), deadline_s=deadline_s)["y"].tolist() == [2]


def test_the_default_deadline_holds_for_each_call(robot):
    client = robot("slow", deadline_s=0.05)
    with pytest.raises(DeadlineExceeded):
        client.predict(x(1))
    assert client.predict(x(0), deadline_s=10)["y"].tolist() == [0]


def test_requests_that_wait_for_a_full_network_are_withdrawn_at_their_deadline(robot, service, network, server):
    line = network(server)
    client = robot(address=line.address)
    client.predict(x(1))
    line.open.clear()
    large = {"x": np.zeros(12_000_000, np.float32)}  # 48 MB: more than the sockets and windows between take
    with pytest.raises(DeadlineExceeded):
        client.predict(large, deadline_s=0.2)
    for _ in range(3):
        with pytest.raises(DeadlineExceeded):
            client.predict(x(666), deadline_s=0.02)
    line.open.set()
    assert client.predict(x(3))["y"].tolist() == [6]
    assert [float(request.tensors["x"][0]) for request in service.asked] == [1, 0, 3]
    assert line.connections == 1


def test_submit_answers_later_and_several_may_be_on_their_way(robot):
    client = robot("slow")
    futures = [client.submit(x(0.1, number)) for number in range(20)]
    assert [future.result(20)["y"][1] for future in futures] == [2.0 * number for number in range(20)]


def test_submit_tells_errors_through_the_future(robot):
    with pytest.raises(ModelFailed):
        robot("broken").submit(x(1)).result(20)
    with pytest.raises(SignatureMismatch):
        robot().submit({"wrong": np.zeros(1, np.float32)}).result(20)


def test_a_future_that_is_cancelled_disturbs_nobody(robot):
    client = robot("slow")
    client.predict(x(0))
    cancelled, kept = client.submit(x(0.1)), client.submit(x(0.2))
    assert cancelled.cancel()
    assert kept.result(20)["y"].tolist() == [np.float32(0.4)]


def test_a_futures_callback_may_ask_again(robot):
    client = robot()
    again = []
    done = threading.Event()

    def ask_again(future):
        again.extend(float(client.predict(x(number))["y"][0]) for number in range(3))
        again.append(float(client.submit(x(9)).add_done_callback(lambda _: done.set()) is None))

    client.submit(x(1)).add_done_callback(ask_again)
    assert done.wait(20)
    assert again == [0, 2, 4, 1]


def test_waiting_threads_and_futures_hand_the_reading_to_each_other(robot):
    client = robot("slow")
    client.predict(x(0))
    future = client.submit(x(0.2, 1))
    assert client.predict(x(0.1, 2))["y"][1] == 4
    later = client.submit(x(0.3, 3))
    assert client.predict(x(0.1, 4))["y"][1] == 8
    assert [each.result(20)["y"][1] for each in (future, later)] == [2, 6]


def test_predict_async_waits_without_blocking_the_loop(robot):
    client = robot("slow")

    async def ask():
        return await asyncio.gather(*(client.predict_async(x(0.1, number)) for number in range(10)))

    assert [float(each["y"][1]) for each in asyncio.run(ask())] == [2.0 * number for number in range(10)]


def test_predict_async_keeps_its_deadline(robot):
    client = robot("slow")

    async def ask():
        with pytest.raises(DeadlineExceeded):
            await client.predict_async(x(3), deadline_s=0.05)
        return await client.predict_async(x(0, 1), deadline_s=20)

    assert asyncio.run(ask())["y"][1] == 2


def test_a_server_that_is_restarted_between_calls_costs_nothing(robot, server):
    client = robot()
    client.predict(x(1))
    server.stop()
    server.start()
    assert client.submit(x(2)).result(20)["y"].tolist() == [4]
    server.stop()
    server.start()
    assert client.predict(x(3))["y"].tolist() == [6]


def test_a_connection_that_breaks_during_a_call_is_made_again(robot, network, server, service):
    line = network(server)
    client = robot("slow", line.address)
    client.predict(x(0))
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(client.predict, x(0.5, number)) for number in range(4)]
        eventually(lambda: len(service.asked) == 5)
        line.cut()
        assert [float(call.result()["y"][1]) for call in calls] == [2.0 * number for number in range(4)]
    assert line.connections == 2


def test_a_connection_that_breaks_fails_all_futures_at_once(robot, network, server, service):
    line = network(server)
    client = robot("slow", line.address)
    futures = [client.submit(x(30)) for _ in range(5)]
    eventually(lambda: len(service.asked) == 5)
    line.cut()
    for future in futures:
        with pytest.raises(Unavailable):
            future.result(5)


def test_a_server_that_drains_answers_what_it_has_read_and_calls_go_on_with_the_next_one(robot, server, service):
    client = robot("slow")
    client.predict(x(0))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.predict, x(0.3, 5))
        eventually(lambda: len(service.asked) == 2)
        server.stop(5.0)
        assert call.result()["y"][1] == 10
    assert len(service.asked) == 2  # it was not sent again
    server.start()
    assert client.predict(x(0, 1))["y"][1] == 2


def test_nobody_at_the_address_is_unavailable_when_the_deadline_or_the_patience_ends(robot, server, monkeypatch):
    client = robot()
    server.stop()
    start = time.monotonic()
    with pytest.raises(Unavailable, match=r"refused|reached"):
        client.predict(x(1), deadline_s=0.3)
    assert time.monotonic() - start < 5
    with pytest.raises(Unavailable):
        client.submit(x(1)).result(20)
    server.start()
    assert client.predict(x(1))["y"].tolist() == [2]


def test_a_silent_server_is_pinged_and_left_when_it_does_not_answer(robot, network, server, monkeypatch):
    monkeypatch.setattr(line, "PING_AFTER_S", 0.2)
    monkeypatch.setattr(line, "DEAD_AFTER_S", 0.4)
    way = network(server)
    client = robot("slow", way.address)
    client.predict(x(0))
    assert client.predict(x(0.35, 1))["y"][1] == 2  # longer than that, but the pings are answered
    assert way.connections == 1
    way.open.clear()
    future = client.submit(x(0))
    with pytest.raises(Unavailable, match="sign of life"):
        future.result(20)


def test_closing_fails_the_calls_in_flight_and_refuses_later_ones(robot, service):
    client = robot("slow")
    client.predict(x(0))
    future = client.submit(x(30))
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(client.predict, x(30)) for _ in range(2)]
        eventually(lambda: len(service.asked) == 4)
        client.close()
        for call in [*calls, future]:
            with pytest.raises(RilaasError, match="closed"):
                call.result(5)
    client.close()
    for ask in (client.predict, lambda inputs: client.submit(inputs).result(5)):
        with pytest.raises(InvalidInput, match="closed"):
            ask(x(1))


def test_no_thread_is_left_and_no_connection_when_a_client_is_dropped(plain_server, monkeypatch):
    monkeypatch.setattr(connection, "PUMP_IDLE_S", 0.05)
    client = RobotClient.over(StreamTransport(plain_server.address), "double")
    client.submit(x(1)).result(20)
    client.predict(x(1))
    eventually(lambda: not any(thread.name == "rilaas-pump" for thread in threading.enumerate()))
    there = weakref.ref(client._transport._connection)
    client.close()
    del client
    gc.collect()
    assert there() is None


def test_a_forked_process_uses_a_connection_of_its_own(plain_server):
    script = """
import os, sys, numpy as np
from rilaas.client import RobotClient, StreamTransport
client = RobotClient.over(StreamTransport(sys.argv[1]), "double")
ask = lambda value: client.predict({"x": np.array([value], np.float32)}, deadline_s=20)["y"].tolist()
assert ask(1) == [2]
child = os.fork()
assert ask(2) == [4]
if child:
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert ask(3) == [6]
    print("good")
else:
    client.close()
"""
    command = [sys.executable, "-c", script, plain_server.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "good\n", done.stderr


def test_a_program_that_ends_without_closing_ends(plain_server):
    script = """
import sys, numpy as np
from rilaas.client import RobotClient, StreamTransport
client = RobotClient.over(StreamTransport(sys.argv[1]), "slow")
futures = [client.submit({"x": np.array([60], np.float32)}) for _ in range(3)]
client.predict({"x": np.array([0], np.float32)})
print("end")
"""
    command = [sys.executable, "-c", script, plain_server.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("end\n", "", 0)
