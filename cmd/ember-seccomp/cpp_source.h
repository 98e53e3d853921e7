#ifndef EMBER_CMD_EMBER_SECCOMP_CPP_SOURCE_H_
#define EMBER_CMD_EMBER_SECCOMP_CPP_SOURCE_H_

#include <string>

#include "sandbox/filter_set.h"

namespace ember {

// The C++ source that defines sandbox::BuiltInFilters() to be these, as constants.
std::string CppSource(const sandbox::FilterSet& filters);

}  // namespace ember

#endif  // EMBER_CMD_EMBER_SECCOMP_CPP_SOURCE_H_
