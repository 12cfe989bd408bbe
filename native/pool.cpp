#include "pool.hpp"

#include <algorithm>
#include <limits>
#include <new>

#include "team.hpp"

namespace gencsp {

void for_each(int count, int workers, int most_atoms, ScratchStore<Scratch>& store,
              const std::function<void(int, Scratch&)>& work) {
    std::atomic<int> next{0};
    const int members = most_atoms >= kLeastShared ? workers / std::max(count, 1) : 1;
    const auto run = [&] {
        std::unique_ptr<Scratch> scratch = store.borrow();
        Team team(members);
        scratch->workspace.crew = team.crew();
        for (int i = next++; i < count; i = next++) work(i, *scratch);
        scratch->workspace.crew = Crew{};
        store.give_back(std::move(scratch));
    };
    std::vector<std::thread> threads;
    for (int t = 1; t < std::min(workers, count); ++t) threads.emplace_back(run);
    run();
    for (std::thread& t : threads) t.join();
}

RelaxPool::RelaxPool(std::shared_ptr<const Model> model, const RelaxOptions& options, int workers,
                     int members)
    : model_(std::move(model)), options_(options), members_(members) {
    for (int t = 0; t < std::max(workers, 1); ++t) threads_.emplace_back([this] { work(); });
}

RelaxPool::~RelaxPool() {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        cancelled_ = true;
        tasks_.clear();
    }
    queued_.notify_all();
    for (std::thread& t : threads_) t.join();
}

void RelaxPool::submit(long index, Task task) {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        tasks_.emplace_back(index, std::move(task));
    }
    queued_.notify_one();
}

bool RelaxPool::take(double seconds, long& index, RelaxResult& result) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto ready = [this] { return !results_.empty(); };
    if (!finished_.wait_for(lock, std::chrono::duration<double>(seconds), ready)) return false;
    index = results_.front().first;
    result = std::move(results_.front().second);
    results_.pop_front();
    return true;
}

void RelaxPool::work() {
    Scratch scratch;
    for (;;) {
        std::pair<long, Task> task;
        {
            std::unique_lock<std::mutex> lock(mutex_);
            queued_.wait(lock, [this] { return cancelled_ || !tasks_.empty(); });
            if (cancelled_) return;
            task = std::move(tasks_.front());
            tasks_.pop_front();
        }
        RelaxResult result;
        const bool large = static_cast<int>(task.second.numbers.size()) >= kLeastShared;
        Team team(large ? members_ : 1);
        scratch.workspace.crew = team.crew();
        try {
            result = relax(*model_, task.second, options_, cancelled_, scratch);
        } catch (const std::bad_alloc&) {
            result = RelaxResult{};
            result.energy = result.enthalpy = result.fmax =
                std::numeric_limits<double>::quiet_NaN();
        }
        {
            std::lock_guard<std::mutex> lock(mutex_);
            results_.emplace_back(task.first, std::move(result));
        }
        finished_.notify_one();
    }
}

}  // namespace gencsp
