#include "sandbox/policy/compiler.h"

#include <seccomp.h>
#include <sys/mman.h>

#include <memory>
#include <type_traits>

#include "base/concat.h"
#include "base/fd.h"
#include "sandbox/policy/simplify.h"

namespace ember::sandbox {
namespace {

struct Release {
  void operator()(void* context) const { ::seccomp_release(context); }
};
using Context = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, Release>;

// What libseccomp gives back: 0 or a negative error number.
Status Check(int result, std::string_view what) {
  if (result == 0) return {};
  return Error::FromErrorNumber(what, -result);
}

scmp_arg_cmp Compare(const Condition& condition, size_t choice) {
  constexpr uint64_t kLowerHalf = 0xffffffff;
  const uint64_t value = condition.values[choice];
  const bool in = condition.kind == Condition::Kind::kIn;
  return {.arg = condition.argument,
          .op = SCMP_CMP_MASKED_EQ,
          .datum_a = in ? kLowerHalf : value,
          .datum_b = in ? value : 0};
}

// Each combination of the conditions' values is a rule of its own.
Status Add(const Context& context, const Rule& rule, int call) {
  const uint32_t action = rule.error_number == 0
                              ? SCMP_ACT_ALLOW
                              : SCMP_ACT_ERRNO(static_cast<uint32_t>(rule.error_number));
  std::vector<size_t> choices(rule.conditions.size());
  for (;;) {
    std::vector<scmp_arg_cmp> compares;
    for (size_t i = 0; i < choices.size(); ++i) {
      compares.push_back(Compare(rule.conditions[i], choices[i]));
    }
    TRY(Check(::seccomp_rule_add_array(context.get(), action, call,
                                       static_cast<unsigned>(compares.size()), compares.data()),
              rule.call));
    size_t next = 0;
    while (next < choices.size() && ++choices[next] == rule.conditions[next].values.size()) {
      choices[next++] = 0;
    }
    if (next == choices.size()) return {};
  }
}

Result<std::vector<sock_filter>> Export(const Context& context) {
  const Fd file(::memfd_create("filter", MFD_CLOEXEC));
  if (!file.valid()) return Error::FromErrno("memfd_create");
  TRY(Check(::seccomp_export_bpf(context.get(), file.get()), "seccomp_export_bpf"));
  std::vector<sock_filter> filter(TRY(FileSize(file, "filter")) / sizeof(sock_filter));
  TRY(ReadExactAt(file, 0, std::as_writable_bytes(std::span(filter))));
  return filter;
}

}  // namespace

Result<std::vector<sock_filter>> TranslateThread(const ThreadPolicy& thread) {
  const Context context(::seccomp_init(SCMP_ACT_TRAP));
  if (context == nullptr) return Error("seccomp_init failed");
  // Calls by another architecture's numbers are no mistake of ours.
  TRY(Check(::seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
            "SCMP_FLTATR_ACT_BADARCH"));
  // A binary tree, by the calls' numbers.
  constexpr uint32_t kTree = 2;
  TRY(Check(::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, kTree),
            "SCMP_FLTATR_CTL_OPTIMIZE"));
  for (const Rule& rule : thread.rules) {
    const int call = ::seccomp_syscall_resolve_name(rule.call.c_str());
    if (call < 0) return Error(Concat(rule.call, " is no system call of this processor"));
    TRY(Add(context, rule, call));
  }
  return Export(context);
}

Result<std::vector<sock_filter>> CompileThread(const ThreadPolicy& thread) {
  return Simplify(TRY(TranslateThread(thread)));
}

Result<OwnedFilters> CompilePolicy(const Policy& policy) {
  OwnedFilters filters;
  for (size_t i = 0; i < kThreadKinds; ++i) {
    filters[i] = TRY_CONTEXT(CompileThread(policy[i]), Concat("thread ", kThreadKindNames[i]));
  }
  return filters;
}

}  // namespace ember::sandbox
