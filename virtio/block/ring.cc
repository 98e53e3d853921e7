#include "virtio/block/ring.h"

#include <array>
#include <cerrno>
#include <cstdint>

namespace ember::virtio {
namespace {

io_uring_restriction AllowOperation(uint8_t operation) {
  io_uring_restriction restriction{};
  restriction.opcode = IORING_RESTRICTION_SQE_OP;
  restriction.sqe_op = operation;
  return restriction;
}

int SetUp(io_uring& ring, unsigned entries) {
  // Disabled until it is restricted. Its thread is not interrupted for a completion (5.19); a host
  // that does not know that flag does without.
  io_uring_params params{};
  params.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL;
  int failed = ::io_uring_queue_init_params(entries, &ring, &params);
  if (failed != -EINVAL) return failed;
  params = {};
  params.flags = IORING_SETUP_R_DISABLED;
  return ::io_uring_queue_init_params(entries, &ring, &params);
}

}  // namespace

Result<std::unique_ptr<Ring>> Ring::Create(unsigned entries, int fd) {
  std::unique_ptr<Ring> owner(new Ring);
  if (const int failed = SetUp(owner->ring_, entries); failed < 0) {
    const char* const hint = failed == -ENOSYS || failed == -EPERM
                                 ? "io_engine Async needs io_uring, which this host does not have "
                                   "or does not allow (see kernel.io_uring_disabled): "
                                   "io_uring_setup"
                                 : "io_engine Async: io_uring_setup";
    return Error::FromErrorNumber(hint, -failed);
  }
  owner->valid_ = true;
  if (const int failed = ::io_uring_register_files(&owner->ring_, &fd, 1); failed < 0) {
    return Error::FromErrorNumber("io_uring_register_files", -failed);
  }
  TRY(owner->Restrict());
  if (const int failed = ::io_uring_enable_rings(&owner->ring_); failed < 0) {
    return Error::FromErrorNumber("io_uring_enable_rings", -failed);
  }
  return owner;
}

Ring::~Ring() {
  if (valid_) ::io_uring_queue_exit(&ring_);
}

Status Ring::UseFile(int fd) {
  const int updated = ::io_uring_register_files_update(&ring_, 0, &fd, 1);
  if (updated < 0) return Error::FromErrorNumber("io_uring_register_files_update", -updated);
  return {};
}

Status Ring::Restrict() {
  io_uring_restriction flags{};
  flags.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
  flags.sqe_flags = IOSQE_FIXED_FILE;
  io_uring_restriction registration{};
  registration.opcode = IORING_RESTRICTION_REGISTER_OP;
  registration.register_op = IORING_REGISTER_FILES_UPDATE;
  std::array<io_uring_restriction, 11> restrictions{AllowOperation(IORING_OP_READ),
                                                    AllowOperation(IORING_OP_WRITE),
                                                    AllowOperation(IORING_OP_READV),
                                                    AllowOperation(IORING_OP_WRITEV),
                                                    AllowOperation(IORING_OP_FSYNC),
                                                    AllowOperation(IORING_OP_FALLOCATE),
                                                    AllowOperation(IORING_OP_NOP),
                                                    AllowOperation(IORING_OP_POLL_ADD),
                                                    AllowOperation(IORING_OP_ASYNC_CANCEL),
                                                    flags,
                                                    registration};
  const int failed = ::io_uring_register_restrictions(&ring_, restrictions.data(),
                                                      static_cast<unsigned>(restrictions.size()));
  if (failed < 0) return Error::FromErrorNumber("io_uring restrictions", -failed);
  return {};
}

}  // namespace ember::virtio
