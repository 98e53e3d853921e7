"""What each call can plausibly fail with."""

import errno

from record import ALL_DONE, CUT_SHORT, NONE_LEFT

KVM_RUN = 0xAE80

OF_DESCRIPTORS = ["EMFILE", "ENOMEM"]
OF_PATHS = ["ENOENT", "EACCES", "EMFILE"]
READING = ["EIO", "EINTR", CUT_SHORT, NONE_LEFT]
WRITING = ["ENOSPC", "EIO", "EINTR", CUT_SHORT]
SENDING = ["EPIPE", "ECONNRESET", "EINTR", "EAGAIN", CUT_SHORT]
RECEIVING = ["ECONNRESET", "EINTR", "EAGAIN", CUT_SHORT, NONE_LEFT]
RING = ["ENOMEM", "EINVAL"]

OF_CALL = {
    "accept4": ["EMFILE", "ECONNABORTED", "EINTR", "EAGAIN"], "access": ["ENOENT", "EACCES"],
    "bind": ["EADDRINUSE", "EACCES"], "close": ["EIO", "EINTR"],
    "connect": ["ECONNREFUSED", "EACCES", "EINTR"],
    "copy_file_range": ["ENOSPC", "EIO", "EXDEV", CUT_SHORT, NONE_LEFT],
    "epoll_create1": OF_DESCRIPTORS, "epoll_ctl": ["ENOMEM", "ENOSPC"], "epoll_wait": ["EINTR"],
    "eventfd": OF_DESCRIPTORS, "eventfd_read": ["EAGAIN"], "eventfd_write": [ALL_DONE],
    "fallocate": ["ENOSPC", "EOPNOTSUPP", "EIO", "EINTR"], "fcntl": ["EMFILE", "EINVAL"],
    "fdatasync": ["EIO", "ENOSPC", "EINTR"], "flock": ["EWOULDBLOCK", "EINTR"],
    "fstat": ["EIO", "ENOMEM"], "fsync": ["EIO", "ENOSPC", "EINTR"],
    "ftruncate": ["EIO", "EFBIG", "ENOSPC"], "getrandom": ["EINTR", CUT_SHORT],
    "getrlimit": ["EPERM"], "getsockopt": ["ENOPROTOOPT"], "ioctl": ["EINVAL", "ENOMEM"],
    "listen": ["EADDRINUSE"], "lseek": ["EINVAL", "EIO"], "lstat": ["ENOENT", "EACCES"],
    "madvise": ["ENOMEM", "EINVAL"], "memfd_create": OF_DESCRIPTORS, "mmap": ["ENOMEM"],
    "mprotect": ["ENOMEM"], "munmap": ["ENOMEM"], "open": OF_PATHS, "poll": ["EINTR", "ENOMEM"], "prctl": ["EPERM", "EINVAL"],
    "pread": READING, "preadv": READING, "pwrite": WRITING, "pwritev": WRITING,
    "pthread_create": ["EAGAIN"], "pthread_kill": ["EAGAIN"],
    "read": READING, "readahead": ["EINVAL"], "readv": ["EIO", "EINTR", "EAGAIN", CUT_SHORT], "recv": RECEIVING,
    "recvmsg": RECEIVING, "rename": ["EIO", "ENOSPC", "EACCES"], "send": SENDING, "sendmsg": SENDING,
    "setrlimit": ["EPERM"], "setsockopt": ["ENOMEM"], "shutdown": ["ENOTCONN"], "sigaction": ["EINVAL"],
    "sigaltstack": ["ENOMEM"], "signalfd": OF_DESCRIPTORS, "socket": ["EMFILE", "EACCES"],
    "stat": ["ENOENT", "EACCES"], "statx": ["ENOSYS", "ENOMEM"], "syscall": ["EPERM", "ENOMEM"],
    "tcgetattr": ["ENOTTY"], "tcgetpgrp": ["ENOTTY"], "tcsetattr": ["EIO", "EINTR"],
    "timerfd_create": OF_DESCRIPTORS, "timerfd_settime": [], "unlink": ["ENOENT", "EACCES"],
    "write": WRITING, "writev": ["EIO", "EINTR", "EAGAIN", CUT_SHORT],
    "__io_uring_get_cqe": ["EINTR", "EAGAIN"], "io_uring_enable_rings": RING,
    "io_uring_enter": ["EINTR", "EAGAIN", "EBUSY"],
    "io_uring_queue_init_params": ["ENOMEM", "EINVAL", "ENOSYS", "EPERM"],
    "io_uring_register_files": RING, "io_uring_register_files_update": RING,
    "io_uring_register_restrictions": RING,
    # NONE_LEFT: what was submitted fails.
    "io_uring_submit": ["EAGAIN", "EBUSY", "EINTR", CUT_SHORT, NONE_LEFT],
}


# Some descriptors are known, and of some calls nothing that fails is plausible. An eventfd whose counter is full wakes its reader as it is.
OF_FUNCTION = {
    ("write", "ember::kvm::IrqfdLine::Trigger"): [ALL_DONE],
    ("write", "ember::virtio::DeviceState::Notify"): [ALL_DONE],
    ("write", "ember::virtio::FlushWorker::Work"): [ALL_DONE],
    ("write", "ember::EventLoop::Impl::WakeUp"): [],  # nobody reads it: it has room for 2^64
    ("read", "ember::virtio::FlushWorker::TakeOutcomeLocked"): ["EAGAIN"],
    ("read", "ember::virtio::vhost_user::TakeEvents"): ["EAGAIN"],
    # A path that is not there needs no rule; without that for /proc a sanitizer cannot work.
    ("open", "ember::sandbox::FileLimits::Create"): ["EACCES", "EMFILE"],
    ("pthread_kill", "ember::Thread::Signal"): [],  # of no real-time signal, to a thread that is there
    ("unlink", "ember::UnixListener::Bind"): [],  # the only way out of another failure
    # After its end there is no key that ends a life.
    ("read", "ember::SerialInput::ReadPending"): ["EINTR", "EAGAIN", CUT_SHORT],
    # What is lost may be the word that a life waits for, where its guest says little.
    ("write", "ember::SerialOutput::WriteGathered"): ["EINTR", CUT_SHORT],
    ("read", "ember::TakeSignal"): ["EINTR", "EAGAIN"],
    ("read", "ember::virtio::ResizeSocket::Read"): RECEIVING,
    ("read", "ember::virtio::StreamLink::FillBuffer"): RECEIVING,
    ("read", "ember::virtio::Reception::Listen"): RECEIVING,
}

# What only what follows a failure reaches: of which call, in which function, and with what.
BEFORE_OTHERS = [
    ("sendmsg", "ember::virtio::StreamLink::Send", CUT_SHORT),
    ("sendmsg", "ember::virtio::StreamLink::Send", "EPIPE"),
    ("fsync", "ember::snapshot::NewFile::Sync", "ENOSPC"),
    ("lstat", "ember::UnixListener::Bind", "EACCES"),
    ("io_uring_queue_init_params", "ember::virtio::Ring::Create", "EINVAL"),
    ("syscall", "ember::Finish", "EPERM"),
    ("ioctl", "Open", "ENOMEM"),
    ("poll", "ember::vmm::PageFaultHandler::AwaitPage", "ENOMEM"),
]

# The process aborts rather than go on without what confines it.
ABORTS = {"ember::sandbox::PutOn", "ember::sandbox::DropCapabilities", "ember::sandbox::FileLimits::Enter"}


# What fails for good once one of its calls has.
LASTING = {"ember::virtio::HostImageFile::Sync"}  # what it dropped cannot be known: overlay_disk.h


def number_of(action):
    return getattr(errno, action) if isinstance(action, str) else action


def plausible(reached, functions):
    """The errors to try at a site in these functions: errno numbers, or what record.py has beside."""
    names = OF_CALL[reached.name]
    for function in functions:
        names = OF_FUNCTION.get((reached.name, function), names)
    if reached.name == "ioctl" and reached.detail == KVM_RUN:
        names = ["EINTR", "EAGAIN", "EFAULT"]
    return [number_of(name) for name in names]


def name_of(action):
    return {CUT_SHORT: "cut short", NONE_LEFT: "none", ALL_DONE: "EAGAIN once done"}.get(action) or errno.errorcode[action]
