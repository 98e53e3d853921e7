// ember-seccomp POLICY FILE: compiles a policy into what ember-vmm takes by --seccomp-filter.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/concat.h"
#include "base/fd.h"
#include "base/result.h"
#include "cmd/ember-seccomp/cpp_source.h"
#include "sandbox/filter_set.h"
#include "sandbox/policy/compiler.h"
#include "sandbox/policy/policy.h"

namespace {

using ember::Concat;
using ember::Error;
using ember::Result;
using ember::Status;
using ember::sandbox::Borrow;
using ember::sandbox::OwnedFilters;

constexpr int kBadArguments = 2;
constexpr uint64_t kMaxPolicyBytes = uint64_t{1024} * 1024;

constexpr const char* kUsage =
    "usage: ember-seccomp [--cpp] POLICY FILE\n"
    "Compiles a policy of system calls into FILE, which ember-vmm takes by --seccomp-filter.\n"
    "  --cpp   writes C++ source instead, to build into a program\n";

Result<std::string> ReadText(const std::string& path) {
  const ember::Fd file = TRY(ember::OpenFile(path, ember::Access::kReadOnly));
  const uint64_t size_bytes = TRY(ember::FileSize(file, path));
  if (size_bytes > kMaxPolicyBytes) {
    return Error(Concat(path, ": ", size_bytes, " bytes exceed the limit ", kMaxPolicyBytes));
  }
  std::string text(size_bytes, '\0');
  TRY_CONTEXT(ember::ReadExactAt(file, 0, std::as_writable_bytes(std::span(text))), path);
  return text;
}

Status Compile(const std::string& policy_path, const std::string& out_path, bool cpp) {
  const std::string text = TRY(ReadText(policy_path));
  const ember::sandbox::Policy policy = TRY_CONTEXT(ember::sandbox::ParsePolicy(text), policy_path);
  const OwnedFilters filters = TRY_CONTEXT(ember::sandbox::CompilePolicy(policy), policy_path);
  const ember::Fd out = TRY(ember::CreateFile(out_path));
  if (cpp) {
    const std::string source = ember::CppSource(Borrow(filters));
    TRY_CONTEXT(ember::WriteAll(out, std::as_bytes(std::span(source))), out_path);
  } else {
    TRY_CONTEXT(ember::WriteAll(out, ember::sandbox::WriteFilterFile(Borrow(filters))), out_path);
  }
  return {};
}

int Main(std::span<const char* const> words) {
  const bool cpp = words.size() > 1 && std::string_view(words[1]) == "--cpp";
  words = words.subspan(std::min<size_t>(words.size(), cpp ? 2 : 1));
  if (words.size() == 1 && std::string_view(words[0]) == "--help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (words.size() != 2) {
    std::fputs(kUsage, stderr);
    return kBadArguments;
  }
  const Status done = Compile(words[0], words[1], cpp);
  if (done) return 0;
  std::fprintf(stderr, "ember-seccomp: %s\n", done.error().message().c_str());
  return 1;
}

}  // namespace

// Our own code does not throw; the library's may, where memory runs out.
int main(int argc, char** argv) {
  try {
    return Main({argv, static_cast<size_t>(argc)});
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "ember-seccomp: %s\n", exception.what());
  }
  return 1;
}
