#include "api/server.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "api/connection.h"
#include "api/router.h"
#include "base/concat.h"
#include "base/fatal_signals.h"
#include "base/log.h"
#include "base/thread.h"

namespace ember::api {
namespace {

namespace asio = boost::asio;
using LocalProtocol = asio::local::stream_protocol;
using boost::system::error_code;

// Told apart from every client before and after it, as a callback may come late.
enum class ClientId : uint64_t {};

struct Client {
  Client(Connection::Socket socket, const Router& router, size_t max_body_bytes, uint64_t now)
      : connection(std::move(socket), router, max_body_bytes), last_answer(now) {}

  Connection connection;
  uint64_t last_answer;  // when, in answers of the whole server; the least goes first
  uint64_t answered = 0;
  bool awaits_input = false;
  bool awaits_output = false;
  bool awaits_hang_up = false;
};

constexpr int kBacklog = 1024;
constexpr size_t kScratchBytes = 16384;
// How long to leave clients in the backlog when there are no descriptors for them.
constexpr std::chrono::milliseconds kAcceptRetryTime{100};

constexpr std::string_view kTooMany = "{ \"error\": \"Too many open connections\" }";
constexpr std::string_view kEnding = "The microVM is ending.";

}  // namespace

class Server::Impl {
 public:
  explicit Impl(Options options)
      : options_(std::move(options)),
        context_(1),
        acceptor_(context_),
        accept_timer_(context_),
        look_timer_(context_) {}

  Status Listen();
  Status Adopt(Fd listening);
  Status Start(vmm::Controller& controller, std::string instance_id);
  void Stop();

 private:
  using Clients = std::map<ClientId, Client>;

  void Accept();
  void OnAccept(error_code error, Connection::Socket socket);
  void OnAcceptError(error_code error);
  void Admit(Connection::Socket socket);
  bool EvictOne();
  // Of those that wait for an answer to come late, if `following`, or of the others.
  Clients::iterator Victim(bool following);

  void AwaitInput(Clients::iterator client);
  void AwaitOutput(Clients::iterator client);
  void OnInput(ClientId id, error_code error);
  void OnOutput(ClientId id, error_code error);
  void AwaitHangUp(Clients::iterator client);
  void OnHangUp(ClientId id, error_code error);
  void OnOutcome(ClientId id, const Result<vmm::Reply>& outcome);
  // Looks at all late answers and streams.
  void LookAtFollowers();
  // Looks again at `when`, if not earlier.
  void LookAt(LateAnswer::TimePoint when);
  // After anything that may have changed the client: sends, acts, waits or forgets it.
  void Settle(Clients::iterator client);
  void Perform(ClientId id, vmm::Action action);
  void Shutdown();

  const Options options_;
  std::optional<PathRemovedOnSignal> bound_;  // the socket's path, where we made it
  vmm::Controller* controller_ = nullptr;     // set by Start()
  std::optional<Router> router_;              // likewise

  // The API's thread, once it runs.
  asio::io_context context_;
  LocalProtocol::acceptor acceptor_;
  asio::steady_timer accept_timer_;
  asio::steady_timer look_timer_;
  LateAnswer::TimePoint looks_at_ = LateAnswer::TimePoint::max();  // the timer's
  Clients clients_;
  std::set<ClientId> followers_;  // whose sessions are following()
  uint64_t next_id_ = 0;
  uint64_t answers_ = 0;
  std::array<char, kScratchBytes> scratch_;

  std::atomic<bool> woken_{false};  // a task that looks at the followers is posted

  Thread thread_;  // last, so that it ends before what it uses
};

Status Server::Impl::Listen() {
  const std::string& path = options_.socket_path;
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return Error(Concat("API socket ", path, ": a path of ", path.size(),
                        " bytes exceeds the limit ", sizeof(sockaddr_un::sun_path) - 1));
  }
  error_code error;
  acceptor_.open(LocalProtocol(), error);
  if (!error) acceptor_.bind(LocalProtocol::endpoint(path), error);
  if (!error) {
    bound_.emplace(path);
    acceptor_.listen(kBacklog, error);
  }
  if (!error) return {};
  return Error::FromErrorNumber(
      Concat("Failed to open the API socket at: ", path, ". Check that it is not already used"),
      error.value());
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
  error_code error;
  acceptor_.assign(LocalProtocol(), listening.get(), error);
  if (error) return Error::FromErrorNumber("API socket: adopt a descriptor", error.value());
  static_cast<void>(listening.Release());
  return {};
}

Status Server::Impl::Start(vmm::Controller& controller, std::string instance_id) {
  controller_ = &controller;
  router_.emplace(controller, std::move(instance_id));
  const std::shared_ptr<Waker>& waker = router_->waker();
  waker->Attach([this] {
    // Relaxed: the post orders what is looked at after what was done before it.
    if (woken_.exchange(true, std::memory_order_relaxed)) return;
    asio::post(context_, [this] { LookAtFollowers(); });
  });
  controller.journal().SetListener([waker] { waker->Wake(); });
  Accept();
  thread_ = TRY(Thread::Start("api", [this] { context_.run(); }));
  return {};
}

void Server::Impl::Stop() {
  if (thread_.joinable()) {
    asio::post(context_, [this] { Shutdown(); });
    thread_.Join();
  }
  // Once: the controller may be gone when the server is destroyed.
  if (vmm::Controller* controller = std::exchange(controller_, nullptr)) {
    controller->journal().SetListener({});
    router_->waker()->Detach();
  }
  error_code ignored;
  acceptor_.close(ignored);
  if (!bound_) return;
  ::unlink(options_.socket_path.c_str());
  bound_.reset();
}

void Server::Impl::Shutdown() {
  const auto now = std::chrono::steady_clock::now();
  for (auto& [id, client] : clients_) {
    if (client.connection.session().following()) {
      client.connection.session().LookLast(now);
    } else if (client.connection.session().waiting()) {
      client.connection.Complete(Error(std::string(kEnding)));
    }
    client.connection.Flush();
  }
  clients_.clear();
  context_.stop();
}

void Server::Impl::Accept() {
  acceptor_.async_accept([this](error_code error, Connection::Socket socket) {
    if (error == asio::error::operation_aborted) return;
    OnAccept(error, std::move(socket));
  });
}

void Server::Impl::OnAccept(error_code error, Connection::Socket socket) {
  if (error) return OnAcceptError(error);
  Admit(std::move(socket));
  Accept();
}

void Server::Impl::OnAcceptError(error_code error) {
  EMBER_LOG_LIMITED(kWarning, "API: cannot accept a connection: ", error.message());
  // Out of descriptors or memory, most likely. A stalled client's may do; else they wait.
  if (EvictOne()) return Accept();
  accept_timer_.expires_after(kAcceptRetryTime);
  accept_timer_.async_wait([this](error_code cancelled) {
    if (!cancelled) Accept();
  });
}

void Server::Impl::Admit(Connection::Socket socket) {
  if (clients_.size() >= options_.max_connections && !EvictOne()) {
    std::string refusal;
    AppendResponse(refusal,
                   {.status = HttpStatus::kServiceUnavailable, .body = std::string(kTooMany)},
                   AfterResponse::kClose);
    // A new socket's buffer is empty and takes this; if not, the client is none the worse.
    ::send(socket.native_handle(), refusal.data(), refusal.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  const auto client = clients_
                          .try_emplace(ClientId{next_id_++}, std::move(socket), *router_,
                                       options_.max_body_bytes, answers_)
                          .first;
  AwaitInput(client);
}

// Those who follow go last; but they go, or a thousand of them would keep everybody out.
bool Server::Impl::EvictOne() {
  auto victim = Victim(false);
  if (victim == clients_.end()) victim = Victim(true);
  if (victim == clients_.end()) return false;
  followers_.erase(victim->first);
  clients_.erase(victim);
  return true;
}

// Ids grow, so of those with the same last answer the first to connect goes first.
Server::Impl::Clients::iterator Server::Impl::Victim(bool following) {
  auto victim = clients_.end();
  for (auto client = clients_.begin(); client != clients_.end(); ++client) {
    const Session& session = client->second.connection.session();
    if (session.following() != following || (session.waiting() && !following)) continue;
    if (victim == clients_.end() || client->second.last_answer < victim->second.last_answer) {
      victim = client;
    }
  }
  return victim;
}

void Server::Impl::AwaitInput(Clients::iterator client) {
  if (std::exchange(client->second.awaits_input, true)) return;
  client->second.connection.socket().async_wait(
      Connection::Socket::wait_read,
      [this, id = client->first](error_code error) { OnInput(id, error); });
}

void Server::Impl::AwaitOutput(Clients::iterator client) {
  if (std::exchange(client->second.awaits_output, true)) return;
  client->second.connection.socket().async_wait(
      Connection::Socket::wait_write,
      [this, id = client->first](error_code error) { OnOutput(id, error); });
}

void Server::Impl::OnInput(ClientId id, error_code error) {
  const auto client = clients_.find(id);
  if (client == clients_.end() || error) return;
  client->second.awaits_input = false;
  client->second.connection.Receive(scratch_);
  Settle(client);
}

void Server::Impl::OnOutput(ClientId id, error_code error) {
  const auto client = clients_.find(id);
  if (client == clients_.end() || error) return;
  client->second.awaits_output = false;
  Settle(client);
}

void Server::Impl::AwaitHangUp(Clients::iterator client) {
  if (std::exchange(client->second.awaits_hang_up, true)) return;
  client->second.connection.socket().async_wait(
      Connection::Socket::wait_error,
      [this, id = client->first](error_code error) { OnHangUp(id, error); });
}

void Server::Impl::OnHangUp(ClientId id, error_code error) {
  const auto client = clients_.find(id);
  if (client == clients_.end() || error) return;
  client->second.awaits_hang_up = false;
  client->second.connection.OnHangUp();
  Settle(client);
}

void Server::Impl::LookAtFollowers() {
  // Before looking: who wakes us from here on is seen to once more. Relaxed, as where it is set.
  woken_.store(false, std::memory_order_relaxed);
  looks_at_ = LateAnswer::TimePoint::max();
  const std::vector<ClientId> followers(followers_.begin(), followers_.end());
  for (const ClientId id : followers) {
    if (const auto client = clients_.find(id); client != clients_.end()) Settle(client);
  }
}

void Server::Impl::LookAt(LateAnswer::TimePoint when) {
  if (when >= looks_at_) return;
  looks_at_ = when;
  look_timer_.expires_at(when);
  look_timer_.async_wait([this](error_code cancelled) {
    if (!cancelled) LookAtFollowers();
  });
}

void Server::Impl::OnOutcome(ClientId id, const Result<vmm::Reply>& outcome) {
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
  if (std::optional<vmm::Action> action = connection.session().TakeAction()) {
    Perform(entry->first, *std::move(action));
  }
  if (connection.session().answered() != client.answered) {
    client.answered = connection.session().answered();
    client.last_answer = ++answers_;
  }
  if (connection.over()) {
    followers_.erase(entry->first);
    clients_.erase(entry);
    return;
  }
  if (connection.session().following()) {
    followers_.insert(entry->first);
    LookAt(connection.session().next_look());
  } else {
    followers_.erase(entry->first);
  }
  if (connection.wants_output()) AwaitOutput(entry);
  if (connection.wants_input()) AwaitInput(entry);
  if (connection.wants_hang_up()) AwaitHangUp(entry);
}

void Server::Impl::Perform(ClientId id, vmm::Action action) {
  controller_->Perform(std::move(action),
                       [this, id](const Result<vmm::Reply>& outcome) {  // the loop thread
                         asio::post(context_, [this, id, outcome] { OnOutcome(id, outcome); });
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
  return impl_->Start(controller, std::move(instance_id));
}
void Server::Stop() { impl_->Stop(); }

}  // namespace ember::api
