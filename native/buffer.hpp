// A block of memory, aligned for any vector, that grows and is reused from call to call.
#pragma once

#include <cstddef>

namespace gencsp {

class Buffer {
public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer();

    // Room for `count` floats; the old contents are lost. Throws std::bad_alloc.
    float* floats(std::size_t count);
    std::size_t capacity() const { return capacity_; }  // bytes

private:
    void* data_ = nullptr;
    std::size_t capacity_ = 0;
};

}  // namespace gencsp
