"""Bounded gzip decompression: a bomb is refused before it is unpacked."""

from io import BytesIO

from isal import isal_zlib

from churn.errors import UnreadableObject

_GZIP = 31
"""zlib window setting for a gzip header and trailer, so that checksum and length are verified."""
_INPUT = 64 * 2**10
_OUTPUT = 4 * 2**20
_MAX_MEMBERS = 100_000
_Corrupt: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub declares an instance
MAGIC = b"\x1f\x8b"


def gunzip(data: bytes, max_bytes: int) -> bytes:
    """Decompress all members of `data`; zero bytes after the last member are padding, as for gzip(1).

    Args:
        data: the stored bytes.
        max_bytes: most bytes that may come out; little more than that is ever allocated.

    Raises:
        UnreadableObject: `corrupt_gzip`, or `too_large` when more than `max_bytes` would come out.
    """
    out = BytesIO()
    member = isal_zlib.decompressobj(wbits=_GZIP)
    members, fresh = 1, True
    try:
        for offset in range(0, len(data), _INPUT):
            piece = data[offset : offset + _INPUT]
            while piece:
                if fresh and not (piece := piece.lstrip(b"\0") if out.tell() or members > 1 else piece):
                    break
                out.write(member.decompress(piece, min(_OUTPUT, max_bytes + 1 - out.tell())))
                fresh = False
                if out.tell() > max_bytes:
                    raise UnreadableObject("too_large", f"more than {max_bytes} bytes after decompression")
                piece = member.unconsumed_tail
                if member.eof:
                    piece, members, fresh = member.unused_data, members + 1, True
                    member = isal_zlib.decompressobj(wbits=_GZIP)
                    if members > _MAX_MEMBERS:
                        raise UnreadableObject("too_large", f"more than {_MAX_MEMBERS} gzip members")
    except _Corrupt as error:
        raise UnreadableObject("corrupt_gzip", f"decompression failed ({type(error).__name__})") from None
    if not fresh or members == 1:
        raise UnreadableObject("corrupt_gzip", "the stream ends before its trailer")
    return out.getvalue()
