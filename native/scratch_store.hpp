// Memory that threads borrow and give back, so that calls one after the other find it warm.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace gencsp {

// Scratch has a `workspace` of buffers; one that grew beyond `kMostIdleBytes` is not kept.
template <typename Scratch>
class ScratchStore {
public:
    std::unique_ptr<Scratch> borrow() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (idle_.empty()) return std::make_unique<Scratch>();
        std::unique_ptr<Scratch> scratch = std::move(idle_.back());
        idle_.pop_back();
        return scratch;
    }

    void give_back(std::unique_ptr<Scratch> scratch) {
        std::size_t bytes = 0;
        for (const auto& buffer : scratch->workspace.buffer) bytes += buffer.capacity();
        if (bytes > kMostIdleBytes) return;
        const std::lock_guard<std::mutex> lock(mutex_);
        idle_.push_back(std::move(scratch));
    }

private:
    static constexpr std::size_t kMostIdleBytes = std::size_t{512} << 20;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Scratch>> idle_;
};

}  // namespace gencsp
