#include <gtest/gtest.h>

#include <string>

#include "tests/devices/serial_guest.h"

namespace ember {
namespace {

TEST(SerialRegistersTest, AfterResetTheTransmitterIsEmptyAndNothingIsPending) {
  SerialGuest guest;
  EXPECT_EQ(guest.Get(UART_RX), 0);
  EXPECT_EQ(guest.Get(UART_IER), 0);
  EXPECT_EQ(guest.Get(UART_IIR), UART_IIR_NO_INT);
  EXPECT_EQ(guest.Get(UART_LCR), 0);
  EXPECT_EQ(guest.Get(UART_MCR), 0);
  EXPECT_EQ(guest.Get(UART_LSR), UART_LSR_TEMT | UART_LSR_THRE);
  EXPECT_EQ(guest.Get(UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
  EXPECT_EQ(guest.Get(UART_SCR), 0);
  EXPECT_EQ(guest.interrupt.count(), 0u);
}

TEST(SerialRegistersTest, TheDivisorLatchHidesDataAndInterruptEnableAndNothingElse) {
  SerialGuest guest;
  guest.Set(UART_IER, UART_IER_RLSI);
  guest.Set(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
  guest.Set(UART_DLL, 0x34);
  guest.Set(UART_DLM, 0x12);
  guest.Set(UART_MCR, UART_MCR_DTR);
  guest.Set(UART_SCR, 0x77);
  EXPECT_EQ(guest.Get(UART_DLL), 0x34);
  EXPECT_EQ(guest.Get(UART_DLM), 0x12);
  EXPECT_EQ(guest.Get(UART_IIR), UART_IIR_NO_INT);
  EXPECT_EQ(guest.Get(UART_LCR), UART_LCR_DLAB | UART_LCR_WLEN8);
  EXPECT_EQ(guest.Get(UART_MCR), UART_MCR_DTR);
  EXPECT_EQ(guest.Get(UART_LSR), UART_LSR_TEMT | UART_LSR_THRE);
  EXPECT_EQ(guest.Get(UART_SCR), 0x77);
  EXPECT_EQ(guest.sink.text(), "");

  guest.Set(UART_LCR, UART_LCR_WLEN8);
  EXPECT_EQ(guest.Get(UART_IER), UART_IER_RLSI);
  guest.Set(UART_TX, 'x');
  EXPECT_EQ(guest.sink.text(), "x");
  guest.Set(UART_LCR, UART_LCR_DLAB);
  EXPECT_EQ(guest.Get(UART_DLL), 0x34);
  EXPECT_EQ(guest.Get(UART_DLM), 0x12);
}

TEST(SerialRegistersTest, ReceivedDataWaitsWhileTheDivisorLatchIsOpen) {
  SerialGuest guest;
  guest.RaiseRts();
  EXPECT_EQ(guest.Type("a"), 1u);
  guest.Set(UART_LCR, UART_LCR_DLAB);
  EXPECT_EQ(guest.Get(UART_DLL), 12);
  guest.Set(UART_LCR, 0);
  EXPECT_EQ(guest.Get(UART_RX), 'a');
}

TEST(SerialRegistersTest, BitsThatARegisterDoesNotHaveReadZero) {
  SerialGuest guest;
  guest.Set(UART_IER, 0xff);
  EXPECT_EQ(guest.Get(UART_IER), 0x0f);
  guest.Set(UART_MCR, 0xff);
  EXPECT_EQ(guest.Get(UART_MCR), 0x1f);
  guest.Set(UART_MCR, 0);
  guest.Set(UART_LCR, 0x7f);
  EXPECT_EQ(guest.Get(UART_LCR), 0x7f);
}

TEST(SerialRegistersTest, TheScratchRegisterKeepsEveryValue) {
  SerialGuest guest;
  for (int value = 0; value < 256; ++value) {
    guest.Set(UART_SCR, value);
    EXPECT_EQ(guest.Get(UART_SCR), value);
  }
}

TEST(SerialRegistersTest, StatusRegistersCannotBeWritten) {
  SerialGuest guest;
  const uint8_t line = guest.Get(UART_LSR);
  const uint8_t modem = guest.Get(UART_MSR);
  guest.Set(UART_LSR, 0x1f);
  guest.Set(UART_MSR, 0x0f);
  EXPECT_EQ(guest.Get(UART_LSR), line);
  EXPECT_EQ(guest.Get(UART_MSR), modem);
}

TEST(SerialRegistersTest, TheInterruptIdSaysWhetherTheFifosAreOn) {
  SerialGuest guest;
  EXPECT_EQ(guest.Get(UART_IIR) & 0xc0, 0);
  guest.EnableFifo();
  EXPECT_EQ(guest.Get(UART_IIR) & 0xc0, 0xc0);
  // A TI16750 would show bit 5 here.
  guest.Set(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
  EXPECT_EQ(guest.Get(UART_IIR), 0xc0 | UART_IIR_NO_INT);
  guest.Set(UART_FCR, 0);
  EXPECT_EQ(guest.Get(UART_IIR) & 0xc0, 0);
}

TEST(SerialRegistersTest, FifoControlWithoutItsEnableBitTurnsTheFifosOff) {
  SerialGuest guest;
  guest.EnableFifo();
  guest.Set(UART_FCR, UART_FCR_TRIGGER_14 | UART_FCR_CLEAR_RCVR);
  EXPECT_EQ(guest.Get(UART_IIR) & 0xc0, 0);
  EXPECT_EQ(guest.port.Save().fifo_control, 0);
}

TEST(SerialRegistersTest, ClearingOrSwitchingTheFifosDropsWhatWasReceived) {
  for (const int control : {UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR, 0}) {
    SerialGuest guest;
    guest.EnableFifo();
    guest.RaiseRts();
    EXPECT_EQ(guest.Type("lost"), 4u);
    guest.Set(UART_FCR, control);
    EXPECT_FALSE(guest.DataReady());
  }
  SerialGuest guest;
  guest.EnableFifo();
  guest.RaiseRts();
  EXPECT_EQ(guest.Type("kept"), 4u);
  guest.Set(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_XMIT);
  EXPECT_EQ(guest.ReadAll(), "kept");
}

// How Linux's 8250 driver finds out what chip it has (drivers/tty/serial/8250/8250_port.c).
TEST(SerialRegistersTest, LinuxFindsA16550A) {
  SerialGuest guest;
  guest.Set(UART_IER, 0);
  EXPECT_EQ(guest.Get(UART_IER) & 0x0f, 0);
  guest.Set(UART_IER, 0x0f);
  EXPECT_EQ(guest.Get(UART_IER) & 0x0f, 0x0f);
  guest.Set(UART_IER, 0);

  guest.Set(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
  EXPECT_EQ(guest.Get(UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
  guest.Set(UART_MCR, 0);

  guest.Set(UART_LCR, UART_LCR_CONF_MODE_B);
  guest.Set(UART_EFR, 0);
  guest.Set(UART_LCR, 0);
  guest.Set(UART_FCR, UART_FCR_ENABLE_FIFO);
  EXPECT_EQ(guest.Get(UART_IIR) >> 6, 3);
  guest.Set(UART_LCR, UART_LCR_CONF_MODE_A);
  EXPECT_NE(guest.Get(UART_EFR), 0) << "no 16C650";
  guest.Set(UART_LCR, 0);
  // No XScale: it would keep the unit enable bit.
  guest.Set(UART_IER, 0x40);
  EXPECT_EQ(guest.Get(UART_IER) & 0x40, 0);
}

TEST(SerialLoopbackTest, TheModemOutputsComeBackAsInputs) {
  struct Line {
    int output;
    int input;
  };
  for (const Line line : {Line{UART_MCR_RTS, UART_MSR_CTS}, Line{UART_MCR_DTR, UART_MSR_DSR},
                          Line{UART_MCR_OUT1, UART_MSR_RI}, Line{UART_MCR_OUT2, UART_MSR_DCD}}) {
    SerialGuest guest;
    guest.Set(UART_MCR, UART_MCR_LOOP | line.output);
    EXPECT_EQ(guest.Get(UART_MSR) & 0xf0, line.input);
  }
}

TEST(SerialLoopbackTest, ModemStatusShowsEachChangeOnce) {
  SerialGuest guest;
  guest.Set(UART_MCR, UART_MCR_LOOP);
  EXPECT_EQ(guest.Get(UART_MSR), UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
  EXPECT_EQ(guest.Get(UART_MSR), 0);
  guest.Set(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
  EXPECT_EQ(guest.Get(UART_MSR), UART_MSR_CTS | UART_MSR_DCTS);
  EXPECT_EQ(guest.Get(UART_MSR), UART_MSR_CTS);
}

TEST(SerialLoopbackTest, TheRingIndicatorIsAChangeOnlyWhenItEnds) {
  SerialGuest guest;
  guest.Set(UART_MCR, UART_MCR_LOOP);
  guest.Get(UART_MSR);
  guest.Set(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
  EXPECT_EQ(guest.Get(UART_MSR), UART_MSR_RI);
  guest.Set(UART_MCR, UART_MCR_LOOP);
  EXPECT_EQ(guest.Get(UART_MSR), UART_MSR_TERI);
}

TEST(SerialLoopbackTest, TransmittedBytesAreReceivedAndDoNotLeave) {
  SerialGuest guest;
  guest.EnableFifo();
  guest.Set(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
  for (const char byte : std::string("loop")) guest.Set(UART_TX, byte);
  EXPECT_EQ(guest.ReadAll(), "loop");
  EXPECT_EQ(guest.sink.text(), "");
  EXPECT_EQ(guest.Type("x"), 0u) << "the input pin is disconnected";
}

TEST(SerialLoopbackTest, AFullFifoKeepsItsBytesAndReportsOneOverrun) {
  SerialGuest guest;
  guest.EnableFifo();
  guest.Set(UART_MCR, UART_MCR_LOOP);
  const std::string fitting(Serial::kReceiveFifoBytes, 'a');
  for (const char byte : fitting) guest.Set(UART_TX, byte);
  EXPECT_EQ(guest.Get(UART_LSR) & UART_LSR_OE, 0);
  guest.Set(UART_TX, 'b');
  EXPECT_NE(guest.Get(UART_LSR) & UART_LSR_OE, 0);
  EXPECT_EQ(guest.Get(UART_LSR) & UART_LSR_OE, 0) << "reading clears it";
  EXPECT_EQ(guest.ReadAll(), fitting);
  EXPECT_EQ(guest.port.metrics().overruns.value(), 1u);
}

TEST(SerialLoopbackTest, WithoutFifoTheNextByteReplacesTheLast) {
  SerialGuest guest;
  guest.Set(UART_MCR, UART_MCR_LOOP);
  guest.Set(UART_TX, 'a');
  guest.Set(UART_TX, 'b');
  EXPECT_NE(guest.Get(UART_LSR) & UART_LSR_OE, 0);
  EXPECT_EQ(guest.ReadAll(), "b");
}

}  // namespace
}  // namespace ember
