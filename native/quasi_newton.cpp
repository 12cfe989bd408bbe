// A trust-region quasi-Newton minimiser on a dense model of the Hessian.
//
// Damped BFGS updates (Nocedal & Wright, Numerical Optimization, 2nd ed., procedure 18.2) keep the
// model positive definite; the step is the model's minimum within a radius, found by shifting the
// diagonal (section 4.3 there), and the radius follows how well the model predicted the energy.
#include <algorithm>
#include <cmath>

#include "relax.hpp"

namespace gencsp {

namespace {

constexpr double kDamping = 0.2;
constexpr double kSoftest = 1e-4;  // eV/Å^2 that is learnt: over an endless slope it would vanish
constexpr int kShifts = 20;        // at most, per step
constexpr double kNarrowest = 0.8, kAim = 0.92;  // of the radius: a cut step that is long enough
constexpr int kFailures = 8;                     // trial points in a row without numbers

class HessianModel {
public:
    HessianModel(const FrechetProblem& problem, const TrustRegionOptions& options)
        : size_(problem.size()), first_cell_(3 * problem.n_atoms()) {
        const double n = problem.n_atoms();
        // A coordinate of the cell is n times a strain, which moves atoms a cell's edge apart by
        // that strain of an edge.
        cell_length_ = std::cbrt(problem.volume()) / n;
        const double cell_stiffness = options.cell_stiffness * problem.volume() / (n * n);
        matrix_.assign(static_cast<std::size_t>(size_) * size_, 0.0);
        for (int i = 0; i < size_; ++i)
            matrix_[static_cast<std::size_t>(i) * size_ + i] =
                i < first_cell_ ? options.atom_stiffness : cell_stiffness;
        factor_.resize(matrix_.size());
        product_.resize(size_);
    }

    // How far a step moves atoms, Å: the longest row, those of the cell by what they do to an edge.
    double length(const std::vector<double>& step) const {
        double longest = 0.0;
        for (int i = 0; i < size_; i += 3) {
            const double row = norm3(&step[i]);
            longest = std::max(longest, i < first_cell_ ? row : row * cell_length_);
        }
        return longest;
    }

    // The step of length at most `radius` that the model likes best.
    void step(const std::vector<double>& force, double radius, std::vector<double>& step) {
        solve(0.0, force, step);
        double length = this->length(step);
        if (length <= radius) return;
        // One over the length is nearly linear in the shift: secants, kept inside what is known.
        double before = 0.0, inverse_before = 1.0 / length, low = 0.0, high = 0.0;
        double shift = std::max(1.0, 0.5 * this->length(force) / radius);
        for (int i = 0; i < kShifts; ++i) {
            solve(shift, force, step);
            length = this->length(step);
            if (length <= radius && length > kNarrowest * radius) return;
            (length > radius ? low : high) = shift;
            const double inverse = 1.0 / length;
            double next = shift + (1.0 / (kAim * radius) - inverse) * (shift - before) /
                                      (inverse - inverse_before);
            if (!(next > low) || (high > 0.0 && next >= high))
                next = high > 0.0 ? 0.5 * (low + high) : 4.0 * low;
            before = shift;
            inverse_before = inverse;
            shift = next;
        }
        if (length > radius)
            for (double& s : step) s *= radius / length;
    }

    // Change of energy that the model predicts for a step.
    double predict(const std::vector<double>& force, const std::vector<double>& step) {
        multiply(step);
        double change = 0.0;
        for (int i = 0; i < size_; ++i) change += step[i] * (0.5 * product_[i] - force[i]);
        return change;
    }

    // Learn from the change of gradient along a step.
    void update(const std::vector<double>& step, std::vector<double> change) {
        multiply(step);
        double measured = 0.0, modelled = 0.0, moved = 0.0;
        for (int i = 0; i < size_; ++i) {
            moved += step[i] * step[i];
            measured += step[i] * change[i];
            modelled += step[i] * product_[i];
        }
        if (!(modelled > 0.0)) return;
        if (measured < kDamping * modelled) {
            const double keep = (1.0 - kDamping) * modelled / (modelled - measured);
            for (int i = 0; i < size_; ++i)
                change[i] = keep * change[i] + (1.0 - keep) * product_[i];
            measured = kDamping * modelled;
        }
        if (measured < kSoftest * moved) return;
        for (int i = 0; i < size_; ++i) {
            const double a = change[i] / measured, b = product_[i] / modelled;
            double* row = &matrix_[static_cast<std::size_t>(i) * size_];
            for (int j = 0; j < size_; ++j) row[j] += a * change[j] - b * product_[j];
        }
    }

private:
    void multiply(const std::vector<double>& x) {
        for (int i = 0; i < size_; ++i) {
            const double* row = &matrix_[static_cast<std::size_t>(i) * size_];
            double sum = 0.0;
            for (int j = 0; j < size_; ++j) sum += row[j] * x[j];
            product_[i] = sum;
        }
    }

    // (matrix + shift) x = b by Cholesky, column by column so that the inner loops are contiguous.
    void solve(double shift, const std::vector<double>& b, std::vector<double>& x) {
        factor_ = matrix_;
        const int n = size_;
        double* a = factor_.data();
        for (int k = 0; k < n; ++k) {
            double* pivot = a + static_cast<std::size_t>(k) * n;
            pivot[k] += shift;
            const double inverse = 1.0 / std::sqrt(std::max(pivot[k], kSoftest));
            for (int j = k; j < n; ++j) pivot[j] *= inverse;
            for (int i = k + 1; i < n; ++i) {
                double* row = a + static_cast<std::size_t>(i) * n;
                const double scale = pivot[i];
                for (int j = i; j < n; ++j) row[j] -= scale * pivot[j];
            }
        }
        x = b;
        for (int k = 0; k < n; ++k) {
            const double* pivot = a + static_cast<std::size_t>(k) * n;
            x[k] /= pivot[k];
            for (int j = k + 1; j < n; ++j) x[j] -= pivot[j] * x[k];
        }
        for (int k = n - 1; k >= 0; --k) {
            const double* pivot = a + static_cast<std::size_t>(k) * n;
            double sum = x[k];
            for (int j = k + 1; j < n; ++j) sum -= pivot[j] * x[j];
            x[k] = sum / pivot[k];
        }
    }

    int size_, first_cell_;
    double cell_length_;
    std::vector<double> matrix_, factor_, product_;
};

}  // namespace

void quasi_newton(FrechetProblem& problem, const TrustRegionOptions& options,
                  Relaxation& relaxation) {
    std::vector<double> x = problem.start(), force, step, trial(x.size()), trial_force;
    std::vector<double> change(x.size());
    double energy, trial_energy, radius = options.first_radius;
    const double climb = options.uphill * std::sqrt(static_cast<double>(problem.n_atoms()));
    int failures = 0;
    HessianModel model(problem, options);
    if (!relaxation.evaluate(x, energy, force)) return relaxation.fail();
    bool over = relaxation.accept(energy, force);
    while (!over && !relaxation.count_step()) {
        model.step(force, radius, step);
        for (std::size_t i = 0; i < x.size(); ++i) trial[i] = x[i] + step[i];
        const double length = model.length(step);
        if (!relaxation.evaluate(trial, trial_energy, trial_force)) {
            if (++failures >= kFailures) return relaxation.fail();
            radius = 0.35 * length;
            continue;
        }
        failures = 0;
        const double predicted = model.predict(force, step);
        const double actual = trial_energy - energy;
        const double ratio = predicted < -1e-12 ? actual / predicted : (actual <= 0.0 ? 1.0 : -1.0);
        for (std::size_t i = 0; i < x.size(); ++i) change[i] = force[i] - trial_force[i];
        model.update(step, change);
        if (actual > climb && radius > options.least_radius) {
            radius = std::max(options.least_radius, 0.35 * length);
            continue;
        }
        if (ratio < 0.1)
            radius = std::max(options.least_radius, 0.6 * length);
        else if (ratio > 0.6 && length > 0.8 * radius)
            radius = std::min(options.most_radius, 1.6 * radius);
        x = trial;
        force = trial_force;
        energy = trial_energy;
        over = relaxation.accept(energy, force);
    }
}

}  // namespace gencsp
