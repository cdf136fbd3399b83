from batchline_shared import schemas


def test_the_exports_are_sorted_and_exist() -> None:
    assert schemas.__all__ == sorted(schemas.__all__)
    assert all(hasattr(schemas, name) for name in schemas.__all__)
