// A program to be jailed: writes what it sees of its process as lines "key value" to stdout, or to
// the file that `--report` names. Static, and plain C, for nothing of the host is in a jail.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static void Tree(FILE* out, const char* path) {
  DIR* dir = opendir(path);
  if (dir == NULL) return;
  for (struct dirent* entry; (entry = readdir(dir)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    char child[512];
    snprintf(child, sizeof(child), "%s%s%s", path, strcmp(path, "/") == 0 ? "" : "/",
             entry->d_name);
    struct stat info;
    if (lstat(child, &info) < 0) continue;
    fprintf(out, "entry %s %o %u:%u %u:%u\n", child, info.st_mode, info.st_uid, info.st_gid,
            S_ISCHR(info.st_mode) ? major(info.st_rdev) : 0,
            S_ISCHR(info.st_mode) ? minor(info.st_rdev) : 0);
    if (S_ISDIR(info.st_mode)) Tree(out, child);
  }
  closedir(dir);
}

static void Descriptors(FILE* out) {
  for (int fd = 0; fd < 1024; ++fd) {
    struct stat info;
    if (fd == fileno(out) && fd > 2) continue;
    if (fstat(fd, &info) < 0) continue;
    fprintf(out, "fd %d %o %d\n", fd, info.st_mode & S_IFMT, fcntl(fd, F_GETFL) & O_ACCMODE);
  }
}

static void Process(FILE* out) {
  uid_t uids[3];
  gid_t gids[3];
  getresuid(&uids[0], &uids[1], &uids[2]);
  getresgid(&gids[0], &gids[1], &gids[2]);
  fprintf(out, "uids %u %u %u\ngids %u %u %u\n", uids[0], uids[1], uids[2], gids[0], gids[1],
          gids[2]);
  fprintf(out, "groups %d\npid %d\nsession %d\n", getgroups(0, NULL), getpid(),
          getsid(0) == getpid());
  char cwd[256] = "";
  fprintf(out, "cwd %s\n", getcwd(cwd, sizeof(cwd)));
  fprintf(out, "no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2];
  syscall(SYS_capget, &header, sets);
  fprintf(out, "capabilities %x %x %x\n", sets[0].effective | sets[1].effective,
          sets[0].permitted | sets[1].permitted, sets[0].inheritable | sets[1].inheritable);
  int bounding = 0;
  for (int i = 0; i < 64; ++i) bounding += prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1;
  fprintf(out, "bounding %d\n", bounding);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  fprintf(out, "no-file %lu %lu\n", (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
  getrlimit(RLIMIT_FSIZE, &limit);
  fprintf(out, "fsize %lu\n", (unsigned long)limit.rlim_cur);
  mode_t mask = umask(0);
  umask(mask);
  fprintf(out, "umask %o\n", mask);
}

// What it may not do: each line ends in 0 where it could.
static void Attempts(FILE* out) {
  fprintf(out, "mount %d\n", mount("none", "/run", "tmpfs", 0, NULL) < 0 ? errno : 0);
  fprintf(out, "setuid %d\n", setuid(0) < 0 ? errno : 0);
  int up = open("/../../../../etc/passwd", O_RDONLY);
  fprintf(out, "passwd %d\n", up < 0 ? errno : 0);
  int random = open("/dev/urandom", O_RDONLY);
  fprintf(out, "urandom %d\n", random < 0 ? errno : 0);
  int kvm = open("/dev/kvm", O_RDWR);
  fprintf(out, "kvm %d\n", kvm < 0 ? errno : 0);
}

int main(int argc, char** argv) {
  FILE* out = stdout;
  int stay = 0;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--report") == 0) {
      char name[256];
      snprintf(name, sizeof(name), "%s.tmp", argv[i + 1]);
      out = fopen(name, "w");
      if (out == NULL) return 2;
    }
    if (strcmp(argv[i], "--stay") == 0) stay = 1;
  }
  for (int i = 0; i < argc; ++i) fprintf(out, "argument %s\n", argv[i]);
  for (char** word = environ; *word != NULL; ++word) fprintf(out, "environment %s\n", *word);
  Descriptors(out);
  Process(out);
  Tree(out, "/");
  Attempts(out);
  fprintf(out, "end\n");
  fflush(out);
  for (int i = 1; out != stdout && i < argc; ++i) {
    char name[256];
    if (strcmp(argv[i], "--report") != 0) continue;
    snprintf(name, sizeof(name), "%s.tmp", argv[i + 1]);
    rename(name, argv[i + 1]);
  }
  while (stay) pause();
  return 0;
}
