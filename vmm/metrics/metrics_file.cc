#include "vmm/metrics/metrics_file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace ember::vmm {

Result<MetricsFile> MetricsFile::Open(const std::string& path) {
  Fd fd = TRY(OpenToAppend(path));
  struct stat info {};
  if (::fstat(fd.get(), &info) < 0) return Error::FromErrno("fstat", path);
  return MetricsFile(std::move(fd), S_ISFIFO(info.st_mode));
}

Result<MetricsFile::Outcome> MetricsFile::Write(std::string_view line) {
  rest_.erase(0, WriteSome(rest_));
  if (!rest_.empty() || !HasRoom(line.size())) return Outcome::kFull;
  const size_t taken = WriteSome(line);
  if (taken == 0) {
    if (errno == EAGAIN) return Outcome::kFull;
    return Error::FromErrno("write");
  }
  rest_ = line.substr(taken);
  return Outcome::kWritten;
}

void MetricsFile::WriteInSignalHandler(std::string_view line) const {
  if (WriteSome(rest_) == rest_.size() && HasRoom(line.size())) WriteSome(line);
}

// A pipe keeps bytes in pages, of which the first and the last may be partly used.
bool MetricsFile::HasRoom(size_t size_bytes) const {
  constexpr size_t kPartlyUsedBytes = size_t{2} * 4096;
  if (!is_fifo_) return true;
  int used = 0;
  const int capacity = ::fcntl(fd_.get(), F_GETPIPE_SZ);
  if (capacity < 0 || ::ioctl(fd_.get(), FIONREAD, &used) < 0 || used == 0) return true;
  return static_cast<size_t>(used) + size_bytes + kPartlyUsedBytes <= static_cast<size_t>(capacity);
}

size_t MetricsFile::WriteSome(std::string_view text) const {
  size_t taken = 0;
  while (taken < text.size()) {
    const ssize_t written = ::write(fd_.get(), text.data() + taken, text.size() - taken);
    if (written > 0) {
      taken += static_cast<size_t>(written);
    } else if (written == 0 || errno != EINTR) {
      break;
    }
  }
  return taken;
}

}  // namespace ember::vmm
