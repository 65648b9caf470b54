"""Labels of pixels from the world's own drawing, and a small U-Net that learns them."""

import numpy as np
import onnxruntime
import pytest
import torch

from rilaas.core import Prediction, Timing
from rilaas.evaluate.driving import load_map
from rilaas.evaluate.driving.view.appearance import Appearance
from rilaas.evaluate.offline import open_datasets
from rilaas.infer.torch_export import onnx_of_module
from rilaas.learn.lane_label import CLASSES, LabelledFrames, draw_labelled, label_view, labels_of
from rilaas.learn.segmentation import SegmentationTraining, intersection_over_union, train_segmenter
from rilaas.learn.segmenter import INPUT_SHAPE, Segmenter

S = 0.585
OTHER, ROAD, WHITE, YELLOW = range(4)
TINY = SegmentationTraining(steps=25, batch_size=4)


@pytest.fixture(scope="module")
def frames():
    return draw_labelled(("oval",), 3, 4, (0, 2**31), seed=1)


def test_a_straight_lane_is_road_between_a_yellow_and_a_white_line():
    labels = labels_of(label_view(load_map("oval"), Appearance()).frame((1.2 * S, 0.28 * S, 0.0)))
    row = labels[70]
    assert (labels[:20] == OTHER).all()  # the sky
    kinds = [int(kind) for kind, before in zip(row, [-1, *row], strict=False) if kind != before]
    assert kinds[-4:] == [ROAD, WHITE, ROAD, OTHER]
    dashes = labels[60:, 40:80]
    assert (dashes == YELLOW).any()


def test_labels_are_drawn_by_the_camera_as_it_is_mounted():
    pose = (1.2 * S, 0.28 * S, 0.0)
    straight, tilted = (
        labels_of(label_view(load_map("oval"), Appearance(pitch_error_rad=error)).frame(pose))
        for error in (0.0, 0.03)
    )
    assert np.argmax((tilted != OTHER).any(axis=1)) < np.argmax((straight != OTHER).any(axis=1))


def test_paint_is_bright_where_the_labels_say_so(frames):
    grey = frames.image.mean(axis=3)
    for look in range(3):
        mine = frames.recording == look
        assert grey[mine][frames.labels[mine] == WHITE].mean() > 1.3 * grey[mine][frames.labels[mine] == ROAD].mean()


def test_shares_of_a_cell_add_up_to_one(frames):
    shares = frames.shares()
    assert (shares.shape, shares.dtype) == ((12, 4, 60, 80), np.float32)
    assert (shares.sum(axis=1) == 1.0).all()
    assert shares.mean(axis=(0, 2, 3)) == pytest.approx(np.bincount(frames.labels.ravel()) / frames.labels.size)


def test_one_seed_draws_the_same_frames_twice(frames):
    again = draw_labelled(("oval",), 3, 4, (0, 2**31), seed=1)
    other = draw_labelled(("oval",), 3, 4, (0, 2**31), seed=2)
    assert again.image.tobytes() == frames.image.tobytes()
    assert again.labels.tobytes() == frames.labels.tobytes()
    assert other.image.tobytes() != frames.image.tobytes()


def test_the_file_is_a_data_set_whose_targets_have_the_networks_name(frames, tmp_path):
    frames.write(tmp_path / "frames.npz")
    with open_datasets(tmp_path / "frames.npz") as (dataset,):
        assert set(dataset.info.fields) == {"image", "recording"}
        assert dataset[5].expected["share"].tobytes() == frames.shares()[5].tobytes()
        assert dataset[5].expected["labels"].tobytes() == frames.labels[5].tobytes()


def test_the_segmenter_gives_shares_and_has_as_many_parameters_as_its_docstring_says():
    network = Segmenter().eval()
    count = sum(weight.numel() for weight in network.parameters())
    assert f"{count:,} parameters" in Segmenter.__doc__
    with torch.no_grad():
        share = network(torch.zeros(2, *INPUT_SHAPE))
    assert share.shape == (2, len(CLASSES), 60, 80)
    assert share.sum(dim=1).numpy() == pytest.approx(1.0, abs=1e-5)


def test_a_short_training_learns_something_and_gives_the_same_weights_twice(frames):
    told = []
    one, other = (train_segmenter(TINY, frames, told.append) for _ in range(2))
    assert told[24].loss < 0.9 * told[0].loss
    assert told[24].share == 1.0
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_ctrl_c_ends_the_training_with_the_network_so_far(frames):
    def stop(progress):
        raise KeyboardInterrupt

    network = train_segmenter(TINY, frames, stop)
    assert not network.training


def test_the_onnx_file_computes_what_the_network_computes(tmp_path):
    network = Segmenter().eval()
    model = onnx_of_module(network, {"input": torch.zeros(2, *INPUT_SHAPE)}, ("share",))
    kinds = {node.op_type for node in model.graph.node}
    assert {"Conv", "ConvTranspose", "Concat", "Resize", "Softmax"} <= kinds
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = np.random.default_rng(0).uniform(-1.0, 1.0, (3, *INPUT_SHAPE)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs)).numpy()
    assert session.run(["share"], {"input": inputs})[0] == pytest.approx(expected, abs=1e-4)


class Fixed:
    """A policy that always gives the same labels."""

    def __init__(self, labels):
        self.labels = labels

    def predict(self, inputs, *, deadline_s=None):
        return Prediction({"labels": self.labels}, Timing())


def test_intersection_over_union_counts_pixels_of_both_over_pixels_of_either():
    true = np.array([[[0, 0, 1, 1]]], np.uint8)
    given = np.array([[[0, 1, 1, 2]]], np.uint8)
    frames = LabelledFrames(np.zeros((1, 1, 4, 3), np.uint8), true, np.zeros(1, np.int64))
    found = intersection_over_union(Fixed(given), frames)
    assert found[:3] == pytest.approx([1 / 2, 1 / 3, 0.0])
    assert np.isnan(found[3])
