#include "virtio/rng/entropy_source.h"

#include <sys/random.h>
#include <sys/types.h>

#include <cerrno>

namespace ember::virtio {
namespace {

class HostEntropySource final : public EntropySource {
 public:
  Status Fill(std::span<std::byte> out) override {
    while (!out.empty()) {
      const ssize_t count = ::getrandom(out.data(), out.size(), GRND_NONBLOCK);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Error::FromErrno("getrandom");
      out = out.subspan(static_cast<size_t>(count));
    }
    return {};
  }
};

}  // namespace

std::unique_ptr<EntropySource> CreateHostEntropySource() {
  return std::make_unique<HostEntropySource>();
}

}  // namespace ember::virtio
