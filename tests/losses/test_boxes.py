"""Periodic axes of boxes. (What a descent does at faces is tested where descents are.)"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossbarcode.losses._boxes import check_periodic, nearest_image, without_periodic_faces, wrap_into_box

BOX = torch.tensor([[-1.0, 2.0], [0.0, 10.0]], dtype=torch.float64)
FIRST = torch.tensor([True, False])


class Angles:
    name = "angles"
    periodic = (True, False)

    def __call__(self, points):
        return points.sin().sum(1)


@pytest.mark.parametrize(
    ("loss", "asked", "axes"),
    [(None, None, [False, False]), (Angles(), None, [True, False]), (Angles(), False, [False, False]), (None, True, [True, True])],
)
def test_axes_are_as_asked_for_or_as_the_loss_says(loss, asked, axes):
    assert check_periodic(loss, asked, BOX).tolist() == axes


BAD = {
    "wrong count": (lambda: check_periodic(None, [True, False, True], BOX), "periodic: expected True, False, or one of them for each of 2"),
    "words": (lambda: check_periodic(None, "both", BOX), "periodic: expected True, False, or .* got 'both'"),
    "numbers": (lambda: check_periodic(None, [1.0, 0.0], BOX), r"got \[1.0, 0.0\]"),
}


def test_bad_input(bad_input):
    bad_input()


def test_only_faces_of_other_axes_stop_a_descent():
    assert without_periodic_faces(BOX, FIRST).tolist() == [[-torch.inf, torch.inf], [0, 10]]


@given(x=st.floats(-1e3, 1e3), y=st.floats(-1e3, 1e3), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_wrapped_points_are_in_the_box_at_the_same_place(x, y, dtype):
    point = torch.tensor([[x, y]], dtype=dtype)
    wrapped = wrap_into_box(point, BOX, FIRST)
    periods = (wrapped - point)[0, 0] / 3
    assert -1 <= wrapped[0, 0] < 2
    assert wrapped[0, 1] == point[0, 1]
    torch.testing.assert_close(periods, periods.round(), atol=1e-4, rtol=0)
    torch.testing.assert_close(wrap_into_box(wrapped, BOX, FIRST), wrapped, rtol=0, atol=0)


@given(x=st.floats(-100, 100), to=st.floats(-100, 100))
def test_no_other_image_is_nearer(x, to):
    point, target = torch.tensor([[x, 5.0]], dtype=torch.float64), torch.tensor([[to, 9.0]], dtype=torch.float64)
    image = nearest_image(point, target, BOX, FIRST)
    assert (image - target)[0, 0].abs() <= 1.5 + 1e-9
    assert image[0, 1] == 5
    torch.testing.assert_close(
        wrap_into_box(image, BOX, FIRST)[0, 0].sub(wrap_into_box(point, BOX, FIRST)[0, 0]).remainder(3).sub(1.5).abs(),
        torch.tensor(1.5, dtype=torch.float64),
    )
