// quick_init [poweroff|reboot]: the shortest init, for boot-time measurements (rdinit=/ember/bin/
// quick_init -- reboot). Prints the line of scripts/guest/init and ends the machine.
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char** argv) {
  struct timespec now = {0};
  clock_gettime(CLOCK_BOOTTIME, &now);
  struct sysinfo memory = {0};
  sysinfo(&memory);
  struct utsname name = {0};
  uname(&name);
  printf("EMBER-INIT-READY cpus=%d mem_kib=%llu kernel=%s uptime=%lld.%02ld\n", get_nprocs(),
         (unsigned long long)memory.totalram * memory.mem_unit / 1024, name.release,
         (long long)now.tv_sec, now.tv_nsec / 10000000);
  fflush(stdout);
  tcdrain(STDOUT_FILENO);
  reboot(argc > 1 && strcmp(argv[1], "reboot") == 0 ? RB_AUTOBOOT : RB_POWER_OFF);
  pause();
}
