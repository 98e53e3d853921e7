#ifndef EMBER_DEVICES_VM_REQUEST_H_
#define EMBER_DEVICES_VM_REQUEST_H_

#include <cstdint>

namespace ember {

// All that a guest can ask of its machine through a device.
enum class VmRequest : uint8_t {
  kReset,             // the keyboard controller's or the output port's reset line
  kPowerOff,          // ACPI S5
  kGuestPanicked,     // the guest's kernel panicked and has nobody to handle it
  kGuestCrashLoaded,  // it panicked, and its own crash kernel takes over
};

// Who is told. Called on vCPU threads, perhaps on several at once and, by a hostile guest, as often
// as it likes: an implementation must be cheap, must not block and must not call a device back. The
// asking instruction completes as usual; what happens then is up to the machine.
class VmRequestSink {
 public:
  virtual ~VmRequestSink() = default;
  virtual void Request(VmRequest request) = 0;
};

}  // namespace ember

#endif  // EMBER_DEVICES_VM_REQUEST_H_
