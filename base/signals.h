#ifndef EMBER_BASE_SIGNALS_H_
#define EMBER_BASE_SIGNALS_H_

#include <initializer_list>
#include <optional>

#include "base/fd.h"
#include "base/result.h"

namespace ember {

// Blocks the signals in the calling thread, and so in every thread it starts later, and opens a
// non-blocking signalfd that becomes readable when one arrives. Call it from main, before the first
// thread.
Result<Fd> BlockSignalsAndOpenSignalFd(std::initializer_list<int> signal_numbers);
// Takes the next signal that arrived; nothing where there is none.
std::optional<int> TakeSignal(const Fd& signal_fd);

}  // namespace ember

#endif  // EMBER_BASE_SIGNALS_H_
