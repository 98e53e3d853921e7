#include "api/server.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <list>
#include <utility>

#include "api/connection.h"
#include "base/concat.h"
#include "base/log.h"
#include "base/thread.h"

namespace ember::api {
namespace {

namespace asio = boost::asio;
using LocalProtocol = asio::local::stream_protocol;

constexpr std::chrono::seconds kStuckTime{10};
constexpr std::chrono::seconds kSweepInterval{1};
// How long the last answers may take to be read when the server stops.
constexpr std::chrono::milliseconds kLingerTime{500};
constexpr std::chrono::milliseconds kLingerStep{1};
// How long to leave clients in the backlog when there are no descriptors for them.
constexpr std::chrono::milliseconds kAcceptRetryTime{100};
constexpr int kBacklog = 1024;

}  // namespace

class Server::Impl {
 public:
  explicit Impl(const Options& options)
      : options_(options),
        context_(1),
        acceptor_(context_),
        accept_timer_(context_),
        timer_(context_) {}

  Status Listen();
  Status Start(Handler handler);
  void Stop();

 private:
  using ErrorCode = boost::system::error_code;

  void Accept();
  void OnAccept(ErrorCode error, Connection::Socket socket);
  void Admit(Connection::Socket socket);
  void Sweep();
  void Shutdown();
  void Linger(Connection::Clock::time_point deadline);
  void ForgetClosed();

  const Options options_;
  asio::io_context context_;
  LocalProtocol::acceptor acceptor_;
  asio::steady_timer accept_timer_;
  asio::steady_timer timer_;
  Handler handler_;
  std::list<std::weak_ptr<Connection>> connections_;
  bool bound_ = false;

  Thread thread_;  // last, so that it ends before what it uses
};

Status Server::Impl::Listen() {
  const std::string& path = options_.socket_path;
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return Error(Concat("API socket ", path, ": a path of ", path.size(),
                        " bytes exceeds the limit ", sizeof(sockaddr_un::sun_path) - 1));
  }
  ErrorCode error;
  acceptor_.open(LocalProtocol(), error);
  if (!error) acceptor_.bind(LocalProtocol::endpoint(path), error);
  if (!error) {
    bound_ = true;
    acceptor_.listen(kBacklog, error);
  }
  if (error) {
    return Error::FromErrorNumber(
        Concat("Failed to open the API socket at: ", path, ". Check that it is not already used"),
        error.value());
  }
  return {};
}

Status Server::Impl::Start(Handler handler) {
  handler_ = std::move(handler);
  Accept();
  Sweep();
  thread_ = TRY(Thread::Start("api", [this] { context_.run(); }));
  return {};
}

void Server::Impl::Stop() {
  if (thread_.joinable()) {
    asio::post(context_, [this] { Shutdown(); });
    thread_.Join();
  }
  if (std::exchange(bound_, false)) ::unlink(options_.socket_path.c_str());
}

void Server::Impl::Accept() {
  acceptor_.async_accept(
      [this](ErrorCode error, Connection::Socket socket) { OnAccept(error, std::move(socket)); });
}

void Server::Impl::OnAccept(ErrorCode error, Connection::Socket socket) {
  if (error == asio::error::operation_aborted) return;
  if (error) {
    // Out of descriptors or memory: the client waits in the backlog until there are some again.
    EMBER_LOG_LIMITED(kWarning, "API: cannot accept a connection: ", error.message());
    accept_timer_.expires_after(kAcceptRetryTime);
    accept_timer_.async_wait([this](ErrorCode cancelled) {
      if (!cancelled) Accept();
    });
    return;
  }
  Admit(std::move(socket));
  Accept();
}

void Server::Impl::Admit(Connection::Socket socket) {
  ForgetClosed();
  const auto connection =
      std::make_shared<Connection>(std::move(socket), handler_, options_.max_body_bytes);
  if (connections_.size() >= kMaxConnections) return connection->Refuse();
  connections_.push_back(connection);
  connection->Start();
}

void Server::Impl::ForgetClosed() {
  connections_.remove_if([](const auto& connection) { return connection.expired(); });
}

void Server::Impl::Sweep() {
  timer_.expires_after(kSweepInterval);
  timer_.async_wait([this](ErrorCode error) {
    if (error) return;
    ForgetClosed();
    const auto moment = Connection::Clock::now() - kStuckTime;
    for (const auto& weak : connections_) {
      if (const auto connection = weak.lock()) connection->CloseIfStuckSince(moment);
    }
    Sweep();
  });
}

void Server::Impl::Shutdown() {
  ErrorCode ignored;
  acceptor_.close(ignored);
  accept_timer_.cancel();
  for (const auto& weak : connections_) {
    if (const auto connection = weak.lock()) connection->Shutdown();
  }
  Linger(Connection::Clock::now() + kLingerTime);
}

void Server::Impl::Linger(Connection::Clock::time_point deadline) {
  ForgetClosed();
  if (connections_.empty() || Connection::Clock::now() >= deadline) return context_.stop();
  timer_.expires_after(kLingerStep);
  timer_.async_wait([this, deadline](ErrorCode) { Linger(deadline); });
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { impl_->Stop(); }

Result<std::unique_ptr<Server>> Server::Listen(const Options& options) {
  auto impl = std::make_unique<Impl>(options);
  if (Status listening = impl->Listen(); !listening) {
    impl->Stop();
    return tl::unexpected(std::move(listening).error());
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Status Server::Start(Handler handler) { return impl_->Start(std::move(handler)); }
void Server::Stop() { impl_->Stop(); }

}  // namespace ember::api
