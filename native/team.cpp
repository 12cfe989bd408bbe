#include "team.hpp"

namespace gencsp {

namespace {

constexpr int kSpins = 2000;  // about 20 microseconds, before others are let through

template <typename Done>
void wait_until(const Done& done) {
    for (int spins = 0; !done(); ++spins) {
        if (spins < kSpins) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        } else {
            std::this_thread::yield();
        }
    }
}

}  // namespace

Team::Team(int threads) {
    for (int member = 1; member < threads; ++member)
        others_.emplace_back([this, member] { work(member); });
}

Team::~Team() {
    ended_ = true;
    begun_.fetch_add(1, std::memory_order_release);
    for (std::thread& other : others_) other.join();
}

Crew Team::crew() { return others_.empty() ? Crew{} : Crew{this, &Team::run}; }

void Team::run(void* team, int parts, void (*job)(void*, int), void* context) {
    Team& self = *static_cast<Team*>(team);
    self.job_ = job;
    self.context_ = context;
    self.parts_ = parts;
    self.at_work_.store(static_cast<int>(self.others_.size()), std::memory_order_relaxed);
    self.begun_.fetch_add(1, std::memory_order_release);
    self.share(0);
    wait_until([&] { return self.at_work_.load(std::memory_order_acquire) == 0; });
}

// A member's parts: every n-th of them, so that who does what never depends on who is first.
void Team::share(int member) const {
    const int members = static_cast<int>(others_.size()) + 1;
    for (int part = member; part < parts_; part += members) job_(context_, part);
}

void Team::work(int member) {
    for (unsigned seen = 0;; ++seen) {
        wait_until([&] { return begun_.load(std::memory_order_acquire) != seen; });
        if (ended_) return;
        share(member);
        at_work_.fetch_sub(1, std::memory_order_release);
    }
}

}  // namespace gencsp
