#include "devices/i8042.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/fakes/counting_interrupt_line.h"
#include "tests/fakes/recording_request_sink.h"
#include "tests/fakes/register_access.h"

namespace ember {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kData = 0;
constexpr uint64_t kPortB = 1;
constexpr uint64_t kStatus = 4;
constexpr uint8_t kOutputFull = 0x01;

// A guest's driver on the controller, as Linux's i8042 and atkbd do it.
struct KeyboardGuest {
  CountingInterruptLine interrupt;
  RecordingRequestSink machine;
  I8042 controller{interrupt, machine};

  uint8_t Status() { return In(controller, kStatus); }
  bool Full() { return (Status() & kOutputFull) != 0; }
  void Command(int command) { Out(controller, kStatus, command); }
  void Send(int value) { Out(controller, kData, value); }
  uint8_t Receive() { return In(controller, kData); }

  std::vector<int> ReceiveAll() {
    std::vector<int> bytes;
    while (Full()) bytes.push_back(Receive());
    return bytes;
  }
  std::vector<int> Ask(int command) {
    Command(command);
    return ReceiveAll();
  }
  std::vector<int> AskKeyboard(int command) {
    Send(command);
    return ReceiveAll();
  }
  void WriteCommandByte(int value) {
    Command(0x60);
    Send(value);
  }
};

TEST(I8042Test, IdleItHasNothingToSayAndIsUnlocked) {
  KeyboardGuest guest;
  EXPECT_EQ(guest.Status(), 0x14);
  EXPECT_EQ(guest.Receive(), 0);
  EXPECT_EQ(guest.interrupt.count(), 0u);
}

TEST(I8042Test, TheSelfTestsPass) {
  KeyboardGuest guest;
  EXPECT_THAT(guest.Ask(0xaa), ElementsAre(0x55));
  EXPECT_THAT(guest.Ask(0xab), ElementsAre(0x00));
}

TEST(I8042Test, TheCommandByteIsKeptAndHasNoMouse) {
  KeyboardGuest guest;
  EXPECT_THAT(guest.Ask(0x20), ElementsAre(0x65));
  guest.WriteCommandByte(0x54);
  EXPECT_THAT(guest.Ask(0x20), ElementsAre(0x74));
  guest.Command(0xa8);
  EXPECT_THAT(guest.Ask(0x20), ElementsAre(0x74)) << "enabling the mouse does not make one";
}

TEST(I8042Test, StatusTellsWhetherTheLastWriteWasACommand) {
  KeyboardGuest guest;
  guest.Command(0x60);
  EXPECT_NE(guest.Status() & 0x08, 0);
  guest.Send(0x65);
  EXPECT_EQ(guest.Status() & 0x08, 0);
}

TEST(I8042Test, LinuxSeesAtOnceThatThereIsNoMouse) {
  KeyboardGuest guest;
  guest.Command(0xd3);
  guest.Send(0x5a);
  ASSERT_TRUE(guest.Full()) << "no answer costs the guest half a second";
  EXPECT_EQ(guest.Status() & 0x20, 0) << "it is not from a mouse";
  guest.Receive();
  EXPECT_THAT(guest.Ask(0xa9), ElementsAre(0x01));
  guest.Command(0xd4);
  EXPECT_THAT(guest.AskKeyboard(0xf4), IsEmpty()) << "what is for the mouse is dropped";
}

TEST(I8042Test, LinuxSetsTheKeyboardUp) {
  KeyboardGuest guest;
  guest.WriteCommandByte(0x74);  // off, while it probes
  guest.Command(0xab);
  guest.ReceiveAll();
  guest.WriteCommandByte(0x65);
  EXPECT_THAT(guest.AskKeyboard(0xf2), ElementsAre(0xfa, 0xab, 0x41));
  EXPECT_THAT(guest.AskKeyboard(0xed), ElementsAre(0xfa));
  EXPECT_THAT(guest.AskKeyboard(0x00), ElementsAre(0xfa));
  EXPECT_THAT(guest.AskKeyboard(0xf3), ElementsAre(0xfa));
  EXPECT_THAT(guest.AskKeyboard(0x00), ElementsAre(0xfa));
  EXPECT_THAT(guest.AskKeyboard(0xf4), ElementsAre(0xfa));
}

TEST(I8042Test, TheKeyboardAnswersItsOtherCommands) {
  KeyboardGuest guest;
  guest.WriteCommandByte(0x25);  // no translation
  EXPECT_THAT(guest.AskKeyboard(0xf2), ElementsAre(0xfa, 0xab, 0x83));
  EXPECT_THAT(guest.AskKeyboard(0xee), ElementsAre(0xee));
  EXPECT_THAT(guest.AskKeyboard(0xf5), ElementsAre(0xfa));
  EXPECT_THAT(guest.AskKeyboard(0xf6), ElementsAre(0xfa));
  EXPECT_THAT(guest.AskKeyboard(0xf0), ElementsAre(0xfa));
  EXPECT_THAT(guest.AskKeyboard(0x03), ElementsAre(0xfa));
  EXPECT_THAT(guest.AskKeyboard(0xf0), ElementsAre(0xfa));
  EXPECT_THAT(guest.AskKeyboard(0x00), ElementsAre(0xfa, 0x03));
  EXPECT_THAT(guest.AskKeyboard(0xff), ElementsAre(0xfa, 0xaa));
  EXPECT_THAT(guest.AskKeyboard(0x12), ElementsAre(0xfe));
  EXPECT_EQ(guest.controller.metrics().unknown_commands.value(), 1u);
}

TEST(I8042Test, EachByteThatCanBeReadInterrupts) {
  KeyboardGuest guest;
  guest.Send(0xf2);
  EXPECT_EQ(guest.interrupt.Take(), 1u);
  guest.Receive();
  EXPECT_EQ(guest.interrupt.Take(), 1u);
  guest.Receive();
  EXPECT_EQ(guest.interrupt.Take(), 1u);
  guest.Receive();
  EXPECT_EQ(guest.interrupt.Take(), 0u);
}

TEST(I8042Test, WithItsInterruptOffItOnlySetsTheStatus) {
  KeyboardGuest guest;
  guest.WriteCommandByte(0x64);
  guest.Send(0xf2);
  EXPECT_TRUE(guest.Full());
  EXPECT_EQ(guest.interrupt.count(), 0u);
  guest.WriteCommandByte(0x65);
  EXPECT_EQ(guest.interrupt.count(), 1u) << "turned on, it tells of what waits";
}

TEST(I8042Test, ADisabledKeyboardKeepsItsBytesButTheControllerAnswers) {
  KeyboardGuest guest;
  guest.Command(0xad);
  ASSERT_TRUE(guest.controller.SendCtrlAltDel().has_value());
  EXPECT_FALSE(guest.Full());
  EXPECT_THAT(guest.Ask(0xaa), ElementsAre(0x55));
  guest.Command(0xae);
  EXPECT_EQ(guest.ReceiveAll().size(), 8u);
}

TEST(I8042Test, CtrlAltDelIsPressedAndReleasedInTheGuestsScanCodeSet) {
  KeyboardGuest guest;
  ASSERT_TRUE(guest.controller.SendCtrlAltDel().has_value());
  EXPECT_EQ(guest.interrupt.count(), 1u);
  EXPECT_THAT(guest.ReceiveAll(), ElementsAre(0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d));
  guest.WriteCommandByte(0x25);
  ASSERT_TRUE(guest.controller.SendCtrlAltDel().has_value());
  EXPECT_THAT(guest.ReceiveAll(),
              ElementsAre(0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14));
}

TEST(I8042Test, CtrlAltDelFailsWholeWhereNobodyReads) {
  KeyboardGuest guest;
  for (size_t i = 0; i < I8042::kKeyboardQueueBytes / 8; ++i) {
    EXPECT_TRUE(guest.controller.SendCtrlAltDel().has_value());
  }
  EXPECT_FALSE(guest.controller.SendCtrlAltDel().has_value());
  EXPECT_EQ(guest.ReceiveAll().size(), I8042::kKeyboardQueueBytes);
  EXPECT_TRUE(guest.controller.SendCtrlAltDel().has_value());
}

TEST(I8042Test, CtrlAltDelFailsWhereTheKeyboardIsOff) {
  KeyboardGuest guest;
  guest.AskKeyboard(0xf5);
  EXPECT_FALSE(guest.controller.SendCtrlAltDel().has_value());
  EXPECT_FALSE(guest.Full());
}

TEST(I8042Test, AGuestThatNeverReadsFillsABoundedQueue) {
  KeyboardGuest guest;
  for (int i = 0; i < 100'000; ++i) guest.Send(0xee);
  EXPECT_EQ(guest.ReceiveAll().size(), I8042::kKeyboardQueueBytes);
  EXPECT_GT(guest.controller.metrics().dropped_bytes.value(), 0u);
}

TEST(I8042Test, PulsingTheResetLineResetsTheMachine) {
  for (int command = 0xf0; command <= 0xff; ++command) {
    KeyboardGuest guest;
    guest.Command(command);
    EXPECT_EQ(guest.machine.requests().size(), command % 2 == 0 ? 1u : 0u) << command;
  }
  KeyboardGuest guest;
  guest.Command(0xfe);
  EXPECT_THAT(guest.machine.requests(), ElementsAre(VmRequest::kReset));
}

TEST(I8042Test, PullingTheResetLineOfTheOutputPortResetsTheMachine) {
  KeyboardGuest guest;
  EXPECT_THAT(guest.Ask(0xd0), ElementsAre(0x03));
  guest.Command(0xd1);
  guest.Send(0x03);
  EXPECT_THAT(guest.machine.requests(), IsEmpty());
  guest.Command(0xd1);
  guest.Send(0x02);
  EXPECT_THAT(guest.machine.requests(), ElementsAre(VmRequest::kReset));
}

TEST(I8042Test, PortBShowsATimerThatHasRunOut) {
  KeyboardGuest guest;
  Out(guest.controller, kPortB, 0xff);
  EXPECT_EQ(In(guest.controller, kPortB), 0x20);
}

TEST(I8042Test, ARestoredControllerGoesOnWhereTheSavedOneStopped) {
  KeyboardGuest guest;
  guest.WriteCommandByte(0x25);
  ASSERT_TRUE(guest.controller.SendCtrlAltDel().has_value());
  guest.Receive();
  guest.Command(0x20);
  guest.Command(0x60);

  CountingInterruptLine interrupt;
  RecordingRequestSink machine;
  I8042 restored(interrupt, machine, guest.controller.Save());
  Out(restored, kData, 0x65);  // the byte that the saved one was waiting for
  EXPECT_EQ(In(restored, kData), 0x25) << "the reply under way";
  EXPECT_EQ(In(restored, kData), 0x11) << "the second key";
  EXPECT_EQ(restored.Save().command_byte, 0x65);
}

TEST(I8042Test, ARestoredControllerRepeatsTheInterruptOfAByteThatWaits) {
  KeyboardGuest guest;
  CountingInterruptLine interrupt;
  RecordingRequestSink machine;
  I8042 empty(interrupt, machine, guest.controller.Save());
  empty.RepeatInterrupt();
  EXPECT_EQ(interrupt.Take(), 0u);

  ASSERT_TRUE(guest.controller.SendCtrlAltDel().has_value());
  I8042 restored(interrupt, machine, guest.controller.Save());
  restored.RepeatInterrupt();
  EXPECT_EQ(interrupt.Take(), 1u);
}

TEST(I8042Test, AnImpossibleStateIsMadePossible) {
  I8042::State state;
  state.keyboard_out_count = 0xff;
  CountingInterruptLine interrupt;
  RecordingRequestSink machine;
  I8042 controller(interrupt, machine, state);
  size_t bytes = 0;
  while ((In(controller, kStatus) & kOutputFull) != 0 && bytes < 1000) {
    In(controller, kData);
    ++bytes;
  }
  EXPECT_EQ(bytes, I8042::kKeyboardQueueBytes);
}

}  // namespace
}  // namespace ember
