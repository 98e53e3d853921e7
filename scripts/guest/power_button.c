// power_button: waits until an input device reports the power key pressed; status 1 if none can.
#include <dirent.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { kMaxDevices = 16 };

static int has_power_key(int fd) {
  unsigned char keys[KEY_MAX / 8 + 1] = {0};
  if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) < 0) return 0;
  return (keys[KEY_POWER / 8] >> (KEY_POWER % 8)) & 1;
}

static int open_devices(struct pollfd* devices) {
  DIR* dir = opendir("/dev/input");
  if (dir == NULL) return 0;
  int count = 0;
  for (struct dirent* entry; count < kMaxDevices && (entry = readdir(dir)) != NULL;) {
    if (strncmp(entry->d_name, "event", 5) != 0) continue;
    int fd = openat(dirfd(dir), entry->d_name, O_RDONLY);
    if (fd < 0) continue;
    if (has_power_key(fd)) {
      devices[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    } else {
      close(fd);
    }
  }
  closedir(dir);
  return count;
}

int main(void) {
  struct pollfd devices[kMaxDevices];
  int count = open_devices(devices);
  if (count == 0) {
    puts("EMBER-POWERBUTTON failed: no input device has a power key");
    return 1;
  }
  while (poll(devices, (nfds_t)count, -1) > 0) {
    for (int i = 0; i < count; ++i) {
      struct input_event event;
      if (!(devices[i].revents & POLLIN)) continue;
      if (read(devices[i].fd, &event, sizeof(event)) != sizeof(event)) return 1;
      if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) {
        puts("EMBER-POWERBUTTON ok");
        return 0;
      }
    }
  }
  return 1;
}
