#include "devices/serial.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/devices/serial_guest.h"

namespace ember {
namespace {

class CountingListener final : public SerialRoomListener {
 public:
  void OnReceiveRoom() override { ++calls; }
  int calls = 0;
};

TEST(SerialInterruptTest, EnablingTheTransmitInterruptFindsTheTransmitterEmptyEachTime) {
  // Linux tests for chips that do not (UART_BUG_THRE, UART_BUG_TXEN).
  SerialGuest guest;
  for (int round = 0; round < 2; ++round) {
    guest.Set(UART_IER, UART_IER_THRI);
    EXPECT_EQ(guest.interrupt.Take(), 1u);
    EXPECT_EQ(guest.Get(UART_IIR), UART_IIR_THRI);
    EXPECT_EQ(guest.Get(UART_IIR), UART_IIR_NO_INT) << "reading acknowledges";
    guest.Set(UART_IER, 0);
  }
}

TEST(SerialInterruptTest, AFifoFullOfOutputCostsOneInterrupt) {
  SerialGuest guest;
  guest.EnableFifo();
  guest.Set(UART_IER, UART_IER_THRI);
  guest.interrupt.Take();
  EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_THRI);
  for (int i = 0; i < 16; ++i) guest.Set(UART_TX, 'x');
  EXPECT_EQ(guest.interrupt.Take(), 1u);
  EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_THRI);
}

TEST(SerialInterruptTest, PolledOutputCausesNone) {
  SerialGuest guest;
  for (const char byte : std::string("printk")) {
    EXPECT_NE(guest.Get(UART_LSR) & UART_LSR_THRE, 0);
    guest.Set(UART_TX, byte);
  }
  EXPECT_EQ(guest.interrupt.count(), 0u);
  EXPECT_EQ(guest.sink.text(), "printk");
}

TEST(SerialInterruptTest, ReceivedDataInterruptsUntilItIsRead) {
  SerialGuest guest;
  guest.EnableFifo();
  guest.Set(UART_IER, UART_IER_RDI);
  EXPECT_EQ(guest.Type("ab"), 2u);
  EXPECT_EQ(guest.interrupt.Take(), 1u);
  EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_RDI);
  EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_RDI) << "reading the id does not acknowledge";
  EXPECT_EQ(guest.ReadAll(), "ab");
  EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_NO_INT);
}

TEST(SerialInterruptTest, BelowTheTriggerLevelItIsACharacterTimeout) {
  struct Level {
    int control;
    size_t bytes;
  };
  for (const Level level : {Level{UART_FCR_TRIGGER_1, 1}, Level{UART_FCR_TRIGGER_4, 4},
                            Level{UART_FCR_TRIGGER_8, 8}, Level{UART_FCR_TRIGGER_14, 14}}) {
    SerialGuest guest;
    guest.Set(UART_FCR, UART_FCR_ENABLE_FIFO | level.control);
    guest.Set(UART_IER, UART_IER_RDI);
    guest.Type(std::string(level.bytes - 1, 'x'));
    if (level.bytes > 1) {
      EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_RX_TIMEOUT);
    }
    guest.Type("x");
    EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_RDI);
  }
}

TEST(SerialInterruptTest, EnablingAnInterruptWhoseCauseIsUpTriggersIt) {
  SerialGuest guest;
  guest.RaiseRts();
  guest.Type("x");
  EXPECT_EQ(guest.interrupt.count(), 0u);
  guest.Set(UART_IER, UART_IER_RDI);
  EXPECT_EQ(guest.interrupt.Take(), 1u);
  guest.Set(UART_IER, UART_IER_RDI);
  EXPECT_EQ(guest.interrupt.Take(), 0u);
}

TEST(SerialInterruptTest, CausesAreReportedInOrderOfPriority) {
  SerialGuest guest;
  guest.EnableFifo();
  guest.Set(UART_MCR, UART_MCR_LOOP);
  for (size_t i = 0; i <= Serial::kReceiveFifoBytes; ++i) guest.Set(UART_TX, 'x');
  guest.Set(UART_IER, 0x0f);
  EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_RLSI);
  guest.Get(UART_LSR);
  EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_RDI);
  guest.ReadAll();
  EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_THRI);
  EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_MSI);
  guest.Get(UART_MSR);
  EXPECT_EQ(guest.Get(UART_IIR) & 0x0f, UART_IIR_NO_INT);
}

TEST(SerialInterruptTest, AModemChangeInterruptsWhereEnabled) {
  SerialGuest guest;
  guest.Set(UART_IER, UART_IER_MSI);
  guest.Set(UART_MCR, UART_MCR_LOOP);
  EXPECT_EQ(guest.interrupt.Take(), 1u);
  EXPECT_EQ(guest.Get(UART_IIR), UART_IIR_MSI);
}

TEST(SerialReceiveTest, InputStaysOutsideUntilTheGuestWantsIt) {
  SerialGuest guest;
  CountingListener listener;
  guest.port.SetRoomListener(&listener);
  guest.EnableFifo();
  EXPECT_EQ(guest.port.ReceiveRoom(), 0u);
  EXPECT_EQ(guest.Type("early"), 0u);
  EXPECT_EQ(listener.calls, 0);
  guest.RaiseRts();
  EXPECT_EQ(listener.calls, 1);
  EXPECT_EQ(guest.port.ReceiveRoom(), Serial::kReceiveFifoBytes);

  SerialGuest by_interrupt;
  by_interrupt.Set(UART_IER, UART_IER_RDI);
  EXPECT_EQ(by_interrupt.Type("x"), 1u);
}

TEST(SerialReceiveTest, AFullFifoRefusesTheRestAndAsksForItOnceItIsHalfEmpty) {
  SerialGuest guest;
  CountingListener listener;
  guest.port.SetRoomListener(&listener);
  guest.EnableFifo();
  guest.RaiseRts();
  EXPECT_EQ(guest.Type(std::string(100, 'x')), Serial::kReceiveFifoBytes);
  EXPECT_EQ(guest.Type("y"), 0u);
  for (size_t i = 1; i < Serial::kReceiveFifoBytes / 2; ++i) guest.Get(UART_RX);
  EXPECT_EQ(listener.calls, 0);
  guest.Get(UART_RX);
  EXPECT_EQ(listener.calls, 1);
  guest.ReadAll();
  EXPECT_EQ(listener.calls, 1) << "once for each refusal";
  EXPECT_EQ(guest.Get(UART_LSR) & UART_LSR_OE, 0) << "nothing was lost";
}

TEST(SerialReceiveTest, WithoutFifoOneByteAtATimeIsTaken) {
  SerialGuest guest;
  CountingListener listener;
  guest.port.SetRoomListener(&listener);
  guest.RaiseRts();
  EXPECT_EQ(guest.Type("ab"), 1u);
  EXPECT_EQ(guest.Get(UART_RX), 'a');
  EXPECT_EQ(listener.calls, 1);
  EXPECT_EQ(guest.Type("b"), 1u);
  EXPECT_EQ(guest.Get(UART_RX), 'b');
}

TEST(SerialReceiveTest, ManyBytesComeInOrder) {
  SerialGuest guest;
  guest.EnableFifo();
  guest.RaiseRts();
  std::string sent;
  std::string received;
  for (int i = 0; i < 1000; ++i) {
    const std::string text(static_cast<size_t>(i % 70), static_cast<char>('a' + i % 26));
    sent += text.substr(0, guest.Type(text));
    for (int n = 0; n < i % 50 && guest.DataReady(); ++n) {
      received.push_back(static_cast<char>(guest.Get(UART_RX)));
    }
  }
  EXPECT_EQ(received + guest.ReadAll(), sent);
}

TEST(SerialReceiveTest, AListenerTakenAwayIsNotCalled) {
  SerialGuest guest;
  CountingListener listener;
  guest.port.SetRoomListener(&listener);
  EXPECT_EQ(guest.port.ReceiveRoom(), 0u);
  guest.port.SetRoomListener(nullptr);
  guest.RaiseRts();
  EXPECT_EQ(listener.calls, 0);
}

TEST(SerialStateTest, ARestoredPortGoesOnWhereTheSavedOneStopped) {
  SerialGuest guest;
  guest.Set(UART_LCR, UART_LCR_DLAB);
  guest.Set(UART_DLL, 0x21);
  guest.Set(UART_DLM, 0x43);
  guest.Set(UART_LCR, UART_LCR_WLEN8);
  guest.Set(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
  guest.Set(UART_SCR, 0x99);
  guest.Set(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
  for (int i = 0; i < 70; ++i) guest.Set(UART_TX, 'o');
  for (int i = 0; i < 40; ++i) guest.Get(UART_RX);
  guest.Set(UART_MCR, UART_MCR_RTS | UART_MCR_OUT2);
  guest.Type("wrapped around the ring");
  guest.Set(UART_IER, 0x0f);

  CountingInterruptLine interrupt;
  RecordingSerialSink sink;
  Serial restored(interrupt, sink, guest.port.Save());
  const auto get = [&restored](int offset) { return In(restored, static_cast<uint64_t>(offset)); };
  EXPECT_EQ(restored.Save().divisor, 0x4321);
  EXPECT_EQ(get(UART_LCR), guest.Get(UART_LCR));
  EXPECT_EQ(get(UART_MCR), guest.Get(UART_MCR));
  EXPECT_EQ(get(UART_IER), guest.Get(UART_IER));
  EXPECT_EQ(get(UART_SCR), guest.Get(UART_SCR));
  EXPECT_EQ(get(UART_IIR), guest.Get(UART_IIR));
  EXPECT_EQ(get(UART_LSR), guest.Get(UART_LSR));
  EXPECT_EQ(get(UART_MSR), guest.Get(UART_MSR));
  std::string text;
  while ((get(UART_LSR) & UART_LSR_DR) != 0) text.push_back(static_cast<char>(get(UART_RX)));
  EXPECT_EQ(text, guest.ReadAll());
  EXPECT_EQ(text, std::string(24, 'o') + "wrapped around the ring");
  EXPECT_EQ(get(UART_IIR) & 0x0f, UART_IIR_THRI) << "the last cause, and the lowest";
}

TEST(SerialStateTest, ARestoredPortRepeatsTheInterruptOfACauseThatIsUp) {
  SerialGuest guest;
  guest.RaiseRts();
  CountingInterruptLine interrupt;
  RecordingSerialSink sink;
  Serial nothing_to_tell(interrupt, sink, guest.port.Save());
  nothing_to_tell.RepeatInterrupt();
  EXPECT_EQ(interrupt.Take(), 0u);

  // With a FIFO that is full: no more input would come to trigger the line.
  guest.Set(UART_IER, UART_IER_RDI);
  guest.EnableFifo();
  guest.Type(std::string(Serial::kReceiveFifoBytes, 'i'));
  Serial full(interrupt, sink, guest.port.Save());
  EXPECT_EQ(full.ReceiveRoom(), 0u);
  full.RepeatInterrupt();
  EXPECT_EQ(interrupt.Take(), 1u);

  guest.ReadAll();
  guest.Set(UART_IER, UART_IER_THRI);
  guest.Set(UART_TX, 'o');
  Serial sending(interrupt, sink, guest.port.Save());
  sending.RepeatInterrupt();
  EXPECT_EQ(interrupt.Take(), 1u);
}

TEST(SerialStateTest, AnImpossibleStateIsMadePossible) {
  Serial::State state;
  state.interrupt_enable = 0xff;
  state.fifo_control = 0xff;
  state.modem_control = 0xff;
  state.line_errors = 0xff;
  state.modem_deltas = 0xff;
  state.received_count = 0xff;
  CountingInterruptLine interrupt;
  RecordingSerialSink sink;
  Serial port(interrupt, sink, state);
  size_t received = 0;
  while ((In(port, UART_LSR) & UART_LSR_DR) != 0 && received <= Serial::kReceiveFifoBytes) {
    In(port, UART_RX);
    ++received;
  }
  EXPECT_EQ(received, Serial::kReceiveFifoBytes);
  EXPECT_EQ(In(port, UART_IER), 0x0f);
  EXPECT_EQ(In(port, UART_MCR), 0x1f);
}

}  // namespace
}  // namespace ember
