// A back end that is not ours: Debian's qemu-storage-daemon.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/concat.h"
#include "tests/base/temporary_directory.h"
#include "tests/virtio/driver/block_driver.h"
#include "tests/virtio/driver/rig.h"
#include "virtio/vhost_user/block_device.h"

namespace ember::virtio::vhost_user::testing {
namespace {

namespace fs = ::std::filesystem;
using namespace ::ember::virtio::testing;  // NOLINT(google-build-using-namespace)

constexpr uint64_t kDiskBytes = uint64_t{8} << 20;

// The daemon with one raw image, exported on a socket.
class StorageDaemon {
 public:
  StorageDaemon(const std::string& image, const std::string& socket) : pid_file_(socket + ".pid") {
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const std::string node = Concat("driver=file,node-name=disk,filename=", image);
    const std::string exported = Concat(
        "type=vhost-user-blk,id=disk,node-name=disk,writable=on,num-queues=2,"
        "addr.type=unix,addr.path=",
        socket);
    ::execlp("qemu-storage-daemon", "qemu-storage-daemon", "--blockdev", node.c_str(), "--export",
             exported.c_str(), "--pidfile", pid_file_.c_str(), nullptr);
    ::_exit(127);
  }
  ~StorageDaemon() { Kill(); }
  StorageDaemon(const StorageDaemon&) = delete;
  StorageDaemon& operator=(const StorageDaemon&) = delete;

  // It writes the file when its exports are there. False where it ended instead.
  bool WaitUntilReady() const {
    while (!fs::exists(pid_file_)) {
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) != 0) return false;
      ::poll(nullptr, 0, 1);
    }
    return true;
  }
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  const std::string pid_file_;
  pid_t pid_ = -1;
};

class StorageDaemonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::resize_file(image, kDiskBytes);
    daemon = std::make_unique<StorageDaemon>(image, socket);
    ASSERT_TRUE(daemon->WaitUntilReady()) << "is qemu-storage-daemon installed?";
    auto made = BlockDevice::Create({.drive_id = "a",
                                     .socket_path = socket,
                                     .cache_type = CacheType::kWriteback,
                                     .queue_count = 2,
                                     .timeout = std::chrono::seconds(20)});
    ASSERT_TRUE(made.has_value()) << made.error().message();
    device = *std::move(made);
    rig = std::make_unique<Rig>(*device, GuestMemory::Options{.backing = MemoryBacking::kMemfd});
  }
  // Kicks, and waits for the device's interrupts until the request is back.
  BlockDriver::Answer Finish(BlockDriver& driver, const BlockDriver::Request& request) {
    driver.ring().RequestEvent();
    driver.Kick();
    for (;;) {
      if (const auto answer = driver.Take(request)) return *answer;
      pollfd waited{.fd = device->host_event_fd(), .events = POLLIN, .revents = 0};
      if (::poll(&waited, 1, 20'000) != 1) return {};
      rig->Pump();
    }
  }

  TemporaryDirectory directory;
  const std::string image = directory.Write("disk.img", "");
  const std::string socket = directory.Path("socket");
  std::unique_ptr<StorageDaemon> daemon;
  std::unique_ptr<BlockDevice> device;
  std::unique_ptr<Rig> rig;
};

TEST_F(StorageDaemonTest, TellsItsSizeAndQueues) {
  EXPECT_EQ(rig->driver.ReadWide(reg::kConfig, 8), kDiskBytes / 512);
  EXPECT_EQ(device->max_queue_sizes().size(), 2U);
  EXPECT_TRUE(device->offered_features().Has(VIRTIO_BLK_F_FLUSH));
  EXPECT_TRUE(device->offered_features().Has(VIRTIO_BLK_F_MQ));
}

TEST_F(StorageDaemonTest, WritesFlushesAndReads) {
  BlockDriver driver(*rig, kBlockFlushFeature | kEventIndexFeature64);
  const GuestAddress data = rig->ram.Allocate(4096, 4096);
  const GuestAddress other = rig->ram.Allocate(4096, 4096);
  for (uint64_t i = 0; i < 200; ++i) {
    const auto value = static_cast<std::byte>(i + 1);
    std::ranges::fill(rig->ram.Bytes(data, 4096), value);
    ASSERT_EQ(Finish(driver, driver.Put(kBlockOut, i * 8, data, 4096)).status, kBlockOk);
    if (i % 50 == 0) {
      ASSERT_EQ(Finish(driver, driver.Put(kBlockFlush, 0, data, 0)).status, kBlockOk);
    }
    const auto answer = Finish(driver, driver.Put(kBlockIn, i * 8, other, 4096));
    ASSERT_EQ(answer.status, kBlockOk);
    ASSERT_EQ(rig->ram.Bytes(other, 4096)[4095], value);
  }
  rig->driver.Write(reg::kStatus, 0);
  const std::string content = TemporaryDirectory::Read(image);
  EXPECT_EQ(content.size(), kDiskBytes);
  EXPECT_EQ(static_cast<unsigned char>(content[199 * 4096 + 7]), 200);
}

TEST_F(StorageDaemonTest, WorksAgainAfterReset) {
  const GuestAddress data = rig->ram.Allocate(4096, 4096);
  for (int round = 0; round < 3; ++round) {
    BlockDriver driver(*rig, kBlockFlushFeature);
    ASSERT_EQ(rig->driver.status() & (kDriverOk | kNeedsReset), kDriverOk);
    ASSERT_EQ(Finish(driver, driver.Put(kBlockOut, 8, data, 4096)).status, kBlockOk);
    rig->driver.Write(reg::kStatus, 0);
    ASSERT_EQ(rig->driver.status(), 0U);
    rig->Pump();
    if (round == 1) rig->ram.Allocate(4096);  // the next rings lie elsewhere
  }
}

TEST_F(StorageDaemonTest, TheMachineLivesOnWhenItIsKilled) {
  BlockDriver driver(*rig, kBlockFlushFeature);
  daemon->Kill();
  pollfd waited{.fd = device->host_event_fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&waited, 1, 20'000), 1);
  rig->Pump();
  EXPECT_NE(rig->driver.status() & kNeedsReset, 0U);
  rig->driver.Write(reg::kStatus, 0);
  fs::remove(socket);
  fs::remove(socket + ".pid");
  daemon = std::make_unique<StorageDaemon>(image, socket);
  ASSERT_TRUE(daemon->WaitUntilReady());
  BlockDriver again(*rig, kBlockFlushFeature);
  const GuestAddress data = rig->ram.Allocate(4096, 4096);
  EXPECT_EQ(Finish(again, again.Put(kBlockIn, 8, data, 4096)).status, kBlockOk);
}

}  // namespace
}  // namespace ember::virtio::vhost_user::testing
