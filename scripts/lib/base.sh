# shellcheck shell=bash
# What every script here shares: messages, the cache, and the publishing of finished cache entries.
# Sourced by scripts in scripts/; expects `set -euo pipefail`.

# shellcheck disable=SC2034  # used by the scripts that source this
{
  EMBER_SCRIPT_NAME="${0##*/}"
  EMBER_SCRIPTS_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
  EMBER_CACHE_DIR="${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/ember"
}

# Prints a progress line on stderr, so that stdout stays for results.
progress() { printf '%s: %s\n' "$EMBER_SCRIPT_NAME" "$*" >&2; }

# Ends the script with status 1, or with EMBER_FAILURE_STATUS where a script has set it.
die() {
  printf '%s: error: %s\n' "$EMBER_SCRIPT_NAME" "$*" >&2
  exit "${EMBER_FAILURE_STATUS:-1}"
}

# need_program PROGRAM PACKAGE: ends the script, naming both, unless PROGRAM is installed.
need_program() {
  command -v "$1" > /dev/null || die "$1 is not installed (apt-get install $2)"
}

need_file() { [[ -r "$1" ]] || die "cannot read $1"; }

# need_value OPTION COUNT: ends the script unless an argument follows OPTION.
need_value() { (($2 >= 2)) || die "$1 needs a value"; }

# need_number OPTION VALUE
need_number() { [[ "$2" =~ ^[1-9][0-9]{0,8}$ ]] || die "$1 '$2' is not a positive number"; }

# hash_of FILE…: one digest of the files' contents, in the order given.
hash_of() { cat -- "$@" | sha256sum | cut -c1-16; }

# Runs "$2"… while holding an exclusive lock named after the path $1. The lock file stays behind
# on purpose: removing it would let two holders lock two different inodes.
with_lock() {
  local lock="$1.lock" lock_fd
  shift
  mkdir -p "$(dirname "$lock")"
  exec {lock_fd}> "$lock"
  if ! flock --nonblock "$lock_fd"; then
    progress "waiting for another run that holds $lock"
    flock "$lock_fd"
  fi
  "$@"
  exec {lock_fd}>&-
}

# Makes a directory beside $1 to build a cache entry in, and prints it. It is removed by
# remove_scratch, which the caller puts on its EXIT trap.
make_scratch() {
  mkdir -p "$(dirname "$1")"
  local scratch
  scratch="$(mktemp --directory "$(dirname "$1")/.${1##*/}.XXXXXX")"
  chmod 755 "$scratch"
  printf '%s\n' "$scratch"
}

# publish SCRATCH ENTRY: puts a finished directory in place of whatever was at ENTRY.
publish() {
  local old=""
  if [[ -e "$2" ]]; then
    old="$(mktemp --directory "$(dirname "$2")/.${2##*/}.old.XXXXXX")"
    mv "$2" "$old/"
  fi
  mv --no-target-directory "$1" "$2"
  [[ -z "$old" ]] || rm -rf "$old"
}
