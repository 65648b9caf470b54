"""What a simulator keeps for the frames that it can still show."""

import pytest

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.world.history import History
from rilaas.evaluate.driving.world.simulator import HISTORY


def test_the_newest_frames_are_kept_and_older_ones_are_refused_by_number():
    history = History(0)
    for number in range(1, HISTORY + 11):
        history.add(number, 10 * number)
    assert [history.at(10), history.at(HISTORY + 10)] == [100, 10 * (HISTORY + 10)]
    for number in (9, HISTORY + 11):
        with pytest.raises(InvalidInput, match=rf"Frame {number} cannot be shown; there are 10 to {HISTORY + 10}\."):
            history.at(number)


def test_where_time_went_past_frames_none_of_them_is_shown_as_another():
    history = History(0)
    history.add(1, 10)
    history.add(7, 70)
    assert history.at(7) == 70
    for number in (0, 1, 2, 6):
        with pytest.raises(InvalidInput, match="there are 7 to 7"):
            history.at(number)
