// hold_vm: creates an empty VM, says "holding", and keeps it until it is killed. A host's kernel
// patches its own code for the first VM and after the last one; under QEMU's emulation, with several
// processors, that now and then ends in a panic. While this runs, no VM is the first or the last.
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void) {
  int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm < 0 || ioctl(kvm, KVM_CREATE_VM, 0) < 0) {
    perror("hold_vm: /dev/kvm");
    return 1;
  }
  puts("holding");
  fflush(stdout);
  for (;;) pause();
}
