// Calls that do all of it or fail.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>

#include "tests/fault/wrap.h"

EMBER_WRAP(int, accept4, 0, (int fd, sockaddr* from, socklen_t* size, int flags),
           (fd, from, size, flags))
EMBER_WRAP(int, access, 0, (const char* path, int mode), (path, mode))
EMBER_WRAP(int, bind, 0, (int fd, const sockaddr* to, socklen_t size), (fd, to, size))
EMBER_WRAP(int, connect, 0, (int fd, const sockaddr* to, socklen_t size), (fd, to, size))
EMBER_WRAP(int, epoll_create1, 0, (int flags), (flags))
EMBER_WRAP(int, epoll_ctl, static_cast<uint64_t>(operation),
           (int fd, int operation, int of, epoll_event* event), (fd, operation, of, event))
EMBER_WRAP(int, epoll_wait, 0, (int fd, epoll_event* events, int count, int timeout_ms),
           (fd, events, count, timeout_ms))
EMBER_WRAP(int, eventfd, 0, (unsigned value, int flags), (value, flags))
EMBER_WRAP(int, eventfd_read, 0, (int fd, eventfd_t* value), (fd, value))
EMBER_WRAP(int, eventfd_write, 0, (int fd, eventfd_t value), (fd, value))
EMBER_WRAP(int, fallocate, 0, (int fd, int mode, off_t offset, off_t size),
           (fd, mode, offset, size))
EMBER_WRAP(int, fdatasync, 0, (int fd), (fd))
EMBER_WRAP(int, flock, 0, (int fd, int operation), (fd, operation))
EMBER_WRAP(int, fstat, 0, (int fd, struct stat* status), (fd, status))
EMBER_WRAP(int, fsync, 0, (int fd), (fd))
EMBER_WRAP(int, ftruncate, 0, (int fd, off_t size), (fd, size))
EMBER_WRAP(int, getrlimit, 0, (int resource, rlimit* limit), (resource, limit))
EMBER_WRAP(int, getsockopt, 0, (int fd, int level, int name, void* value, socklen_t* size),
           (fd, level, name, value, size))
EMBER_WRAP(int, listen, 0, (int fd, int backlog), (fd, backlog))
EMBER_WRAP(off_t, lseek, static_cast<uint64_t>(whence), (int fd, off_t offset, int whence),
           (fd, offset, whence))
EMBER_WRAP(int, lstat, 0, (const char* path, struct stat* status), (path, status))
EMBER_WRAP(int, madvise, static_cast<uint64_t>(advice), (void* at, size_t size, int advice),
           (at, size, advice))
EMBER_WRAP(int, memfd_create, 0, (const char* name, unsigned flags), (name, flags))
EMBER_WRAP(void*, mmap, 0, (void* at, size_t size, int protection, int flags, int fd, off_t offset),
           (at, size, protection, flags, fd, offset))
EMBER_WRAP(int, mprotect, 0, (void* at, size_t size, int protection), (at, size, protection))
EMBER_WRAP(int, munmap, 0, (void* at, size_t size), (at, size))
EMBER_WRAP(int, poll, 0, (pollfd * fds, nfds_t count, int timeout_ms), (fds, count, timeout_ms))
EMBER_WRAP(ssize_t, readahead, 0, (int fd, off_t offset, size_t size), (fd, offset, size))
EMBER_WRAP(int, rename, 0, (const char* from, const char* to), (from, to))
EMBER_WRAP(int, setrlimit, 0, (int resource, const rlimit* limit), (resource, limit))
EMBER_WRAP(int, setsockopt, 0, (int fd, int level, int name, const void* value, socklen_t size),
           (fd, level, name, value, size))
EMBER_WRAP(int, shutdown, 0, (int fd, int how), (fd, how))
EMBER_WRAP(int, sigaction, 0,
           (int number, const struct sigaction* action, struct sigaction* before),
           (number, action, before))
EMBER_WRAP(int, sigaltstack, 0, (const stack_t* stack, stack_t* before), (stack, before))
EMBER_WRAP(int, signalfd, 0, (int fd, const sigset_t* signals, int flags), (fd, signals, flags))
EMBER_WRAP(int, socket, 0, (int domain, int type, int protocol), (domain, type, protocol))
EMBER_WRAP(int, stat, 0, (const char* path, struct stat* status), (path, status))
EMBER_WRAP(int, statx, 0, (int fd, const char* path, int flags, unsigned mask, struct statx* out),
           (fd, path, flags, mask, out))
EMBER_WRAP(int, tcgetattr, 0, (int fd, termios* mode), (fd, mode))
EMBER_WRAP(int, tcsetattr, 0, (int fd, int when, const termios* mode), (fd, when, mode))
EMBER_WRAP(pid_t, tcgetpgrp, 0, (int fd), (fd))
EMBER_WRAP(int, timerfd_create, 0, (int clock, int flags), (clock, flags))
EMBER_WRAP(int, timerfd_settime, 0,
           (int fd, int flags, const itimerspec* value, itimerspec* before),
           (fd, flags, value, before))
EMBER_WRAP(int, unlink, 0, (const char* path), (path))

// The C library's take an ellipsis; ours never pass more than these.
EMBER_WRAP(int, fcntl, static_cast<uint64_t>(command), (int fd, int command, long argument),
           (fd, command, argument))
EMBER_WRAP(int, ioctl, request, (int fd, unsigned long request, void* argument),
           (fd, request, argument))
EMBER_WRAP(int, open, 0, (const char* path, int flags, mode_t mode), (path, flags, mode))
EMBER_WRAP(int, prctl, static_cast<uint64_t>(option),
           (int option, unsigned long second, unsigned long third, unsigned long fourth,
            unsigned long fifth),
           (option, second, third, fourth, fifth))

extern "C" {
int __real_close(int fd);
int __wrap_close(int fd);
long __real_syscall(long number, long first, long second, long third, long fourth);
long __wrap_syscall(long number, long first, long second, long third, long fourth);
}

// Linux frees the descriptor whatever it says.
int __wrap_close(int fd) {
  const auto verdict = ember::fault::Judge(__builtin_frame_address(0), "close", 0);
  const int done = __real_close(fd);
  return verdict.error != 0 ? ember::fault::Failed<int>(verdict.error) : done;
}

// No filter is put on, which the sanitizers could not live under: whether one could not have been
// is what is asked here.
long __wrap_syscall(long number, long first, long second, long third, long fourth) {
  const auto verdict =
      ember::fault::Judge(__builtin_frame_address(0), "syscall", static_cast<uint64_t>(number));
  if (verdict.error != 0) return ember::fault::Failed<long>(verdict.error);
  if (number == SYS_seccomp && first == SECCOMP_SET_MODE_FILTER) return 0;
  return __real_syscall(number, first, second, third, fourth);
}
