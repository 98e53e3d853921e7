#include "api/server.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "api/connection.h"
#include "api/router.h"
#include "base/concat.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/timer.h"
#include "base/unix_socket.h"
#include "sandbox/confinement.h"

namespace ember::api {
namespace {

using TimePoint = LateAnswer::TimePoint;

// Told apart from every client before and after it, as an outcome may come late.
enum class ClientId : uint64_t {};

struct Client {
  Client(Fd socket, const Router& router, size_t max_body_bytes, uint64_t now)
      : connection(std::move(socket), router, max_body_bytes), last_answer(now) {}

  Connection connection;
  uint64_t last_answer;  // when, in answers of the whole server; the least goes first
  uint64_t answered = 0;
  EventLoop::Interest interest = EventLoop::Interest::kReadable;  // the watch's
  std::optional<EventLoop::Watch> watch;  // of the connection's socket, which outlives it
};

constexpr size_t kScratchBytes = 16384;
// How long to leave clients in the backlog when there are no descriptors for them.
constexpr std::chrono::milliseconds kAcceptRetryTime{100};

constexpr std::string_view kTooMany = "{ \"error\": \"Too many open connections\" }";
constexpr std::string_view kEnding = "The microVM is ending.";

Status MakeNonBlocking(const Fd& fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags >= 0 && ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) == 0) return {};
  return Error::FromErrno("API socket: make non-blocking");
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(Options options) : options_(std::move(options)) {}

  Status Listen();
  Status Adopt(Fd listening);
  Status StartThread(vmm::Controller& controller, std::string instance_id);
  void Serve();
  void Stop();

 private:
  using Clients = std::map<ClientId, Client>;

  Status Prepare();
  const Fd& listening() const { return own_ ? own_->fd() : adopted_; }

  void AwaitClients();
  void Accept();
  void OnAcceptError(int error_number);
  void Admit(Fd socket);
  bool EvictOne();
  // Of those that wait for an answer to come late, if `following`, or of the others.
  Clients::iterator Victim(bool following);

  void OnReady(ClientId id);
  void OnOutcome(ClientId id, const Result<vmm::Reply>& outcome);
  // Looks at all late answers and streams.
  void LookAtFollowers();
  // Looks again at `when`, if not earlier.
  void LookAt(TimePoint when);
  void OnTimer();
  // After anything that may have changed the client: sends, acts, waits or forgets it.
  void Settle(Clients::iterator client);
  // Waits for what the client's connection awaits. False if the host has no memory for that.
  bool Await(Clients::iterator client);
  void Forget(Clients::iterator client);
  // Has the machine's loop carry it out, or answers that it has too many.
  void Perform(Clients::iterator client, vmm::Action action);
  void Shutdown();

  const Options options_;
  std::optional<UnixListener> own_;        // the socket that we made, or
  Fd adopted_;                             // that we were given
  vmm::Controller* controller_ = nullptr;  // set by StartThread()
  std::optional<Router> router_;           // likewise
  std::unique_ptr<EventLoop> loop_;        // runs on the API's thread
  std::optional<Timer> timer_;

  // The API's thread, once it runs.
  std::optional<EventLoop::Watch> timer_watch_;
  std::optional<EventLoop::Watch> accept_watch_;
  TimePoint timer_at_ = TimePoint::max();
  Clients clients_;
  std::set<ClientId> followers_;  // whose sessions are following()
  uint64_t next_id_ = 0;
  uint64_t answers_ = 0;
  size_t actions_ = 0;  // under way, whether or not their clients are still there
  std::array<char, kScratchBytes> scratch_;

  std::atomic<bool> woken_{false};  // a task that looks at the followers is posted

  Thread thread_;  // last, so that it ends before what it uses
};

Status Server::Impl::Listen() {
  Result<UnixListener> listener = UnixListener::Bind(options_.socket_path);
  if (!listener) {
    const int error_number = listener.error().error_number();
    if (error_number == 0) return Error(Concat("API socket: ", listener.error().message()));
    return Error::FromErrorNumber(Concat("Failed to open the API socket at: ", options_.socket_path,
                                         ". Check that it is not already used"),
                                  error_number);
  }
  own_.emplace(*std::move(listener));
  return Prepare();
}

Status Server::Impl::Adopt(Fd listening) {
  const auto option = [&](int name) {
    int value = -1;
    socklen_t size = sizeof(value);
    return ::getsockopt(listening.get(), SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
  };
  if (option(SO_DOMAIN) != AF_UNIX || option(SO_TYPE) != SOCK_STREAM ||
      option(SO_ACCEPTCONN) != 1) {
    return Error("API socket: the descriptor is not a Unix stream socket that listens");
  }
  TRY(MakeNonBlocking(listening));
  adopted_ = std::move(listening);
  return Prepare();
}

Status Server::Impl::Prepare() {
  loop_ = TRY(EventLoop::Create());
  timer_ = TRY(Timer::Create());
  timer_watch_ = TRY(loop_->WatchReadable(timer_->fd().get(), [this] { OnTimer(); }));
  return {};
}

Status Server::Impl::StartThread(vmm::Controller& controller, std::string instance_id) {
  controller_ = &controller;
  router_.emplace(controller, std::move(instance_id));
  const std::shared_ptr<Waker>& waker = router_->waker();
  waker->Attach([this] {
    // Relaxed: the post orders what is looked at after what was done before it.
    if (woken_.exchange(true, std::memory_order_relaxed)) return;
    loop_->Post([this] { LookAtFollowers(); });
  });
  controller.journal().SetListener([waker] { waker->Wake(); });
  thread_ = TRY(Thread::Start("api", [this] {
    sandbox::Confine(sandbox::ThreadKind::kApi);
    loop_->Run();
  }));
  return {};
}

void Server::Impl::Serve() {
  loop_->Post([this] { AwaitClients(); });
}

void Server::Impl::Stop() {
  if (thread_.joinable()) {
    loop_->Post([this] { Shutdown(); });
    thread_.Join();
  }
  // Once: the controller may be gone when the server is destroyed.
  if (vmm::Controller* controller = std::exchange(controller_, nullptr)) {
    controller->journal().SetListener({});
    router_->waker()->Detach();
  }
  accept_watch_.reset();
  own_.reset();
  adopted_.Reset();
}

void Server::Impl::Shutdown() {
  const auto now = std::chrono::steady_clock::now();
  for (auto& [id, client] : clients_) {
    if (client.connection.session().following()) {
      client.connection.session().LookLast(now);
    } else if (client.connection.session().waiting() && client.connection.session().TakeBack()) {
      client.connection.Complete(Error(std::string(kEnding)));
    }
    client.connection.Flush();
  }
  clients_.clear();
  loop_->Stop();
}

void Server::Impl::AwaitClients() {
  Result<EventLoop::Watch> watch = loop_->WatchReadable(listening().get(), [this] { Accept(); });
  if (!watch) return LookAt(std::chrono::steady_clock::now() + kAcceptRetryTime);
  accept_watch_.emplace(*std::move(watch));
}

void Server::Impl::Accept() {
  Fd socket(::accept4(listening().get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket.valid()) return Admit(std::move(socket));
  // It has gone again, or who has the listening socket too was quicker.
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
  OnAcceptError(errno);
}

void Server::Impl::OnAcceptError(int error_number) {
  EMBER_LOG_LIMITED(
      kWarning, Error::FromErrorNumber("API: cannot accept a connection", error_number).message());
  // Out of descriptors or memory, most likely. A stalled client's may do; else they wait.
  if (EvictOne()) return;
  accept_watch_.reset();
  LookAt(std::chrono::steady_clock::now() + kAcceptRetryTime);
}

void Server::Impl::Admit(Fd socket) {
  if (clients_.size() >= options_.max_connections && !EvictOne()) {
    std::string refusal;
    AppendResponse(refusal,
                   {.status = HttpStatus::kServiceUnavailable, .body = std::string(kTooMany)},
                   AfterResponse::kClose);
    // A new socket's buffer is empty and takes this; if not, the client is none the worse.
    ::send(socket.get(), refusal.data(), refusal.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  const auto client = clients_
                          .try_emplace(ClientId{next_id_++}, std::move(socket), *router_,
                                       options_.max_body_bytes, answers_)
                          .first;
  if (!Await(client)) Forget(client);
}

// Those who follow go last; but they go, or a thousand of them would keep everybody out.
bool Server::Impl::EvictOne() {
  auto victim = Victim(false);
  if (victim == clients_.end()) victim = Victim(true);
  if (victim == clients_.end()) return false;
  Forget(victim);
  return true;
}

// Ids grow, so of those with the same last answer the first to connect goes first.
Server::Impl::Clients::iterator Server::Impl::Victim(bool following) {
  auto victim = clients_.end();
  for (auto client = clients_.begin(); client != clients_.end(); ++client) {
    const Session& session = client->second.connection.session();
    if (session.following() != following || (session.acting() && !following)) continue;
    if (victim == clients_.end() || client->second.last_answer < victim->second.last_answer) {
      victim = client;
    }
  }
  return victim;
}

void Server::Impl::OnReady(ClientId id) {
  const auto entry = clients_.find(id);
  Client& client = entry->second;
  if (!client.connection.awaits()) return client.watch.reset();
  if (client.connection.wants_input()) {
    client.connection.Receive(scratch_);
  } else if (client.connection.wants_hang_up()) {
    client.connection.OnHangUp();
  }
  Settle(entry);
}

void Server::Impl::LookAtFollowers() {
  // Before looking: who wakes us from here on is seen to once more. Relaxed, as where it is set.
  woken_.store(false, std::memory_order_relaxed);
  const std::vector<ClientId> followers(followers_.begin(), followers_.end());
  for (const ClientId id : followers) {
    if (const auto client = clients_.find(id); client != clients_.end()) Settle(client);
  }
}

void Server::Impl::LookAt(TimePoint when) {
  if (when >= timer_at_) return;
  timer_at_ = when;
  timer_->Arm(when - std::chrono::steady_clock::now());
}

void Server::Impl::OnTimer() {
  timer_->Disarm();
  timer_at_ = TimePoint::max();
  if (!accept_watch_) AwaitClients();
  LookAtFollowers();
}

void Server::Impl::OnOutcome(ClientId id, const Result<vmm::Reply>& outcome) {
  --actions_;
  const auto client = clients_.find(id);
  if (client == clients_.end()) return;  // it has gone; what it asked for is done all the same
  client->second.connection.Complete(outcome);
  Settle(client);
}

void Server::Impl::Settle(Clients::iterator entry) {
  Client& client = entry->second;
  Connection& connection = client.connection;
  if (connection.session().following()) {
    connection.session().Look(std::chrono::steady_clock::now());
  }
  connection.Flush();
  // One that is refused may have another behind it.
  while (std::optional<vmm::Action> action = connection.TakeAction()) {
    Perform(entry, *std::move(action));
  }
  if (connection.session().answered() != client.answered) {
    client.answered = connection.session().answered();
    client.last_answer = ++answers_;
  }
  if (connection.over()) return Forget(entry);
  if (connection.session().following()) {
    followers_.insert(entry->first);
    LookAt(connection.session().next_look());
  } else {
    followers_.erase(entry->first);
  }
  if (!Await(entry)) Forget(entry);
}

// A watch stays for as long as it serves: most requests change nothing, and cost no system call
// here. What is told of although nobody awaits it ends the watch, in OnReady().
bool Server::Impl::Await(Clients::iterator entry) {
  auto& [id, client] = *entry;
  const std::optional<EventLoop::Interest> interest = client.connection.awaits();
  if (!interest || (client.watch && client.interest == *interest)) return true;
  client.watch.reset();
  Result<EventLoop::Watch> watch = loop_->WatchFor(client.connection.socket().get(), *interest,
                                                   [this, id = id] { OnReady(id); });
  if (!watch) return false;
  client.watch.emplace(*std::move(watch));
  client.interest = *interest;
  return true;
}

void Server::Impl::Forget(Clients::iterator client) {
  followers_.erase(client->first);
  clients_.erase(client);
}

void Server::Impl::Perform(Clients::iterator client, vmm::Action action) {
  if (actions_ >= options_.max_actions) {
    return client->second.connection.session().Refuse(
        Fault(Concat("The microVM has ", actions_, " actions to carry out, which is the limit."),
              HttpStatus::kServiceUnavailable));
  }
  ++actions_;
  controller_->Perform(
      std::move(action),
      [this, id = client->first](const Result<vmm::Reply>& outcome) {  // the loop thread
        loop_->Post([this, id, outcome] { OnOutcome(id, outcome); });
      });
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { impl_->Stop(); }

Result<std::unique_ptr<Server>> Server::Listen(Options options) {
  std::unique_ptr<Server> server(new Server(std::make_unique<Impl>(std::move(options))));
  TRY(server->impl_->Listen());
  return server;
}

Result<std::unique_ptr<Server>> Server::Adopt(Fd listening, Options options) {
  std::unique_ptr<Server> server(new Server(std::make_unique<Impl>(std::move(options))));
  TRY(server->impl_->Adopt(std::move(listening)));
  return server;
}

Status Server::Start(vmm::Controller& controller, std::string instance_id) {
  TRY(StartThread(controller, std::move(instance_id)));
  Serve();
  return {};
}
Status Server::StartThread(vmm::Controller& controller, std::string instance_id) {
  return impl_->StartThread(controller, std::move(instance_id));
}
void Server::Serve() { impl_->Serve(); }
void Server::Stop() { impl_->Stop(); }

}  // namespace ember::api
