"""How glibc handles the memory of tensors on a CPU."""

import ctypes
import platform

# Parameters of glibc's mallopt, from its malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGEST = 2**31 - 1


def keep_freed_memory():
    """Let this process keep the memory of freed tensors for later tensors.

    By default glibc returns large blocks to the system immediately, and the next step gets them again page by page. On
    a CPU that costs a fifth of a training step or more. Programs that compute on a CPU call this once, at their start.

    Returns
    -------
    bool
        Whether it worked; False if the C library is not glibc.

    Examples
    --------
    >>> keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
    True
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # No block gets its own mapping, which would be returned when freed; grow by 256 MiB; return nothing below 2 GiB.
    settings = {_MMAP_MAX: 0, _TOP_PAD: 2**28, _TRIM_THRESHOLD: _LARGEST}
    return all(mallopt(parameter, value) == 1 for parameter, value in settings.items())


def return_freed_memory():
    """Return the memory that `keep_freed_memory` has kept to the system, once.

    Blocks of many sizes leave gaps that are too small for larger blocks; over time the gaps can fill the memory.

    Returns
    -------
    bool
        Whether any memory was returned; False if the C library is not glibc.

    Examples
    --------
    >>> return_freed_memory() in (True, False)
    True
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return ctypes.CDLL(None).malloc_trim(0) == 1
