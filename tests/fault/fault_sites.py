"""The places in a program from which it asks something of the kernel, read from the program itself."""

import re
import subprocess
from collections import namedtuple
from pathlib import Path

# The functions are the innermost, as inlined, and those that it is inlined in; `at` is the offset of what
# follows the call.
Site = namedtuple("Site", "at call functions line")

# What of libraries a program of ours may use that asks nothing of the kernel, or has nothing to fail.
# Standard output before there is a machine is among it.
HARMLESS = set("""
    __assert_fail __errno_location __libc_start_main __popcountdi2
    __stack_chk_fail __tls_get_addr __udivti3 __umodti3 abort calloc cfmakeraw clock_gettime
    dl_iterate_phdr fprintf fputs free getenv getpgrp getpid gettid isatty isspace ldexp localeconv
    mallopt memchr memcmp memcpy memmove memset pthread_getname_np pthread_join pthread_mutex_lock
    pthread_mutex_unlock pthread_self pthread_setname_np pthread_sigmask puts raise sched_yield sigaddset
    sigemptyset signal snprintf strcmp strerror strerror_r strlen strncasecmp strncpy strtod strtold
    strtoll strtoull sysconf unsetenv vsnprintf""".split())
OF_LIBRARIES = re.compile(r"_Z|__(asan|ubsan|cxa|gxx|sanitizer)_|_Unwind|_ITM_|__gmon_start__|fdt_")


def run(*words, text=None):
    return subprocess.run(words, input=text, check=True, capture_output=True, text=True).stdout


def sites_of(program):
    """Every call of a wrapped function, by the offset of what follows it."""
    found, call = {}, None
    process = subprocess.Popen(["objdump", "-d", "--no-show-raw-insn", program],
                               stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if call:
            found[int(line.split(":")[0], 16)] = call
        match = re.search(r"\tcall +[0-9a-f]+ <__wrap_(\w+)>$", line)
        call = match and match[1]
    assert process.wait() == 0, f"objdump {program}"
    return name_sites(program, found)


def name_sites(program, calls):
    text = run("addr2line", "-a", "-f", "-C", "-i", "-e", program,
               text="".join(f"{at - 1:#x}\n" for at in calls))
    sites = {}
    for block in re.split(r"(?m)^(?=0x)", text)[1:]:
        address, *lines = block.splitlines()
        at = int(address, 16) + 1
        functions = tuple(re.sub(r"\(.*", "", name.replace("(anonymous namespace)::", ""))
                          for name in lines[::2])
        place = re.sub(r".*/\.\./", "", lines[1].split(" ")[0])
        sites[at] = Site(at, calls[at], functions, place)
    return sites


def unknown_imports(program):
    """What the program calls of libraries that is neither wrapped nor known to be harmless."""
    wrapped = set(re.findall(r"(?m) __wrap_(\w+)$", run("nm", program)))
    imported = {line.split()[-1].split("@")[0] for line in
                run("nm", "-D", "--undefined-only", program).splitlines()}
    return sorted(name for name in imported - wrapped - HARMLESS if not OF_LIBRARIES.match(name))


def listed(path):
    """The sites of a list, with why no life reaches them: "call function: reason" on each line."""
    reasons = {}
    for line in Path(path).read_text().splitlines():
        if line and not line.startswith("#"):
            where, reason = line.split(": ", 1)
            reasons[tuple(where.split())] = reason
    return reasons


def reason_for(site, reasons):
    """Why a site is not reached, as the list says; None where it says nothing."""
    for function in site.functions:
        if (site.call, function) in reasons:
            return reasons[site.call, function]
    return None
