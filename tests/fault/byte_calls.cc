// Calls that may do part of it.
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "tests/fault/wrap.h"

EMBER_WRAP_BYTES(copy_file_range, size,
                 (int from, off_t* from_at, int to, off_t* to_at, size_t size, unsigned flags),
                 (from, from_at, to, to_at, size, flags))
EMBER_WRAP_BYTES(getrandom, size, (void* data, size_t size, unsigned flags), (data, size, flags))
EMBER_WRAP_BYTES(pread, size, (int fd, void* data, size_t size, off_t offset),
                 (fd, data, size, offset))
EMBER_WRAP_BYTES(pwrite, size, (int fd, const void* data, size_t size, off_t offset),
                 (fd, data, size, offset))
EMBER_WRAP_BYTES(read, size, (int fd, void* data, size_t size), (fd, data, size))
EMBER_WRAP_BYTES(recv, size, (int fd, void* data, size_t size, int flags), (fd, data, size, flags))
EMBER_WRAP_BYTES(send, size, (int fd, const void* data, size_t size, int flags),
                 (fd, data, size, flags))
EMBER_WRAP_BYTES(write, size, (int fd, const void* data, size_t size), (fd, data, size))

EMBER_WRAP_PLACES(preadv, (int fd, const iovec* places, int count, off_t offset),
                  (fd, places, count, offset), places, count)
EMBER_WRAP_PLACES(pwritev, (int fd, const iovec* places, int count, off_t offset),
                  (fd, places, count, offset), places, count)
EMBER_WRAP_PLACES(readv, (int fd, const iovec* places, int count), (fd, places, count), places,
                  count)
EMBER_WRAP_PLACES(recvmsg, (int fd, msghdr* message, int flags), (fd, message, flags),
                  message->msg_iov, message->msg_iovlen)
EMBER_WRAP_PLACES(writev, (int fd, const iovec* places, int count), (fd, places, count), places,
                  count)

extern "C" ssize_t __real_sendmsg(int fd, const msghdr* message, int flags);
extern "C" ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags);
ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
  const auto verdict = ember::fault::Judge(__builtin_frame_address(0), "sendmsg", 0);
  if (verdict.error != 0) return ember::fault::Failed<ssize_t>(verdict.error);
  if (!verdict.cut_short || message->msg_iovlen == 0) return __real_sendmsg(fd, message, flags);
  iovec first = message->msg_iov[0];
  first.iov_len = ember::fault::Half(first.iov_len);
  msghdr shorter = *message;
  shorter.msg_iov = &first;
  shorter.msg_iovlen = 1;
  return __real_sendmsg(fd, &shorter, flags);
}
