#include "relax.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gencsp {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

}  // namespace

double longest_row(const std::vector<double>& rows) {
    double longest = 0.0;
    for (std::size_t i = 0; i + 2 < rows.size(); i += 3)
        longest = std::max(longest, dot3(&rows[i], &rows[i]));
    return std::sqrt(longest);
}

Relaxation::Relaxation(FrechetProblem& problem, const RelaxOptions& options, long index,
                       const std::atomic<bool>& cancelled, RelaxResult& result)
    : problem_(problem),
      options_(options),
      index_(index),
      cancelled_(cancelled),
      result_(result),
      started_(std::chrono::steady_clock::now()) {
    result_.energy = result_.enthalpy = result_.fmax = kNone;
}

bool Relaxation::evaluate(const std::vector<double>& x, double& energy,
                          std::vector<double>& force) {
    ++result_.calls;
    last_status_ = problem_.evaluate(x, energy, force);
    return last_status_ == Status::kOk;
}

bool Relaxation::accept(double energy, const std::vector<double>& force) {
    const Evaluated& now = problem_.evaluated();
    result_.energy = now.energy;
    result_.enthalpy = energy;
    result_.fmax = longest_row(force);
    result_.positions = problem_.positions();
    result_.cell = problem_.cell();
    result_.forces = now.forces;
    result_.virial = now.virial;
    closest_ = now.closest;
    if (options_.record_path)
        result_.path.push_back({now.energy, result_.fmax, result_.positions, result_.forces,
                                result_.cell, result_.virial});
    if (options_.on_step && !options_.on_step(index_, result_.steps, now.energy, result_.fmax)) {
        end(Outcome::kStopped);
        return true;
    }
    if (exploded()) {
        end(Outcome::kExploded);
        return true;
    }
    if (result_.fmax < options_.fmax) {
        end_with_result(Outcome::kConverged);
        return true;
    }
    if (options_.has_ceiling && hopeless(energy / problem_.n_atoms())) {
        end(Outcome::kHopeless);
        return true;
    }
    return false;
}

// A structure with nuclei on top of each other is no result, whatever its energy.
void Relaxation::end_with_result(Outcome outcome) {
    end(closest_ < options_.least_distance ? Outcome::kTooClose : outcome);
}

bool Relaxation::exploded() const {
    const double per_atom = problem_.volume() / problem_.n_atoms();
    double shortest = norm3(&problem_.cell()[0]);
    for (int k = 1; k < 3; ++k) shortest = std::min(shortest, norm3(&problem_.cell()[3 * k]));
    return per_atom < options_.least_volume || per_atom > options_.most_volume ||
           shortest < options_.least_vector;
}

// It has never been below the ceiling, and its last steps brought it less than half of the way.
bool Relaxation::hopeless(double energy) {
    history_.push_back(energy);
    const std::size_t patience = static_cast<std::size_t>(options_.patience);
    if (history_.size() <= patience) return false;
    if (*std::min_element(history_.begin(), history_.end()) <= options_.ceiling) return false;
    const double gained = history_[history_.size() - 1 - patience] - energy;
    return gained < 0.5 * (energy - options_.ceiling);
}

bool Relaxation::count_step() {
    if (result_.steps >= options_.steps) {
        end_with_result(Outcome::kStepLimit);
        return true;
    }
    if (cancelled_.load(std::memory_order_relaxed)) {
        end(Outcome::kCancelled);
        return true;
    }
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - started_;
    if (options_.time_limit > 0.0 && spent.count() > options_.time_limit) {
        end_with_result(Outcome::kTimeLimit);
        return true;
    }
    ++result_.steps;
    return false;
}

void Relaxation::fail() {
    switch (last_status_) {
        case Status::kIsolated: end(Outcome::kIsolated); break;
        case Status::kNotFinite: end(Outcome::kNotFinite); break;
        default: end(result_.calls > 1 ? Outcome::kExploded : Outcome::kBadInput);
    }
    result_.energy = result_.enthalpy = result_.fmax = kNone;
    result_.positions = problem_.positions();
    result_.cell = problem_.cell();
    result_.forces.assign(result_.positions.size(), kNone);
    result_.virial.fill(kNone);
}

// FIRE (Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006)) with the constants and the order of
// operations of ASE 3.29's `FIRE`.
void fire(FrechetProblem& problem, Relaxation& relaxation) {
    constexpr double kStart = 0.1, kMostStep = 0.2, kMostTime = 1.0;
    constexpr double kFaster = 1.1, kSlower = 0.5, kLessMixing = 0.99;
    constexpr int kPatience = 5;
    std::vector<double> x = problem.start(), velocity(x.size(), 0.0), force;
    double energy, time = kStart, mixing = kStart;
    int downhill = 0;
    bool first = true;
    if (!relaxation.evaluate(x, energy, force)) return relaxation.fail();
    while (!relaxation.accept(energy, force) && !relaxation.count_step()) {
        double power = 0.0, force2 = 0.0, velocity2 = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            power += force[i] * velocity[i];
            force2 += force[i] * force[i];
            velocity2 += velocity[i] * velocity[i];
        }
        if (power > 0.0) {
            const double turn = mixing * std::sqrt(velocity2) / std::sqrt(force2);
            for (std::size_t i = 0; i < x.size(); ++i)
                velocity[i] = (1.0 - mixing) * velocity[i] + turn * force[i];
            if (downhill > kPatience) {
                time = std::min(time * kFaster, kMostTime);
                mixing *= kLessMixing;
            }
            ++downhill;
        } else if (!first) {
            std::fill(velocity.begin(), velocity.end(), 0.0);
            mixing = kStart;
            time *= kSlower;
            downhill = 0;
        }
        first = false;
        double length2 = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            velocity[i] += time * force[i];
            length2 += time * velocity[i] * time * velocity[i];
        }
        const double length = std::sqrt(length2);
        const double scale = length > kMostStep ? kMostStep / length : 1.0;
        for (std::size_t i = 0; i < x.size(); ++i) x[i] += scale * time * velocity[i];
        if (!relaxation.evaluate(x, energy, force)) return relaxation.fail();
    }
}

RelaxResult relax(const Model& model, const Task& task, const RelaxOptions& options,
                  const std::atomic<bool>& cancelled, Scratch& scratch) {
    RelaxResult result;
    FrechetProblem problem(model, task, scratch);
    Relaxation relaxation(problem, options, task.index, cancelled, result);
    const bool dense = problem.n_atoms() <= options.trust_region.most_atoms;
    if (options.minimiser == Minimiser::kQuasiNewton && dense)
        quasi_newton(problem, options.trust_region, relaxation);
    else
        fire(problem, relaxation);
    return result;
}

}  // namespace gencsp
