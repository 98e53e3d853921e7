"""What a thread that was taken over may try: system calls that no thread may make, whatever is around
the process, and what each is called.

ATTEMPTS maps a name to the number of a call of x86-64 and a function of the attacker and the world around
it (backdoor_test.py), which gives the arguments: such as would do what they say if nothing stopped them.
"""

import os
import resource
import signal
import socket
import struct

from attacker import AT_FDCWD

O_PATH_TREE = 1  # OPEN_TREE_CLONE

AT_EMPTY_PATH = 0x1000
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MAP_PRIVATE, MAP_ANONYMOUS = 2, 0x20
MS_BIND = 0x1000
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWPID = 0x20000, 0x10000000, 0x40000000, 0x20000000
CLONE_VM, CLONE_THREAD, CLONE_SIGHAND = 0x100, 0x10000, 0x800
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
TUNSETIFF, SIOCSIFADDR = 0x400454CA, 0x8916
PAGE = 4096


def of(name, *rest, at=0):
    """Arguments with the address of a path of the world's as number `at`."""
    return lambda attacker, world: (*rest[:at], attacker.text(getattr(world, name)), *rest[at:])


def these(*words):
    return lambda _attacker, _world: words


def victim(*rest, at=0):
    """Arguments with the number of another process as number `at`."""
    return lambda _attacker, world: (*rest[:at], world.victim, *rest[at:])


def program(*before):
    """A program, its words and its environment."""
    def arguments(attacker, world):
        at = attacker.text(world.program, 64)
        words = attacker.write(struct.pack("<QQ", at, 0))
        return (*before, at, words, words + 8)
    return arguments


def remote_read(attacker, world):
    """Of the victim's memory into ours."""
    ours = attacker.write(struct.pack("<QQ", attacker.memory + 256, 16))
    theirs = attacker.write(struct.pack("<QQ", world.victim_address, 16), 16)
    return world.victim, ours, 1, theirs, 1, 0


def limit(which):
    def arguments(attacker, _world):
        most = struct.pack("<QQ", resource.RLIM_INFINITY & (1 << 64) - 1, resource.RLIM_INFINITY & (1 << 64) - 1)
        return which, attacker.write(most)
    return arguments


def others_limit(attacker, world):
    return world.victim, resource.RLIMIT_NOFILE, attacker.write(struct.pack("<QQ", 1, 1)), 0


def scheduling(attacker, _world):
    return 0, os.SCHED_FIFO, attacker.write(struct.pack("<i", 1))


def memory_with_code(flags):
    return these(0, PAGE, flags, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)


def own_page(*rest):
    return lambda attacker, _world: (attacker.memory - attacker.memory % PAGE, PAGE, *rest)


def event(attacker, _world):
    """perf_event_attr: the processor's time of all processes."""
    return attacker.write(struct.pack("<IIQ", 1, 112, 0).ljust(112, b"\0")), -1, 0, -1, 0


def key(attacker, _world):
    return attacker.text("user", 0), attacker.text("name", 16), attacker.text("secret", 32), 6, -3


ATTEMPTS = {
    # Files, and what is done to them
    "open": (2, of("secret", os.O_RDONLY)),
    "creat": (85, of("absent", 0o600)),
    "openat2": (437, lambda a, w: (AT_FDCWD, a.text(w.secret, 64), a.write(bytes(24)), 24)),
    "name_to_handle_at": (303, of("secret", AT_FDCWD, 0, 0, 0, at=1)),
    "open_by_handle_at": (304, these(AT_FDCWD, 0, os.O_RDONLY)),
    "truncate": (76, of("secret", 0)),
    "link": (86, lambda a, w: (a.text(w.secret), a.text(w.absent, 512))),
    "linkat": (265, lambda a, w: (AT_FDCWD, a.text(w.secret), AT_FDCWD, a.text(w.absent, 512), 0)),
    "symlink": (88, lambda a, w: (a.text(w.secret), a.text(w.absent, 512))),
    "mkdir": (83, of("absent", 0o700)),
    "mkdirat": (258, of("absent", AT_FDCWD, 0o700, at=1)),
    "mknod": (133, of("absent", 0o020600, 0x101)),
    "mknodat": (259, of("absent", AT_FDCWD, 0o020600, 0x101, at=1)),
    "rmdir": (84, of("folder")),
    "renameat2": (316, lambda a, w: (AT_FDCWD, a.text(w.secret), AT_FDCWD, a.text(w.absent, 512), 0)),
    "unlinkat": (263, of("secret", AT_FDCWD, 0, at=1)),
    "chmod": (90, of("secret", 0o777)),
    "fchmodat": (268, of("secret", AT_FDCWD, 0o777, at=1)),
    "chown": (92, of("secret", 1, 1)),
    "setxattr": (188, lambda a, w: (a.text(w.secret), a.text("user.x", 512), a.memory, 1, 0)),
    "utimensat": (280, of("secret", AT_FDCWD, 0, 0, at=1)),
    "getdents64": (217, lambda a, _: (0, a.memory, 512)),
    "inotify_init1": (294, these(0)),
    "fanotify_init": (300, these(0, 0)),
    # Programs and processes
    "execve": (59, program()),
    "execveat": (322, program(AT_FDCWD)),
    "fork": (57, these()),
    "vfork": (58, these()),
    "clone": (56, these(signal.SIGCHLD)),
    "clone with namespaces": (56, these(CLONE_NEWUSER | CLONE_NEWNS | signal.SIGCHLD)),
    "clone with a namespace for a thread": (56, these(CLONE_NEWUSER | CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)),
    "ptrace attach": (101, victim(PTRACE_ATTACH, 0, 0, at=1)),
    "ptrace seize": (101, victim(PTRACE_SEIZE, 0, 0, at=1)),
    "ptrace of our own": (101, lambda a, _: (PTRACE_SEIZE, a.process.pid, 0, 0)),
    "process_vm_readv": (310, remote_read),
    "process_vm_writev": (311, remote_read),
    "process_madvise": (440, these(3, 0, 0, 0, 0)),
    "kcmp": (312, victim(1, 0, 0, 0, at=1)),
    "pidfd_open": (434, victim(0)),
    "pidfd_getfd": (438, these(3, 0, 0)),
    "pidfd_send_signal": (424, these(3, signal.SIGTERM, 0, 0)),
    "kill": (62, victim(signal.SIGTERM)),
    "tkill": (200, victim(signal.SIGTERM)),
    "tgkill": (234, lambda _, w: (w.victim, w.victim, signal.SIGTERM)),
    "tgkill with a signal that is ours": (234, lambda _, w: (w.victim, w.victim, signal.SIGSEGV)),
    "rt_sigqueueinfo": (129, lambda a, w: (w.victim, signal.SIGTERM, a.write(bytes(128)))),
    "rt_tgsigqueueinfo": (297, lambda a, w: (w.victim, w.victim, signal.SIGTERM, a.write(bytes(128)))),
    # Networks
    "an internet socket": (41, these(socket.AF_INET, socket.SOCK_STREAM, 0)),
    "an internet socket of datagrams": (41, these(socket.AF_INET, socket.SOCK_DGRAM, 0)),
    "an internet socket of version 6": (41, these(socket.AF_INET6, socket.SOCK_STREAM, 0)),
    "a netlink socket": (41, these(socket.AF_NETLINK, socket.SOCK_RAW, 0)),
    "a packet socket": (41, these(socket.AF_PACKET, socket.SOCK_RAW, 0x300)),
    "a vsock socket": (41, these(socket.AF_VSOCK, socket.SOCK_STREAM, 0)),
    "an algorithm's socket": (41, these(socket.AF_ALG, socket.SOCK_SEQPACKET, 0)),
    "a bluetooth socket": (41, these(31, socket.SOCK_RAW, 0)),
    "socketpair": (53, lambda a, _: (socket.AF_UNIX, socket.SOCK_STREAM, 0, a.memory)),
    # Limits and priorities
    "setrlimit": (160, limit(resource.RLIMIT_NOFILE)),
    "setrlimit of locked memory": (160, limit(resource.RLIMIT_MEMLOCK)),
    "prlimit64 of another": (302, others_limit),
    "prlimit64": (302, lambda a, w: (0, *limit(resource.RLIMIT_CORE)(a, w), 0)),
    "sched_setscheduler": (144, scheduling),
    "sched_setattr": (314, lambda a, _: (0, a.write(struct.pack("<IIQiI", 48, 0, 0, -20, 0).ljust(48, b"\0")), 0)),
    "sched_setaffinity": (203, lambda a, w: (w.victim, 8, a.write(struct.pack("<Q", 1)))),
    "setpriority": (141, these(0, 0, -20)),
    "ioprio_set": (251, these(1, 0, 1 << 13)),
    "mlockall": (151, these(3)),
    # Namespaces and mounts
    **{f"unshare of {name}": (272, these(flag)) for name, flag in
       [("users", CLONE_NEWUSER), ("mounts", CLONE_NEWNS), ("networks", CLONE_NEWNET), ("processes", CLONE_NEWPID)]},
    "setns": (308, these(3, 0)),
    "chroot": (161, of("folder")),
    "chdir": (80, of("folder")),
    "pivot_root": (155, lambda a, w: (a.text(w.folder), a.memory)),
    "mount": (165, lambda a, w: (a.text(w.folder), a.memory, 0, MS_BIND, 0)),
    "umount2": (166, of("folder", 2)),
    "open_tree": (428, of("folder", AT_FDCWD, O_PATH_TREE, at=1)),
    "move_mount": (429, lambda a, w: (3, a.text("", 0), AT_FDCWD, a.text(w.folder, 16), 4)),
    "fsopen": (430, lambda a, _: (a.text("tmpfs"), 0)),
    "mount_setattr": (442, lambda a, w: (AT_FDCWD, a.text(w.folder), 0, a.write(bytes(32), 512), 32)),
    # What only an administrator's programs need
    "bpf": (321, lambda a, _: (0, a.write(struct.pack("<IIIII", 2, 4, 8, 1, 0).ljust(64, b"\0")), 64)),
    "perf_event_open": (298, event),
    "userfaultfd": (323, these(1)),
    "keyctl": (250, these(0, -3, 1)),
    "add_key": (248, key),
    "request_key": (249, key),
    "init_module": (175, lambda a, _: (a.memory, 64, a.memory + 64)),
    "finit_module": (313, lambda a, _: (3, a.text(""), 0)),
    "delete_module": (176, lambda a, _: (a.text("kvm"), 0)),
    "kexec_load": (246, these(0, 0, 0, 0)),
    "kexec_file_load": (320, lambda a, _: (-1, -1, 0, 0, 4)),
    "reboot": (169, these(0xFEE1DEAD, 672274793, 0, 0)),
    "swapon": (167, of("secret", 0)),
    "acct": (163, of("secret")),
    "syslog": (103, lambda a, _: (3, a.memory, 512)),
    "settimeofday": (164, lambda a, _: (a.write(bytes(16)), 0)),
    "clock_settime": (227, lambda a, _: (0, a.write(bytes(16)))),
    "sethostname": (170, lambda a, _: (a.text("mine"), 4)),
    "iopl": (172, these(3)),
    "ioperm": (173, these(0x60, 1, 1)),
    "quotactl": (179, these(0x80000100, 0, 0, 0)),
    # Who we are
    "setuid": (105, these(0)),
    "setgid": (106, these(0)),
    "setresuid": (117, these(0, 0, 0)),
    "setresgid": (119, these(0, 0, 0)),
    "setgroups": (116, these(0, 0)),
    "setfsuid": (122, these(0)),
    "setsid": (112, these()),
    "prctl with dumps": (157, these(4, 1)),
    "prctl with a tracer": (157, these(0x59616D61, -1)),
    "prctl with seccomp": (157, these(22, 1)),
    "arch_prctl": (158, these(0x1002, 0)),
    "personality": (135, these(0x0400000)),
    "modify_ldt": (154, lambda a, _: (1, a.write(bytes(16)), 16)),
    # Memory to run code in, and to share
    "mmap of code": (9, memory_with_code(PROT_READ | PROT_EXEC)),
    "mmap of code to write": (9, memory_with_code(PROT_READ | PROT_WRITE | PROT_EXEC)),
    "mprotect to code": (10, own_page(PROT_READ | PROT_EXEC)),
    "pkey_mprotect": (329, own_page(PROT_READ | PROT_EXEC, -1)),
    "mremap": (25, own_page(2 * PAGE, 1)),
    "remap_file_pages": (216, own_page(0, 0, 0)),
    "shmget": (29, these(0, PAGE, 0o1600)),
    "shmat": (30, these(0, 0, 0o100000)),
    "msgget": (68, these(0, 0o1600)),
    "semget": (64, these(0, 1, 0o1600)),
    "mq_open": (240, lambda a, _: (a.text("mine"), os.O_CREAT | os.O_RDWR, 0o600, 0)),
    # Requests to devices and terminals
    "TIOCSTI": (16, lambda a, _: (0, TIOCSTI, a.text("x"))),
    "TIOCLINUX": (16, lambda a, _: (0, TIOCLINUX, a.text("\x02"))),
    "SIOCSIFADDR": (16, lambda a, _: (0, SIOCSIFADDR, a.memory)),
}

# What the worker may do and no other thread.
WORKERS = {
    "openat of a file it was given": (257, of("given", AT_FDCWD, os.O_RDONLY, at=1)),
    "memfd_create": (319, lambda a, _: (a.text("x"), 0)),
    "TUNSETIFF": (16, lambda a, _: (-1, TUNSETIFF, a.memory)),
    "bind": (49, lambda a, _: (-1, a.memory, 16)),
    "rename": (82, lambda a, w: (a.text(w.absent), a.text(w.absent, 512))),
    "seccomp": (317, these(1, 0, 0)),
}

KVM = {"KVM_CREATE_VM": 0xAE01, "KVM_SET_USER_MEMORY_REGION": 0x4020AE46, "KVM_SET_REGS": 0x4090AE82,
       "KVM_SET_SREGS": 0x4138AE84, "KVM_SET_MSRS": 0x4008AE89, "KVM_CREATE_DEVICE": 0xC00CAEE0,
       "KVM_SET_GUEST_DEBUG": 0x4048AE9B, "KVM_IRQFD": 0x4020AE76, "KVM_GET_MSRS": 0xC008AE88,
       "KVM_ASSIGN_PCI_DEVICE": 0x8040AE69, "KVM_SET_TSS_ADDR": 0xAE47, "KVM_SET_CPUID2": 0x4008AE90}
