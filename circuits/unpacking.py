"""How much a packed file may hold: one bound for all readers."""

FREELY, TIMES = 10**9, 100


def most_unpacked(packed: int) -> int:
    """Bytes that a file of so many bytes may unpack to before that is absurdly much.

    Examples
    --------
    >>> most_unpacked(1000), most_unpacked(10**8)
    (1000000000, 10000000000)
    """
    return max(FREELY, TIMES * packed)
