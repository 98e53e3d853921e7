#ifndef EMBER_MMDS_METRICS_H_
#define EMBER_MMDS_METRICS_H_

#include "base/counter.h"

namespace ember::mmds {

// What the metadata service did for the guest, over all interfaces, by the names under which
// clients read it. Written by the threads of network devices, read by any.
struct MmdsMetrics {
  Counter rx_accepted;          // frames taken out of a guest's traffic
  Counter rx_accepted_err;      // of these, those with nothing sound for the service in them
  Counter rx_accepted_unusual;  // of these, IPv4 packets that carry no TCP, or a piece of it
  Counter rx_bad_eth;           // frames too short to be Ethernet's
  Counter rx_invalid_token;     // requests with a token that is not, or no longer, good
  Counter rx_no_token;          // requests for metadata without a token
  Counter rx_count;             // segments that were sound
  Counter tx_bytes;             // of frames, without headers of virtio's
  Counter tx_count;             // answers made: ARP replies and segments
  Counter tx_errors;            // connections given up because the guest did not answer
  Counter tx_frames;            // frames the guest was given
  Counter connections_created;
  Counter connections_destroyed;
};

}  // namespace ember::mmds

#endif  // EMBER_MMDS_METRICS_H_
