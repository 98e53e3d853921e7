#ifndef EMBER_VMM_REPLY_H_
#define EMBER_VMM_REPLY_H_

#include <string>

namespace ember::vmm {

// What an action that was carried out answers.
struct Reply {
  std::string json;  // what the client asked to see; empty: it is done, and there is nothing to see
  std::string prometheus;  // the same in the text format of Prometheus; one of the two at most
};

}  // namespace ember::vmm

#endif  // EMBER_VMM_REPLY_H_
