"""Make the C library keep freed memory: large activations are faulted in again otherwise."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h


def keep_memory() -> None:
    """Make glibc reuse freed blocks instead of returning them to the kernel.

    Every activation above 32 MB otherwise goes back to the kernel and is faulted in page by page
    when the next step asks for it, which can halve the speed at 256 px. Does nothing where the
    C library is another one.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    except (OSError, AttributeError):
        pass
