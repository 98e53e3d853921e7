// Every fuzz target takes its inputs as the thread EMBER_FUZZ_THREAD of ember-vmm: the linker leads
// the fuzzer here.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/confinement.h"

extern "C" int __real_LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int __wrap_LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's name
int __wrap_LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ember::fuzz::Confinement confinement(*ember::sandbox::ThreadKindOf(EMBER_FUZZ_THREAD));
  return __real_LLVMFuzzerTestOneInput(data, size);
}
