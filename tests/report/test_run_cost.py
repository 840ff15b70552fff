import re

from cvrun.report.run_cost import cost, costs
from cvrun.report.run_record import RunRecord

SPENT = {"preprocess": 100.0, "model": 20.0, "train": 3000.0, "evaluate": 480.0}


def record(status=None, device="cpu", devices="1"):
    plan = {"training": {"batch_size": 64}, "device": device, "environment": {"devices": devices}}
    found = {"seconds": 3600.0, "step": 9375, "spent": SPENT, "peak_memory": {"host": 3 << 30}}
    return RunRecord("r", found if status is None else status, plan, [], {}, [], [], "", None)


def rows(section):
    text = "".join(part.text for part in section.body)
    found = re.findall(r"<tr>(.*?)</tr>", text)
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in found]


def test_j4_the_four_parts_are_shown_and_sum_to_the_wall_time():
    found = rows(cost(record()))
    parts = [row for row in found if row and row[0].split(":")[0] in SPENT]
    assert [row[0].split(":")[0] for row in parts] == list(SPENT)
    (whole,) = [row for row in found if row and row[0] == "all"]
    for column, total in ((1, 3600.0), (2, 1.0), (3, 100.0)):
        values = [float(row[column].replace(",", "").removesuffix(" %")) for row in parts]
        assert abs(sum(values) - total) < 0.21
        assert float(whole[column].replace(",", "").removesuffix(" %")) == total
    assert ["peak memory of the process [MiB]", "3,072"] in found
    # 9,375 steps of 64 images in 3,000 s.
    assert ["training images a second, evaluations left out", "200"] in found


def test_j4_gpu_hours_count_every_gpu():
    assert costs(record())["gpu_hours"] is None
    assert costs(record(device="cuda", devices="4"))["gpu_hours"] == 4.0
    assert ["GPU-hours", "", "4.0000", ""] in rows(cost(record(device="cuda:0", devices="4")))


def test_what_an_older_run_has_not_recorded_is_unknown():
    found = costs(record({"seconds": 9.0, "step": 3}))
    assert (found["spent"], found["peak_memory"], found["train_images_per_second"]) == ({}, {}, None)
    text = "".join(part.text for part in cost(record({"seconds": 9.0})).body)
    assert "Peak memory is not recorded by this run." in text
    assert "says nothing about its time" in "".join(part.text for part in cost(record({})).body)


def test_time_that_is_not_told_apart_gives_no_rate():
    spent = {**SPENT, "earlier": 50.0}
    assert costs(record({"seconds": 3650.0, "step": 10, "spent": spent}))["train_images_per_second"] is None
