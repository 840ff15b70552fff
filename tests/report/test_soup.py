from cvrun.report.soup import soup_text

ROW = {"name": "run/3fa9c1d2", "step": 1200, "kept": True, "score": 0.9}
FOUND = {
    "soup": "outputs/soups/12345678",
    "said": "the mean of the weights of 1 of 2 models",
    "kind": "greedy",
    "metric": "accuracy",
    "images": 1500,
    "members": [ROW, {**ROW, "name": "run/\x1b[31mred", "kept": False, "score": None}],
    "score": 0.91,
    "norm_images": 4000,
    "worse_than_all": False,
    "same_start": False,
    "selected_on": "val",
}


def test_members_stand_beside_the_soup():
    lines = soup_text(FOUND).splitlines()
    assert lines[0] == "outputs/soups/12345678: the mean of the weights of 1 of 2 models, greedy, on 1,500 val images"
    assert lines[2].split() == ["model", "step", "in", "it", "val/accuracy"]
    assert lines[4].split() == ["run/3fa9c1d2", "1,200", "yes", "0.9000"]
    assert lines[6].split() == ["soup", "0.9100"]
    assert soup_text(FOUND, "made before").splitlines()[0].endswith("val images; made before")


def test_names_are_inert_and_what_is_undefined_is_a_dash():
    text = soup_text(FOUND)
    assert "\x1b" not in text
    assert text.splitlines()[5].split()[-2:] == ["no", "-"]


def test_what_one_should_know_is_said_where_it_is_so():
    every = soup_text({**FOUND, "worse_than_all": True})
    assert "statistics of BatchNorm: anew, on 4,000 training images as they are\n" in every
    assert "warning: the soup scores below each of its models; from different initial weights they do not" in every
    alike = soup_text({**FOUND, "worse_than_all": True, "same_start": True})
    assert "warning: the soup scores below each of its models\n" in alike
    assert "val chose the models, so what they reach on val is optimistic" in every
    none = soup_text({**FOUND, "norm_images": 0, "selected_on": None})
    assert none.splitlines()[-1] == ""
