#ifndef EMBER_TESTS_PAYLOAD_COMPUTING_KERNEL_H_
#define EMBER_TESTS_PAYLOAD_COMPUTING_KERNEL_H_

#include <cstdint>
#include <string>

namespace ember {

// A kernel that computes in registers and in a table in memory, writes four bytes of the outcome to
// the serial port and resets the machine. 32-bit protected mode.
std::string ComputingCode(uint32_t rounds);
// The outcome.
std::string Computed(uint32_t rounds);

}  // namespace ember

#endif  // EMBER_TESTS_PAYLOAD_COMPUTING_KERNEL_H_
