#include "kvm/system.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace ember::kvm {
namespace {

using ::testing::HasSubstr;

// An empty file in a directory of its own.
class TemporaryFile {
 public:
  TemporaryFile() {
    std::string pattern = ::testing::TempDir() + "ember-system-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    EXPECT_EQ(::chmod(directory_.c_str(), 0755), 0);
    EXPECT_EQ(::close(::open(path().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    ::unlink(path().c_str());
    ::rmdir(directory_.c_str());
  }
  std::string path() const { return directory_ + "/kvm"; }
  std::string missing_path() const { return directory_ + "/absent"; }

 private:
  std::string directory_;
};

std::string OpenError(const std::string& path) {
  const Result<System> system = System::Open(path);
  return system ? "opened" : system.error().message();
}

TEST(SystemTest, AMissingDeviceMeansNoKvmModule) {
  const TemporaryFile file;
  EXPECT_THAT(OpenError(file.missing_path()), HasSubstr(file.missing_path()));
  EXPECT_THAT(OpenError(file.missing_path()), HasSubstr("no KVM module loaded"));
}

TEST(SystemTest, ADeviceThatIsNotOursToOpenNamesTheGroup) {
  const TemporaryFile file;
  ASSERT_EQ(::chmod(file.path().c_str(), 0), 0);
  constexpr uid_t kNobody = 65534;
  const uid_t user = ::geteuid();
  const uid_t other_than_root = user == 0 ? kNobody : user;
  ASSERT_EQ(::seteuid(other_than_root), 0);
  const std::string message = OpenError(file.path());
  ASSERT_EQ(::seteuid(user), 0);
  EXPECT_THAT(message, HasSubstr("Permission denied"));
  EXPECT_THAT(message, HasSubstr("the group kvm"));
}

TEST(SystemTest, ARegularFileIsNoDevice) {
  const TemporaryFile file;
  EXPECT_THAT(OpenError(file.path()), HasSubstr("is not a character device"));
}

TEST(SystemTest, AnotherDeviceIsNoKvmDevice) {
  EXPECT_THAT(OpenError("/dev/null"), HasSubstr("/dev/null is not a KVM device"));
}

TEST(SystemTest, TheBackEndsAreToldApart) {
  EXPECT_THAT(std::string(Describe(Backend::kHardware)), HasSubstr("hardware KVM"));
  EXPECT_THAT(std::string(Describe(Backend::kSoftware)), HasSubstr("software KVM"));
}

}  // namespace
}  // namespace ember::kvm
