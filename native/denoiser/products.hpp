// Products C[rows x n] = A[rows x k] W[k x n] (+ bias) of any widths, for matrices of some hundred
// rows and columns.
//
// A tile of rows and up to kMostVectors vectors of columns stays in registers. Rows are processed
// in whole tiles, so arrays of rows must have kSpareRows spare rows behind the last one. A sum over
// k has the same order wherever its row stands: results do not depend on what else is computed.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "../simd.hpp"

namespace gencsp::GENCSP_ISA {

constexpr int kSpareRows = 16;
constexpr int kColumns = 16;  // widths are whole multiples of this many floats

// Vectors of columns in a tile, and rows for each number of them: what fits into the registers.
#if GENCSP_LANES == 16
constexpr int kMostVectors = 5;
constexpr int kRowsOf[kMostVectors + 1] = {0, 10, 10, 8, 6, 5};
#else
constexpr int kMostVectors = 2;
constexpr int kRowsOf[kMostVectors + 1] = {0, 6, 6};
#endif

GENCSP_INLINE int padded(int width) { return (width + kColumns - 1) / kColumns * kColumns; }

// Columns of the first panel, such that the last one is not much narrower.
GENCSP_INLINE int panel_vectors(int columns) {
    const int vectors = columns / kLanes;
    const int panels = (vectors + kMostVectors - 1) / kMostVectors;
    return (vectors + panels - 1) / panels;
}

// Values of a matrix A by row and place along k: A[r][i] = data[r * by_row + i * by_k].
struct Rows {
    const float* data;
    long by_row, by_k;
};

// A linear map in panel order, data[panel][k][columns of the panel], its width padded.
struct Matrix {
    const float* data = nullptr;
    int k = 0, columns = 0;
};

template <int vectors, int rows>
GENCSP_INLINE void tile(const float* a, long by_row, long by_k, int k, const float* w, long by_w,
                        float* c, long by_c, const float* bias) {
    Vec acc[rows][vectors];
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
        for (int q = 0; q < vectors; ++q) acc[r][q] = bias ? load(bias + q * kLanes) : Vec{};
    for (int i = 0; i < k; ++i, w += by_w, a += by_k) {
        Vec wv[vectors];
#pragma GCC unroll 8
        for (int q = 0; q < vectors; ++q) wv[q] = load(w + q * kLanes);
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r) {
            const Vec av = splat(a[r * by_row]);
#pragma GCC unroll 8
            for (int q = 0; q < vectors; ++q) acc[r][q] += av * wv[q];
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
        for (int q = 0; q < vectors; ++q) store(c + r * by_c + q * kLanes, acc[r][q]);
}

template <int vectors>
static void panel(int rows, const Rows& a, int k, const float* w, long by_w, float* c, long by_c,
                  const float* bias) {
    constexpr int kTile = kRowsOf[vectors];
    for (long r = 0; r < rows; r += kTile)
        tile<vectors, kTile>(a.data + r * a.by_row, a.by_row, a.by_k, k, w, by_w, c + r * by_c,
                             by_c, bias);
}

static void any_panel(int vectors, int rows, const Rows& a, int k, const float* w, long by_w,
                      float* c, long by_c, const float* bias) {
    switch (vectors) {
        case 1: return panel<1>(rows, a, k, w, by_w, c, by_c, bias);
        case 2: return panel<2>(rows, a, k, w, by_w, c, by_c, bias);
#if GENCSP_LANES == 16
        case 3: return panel<3>(rows, a, k, w, by_w, c, by_c, bias);
        case 4: return panel<4>(rows, a, k, w, by_w, c, by_c, bias);
        case 5: return panel<5>(rows, a, k, w, by_w, c, by_c, bias);
#endif
        default: return;
    }
}

// With packed weights.
static void multiply(int rows, const Rows& a, const Matrix& w, float* c, long by_c,
                     const float* bias = nullptr) {
    const int wide = panel_vectors(w.columns) * kLanes;
    for (int column = 0; column < w.columns; column += wide) {
        const int width = w.columns - column < wide ? w.columns - column : wide;
        any_panel(width / kLanes, rows, a, w.k, w.data + (long)column * w.k, width, c + column,
                  by_c, bias ? bias + column : nullptr);
    }
}

GENCSP_INLINE void multiply(int rows, const float* a, int lda, const Matrix& w, float* c, long by_c,
                            const float* bias = nullptr) {
    multiply(rows, Rows{a, lda, 1}, w, c, by_c, bias);
}

// With the rows of an array for weights: w[k][columns].
static void multiply_rows(int rows, const Rows& a, int k, const float* w, int columns, float* c,
                          long by_c) {
    const int wide = panel_vectors(columns) * kLanes;
    for (int column = 0; column < columns; column += wide) {
        const int width = columns - column < wide ? columns - column : wide;
        any_panel(width / kLanes, rows, a, k, w + column, columns, c + column, by_c, nullptr);
    }
}

}  // namespace gencsp::GENCSP_ISA
