from collections.abc import Sequence

import numpy as np
import pytest

from cvrun.data import ImageForm, Manifest


class Make:
    """Makes a manifest out of labels; the images do not matter."""

    def __call__(
        self, labels: Sequence[int], groups: Sequence[str] | None = None, official: Sequence[str] | None = None
    ) -> Manifest:
        return Manifest(
            ids=tuple(str(i) for i in range(len(labels))),
            labels=np.array(labels, dtype=np.int64),
            classes=tuple(f"class{k}" for k in range(max(labels) + 1)),
            form=ImageForm(1, 1, "stretch"),
            images=np.zeros((len(labels), 1, 1, 1), np.uint8),
            groups=None if groups is None else tuple(groups),
            official=None if official is None else tuple(official),
        )


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()
