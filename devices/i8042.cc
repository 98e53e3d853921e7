#include "devices/i8042.h"

#include <algorithm>
#include <utility>

namespace ember {
namespace {

// Intel 8042 as in IBM's PC AT and PS/2 technical references.
enum class Port : uint64_t { kData = 0, kSystemControlB = 1, kStatusAndCommand = 4 };

constexpr uint8_t kStatusOutputFull = 0x01;
constexpr uint8_t kStatusSystem = 0x04;  // the self test has passed
constexpr uint8_t kStatusCommand = 0x08;
constexpr uint8_t kStatusUnlocked = 0x10;  // the key of the key lock

constexpr uint8_t kKeyboardInterrupt = 0x01;  // of the command byte
constexpr uint8_t kKeyboardDisabled = 0x10;
constexpr uint8_t kAuxDisabled = 0x20;
constexpr uint8_t kTranslate = 0x40;

enum class Command : uint8_t {
  kReadCommandByte = 0x20,
  kWriteCommandByte = 0x60,
  kDisableAux = 0xa7,
  kEnableAux = 0xa8,
  kTestAux = 0xa9,
  kSelfTest = 0xaa,
  kTestKeyboard = 0xab,
  kDisableKeyboard = 0xad,
  kEnableKeyboard = 0xae,
  kReadInputPort = 0xc0,
  kReadOutputPort = 0xd0,
  kWriteOutputPort = 0xd1,
  kWriteKeyboardOutput = 0xd2,
  kWriteAuxOutput = 0xd3,
  kWriteAux = 0xd4,
};
// 0xf0 to 0xff pull the output port's low four lines down for a moment, those whose bit is 0.
constexpr uint8_t kPulseOutput = 0xf0;
constexpr uint8_t kOutputPortNoReset = 0x01;  // reset is active low
constexpr uint8_t kOutputPortA20 = 0x02;

constexpr uint8_t kSelfTestPassed = 0x55;
constexpr uint8_t kPortTestPassed = 0x00;
constexpr uint8_t kPortTestClockStuckLow = 0x01;  // what a missing mouse looks like
constexpr uint8_t kInputPortUnlocked = 0x80;
// Port 0x61 where KVM's timer does not answer it: timer 2 has run out, so a guest that measures
// against it does not wait for ever.
constexpr uint8_t kTimer2Output = 0x20;

enum class KeyboardCommand : uint8_t {
  kSetLeds = 0xed,
  kEcho = 0xee,
  kScanCodeSet = 0xf0,
  kIdentify = 0xf2,
  kSetTypematic = 0xf3,
  kEnableScanning = 0xf4,
  kDisableScanning = 0xf5,
  kSetDefaults = 0xf6,
  kReset = 0xff,
};

constexpr uint8_t kEcho = 0xee;
constexpr uint8_t kAck = 0xfa;
constexpr uint8_t kResend = 0xfe;
constexpr uint8_t kBasicTestPassed = 0xaa;

constexpr auto kAckOnly = std::to_array<uint8_t>({kAck});
// An MF2 keyboard; the controller translates its second byte as if it were a key.
constexpr auto kIdentity = std::to_array<uint8_t>({kAck, 0xab, 0x83});
constexpr auto kIdentityTranslated = std::to_array<uint8_t>({kAck, 0xab, 0x41});

// Left Ctrl, left Alt, Delete down, and up again in reverse, in scan code sets 1 and 2.
constexpr auto kCtrlAltDelSet1 =
    std::to_array<uint8_t>({0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d});
constexpr auto kCtrlAltDelSet2 =
    std::to_array<uint8_t>({0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14});

I8042::State Sanitized(I8042::State state) {
  state.keyboard_out_count =
      static_cast<uint8_t>(std::min<size_t>(state.keyboard_out_count, I8042::kKeyboardQueueBytes));
  return state;
}

}  // namespace

I8042::I8042(InterruptLine& interrupt, VmRequestSink& machine, const State& state)
    : interrupt_(interrupt), machine_(machine), state_(Sanitized(state)) {}

I8042::State I8042::Save() const {
  const MutexLock lock(mutex_);
  return state_;
}

void I8042::RepeatInterrupt() {
  const MutexLock lock(mutex_);
  InterruptIfFullLocked();
}

void I8042::Read(uint64_t offset, std::span<std::byte> out) {
  if (out.size() != 1) {
    metrics_.missed_read_count.Add();
    return;
  }
  const MutexLock lock(mutex_);
  switch (static_cast<Port>(offset)) {
    case Port::kData:
      out[0] = std::byte{TakeDataLocked()};
      break;
    case Port::kSystemControlB:
      out[0] = std::byte{kTimer2Output};
      break;
    case Port::kStatusAndCommand:
      out[0] = std::byte{StatusLocked()};
      break;
    default:
      metrics_.missed_read_count.Add();
      return;
  }
  metrics_.read_count.Add();
}

void I8042::Write(uint64_t offset, std::span<const std::byte> in) {
  if (in.size() != 1) {
    metrics_.missed_write_count.Add();
    return;
  }
  const auto value = std::to_integer<uint8_t>(in[0]);
  Outcome outcome = Outcome::kNone;
  {
    const MutexLock lock(mutex_);
    switch (static_cast<Port>(offset)) {
      case Port::kData:
        state_.last_write_was_command = false;
        outcome = DataLocked(value);
        break;
      case Port::kSystemControlB:
        break;  // the timer's gate and the speaker
      case Port::kStatusAndCommand:
        state_.last_write_was_command = true;
        outcome = CommandLocked(value);
        break;
      default:
        metrics_.missed_write_count.Add();
        return;
    }
    if (static_cast<Port>(offset) != Port::kSystemControlB) InterruptIfFullLocked();
  }
  metrics_.write_count.Add();
  if (outcome == Outcome::kReset) {
    metrics_.reset_count.Add();
    machine_.Request(VmRequest::kReset);
  }
}

Status I8042::SendCtrlAltDel() {
  const MutexLock lock(mutex_);
  if (!state_.scanning) return Error("Ctrl-Alt-Del: the guest has turned its keyboard off");
  const bool translated = (state_.command_byte & kTranslate) != 0;
  const std::span<const uint8_t> codes =
      translated ? std::span<const uint8_t>(kCtrlAltDelSet1) : kCtrlAltDelSet2;
  if (!QueueLocked(codes)) return Error("Ctrl-Alt-Del: the guest does not read its keyboard");
  InterruptIfFullLocked();
  return {};
}

uint8_t I8042::TakeDataLocked() {
  if (state_.reply.has_value()) {
    const uint8_t reply = *std::exchange(state_.reply, std::nullopt);
    InterruptIfFullLocked();
    return reply;
  }
  if (!OutputFullLocked()) return 0;
  const uint8_t byte = state_.keyboard_out[0];
  std::shift_left(state_.keyboard_out.begin(), state_.keyboard_out.end(), 1);
  --state_.keyboard_out_count;
  InterruptIfFullLocked();
  return byte;
}

uint8_t I8042::StatusLocked() const {
  uint8_t status = kStatusSystem | kStatusUnlocked;
  if (OutputFullLocked()) status |= kStatusOutputFull;
  if (state_.last_write_was_command) status |= kStatusCommand;
  return status;
}

I8042::Outcome I8042::CommandLocked(uint8_t command) {
  state_.target = DataTarget::kKeyboard;
  if (command >= kPulseOutput) {
    return (command & kOutputPortNoReset) == 0 ? Outcome::kReset : Outcome::kNone;
  }
  switch (static_cast<Command>(command)) {
    case Command::kReadCommandByte:
      state_.reply = state_.command_byte;
      break;
    case Command::kWriteCommandByte:
      state_.target = DataTarget::kCommandByte;
      break;
    case Command::kDisableAux:
    case Command::kEnableAux:
      break;  // there is none, and its bit stays
    case Command::kTestAux:
      state_.reply = kPortTestClockStuckLow;
      break;
    case Command::kSelfTest:
      state_.reply = kSelfTestPassed;
      break;
    case Command::kTestKeyboard:
      state_.reply = kPortTestPassed;
      break;
    case Command::kDisableKeyboard:
      state_.command_byte |= kKeyboardDisabled;
      break;
    case Command::kEnableKeyboard:
      state_.command_byte &= static_cast<uint8_t>(~kKeyboardDisabled);
      break;
    case Command::kReadInputPort:
      state_.reply = kInputPortUnlocked;
      break;
    case Command::kReadOutputPort:
      state_.reply = kOutputPortNoReset | kOutputPortA20;
      break;
    case Command::kWriteOutputPort:
      state_.target = DataTarget::kOutputPort;
      break;
    case Command::kWriteKeyboardOutput:
      state_.target = DataTarget::kKeyboardOutput;
      break;
    case Command::kWriteAuxOutput:
      state_.target = DataTarget::kAuxOutput;
      break;
    case Command::kWriteAux:
      state_.target = DataTarget::kDiscard;
      break;
    default:
      metrics_.unknown_commands.Add();
  }
  return Outcome::kNone;
}

I8042::Outcome I8042::DataLocked(uint8_t value) {
  switch (std::exchange(state_.target, DataTarget::kKeyboard)) {
    case DataTarget::kKeyboard:
      state_.command_byte &= static_cast<uint8_t>(~kKeyboardDisabled);  // sending turns it on
      KeyboardCommandLocked(value);
      break;
    case DataTarget::kKeyboardArgument:
      KeyboardArgumentLocked(value);
      break;
    case DataTarget::kCommandByte:
      state_.command_byte = value | kAuxDisabled;
      break;
    case DataTarget::kOutputPort:
      return (value & kOutputPortNoReset) == 0 ? Outcome::kReset : Outcome::kNone;
    // A driver that looks for a mouse reads the second one back, sees by the status that it is not
    // from a mouse, and gives up at once; without an answer it would wait half a second.
    case DataTarget::kKeyboardOutput:
    case DataTarget::kAuxOutput:
      state_.reply = value;
      break;
    case DataTarget::kDiscard:
      break;
  }
  return Outcome::kNone;
}

void I8042::KeyboardCommandLocked(uint8_t command) {
  constexpr auto kEchoReply = std::to_array<uint8_t>({kEcho});
  constexpr auto kResendReply = std::to_array<uint8_t>({kResend});
  constexpr auto kResetReply = std::to_array<uint8_t>({kAck, kBasicTestPassed});
  const bool translated = (state_.command_byte & kTranslate) != 0;
  switch (static_cast<KeyboardCommand>(command)) {
    case KeyboardCommand::kSetLeds:
    case KeyboardCommand::kScanCodeSet:
    case KeyboardCommand::kSetTypematic:
      state_.keyboard_command = command;
      state_.target = DataTarget::kKeyboardArgument;
      QueueLocked(kAckOnly);
      return;
    case KeyboardCommand::kEcho:
      QueueLocked(kEchoReply);
      return;
    case KeyboardCommand::kIdentify:
      QueueLocked(translated ? kIdentityTranslated : kIdentity);
      return;
    case KeyboardCommand::kEnableScanning:
    case KeyboardCommand::kSetDefaults:
      state_.scanning = true;
      QueueLocked(kAckOnly);
      return;
    case KeyboardCommand::kDisableScanning:
      state_.scanning = false;
      QueueLocked(kAckOnly);
      return;
    case KeyboardCommand::kReset:
      state_.scanning = true;
      state_.scan_code_set = 2;
      state_.keyboard_out_count = 0;
      QueueLocked(kResetReply);
      return;
    default:
      metrics_.unknown_commands.Add();
      QueueLocked(kResendReply);
  }
}

void I8042::KeyboardArgumentLocked(uint8_t value) {
  if (static_cast<KeyboardCommand>(state_.keyboard_command) == KeyboardCommand::kScanCodeSet) {
    if (value == 0) {  // asks which it is
      QueueLocked(std::to_array<uint8_t>({kAck, state_.scan_code_set}));
      return;
    }
    state_.scan_code_set = value;
  }
  QueueLocked(kAckOnly);
}

// All or nothing: half a key would be another key.
bool I8042::QueueLocked(std::span<const uint8_t> bytes) {
  if (bytes.size() > kKeyboardQueueBytes - state_.keyboard_out_count) {
    metrics_.error_count.Add();
    metrics_.dropped_bytes.Add(bytes.size());
    return false;
  }
  std::ranges::copy(bytes, state_.keyboard_out.begin() + state_.keyboard_out_count);
  state_.keyboard_out_count = static_cast<uint8_t>(state_.keyboard_out_count + bytes.size());
  return true;
}

bool I8042::OutputFullLocked() const {
  if (state_.reply.has_value()) return true;
  return state_.keyboard_out_count > 0 && (state_.command_byte & kKeyboardDisabled) == 0;
}

void I8042::InterruptIfFullLocked() {
  if (OutputFullLocked() && (state_.command_byte & kKeyboardInterrupt) != 0) interrupt_.Trigger();
}

}  // namespace ember
