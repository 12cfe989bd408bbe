// What all messages share: the second layer, the gate, and the linear map behind a sum of messages.
#pragma once

#include "pass.hpp"

namespace gencsp::GENCSP_ISA {

// The second layer and the gate for `count` rows of hidden activations.
GENCSP_INLINE void gate_messages(const GatedLayer& gate, int count, const float* hidden, float* y,
                                 const Record& record, float* output) {
    multiply<Start::kBias, kGated, kGated>(count, hidden, gate.second[0], y, gate.second_bias);
    multiply<Start::kBias, kGated, kGated>(count, hidden + kFeatures, gate.second[1], y + kFeatures,
                                           gate.second_bias + kFeatures);
    gate_rows(count, y, gate, record, output);
}

// From gate_row_back's rows to the gradient of the hidden activations.
GENCSP_INLINE void gate_messages_back(const GatedLayer& gate, int count, const Record& record,
                                      const float* along, float* d_y, float* d_hidden) {
    normalise_rows_back(count, record, along, d_y);
    multiply<Start::kZero, kGated, kGated>(count, d_y, gate.second_back[0], d_hidden);
    multiply<Start::kZero, kGated, kGated>(count, d_y + kFeatures, gate.second_back[1],
                                           d_hidden + kFeatures);
}

// to = from + W (all parts' gathered messages) (+ bias) for `count` rows.
inline void Pass::convolve(const Convolution& conv, long rows, const int (Part::*range)[2],
                           const float* from, float* to) {
    in_rows(rows, [&](long begin, long count) {
        add_shares(&Part::gathered, kFeatures, begin, count, range);
        float* end = to + begin * kFeatures;
        memcpy(end, from + begin * kFeatures, (size_t)count * kFeatures * sizeof(float));
        multiply<Start::kAdd, kFeatures, kFeatures>(
            (int)count, part[0].gathered + begin * kFeatures, conv.out, end);
        for (long i = 0; conv.has_bias && i < count; ++i)
            add_row(end + i * kFeatures, conv.out_bias, kFeatures);
    });
}

}  // namespace gencsp::GENCSP_ISA
