// drain: waits until what was written to stdout, a terminal, has left the machine.
#include <termios.h>
#include <unistd.h>

int main(void) { return tcdrain(STDOUT_FILENO) == 0 ? 0 : 1; }
