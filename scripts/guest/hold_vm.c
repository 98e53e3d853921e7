// hold_vm: creates VMs that never run, says "holding", and keeps them until it is killed. KVM patches
// the kernel's code when a host gets its first VM, its first vCPU without a local APIC, or with one
// that is disabled by software or by hardware, and after the last of each. Under QEMU's emulation,
// with several processors, that now and then ends in a panic. While this runs, none is first or last.
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int call(int fd, unsigned long request, void* argument, const char* name) {
  int result = ioctl(fd, request, argument);
  if (result < 0) {
    perror(name);
    exit(1);
  }
  return result;
}

int main(void) {
  int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm < 0) {
    perror("hold_vm: /dev/kvm");
    return 1;
  }
  int bare = call(kvm, KVM_CREATE_VM, 0, "KVM_CREATE_VM");
  call(bare, KVM_CREATE_VCPU, 0, "KVM_CREATE_VCPU without an APIC");

  int vm = call(kvm, KVM_CREATE_VM, 0, "KVM_CREATE_VM");
  call(vm, KVM_CREATE_IRQCHIP, 0, "KVM_CREATE_IRQCHIP");
  // A local APIC is disabled by software until its guest enables it.
  call(vm, KVM_CREATE_VCPU, (void*)0, "KVM_CREATE_VCPU");
  int disabled = call(vm, KVM_CREATE_VCPU, (void*)1, "KVM_CREATE_VCPU");
  struct kvm_sregs registers;
  call(disabled, KVM_GET_SREGS, &registers, "KVM_GET_SREGS");
  registers.apic_base &= ~(1ull << 11);
  call(disabled, KVM_SET_SREGS, &registers, "KVM_SET_SREGS");

  puts("holding");
  fflush(stdout);
  for (;;) pause();
}
