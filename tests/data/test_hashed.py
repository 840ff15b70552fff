import hashlib

from cvrun.data._hashed import behind, hashed_name


def test_a_hash_is_16_digits_and_the_same_everywhere():
    digest = hashlib.blake2b(b"smith", digest_size=8, key=b"cvrun data.hash_ids").hexdigest()
    assert hashed_name("smith") == digest
    assert len(digest) == 16
    assert hashed_name("") == ""
    assert hashed_name("a\udcff") != hashed_name("a")


def test_names_are_found_behind_hashes():
    names = ("smith", "jones")
    assert behind(["jones", "smith"], names) == {}
    found = behind([hashed_name("jones"), "nobody"], names)
    assert found[hashed_name("jones")] == "jones"
    assert "nobody" not in found
