import torch

from cvrun.trainer.cost import EARLIER, PHASES, Cost

CPU = torch.device("cpu")


class Clock:
    now = 50.0

    def __call__(self):
        return self.now

    def after(self, seconds):
        self.now += seconds


def test_j4_every_moment_belongs_to_one_phase_and_they_sum_to_the_wall_time():
    clock = Clock()
    cost = Cost(clock)
    clock.after(2.0)
    with cost.on("model"):
        clock.after(0.5)
    clock.after(1.0)
    cost.begin("train")
    clock.after(10.0)
    with cost.on("evaluate"):
        clock.after(4.0)
    clock.after(20.0)
    assert cost.seconds() == {"preprocess": 3.0, "model": 0.5, "train": 30.0, "evaluate": 4.0}
    assert sum(cost.seconds().values()) == clock.now - 50.0


def test_a_phase_ends_where_its_block_fails():
    clock = Clock()
    cost = Cost(clock)
    try:
        with cost.on("evaluate"):
            clock.after(1.0)
            raise KeyError
    except KeyError:
        clock.after(5.0)
    assert (cost.seconds()["evaluate"], cost.seconds()["preprocess"]) == (1.0, 5.0)


def test_a_run_that_goes_on_counts_what_it_took_before():
    cost = Cost(Clock())
    cost.add({"seconds": 9.0, "spent": {"train": 8.0, "evaluate": 1.0}, "peak_memory": {"host": 1 << 50, "device": 7}})
    cost.add({})
    assert cost.seconds() == dict.fromkeys(PHASES, 0.0) | {"train": 8.0, "evaluate": 1.0}
    assert cost.peak_memory(CPU) == {"host": 1 << 50, "device": 7}


def test_a_status_without_phases_is_counted_as_earlier():
    cost = Cost(Clock())
    cost.add({"seconds": 9.0})
    assert cost.seconds() == dict.fromkeys(PHASES, 0.0) | {EARLIER: 9.0}


def test_peak_memory_grows_by_what_was_held_and_stays(tmp_path):
    cost = Cost()
    before = cost.peak_memory(CPU)["host"]
    size = before + (64 << 20)
    held = bytearray(size)
    held[::4096] = b"x" * len(held[::4096])
    with_it = cost.peak_memory(CPU)
    del held
    assert with_it["host"] >= size and cost.peak_memory(CPU)["host"] >= size
    assert "device" not in with_it
