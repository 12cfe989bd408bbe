#include "frechet.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace gencsp {

namespace {

// Scaling and squaring of a Taylor series of order 14, accurate to double precision.
template <int N>
std::array<double, N * N> exponential_of(const std::array<double, N * N>& a) {
    using Matrix = std::array<double, N * N>;
    const auto multiply = [](const Matrix& x, const Matrix& y) {
        Matrix z{};
        for (int i = 0; i < N; ++i)
            for (int k = 0; k < N; ++k)
                for (int j = 0; j < N; ++j) z[i * N + j] += x[i * N + k] * y[k * N + j];
        return z;
    };
    double norm = 0.0;
    for (int i = 0; i < N; ++i) {
        double row = 0.0;
        for (int j = 0; j < N; ++j) row += std::fabs(a[i * N + j]);
        norm = std::max(norm, row);
    }
    int squarings = 0;
    for (; norm > 0.25 && squarings < 60; norm *= 0.5) ++squarings;
    Matrix scaled = a;
    for (double& x : scaled) x = std::ldexp(x, -squarings);
    Matrix term{}, total{};
    for (int i = 0; i < N; ++i) term[i * N + i] = total[i * N + i] = 1.0;
    for (int order = 1; order <= 14; ++order) {
        term = multiply(term, scaled);
        for (int i = 0; i < N * N; ++i) {
            term[i] /= order;
            total[i] += term[i];
        }
    }
    for (int i = 0; i < squarings; ++i) total = multiply(total, total);
    return total;
}

}  // namespace

Matrix3 exponential(const Matrix3& log) { return exponential_of<3>(log); }

// The derivative of exp at A along D is the upper right block of exp([[A, D], [0, A]]) (Higham,
// Functions of Matrices, eq. 3.16), and its adjoint is the derivative at the transpose.
Matrix3 exponential_gradient(const Matrix3& log, const Matrix3& weight) {
    std::array<double, 36> block{};
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) {
            block[6 * i + j] = block[6 * (i + 3) + j + 3] = log[3 * j + i];
            block[6 * i + j + 3] = weight[3 * i + j];
        }
    const std::array<double, 36> e = exponential_of<6>(block);
    Matrix3 gradient;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) gradient[3 * i + j] = e[6 * i + j + 3];
    return gradient;
}

FrechetProblem::FrechetProblem(const Model& model, const Task& task, Scratch& scratch)
    : model_(model),
      task_(task),
      scratch_(scratch),
      n_(static_cast<int>(task.numbers.size())),
      start_(task.positions),
      positions_(task.positions),
      cell_(task.cell) {
    volume_ = std::fabs(determinant(cell_));
    if (!task.fixed_cell) start_.resize(start_.size() + 9, 0.0);
}

Status FrechetProblem::evaluate(const std::vector<double>& x, double& enthalpy,
                                std::vector<double>& force) {
    Matrix3 log{};
    if (!task_.fixed_cell)
        for (int i = 0; i < 9; ++i) log[i] = x[3 * n_ + i] / n_;
    const Matrix3 deformation = exponential(log);
    const Matrix3 right = transpose(deformation);  // rows of positions and cell times this
    cell_ = multiply(task_.cell, right);
    volume_ = std::fabs(determinant(cell_));
    for (int i = 0; i < n_; ++i)
        for (int c = 0; c < 3; ++c)
            positions_[3 * i + c] =
                x[3 * i] * right[c] + x[3 * i + 1] * right[3 + c] + x[3 * i + 2] * right[6 + c];
    Crystal crystal;
    crystal.n_atoms = n_;
    crystal.numbers = task_.numbers.data();
    crystal.positions = positions_.data();
    crystal.cell = cell_.data();
    std::copy(task_.periodic, task_.periodic + 3, crystal.periodic);
    Request request;
    request.merge = task_.merge;
    model_.evaluate(crystal, request, scratch_, evaluated_);
    if (evaluated_.status != Status::kOk) return evaluated_.status;
    enthalpy = evaluated_.energy + task_.pressure * volume_;

    force.resize(start_.size());
    const std::vector<double>& f = evaluated_.forces;
    for (int i = 0; i < n_; ++i)
        for (int c = 0; c < 3; ++c)
            force[3 * i + c] = f[3 * i] * deformation[c] + f[3 * i + 1] * deformation[3 + c] +
                               f[3 * i + 2] * deformation[6 + c];
    if (task_.fixed_cell) {
        Matrix3 unused{};
        project_forces(force, unused);
        return Status::kOk;
    }
    Matrix3 virial;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
            virial[3 * i + j] =
                -0.5 * (evaluated_.virial[3 * i + j] + evaluated_.virial[3 * j + i]) -
                (i == j ? task_.pressure * volume_ : 0.0);
    Matrix3 gradient = exponential_gradient(log, multiply(virial, inverse(right)));
    project_forces(force, gradient);
    for (int i = 0; i < 9; ++i) force[3 * n_ + i] = gradient[i] / n_;
    return Status::kOk;
}

// Fixed atoms feel nothing; with symmetry, forces and cell gradient are averaged over the group.
// Both are in the frame of the start, where the rotations are those of the start.
void FrechetProblem::project_forces(std::vector<double>& force, Matrix3& virial) const {
    if (!task_.symmetry.empty()) {
        const double share = 1.0 / static_cast<double>(task_.symmetry.size());
        std::vector<double> mean(3 * static_cast<std::size_t>(n_), 0.0);
        Matrix3 mean_virial{};
        for (const SymmetryOperation& op : task_.symmetry) {
            const Matrix3& r = op.rotation;
            for (int i = 0; i < n_; ++i) {
                double* to = &mean[3 * op.image[i]];
                for (int c = 0; c < 3; ++c) to[c] += share * dot3(&r[3 * c], &force[3 * i]);
            }
            const Matrix3 turned = multiply(multiply(r, virial), transpose(r));
            for (int k = 0; k < 9; ++k) mean_virial[k] += share * turned[k];
        }
        std::copy(mean.begin(), mean.end(), force.begin());
        virial = mean_virial;
    }
    if (!task_.fixed.empty())
        for (int i = 0; i < n_; ++i)
            if (task_.fixed[i]) std::fill(&force[3 * i], &force[3 * i] + 3, 0.0);
}

}  // namespace gencsp
