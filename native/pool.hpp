// Many crystals over threads. Each is worked on by one thread from start to end, so results do not
// depend on how many there are.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "relax.hpp"
#include "scratch_store.hpp"

namespace gencsp {

// Call work(i, scratch) for every i < count on `workers` threads.
void for_each(int count, int workers, ScratchStore<Scratch>& store,
              const std::function<void(int, Scratch&)>& work);

// A stream of relaxations: submit tasks at any time, take results as they come.
class RelaxPool {
public:
    RelaxPool(std::shared_ptr<const Model> model, const RelaxOptions& options, int workers);
    RelaxPool(const RelaxPool&) = delete;
    RelaxPool& operator=(const RelaxPool&) = delete;
    ~RelaxPool();  // cancels what is under way

    void submit(long index, Task task);
    // Wait up to `seconds` for a result; false when none came.
    bool take(double seconds, long& index, RelaxResult& result);

private:
    void work();

    std::shared_ptr<const Model> model_;
    RelaxOptions options_;
    std::atomic<bool> cancelled_{false};
    std::mutex mutex_;
    std::condition_variable queued_, finished_;
    std::deque<std::pair<long, Task>> tasks_;
    std::deque<std::pair<long, RelaxResult>> results_;
    std::vector<std::thread> threads_;
};

}  // namespace gencsp
