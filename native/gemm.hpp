// Small matrix products C[rows x n] (+)= A[rows x k] W[k x n] with W packed once into panels.
//
// A tile of kTileRows rows and one panel of columns stays in registers: on 16 registers (SSE, AVX2)
// 6 x 2 vectors use 12 accumulators, on 32 (AVX-512) 6 x 4 vectors use 24. Rows are processed in
// whole tiles, so arrays of rows must have kRowPadding spare rows behind the last one.
#pragma once

#include "simd.hpp"

namespace gencsp::GENCSP_ISA {

constexpr int kTileRows = 6;
constexpr int kPanelVectors = GENCSP_PANEL_VECTORS;
constexpr int kPanel = kPanelVectors * kLanes;

// A linear map in panel order: data[panel][k][kPanel].
struct Packed {
    const float* data = nullptr;
    int k = 0;
    int n = 0;
};

enum class Start { kZero, kBias, kAdd };

template <Start start, int lda, int ldc>
GENCSP_INLINE void tile(const float* a, int k, const float* w, float* c, const float* bias) {
    Vec acc[kTileRows][kPanelVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 4
        for (int q = 0; q < kPanelVectors; ++q) {
            if constexpr (start == Start::kZero) acc[r][q] = Vec{};
            if constexpr (start == Start::kBias) acc[r][q] = load(bias + q * kLanes);
            if constexpr (start == Start::kAdd) acc[r][q] = load(c + r * ldc + q * kLanes);
        }
    for (int i = 0; i < k; ++i, w += kPanel) {
        Vec wv[kPanelVectors];
#pragma GCC unroll 4
        for (int q = 0; q < kPanelVectors; ++q) wv[q] = load(w + q * kLanes);
#pragma GCC unroll 8
        for (int r = 0; r < kTileRows; ++r) {
            const Vec av = splat(a[r * lda + i]);
#pragma GCC unroll 4
            for (int q = 0; q < kPanelVectors; ++q) acc[r][q] += av * wv[q];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 4
        for (int q = 0; q < kPanelVectors; ++q) store(c + r * ldc + q * kLanes, acc[r][q]);
}

template <Start start, int lda, int ldc>
static void multiply(int rows, const float* a, const Packed& w, float* c,
                     const float* bias = nullptr) {
    const float* panel = w.data;
    for (int column = 0; column < w.n; column += kPanel, panel += w.k * kPanel)
        for (int r = 0; r < rows; r += kTileRows)
            tile<start, lda, ldc>(a + (long)r * lda, w.k, panel, c + (long)r * ldc + column,
                                  bias ? bias + column : nullptr);
}

}  // namespace gencsp::GENCSP_ISA
