// Normalising a map forward and backward, for maps with their channels last: x[n][pixel][channel].
// The addition of a residual and the ReLU that follow a norm are part of the same passes.
// trainer/model/normalize.py has the formulas and does the same in plain torch where nothing can be compiled.

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <vector>

namespace {

struct bfloat16 {
    uint16_t bits;
};

// Numbers are read, computed with and accumulated in float, or in double where the map is double.
inline double load(double x) { return x; }
inline float load(float x) { return x; }
inline float load(bfloat16 x) {
    uint32_t bits = uint32_t(x.bits) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

inline void store(double& x, double value) { x = value; }
inline void store(float& x, float value) { x = value; }
inline void store(bfloat16& x, float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    uint32_t nearest_even = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    x.bits = uint16_t((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : nearest_even);  // NaN stays NaN
}

// An average over consecutive channels, and over all photos or within each.
template <class T>
struct PoolAxes {
    int64_t all_photos, channels;
    const T* weight;
    T *moments, *dweight;  // moments: a mean for each photo, or one for all, and as many variances
};

// See trainer.model.normalize.NormSpec; scale may be null. Where other ranks have photos too, exchange turns
// two averages over the photos of this one, a row of channels each, into those over all.
template <class T>
struct NormSpec {
    const T *scale, *shift;
    T *dscale, *dshift;
    const PoolAxes<T>* averages;
    int64_t count;
    double eps;
    int64_t relu, photos, pixels, channels;
    void (*exchange)(T* averages);

    T* mean(int64_t k, int64_t n) const {
        return averages[k].moments + (averages[k].all_photos ? 0 : n * channels);
    }
    T* var(int64_t k, int64_t n) const {
        return mean(k, n) + (averages[k].all_photos ? 1 : photos) * channels;
    }
    T rstd(int64_t k, int64_t n, int64_t c) const { return 1 / std::sqrt(var(k, n)[c] + T(eps)); }
};

// Consecutive numbers, kept in registers: stores to a map could change those in memory.
template <class T, int WIDTH>
struct Row {
    T at[WIDTH];
    explicit Row(const T* from) { std::copy(from, from + WIDTH, at); }
};

// Sums are taken over this many pixels at a time before they are added up, which keeps digits.
constexpr int64_t BLOCK = 512;
constexpr int64_t PILOT = 64;  // pixels whose mean is near enough to the map's

// Calls body(width, c) for consecutive channels c .. c + width; a width known to the compiler
// becomes vector instructions, and one that covers many channels reads memory in order.
template <int WIDTH>
struct Width {
    static constexpr int value = WIDTH;
};
template <class Body>
inline void for_channels(int64_t channels, Body body) {
    int64_t c = 0;
    for (; c + 64 <= channels; c += 64) body(Width<64>(), c);
    for (; c + 32 <= channels; c += 32) body(Width<32>(), c);
    for (; c + 16 <= channels; c += 16) body(Width<16>(), c);
    for (; c < channels; c++) body(Width<1>(), c);
}

// term(pixel, c, first, second) adds one pixel's part to two sums.
template <class T, int WIDTH, class Term>
inline void sum_pixels(int64_t pixels, T* first, T* second, Term term) {
    for (int c = 0; c < WIDTH; c++) first[c] = second[c] = 0;
    for (int64_t start = 0; start < pixels; start += BLOCK) {
        T a[WIDTH] = {}, b[WIDTH] = {};
        const int64_t end = std::min(start + BLOCK, pixels);
        for (int64_t pixel = start; pixel < end; pixel++)
#pragma omp simd
            for (int c = 0; c < WIDTH; c++) term(pixel, c, a[c], b[c]);
        for (int c = 0; c < WIDTH; c++) first[c] += a[c], second[c] += b[c];
    }
}

// The mean of a photo's first pixels is subtracted from all of them before squares are taken, so
// that a large mean does not drown a small deviation.
template <class X, class T>
void moments(const X* photo, T* mean, T* var, int64_t pixels, int64_t channels) {
    for_channels(channels, [=](auto width, int64_t c0) {
        constexpr int WIDTH = decltype(width)::value;
        const X* x = photo + c0;
        T pilot[WIDTH], sum[WIDTH], squares[WIDTH];
        const int64_t few = std::min(PILOT, pixels);
        for (int c = 0; c < WIDTH; c++) {
            T mean = 0;
            for (int64_t p = 0; p < few; p++) mean += load(x[p * channels + c]) / few;
            X rounded;  // to the map's own bits, with which differences from it are exact
            store(rounded, mean);
            pilot[c] = load(rounded);
        }
        sum_pixels<T, WIDTH>(pixels, sum, squares, [&](int64_t pixel, int c, T& s, T& q) {
            const T centred = load(x[pixel * channels + c]) - pilot[c];
            s += centred;
            q += centred * centred;
        });
        for (int c = 0; c < WIDTH; c++) {
            const T offset = sum[c] / pixels, variance = squares[c] / pixels - offset * offset;
            mean[c0 + c] = pilot[c] + offset;
            var[c0 + c] = variance < 0 ? 0 : variance;
        }
    });
}

// The gradient before a ReLU: that behind it, where the ReLU's result is positive or not a number.
template <bool RELU, class X>
inline auto before_relu(const X* dy, const X* y, int64_t i) {
    const auto gradient = load(dy[i]);
    if constexpr (RELU) return load(y[i]) <= 0 ? 0 : gradient;
    return gradient;
}

// The sums of dy and of dy * (x - mean); with a ReLU, of the gradient before it, which is also
// written to `residual`, if that is given.
template <bool RELU, bool RESIDUAL, class X, class T>
void gradient_sums(const X* dy, const X* x, const X* y, X* residual, const T* mean, T* sum_dy,
                   T* sum_dy_x, int64_t pixels, int64_t channels) {
    for_channels(channels, [=](auto width, int64_t c0) {
        constexpr int WIDTH = decltype(width)::value;
        const Row<T, WIDTH> centre(mean + c0);
        const auto term = [&](int64_t pixel, int c, T& s, T& q) {
            const int64_t i = pixel * channels + c0 + c;
            const T d = before_relu<RELU>(dy, y, i);
            if constexpr (RESIDUAL) store(residual[i], d);
            s += d;
            q += d * (load(x[i]) - centre.at[c]);
        };
        sum_pixels<T, WIDTH>(pixels, sum_dy + c0, sum_dy_x + c0, term);
    });
}

// result[i] = formula(i, by_dy, by_x, shift) with the tables' numbers of its channel; the last
// pixels first, which are still in the cache.
template <class X, class T, class Formula>
void write_photo(const T* by_dy, const T* by_x, const T* shift, X* result, int64_t pixels,
                 int64_t channels, Formula formula) {
    for_channels(channels, [=](auto width, int64_t c0) {
        constexpr int WIDTH = decltype(width)::value;
        const Row<T, WIDTH> a(by_dy + c0), b(by_x + c0), s(shift + c0);
        for (int64_t start = (pixels - 1) / BLOCK * BLOCK; start >= 0; start -= BLOCK)
            for (int64_t pixel = start; pixel < std::min(start + BLOCK, pixels); pixel++) {
                const int64_t i = pixel * channels + c0;
#pragma omp simd
                for (int c = 0; c < WIDTH; c++)
                    store(result[i + c], formula(i + c, a.at[c], b.at[c], s.at[c]));
            }
    });
}

// The mean of term(n, c) for each channel, over what average k averages together with photo n.
template <class T, class Term>
void pool(const NormSpec<T>& spec, int64_t k, int64_t n, T* result, Term term) {
    const int64_t all = spec.averages[k].all_photos, together = spec.averages[k].channels;
    const int64_t first = all ? 0 : n, last = all ? spec.photos : n + 1;
    std::fill(result, result + spec.channels, T(0));
    for (int64_t photo = first; photo < last; photo++)
        for (int64_t c = 0; c < spec.channels; c++) result[c] += term(photo, c);
    for (T* group = result; group < result + spec.channels; group += together) {
        const T sum = std::accumulate(group, group + together, T(0));
        std::fill(group, group + together, sum / (together * (last - first)));
    }
}

// Calls read(n) for each photo, then pool_of(k, n) for each average, which returns where it put two
// rows of channels, then write(n). Where no average needs other photos, that is at once, and write
// finds the photo in the cache; otherwise all are read first, and each thread then begins with its
// last, which are still in its cache.
template <class T, class Read, class Pool, class Write>
void for_photos(const NormSpec<T>& spec, Read read, Pool pool_of, Write write) {
    const auto pool_all = [&](int64_t all_photos, int64_t n) {
        for (int64_t k = 0; k < spec.count; k++)
            if (spec.averages[k].all_photos == all_photos) {
                T* pooled = pool_of(k, n);
                if (all_photos && spec.exchange) spec.exchange(pooled);
            }
    };
    const bool wait = std::any_of(spec.averages, spec.averages + spec.count,
                                  [](auto& average) { return average.all_photos; });
#pragma omp parallel
    {
        const int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
        const int64_t first = spec.photos * thread / threads;
        const int64_t last = spec.photos * (thread + 1) / threads - 1;
        for (int64_t n = first; n <= last; n++) {
            read(n);
            pool_all(0, n);
            if (!wait) write(n);
        }
        if (wait) {
#pragma omp barrier
#pragma omp master
            pool_all(1, 0);  // by the thread that called, which Python knows
#pragma omp barrier
            for (int64_t n = last; n >= first; n--) write(n);
        }
    }
}

template <bool RELU, bool RESIDUAL, class X, class T>
void forward(const X* x, const X* residual, X* y, const NormSpec<T>& spec) {
    const int64_t channels = spec.channels, map = spec.pixels * channels;
    std::vector<T> means(spec.photos * channels), vars(means.size());
    for_photos(
        spec,
        [&](int64_t n) {
            T *mean = &means[n * channels], *var = &vars[n * channels];
            if (spec.count) moments(x + n * map, mean, var, spec.pixels, channels);
        },
        [&](int64_t k, int64_t n) {  // variances pool by the law of total variance
            T* mean = spec.mean(k, n);
            pool(spec, k, n, mean, [&](auto n, auto c) { return means[n * channels + c]; });
            pool(spec, k, n, spec.var(k, n), [&](auto n, auto c) {
                const T offset = means[n * channels + c] - mean[c];
                return vars[n * channels + c] + offset * offset;
            });
            return mean;
        },
        [&](int64_t n) {
            std::vector<T> scale(channels), shift(spec.shift, spec.shift + channels);
            if (spec.scale) scale.assign(spec.scale, spec.scale + channels);
            for (int64_t k = 0; k < spec.count; k++)
                for (int64_t c = 0; c < channels; c++) {
                    const T by_x = spec.averages[k].weight[c] * spec.rstd(k, n, c);
                    scale[c] += by_x;
                    shift[c] -= spec.mean(k, n)[c] * by_x;
                }
            const X *own = x + n * map, *added = residual + (RESIDUAL ? n * map : 0);
            write_photo(&scale[0], &scale[0], &shift[0], y + n * map, spec.pixels, channels,
                        [=](int64_t i, T, T scale, T shift) {
                            T value = scale * load(own[i]) + shift;
                            if constexpr (RESIDUAL) value += load(added[i]);
                            if constexpr (RELU) value = value < 0 ? 0 : value;  // NaN stays NaN
                            return value;
                        });
        });
}

// With a ReLU, y is its result; where it has a residual, too, residual is that one's gradient.
template <bool RELU, bool RESIDUAL, class X, class T>
void backward(const X* dy, const X* x, const X* y, X* dx, X* residual, const NormSpec<T>& spec) {
    const int64_t channels = spec.channels, map = spec.pixels * channels;
    std::vector<T> zero(channels), sums(2 * spec.photos * channels);
    std::vector<T> pooled(spec.count * sums.size());
    T *sum_dy = &sums[0], *sum_dy_x = sum_dy + spec.photos * channels;
    const auto centre = [&](int64_t n) { return spec.count ? spec.mean(0, n) : &zero[0]; };
    const auto around = [&](const T* mean, int64_t n, int64_t c) {  // the sum of dy * (x - mean)
        return sum_dy_x[n * channels + c] + (centre(n)[c] - mean[c]) * sum_dy[n * channels + c];
    };
    const auto gradients = [&](int64_t k, int64_t n) {
        return &pooled[2 * (k * spec.photos + (spec.averages[k].all_photos ? 0 : n)) * channels];
    };
    for_photos(
        spec,
        [&](int64_t n) {
            gradient_sums<RELU, RESIDUAL>(dy + n * map, x + n * map, y + (RELU ? n * map : 0),
                                          residual + (RESIDUAL ? n * map : 0), centre(n),
                                          sum_dy + n * channels, sum_dy_x + n * channels,
                                          spec.pixels, channels);
        },
        [&](int64_t k, int64_t n) {
            const T* weight = spec.averages[k].weight;
            T* g = gradients(k, n);
            pool(spec, k, n, g,
                 [&](auto n, auto c) { return weight[c] * sum_dy[n * channels + c]; });
            pool(spec, k, n, g + channels,
                 [&](auto n, auto c) { return weight[c] * around(spec.mean(k, n), n, c); });
            return g;
        },
        [&](int64_t n) {
            std::vector<T> by_dy(channels), by_x(channels), shift(channels);
            if (spec.scale) by_dy.assign(spec.scale, spec.scale + channels);
            for (int64_t k = 0; k < spec.count; k++)
                for (int64_t c = 0; c < channels; c++) {
                    const T rstd = spec.rstd(k, n, c), *g = gradients(k, n);
                    const T minus_gx = g[channels + c] * rstd * rstd * -rstd / spec.pixels;
                    by_dy[c] += spec.averages[k].weight[c] * rstd;
                    by_x[c] += minus_gx;
                    shift[c] -= g[c] * rstd / spec.pixels + spec.mean(k, n)[c] * minus_gx;
                }
            constexpr bool MASK = RELU && !RESIDUAL;  // else it was applied in the first pass
            const X *own = x + n * map, *result = y + (MASK ? n * map : 0);
            const X* gradient = (RESIDUAL ? residual : dy) + n * map;
            if (spec.count)
                write_photo(&by_dy[0], &by_x[0], &shift[0], dx + n * map, spec.pixels, channels,
                            [=](int64_t i, T by_dy, T by_x, T shift) {
                                const T d = before_relu<MASK>(gradient, result, i);
                                return by_x * load(own[i]) + shift + by_dy * d;
                            });
            else  // without x, whose infinities do not reach its gradient
                write_photo(&by_dy[0], &by_x[0], &shift[0], dx + n * map, spec.pixels, channels,
                            [=](int64_t i, T by_dy, T, T) {
                                return by_dy * T(before_relu<MASK>(gradient, result, i));
                            });
        });
    for (int64_t n = 0; n < spec.photos; n++)
        for (int64_t c = 0; c < channels; c++) {
            spec.dshift[c] += sum_dy[n * channels + c];
            spec.dscale[c] += around(&zero[0], n, c);
            for (int64_t k = 0; k < spec.count; k++)
                spec.averages[k].dweight[c] +=
                    spec.rstd(k, n, c) * around(spec.mean(k, n), n, c);
        }
}

// Calls body with RELU and RESIDUAL as constants; nothing has a residual without a ReLU.
template <class Body>
void with_constants(bool relu, bool residual, Body body) {
    if (residual) return body(std::true_type(), std::true_type());
    if (relu) return body(std::true_type(), std::false_type());
    body(std::false_type(), std::false_type());
}

}  // namespace

// Names that Python can look up: forward_float32 and so on. residual may be null, and so may y
// backward without a ReLU.
#define EXPORT(NAME, X, T)                                                                     \
    extern "C" void forward_##NAME(const X* x, const X* residual, X* y,                        \
                                   const NormSpec<T>* spec) {                                    \
        with_constants(spec->relu, residual, [=](auto relu, auto added) {                     \
            forward<relu.value, added.value>(x, residual, y, *spec);                          \
        });                                                                                    \
    }                                                                                          \
    extern "C" void backward_##NAME(const X* dy, const X* x, const X* y, X* dx, X* residual,   \
                                    const NormSpec<T>* spec) {                                   \
        with_constants(spec->relu, residual, [=](auto relu, auto added) {      \
            backward<relu.value, added.value>(dy, x, y, dx, residual, *spec);                 \
        });                                                                                    \
    }

EXPORT(float64, double, double)
EXPORT(float32, float, float)
EXPORT(bfloat16, bfloat16, float)
