"""Reads what a gzip file holds, up to a limit.

    unpacked = Gunzip(file, most=256_000_000)
    unpacked.read(512)

Python's own gzip module reads the name in a file's header byte by byte, which takes long where the name is
long. Here zlib does all of it, and compares the checksum.
"""

import zlib
from typing import BinaryIO

BLOCK = 2**16  # bytes
GZIP = 16 + zlib.MAX_WBITS  # zlib's word for the format
MAX_PARTS = 1_000  # gzip files may follow one another in a file


class Gunzip:
    def __init__(self, packed: BinaryIO, most: int):
        """most: bytes that may come out, and as many may be read."""
        self.file = packed
        self.most = self.left = self.left_packed = most
        self.packed = b""
        self.part = zlib.decompressobj(GZIP)
        self.parts = 1

    def read(self, size: int) -> bytes:
        """`size` bytes, and fewer only at the end. Raises ValueError beyond the limit, zlib.error where the
        file is damaged, EOFError where it ends too early."""
        pieces = []
        while size > 0 and self._find_more():
            pieces.append(self.part.decompress(self.packed, size))
            self.packed = self.part.unconsumed_tail or self.part.unused_data
            size -= len(pieces[-1])
            self.left -= len(pieces[-1])
            if self.left < 0:
                raise ValueError(f"more than {self.most} bytes unpacked")
        return b"".join(pieces)

    def _find_more(self) -> bool:
        """Whether something follows, in this part or in a next one."""
        while self.part.eof or not self.packed:
            if self.part.eof:
                self.packed = self.packed.lstrip(b"\0")  # behind a part there may be zeros
                if self.packed:
                    self._start_part()
                    return True
            self.packed = self.file.read(BLOCK)
            self.left_packed -= len(self.packed)
            if self.left_packed < 0:
                raise ValueError(f"more than {self.most} bytes")
            if not self.packed:
                if not self.part.eof:
                    raise EOFError("it ends too early")
                return False
        return True

    def _start_part(self) -> None:
        self.part = zlib.decompressobj(GZIP)
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise ValueError(f"more than {MAX_PARTS} gzip files in one")
