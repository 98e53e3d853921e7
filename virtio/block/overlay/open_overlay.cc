#include "virtio/block/overlay/open_overlay.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/concat.h"
#include "base/crc32c.h"
#include "virtio/block/overlay/overlay_disk.h"

namespace ember::virtio {
namespace {

// Of the base: evenly spread, the first and the last bytes among them.
constexpr uint64_t kSamples = 16;
constexpr size_t kSampleBytes = 4096;

Result<struct stat> Stat(const HostImageFile& file) {
  struct stat status {};
  if (::fstat(file.fd().get(), &status) < 0) return Error::FromErrno("fstat", file.path());
  return status;
}

Result<std::unique_ptr<HostImageFile>> OpenOrCreate(const std::string& path) {
  constexpr mode_t kOwnerOnly = 0600;
  // O_NONBLOCK keeps open() from waiting where the path names a FIFO.
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, kOwnerOnly));
  if (!fd.valid()) return Error::FromErrno("open", path);
  auto file = std::make_unique<HostImageFile>(std::move(fd), path);
  const struct stat status = TRY(Stat(*file));
  if (!S_ISREG(status.st_mode)) return Error(Concat("overlay ", path, " is not a regular file"));
  if (::flock(file->fd().get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno == EWOULDBLOCK) {
      return Error(Concat("overlay ", path, " is in use: another disk has locked it"));
    }
    return Error::FromErrno("flock", path);
  }
  return file;
}

// The name of a new file is durable when its directory is.
Status SyncDirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
  const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return Error::FromErrno("open", directory);
  if (::fsync(fd.get()) < 0) return Error::FromErrno("fsync", directory);
  return {};
}

DiskSerial SerialOf(const struct stat& file) {
  const std::string text = Concat(file.st_dev, file.st_rdev, file.st_ino);
  DiskSerial serial{};
  std::memcpy(serial.data(), text.data(), std::min(text.size(), serial.size()));
  return serial;
}

}  // namespace

Result<BaseIdentity> IdentifyBase(HostImageFile& base) {
  const struct stat status = TRY(Stat(base));
  BaseIdentity identity{.size_bytes = TRY(base.Size())};
  if (S_ISREG(status.st_mode)) {
    constexpr uint64_t kNanoseconds = 1'000'000'000;
    identity.modified_ns = static_cast<uint64_t>(status.st_mtim.tv_sec) * kNanoseconds +
                           static_cast<uint64_t>(status.st_mtim.tv_nsec);
  }
  const uint64_t sample_bytes = std::min<uint64_t>(kSampleBytes, identity.size_bytes);
  const uint64_t last = identity.size_bytes - sample_bytes;
  for (uint64_t i = 0; i < kSamples; ++i) {
    std::array<std::byte, kSampleBytes> sample;
    const std::span<std::byte> bytes = std::span(sample).first(sample_bytes);
    const uint64_t offset = i + 1 == kSamples ? last : last / (kSamples - 1) * i;
    TRY_CONTEXT(ReadExactly(base, offset, bytes), base.path());
    identity.fingerprint = Crc32c(bytes, identity.fingerprint);
  }
  return identity;
}

Result<std::unique_ptr<Disk>> OpenOverlay(const std::string& overlay_path,
                                          const std::string& base_path) {
  auto base =
      std::make_unique<HostImageFile>(TRY(OpenFile(base_path, Access::kReadOnly)), base_path);
  std::unique_ptr<HostImageFile> file = TRY(OpenOrCreate(overlay_path));
  const struct stat base_status = TRY(Stat(*base));
  const struct stat status = TRY(Stat(*file));
  if (status.st_dev == base_status.st_dev && status.st_ino == base_status.st_ino) {
    return Error(Concat("overlay ", overlay_path, " is its own base, ", base_path));
  }
  const OverlayDisk::Options options{.base = TRY(IdentifyBase(*base)), .serial = SerialOf(status)};
  std::unique_ptr<OverlayDisk> disk =
      TRY_CONTEXT(OverlayDisk::Open(std::move(file), std::move(base), options),
                  Concat("overlay ", overlay_path, " of ", base_path));
  if (status.st_size == 0) TRY(SyncDirectoryOf(overlay_path));
  return disk;
}

}  // namespace ember::virtio
