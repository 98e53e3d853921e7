#ifndef EMBER_VMM_ACTION_EVENTS_H_
#define EMBER_VMM_ACTION_EVENTS_H_

#include "base/journal.h"
#include "vmm/action.h"
#include "vmm/config.h"

namespace ember::vmm {

// Writes into the journal what came of an action that was carried out; of a question, nothing.
// `before` is the configuration as it was. docs/extensions.md lists the events. Pausing and
// resuming are not among them: the controller knows whether they changed anything.
void Record(const Action& action, const VmConfig& before, Journal& journal);

}  // namespace ember::vmm

#endif  // EMBER_VMM_ACTION_EVENTS_H_
