#include "runtime/run.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "base/text.h"
#include "observe/log.h"
#include "runtime/elector.h"
#include "runtime/health.h"
#include "runtime/identity.h"
#include "runtime/listeners.h"
#include "runtime/observer.h"
#include "runtime/process_watch.h"
#include "runtime/termination.h"
#include "runtime/traffic.h"

namespace baton::runtime {
namespace {

using observe::Level;

/// Reading the own Pod must not take longer than the kubelet's shortest patience, 2 s.
constexpr Duration kPodReadTimeout = std::chrono::milliseconds(1500);
// The server's clock has shown a new second within these reads, and one lost answer is made up for.
constexpr std::chrono::milliseconds kPodReadPause(200);
constexpr Duration kPodReads = 2 * kPodReadTimeout;
/// What is queued for the API server's side traffic at the end gets this long, of which an Event
/// waits a sixth (observer.cc).
constexpr Duration kLastWords = std::chrono::milliseconds(600);
/// Beyond this the election's thread is taken for stuck. It goes round every second.
constexpr Duration kStuck = std::chrono::seconds(10);

int refuse(const std::string& why) {
  for (const std::string& line : lines_of(why)) std::fprintf(stderr, "baton: %s\n", line.c_str());
  return 2;
}

Level level_named(const std::string& name) {
  if (name == "debug") return Level::debug;
  if (name == "warning") return Level::warning;
  return name == "error" ? Level::error : Level::info;
}

election::Options election_options(const config::Settings& settings, const Identity& identity,
                                   const Incarnation& incarnation) {
  election::Options options;
  options.identity = identity.holder;
  options.incarnation = incarnation.name;
  options.address = settings.address;
  options.timings = settings.timings;
  options.replicas = settings.replicas;
  options.lock_delay = settings.lock_delay;
  options.token_floor = settings.token_floor;
  options.warm_up_limit = settings.warm_up_limit;
  options.max_term = settings.max_term;
  options.announcement = settings.grace_period;
  options.seed = random_bits();
  options.seed2 = random_bits();
  return options;
}

/// Signals come through a descriptor, so that no handler runs in the middle of anything. Blocked
/// before the first thread starts: all of them inherit it.
Descriptor block_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a recording that may not grow is an error of its own
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return Descriptor(::signalfd(-1, &signals, SFD_CLOEXEC));
}

std::vector<std::unique_ptr<kube::Route>> traffic_routes(
    const config::Settings& settings, const Identity& identity,
    const std::shared_ptr<kube::SideClient>& side) {
  const kube::PodIdentity own_pod{identity.namespace_name, identity.pod_name, identity.pod_uid};
  const Duration timeout = settings.timings.request_timeout;
  std::vector<std::unique_ptr<kube::Route>> routes;
  if (!settings.leader_service.empty()) {
    routes.push_back(kube::slice_route(side, own_pod, settings.leader_service,
                                       settings.leader_service_ports, timeout));
  }
  if (settings.leader_label) {
    routes.push_back(kube::label_route(side, own_pod, settings.election, timeout));
  }
  return routes;
}

/// One process: the election, its listeners and its side traffic.
class Process {
 public:
  Process(const config::Settings& settings, std::shared_ptr<kube::Credentials> credentials,
          Identity identity, Incarnation incarnation, Instant start)
      : settings_(settings),
        identity_(std::move(identity)),
        incarnation_(std::move(incarnation)),
        side_(std::make_shared<kube::SideClient>(credentials)),
        ledger_(std::make_shared<api::WorkLedger>(settings.holders)),
        observer_(worker_, credentials, settings.events ? side_ : nullptr,
                  {"Lease", identity_.namespace_name, settings.election, "", identity_.holder, ""},
                  {"Pod", identity_.namespace_name, identity_.pod_name, identity_.pod_uid,
                   identity_.holder, "", "Warning"},
                  settings.timings),
        traffic_(
            traffic_routes(settings, identity_, side_), board_, settings.timings,
            [this](const auto& route, auto kind) { observer_.route_failed(route, kind); },
            [this](const api::TrafficState& state) { traffic_told(state); }),
        elector_(
            election_options(settings, identity_, incarnation_), start, std::move(credentials),
            {identity_.namespace_name, settings.election, settings.timings.request_timeout}, board_,
            observer_,
            [this] {
              listeners_->changed();
              traffic_.changed();
              if (process_watch_) process_watch_->changed();
            },
            [this] { ::eventfd_write(exited_.get(), 1); },
            [this] { traffic_.wait_until_withdrawn(); }) {}

  std::string open_recording() {
    if (settings_.record.empty()) return "";
    const observe::RecordingHead head{.election = settings_.election,
                                      .namespace_name = identity_.namespace_name,
                                      .identity = identity_.holder};
    const std::string error = elector_.record_to(settings_.record, head);
    return error.empty() ? "" : "record: " + error;
  }

  std::string open_status_page() {
    if (settings_.status_page.empty()) return "";
    auto page = api::StatusPage::open(settings_.status_page, run_id_);
    if (!page.ok()) return "status-page: " + page.error();
    board_->show_on(std::move(page).value());
    return "";
  }

  std::string open_listeners() {
    auto listeners = Listeners::open(settings_, context());
    if (!listeners.ok()) return listeners.error();
    listeners_ = std::move(listeners).value();
    return "";
  }

  /// Until the election has ended after a signal.
  void run(const Descriptor& signals) {
    listeners_->start();
    // Their first words come before the first reading of the Lease.
    start_health_gate();
    start_process_watch();
    elector_.start();
    traffic_.start();
    while (true) {
      std::array<pollfd, 2> fds{{{signals.get(), POLLIN, 0}, {exited_.get(), POLLIN, 0}}};
      ::poll(fds.data(), fds.size(), -1);
      if (fds[1].revents != 0) break;
      signalfd_siginfo signal{};
      if (::read(signals.get(), &signal, sizeof signal) != sizeof signal) continue;
      observe::log(Level::info, "signal",
                   {{"name", std::string(::strsignal(static_cast<int>(signal.ssi_signo)))}});
      terminate();
    }
    listeners_->changed();
    health_gate_.reset();
    if (process_watch_) process_watch_->stop();
    traffic_.stop();
    worker_.flush(kLastWords);
    worker_.stop();
    listeners_->stop();
  }

 private:
  api::Context context() {
    api::Context context;
    context.election = settings_.election;
    context.namespace_name = identity_.namespace_name;
    context.pod = identity_.pod_name;
    context.identity = identity_.holder;
    context.legacy_name = identity_.legacy_name;
    context.run_id = std::to_string(run_id_);
    context.timings = settings_.timings;
    context.ledger = ledger_;
    context.board = board_;
    if (leads_traffic()) context.traffic = traffic_board_;
    context.now = boot_now;
    context.post = [this](election::Event event) { elector_.post(std::move(event)); };
    context.report_rejection = [this](const api::Rejection& one) { observer_.rejected(one); };
    context.metrics = [this] { return observer_.metrics_page(); };
    context.liveness = [this] {
      const Duration silent = boot_now() - elector_.heartbeat();
      return std::vector<api::Check>{
          {"election-thread", silent < kStuck,
           "last went round " + std::to_string(silent / std::chrono::milliseconds(1)) + " ms ago"}};
    };
    return context;
  }

  bool leads_traffic() const { return settings_.leader_label || !settings_.leader_service.empty(); }

  /// Traffic's thread.
  void traffic_told(const api::TrafficState& state) {
    observer_.traffic(state.leads == api::TrafficState::Leads::here);
    if (traffic_board_->publish(state)) listeners_->changed();
  }

  void start_health_gate() {
    if (!settings_.app_health_url) return;
    health_gate_ = std::make_unique<HealthGate>(
        *settings_.app_health_url,
        [this](election::ApplicationHealth health) { gate_told(url_why_not_, std::move(health)); },
        [this] {
          if (identity_.pod_uid.empty()) return false;
          const auto pod =
              side_->get_pod(identity_.namespace_name, identity_.pod_name, kPodReadTimeout);
          return pod.ok() && pod->uid == identity_.pod_uid && pod->deletion_s;
        });
  }

  void start_process_watch() {
    if (settings_.app_process.empty()) return;
    process_watch_ = std::make_unique<ProcessWatch>(
        settings_.app_process,
        [this](election::ApplicationHealth health) {
          gate_told(process_why_not_, std::move(health));
        },
        [this] {
          const election::Status status = board_->read().status;
          return status.state == election::State::draining ? status.term_id : "";
        },
        [this](const std::string& term_id) {
          elector_.post(election::WorkEnded{election::Proof::process_exited, term_id});
        });
  }

  /// One of the gates, on its thread; `why_not` is its own. Both must find the application healthy.
  void gate_told(std::string& why_not, election::ApplicationHealth health) {
    const std::lock_guard lock(gates_mutex_);
    why_not = std::move(health.reason);
    const std::string& reason = process_why_not_.empty() ? url_why_not_ : process_why_not_;
    elector_.post(election::ApplicationHealth{reason.empty(), reason});
  }

  void terminate() {
    const Instant at = boot_now();
    elector_.post(election::Terminate{});
    if (health_gate_) health_gate_->stop();
    if (identity_.pod_uid.empty()) return;
    worker_.submit([this, at] { look_for_proof(at); });
  }

  /// Side worker's thread.
  void look_for_proof(Instant sigterm_at) {
    std::string why_not;
    do {
      const auto pod =
          side_->get_pod(identity_.namespace_name, identity_.pod_name, kPodReadTimeout);
      if (!pod.ok() || pod->uid != identity_.pod_uid) {
        why_not = pod.ok() ? "another Pod of this name" : pod.error();
        continue;
      }
      switch (judge_termination(settings_.sidecar, *pod, boot_now() - sigterm_at)) {
        case TerminationProof::none: return;
        case TerminationProof::open: why_not = "deleted in the second of the SIGTERM"; break;
        case TerminationProof::work_has_ended:
          elector_.post(election::WorkEnded{election::Proof::native_termination, ""});
          return;
        case TerminationProof::only_container_replaced:
          if (board_->read().status.believes) {
            why_not = "the election is late to take in the SIGTERM";
            break;
          }
          // The listeners' threads may be late to tell of a proof that is there, as in a Job's Pod.
          ledger_->post_proof(*board_, [this](auto event) { elector_.post(std::move(event)); });
          elector_.post(election::OnlyContainerReplaced{});
          return;
      }
    } while (!exits_within(kPodReadPause) && boot_now() - sigterm_at < kPodReads);
    observe::log(Level::info, "own Pod gives no proof", {{"reason", why_not}});
  }

  bool exits_within(std::chrono::milliseconds pause) {
    pollfd exited{exited_.get(), POLLIN, 0};
    return ::poll(&exited, 1, static_cast<int>(pause.count())) != 0;
  }

  const config::Settings& settings_;
  const Identity identity_;
  const Incarnation incarnation_;
  const std::uint64_t run_id_ = random_bits() % 1'000'000'007;
  const std::shared_ptr<kube::SideClient> side_;
  const std::shared_ptr<api::StatusBoard> board_ = std::make_shared<api::StatusBoard>();
  const std::shared_ptr<api::WorkLedger> ledger_;
  const std::shared_ptr<api::TrafficBoard> traffic_board_ = std::make_shared<api::TrafficBoard>();
  Worker worker_{"side"};
  Observer observer_;
  Traffic traffic_;
  const Descriptor exited_{::eventfd(0, EFD_CLOEXEC)};
  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<ProcessWatch> process_watch_;  // stopped before elector_ goes
  std::mutex gates_mutex_;                       // protects what follows, up to elector_
  std::string url_why_not_, process_why_not_;    // "": healthy, or no such gate
  Elector elector_;                              // after what its threads use
  std::unique_ptr<HealthGate> health_gate_;
};

}  // namespace

int run(const config::Settings& settings) {
  const Instant start = boot_now();
  observe::set_level(level_named(settings.log_level));
  const Descriptor signals = block_signals();
  // cpprestsdk would read the system's certificates for each new connection before ours replace
  // them.
  ::setenv("SSL_CERT_FILE", "/dev/null", 1);

  const auto cluster = kube::find_cluster(settings.kubeconfig, settings.context);
  if (!cluster.ok()) return refuse(cluster.error());
  const auto credentials = std::make_shared<kube::Credentials>(*cluster);
  const auto identity = find_identity(settings, *credentials);
  if (!identity.ok()) return refuse(identity.error());
  auto incarnation = claim_incarnation(*identity, settings.election);
  if (!incarnation.ok()) return refuse(incarnation.error());
  observe::set_common_fields({{"election", settings.election},
                              {"namespace", identity->namespace_name},
                              {"identity", identity->holder}});

  Process process(settings, credentials, *identity, std::move(incarnation).value(), start);
  std::string error = process.open_status_page();  // says "no" before anything else is done
  if (error.empty()) error = process.open_listeners();
  if (error.empty()) error = process.open_recording();
  if (!error.empty()) return refuse(error);
  observe::log(Level::info, "started", {{"version", BATON_VERSION}, {"cluster", cluster->source}});
  process.run(signals);
  observe::log(Level::info, "stopped");
  return 0;
}

}  // namespace baton::runtime
