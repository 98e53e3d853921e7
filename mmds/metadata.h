#ifndef EMBER_MMDS_METADATA_H_
#define EMBER_MMDS_METADATA_H_

#include <cstddef>

#include "mmds/data_store.h"
#include "mmds/metrics.h"

namespace ember::mmds {

// What there is of the metadata service before a machine runs and after: one a process. Any thread.
struct Metadata {
  // `limit_bytes` is the data store's.
  explicit Metadata(size_t limit_bytes) : store(limit_bytes) {}

  DataStore store;
  MmdsMetrics metrics;
};

}  // namespace ember::mmds

#endif  // EMBER_MMDS_METADATA_H_
