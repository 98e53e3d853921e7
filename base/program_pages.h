#ifndef EMBER_BASE_PROGRAM_PAGES_H_
#define EMBER_BASE_PROGRAM_PAGES_H_

namespace ember {

// Takes the program's code and constants out of the process's memory; what is used after that comes
// back from the file, or rather from the host's cache of it, with a fault for each 16 pages. For
// when the work changes for good: what only a start needs is then no longer the process's. Threads
// may be running. Any thread.
void ReleaseProgramPages();

}  // namespace ember

#endif  // EMBER_BASE_PROGRAM_PAGES_H_
