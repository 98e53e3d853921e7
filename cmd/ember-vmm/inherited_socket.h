#ifndef EMBER_CMD_EMBER_VMM_INHERITED_SOCKET_H_
#define EMBER_CMD_EMBER_VMM_INHERITED_SOCKET_H_

#include <optional>

#include "base/fd.h"
#include "base/result.h"

// Sockets that the process was started with. Main's thread, before there are others.
namespace ember {

// Takes the descriptor over: it is ours from here on, and no child of ours gets it. Its number must
// be open.
Result<Fd> TakeInherited(int number);

// The socket that a service manager hands over as sd_listen_fds(3) says: LISTEN_PID names this
// process, LISTEN_FDS says 1. Nothing where they are not set or name another process; the variables
// are gone afterwards. More than one socket is an error.
Result<std::optional<Fd>> TakeListenFd();

}  // namespace ember

#endif  // EMBER_CMD_EMBER_VMM_INHERITED_SOCKET_H_
