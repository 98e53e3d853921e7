// Calls that return their error: liburing's, whose system calls are its own, and of threads.
#include <liburing.h>
#include <pthread.h>

#include "tests/fault/wrap.h"

namespace {

// What was prepared and is to be submitted fails in the kernel, or moves half.
void Spoil(io_uring& ring, const ember::fault::Verdict& verdict) {
  for (unsigned at = ring.sq.sqe_head; at != ring.sq.sqe_tail; ++at) {
    io_uring_sqe& entry = ring.sq.sqes[at & *ring.sq.kring_mask];
    if (verdict.cut_short) {
      entry.len = static_cast<unsigned>(ember::fault::Half(entry.len));
    } else {
      entry.fd = -1;
    }
  }
}

}  // namespace

#define EMBER_WRAP_CODE(name, sign, parameters, arguments)                          \
  extern "C" int __real_##name parameters;                                          \
  extern "C" int __wrap_##name parameters;                                          \
  int __wrap_##name parameters {                                                    \
    const auto verdict = ember::fault::Judge(__builtin_frame_address(0), #name, 0); \
    if (verdict.error != 0) return (sign)*verdict.error;                            \
    return __real_##name arguments;                                                 \
  }

EMBER_WRAP_CODE(pthread_create, 1,
                (pthread_t * thread, const pthread_attr_t* attributes, void* (*start)(void*),
                 void* argument),
                (thread, attributes, start, argument))
EMBER_WRAP_CODE(pthread_kill, 1, (pthread_t thread, int number), (thread, number))

EMBER_WRAP_CODE(__io_uring_get_cqe, -1,
                (io_uring * ring, io_uring_cqe** entry, unsigned submit, unsigned wait,
                 sigset_t* mask),
                (ring, entry, submit, wait, mask))
EMBER_WRAP_CODE(io_uring_enable_rings, -1, (io_uring * ring), (ring))
EMBER_WRAP_CODE(io_uring_enter, -1,
                (unsigned fd, unsigned submit, unsigned wait, unsigned flags, sigset_t* mask),
                (fd, submit, wait, flags, mask))
EMBER_WRAP_CODE(io_uring_queue_init_params, -1,
                (unsigned entries, io_uring* ring, io_uring_params* parameters),
                (entries, ring, parameters))
EMBER_WRAP_CODE(io_uring_register_files, -1, (io_uring * ring, const int* fds, unsigned count),
                (ring, fds, count))
EMBER_WRAP_CODE(io_uring_register_files_update, -1,
                (io_uring * ring, unsigned at, const int* fds, unsigned count),
                (ring, at, fds, count))
EMBER_WRAP_CODE(io_uring_register_restrictions, -1,
                (io_uring * ring, io_uring_restriction* restrictions, unsigned count),
                (ring, restrictions, count))

extern "C" int __real_io_uring_submit(io_uring* ring);
extern "C" int __wrap_io_uring_submit(io_uring* ring);
int __wrap_io_uring_submit(io_uring* ring) {
  const auto verdict = ember::fault::Judge(__builtin_frame_address(0), "io_uring_submit", 0);
  if (verdict.error != 0) return -verdict.error;
  if (verdict.cut_short || verdict.none_left) Spoil(*ring, verdict);
  return __real_io_uring_submit(ring);
}
