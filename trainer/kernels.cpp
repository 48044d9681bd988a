// The four passes over a feature map, for maps with their channels last: x[n][pixel][channel].
// trainer/kernels.py says what each pass is for and does the same in plain torch where nothing can
// be compiled.

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

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

// One number for each channel of each photo; a step of zero gives all photos the same numbers.
template <class T>
struct Table {
    const T* data;
    int64_t step;
};

// Consecutive numbers of a table, kept in registers: stores to a map could change those in memory.
template <class T, int WIDTH>
struct Row {
    T at[WIDTH];
    Row(Table<T> table, int64_t n, int64_t c0) {
        for (int c = 0; c < WIDTH; c++) at[c] = table.data[n * table.step + c0 + c];
    }
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

template <class X, class T>
void moments(const X* x, T* mean, int64_t photos, int64_t pixels, int64_t channels) {
    T* const var = mean + photos * channels;
#pragma omp parallel for
    for (int64_t n = 0; n < photos; n++)
        for_channels(channels, [=](auto width, int64_t c0) {
            constexpr int WIDTH = decltype(width)::value;
            const X* map = x + n * pixels * channels + c0;
            T pilot[WIDTH], sum[WIDTH], squares[WIDTH];
            const int64_t few = std::min(PILOT, pixels);
            for (int c = 0; c < WIDTH; c++) {
                T mean = 0;
                for (int64_t p = 0; p < few; p++) mean += load(map[p * channels + c]) / few;
                X rounded;  // to the map's own bits, with which differences from it are exact
                store(rounded, mean);
                pilot[c] = load(rounded);
            }
            sum_pixels<T, WIDTH>(pixels, sum, squares, [&](int64_t pixel, int c, T& s, T& q) {
                const T centred = load(map[pixel * channels + c]) - pilot[c];
                s += centred;
                q += centred * centred;
            });
            for (int c = 0; c < WIDTH; c++) {
                const T offset = sum[c] / pixels, variance = squares[c] / pixels - offset * offset;
                mean[n * channels + c0 + c] = pilot[c] + offset;
                var[n * channels + c0 + c] = variance < 0 ? 0 : variance;
            }
        });
}

template <class X, class T>
void gradient_sums(const X* dy, const X* x, Table<T> mean, T* sum_dy, int64_t photos,
                   int64_t pixels, int64_t channels) {
    T* const sum_dy_x = sum_dy + photos * channels;
#pragma omp parallel for
    for (int64_t n = 0; n < photos; n++)
        for_channels(channels, [=](auto width, int64_t c0) {
            constexpr int WIDTH = decltype(width)::value;
            const int64_t map = n * pixels * channels + c0, table = n * channels + c0;
            const Row<T, WIDTH> centre(mean, n, c0);
            sum_pixels<T, WIDTH>(
                pixels, sum_dy + table, sum_dy_x + table, [&](int64_t pixel, int c, T& s, T& q) {
                    const int64_t i = map + pixel * channels + c;
                    const T d = load(dy[i]);
                    s += d;
                    q += d * (load(x[i]) - centre.at[c]);
                });
        });
}

// Calls body(width, n, c0, each) for parts of all photos; each(f) calls f(i, c) for every number i of
// the part, which belongs to channel c0 + c. Each thread has the photos that it has in the sums before
// this pass, and begins with the last of them, which are still in its cache.
template <class Body>
void for_parts(int64_t photos, int64_t pixels, int64_t channels, Body body) {
    const int64_t a_photo = (pixels + BLOCK - 1) / BLOCK, parts = photos * a_photo;
#pragma omp parallel
    {
        const int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
        const int64_t first = parts * thread / threads, last = parts * (thread + 1) / threads - 1;
        for (int64_t part = last; part >= first; part--)
            for_channels(channels, [=](auto width, int64_t c0) {
                const int64_t n = part / a_photo, start = part % a_photo * BLOCK;
                body(width, n, c0, [=](auto f) {
                    for (int64_t pixel = start; pixel < std::min(start + BLOCK, pixels); pixel++) {
                        const int64_t i = (n * pixels + pixel) * channels + c0;
#pragma omp simd
                        for (int c = 0; c < decltype(width)::value; c++) f(i + c, c);
                    }
                });
            });
    }
}

template <class X, class T>
void scale_shift(const X* x, Table<T> scale, Table<T> shift, X* y, int64_t photos, int64_t pixels,
                 int64_t channels) {
    for_parts(photos, pixels, channels, [=](auto width, int64_t n, int64_t c0, auto each) {
        const Row<T, decltype(width)::value> a(scale, n, c0), b(shift, n, c0);
        each([&](int64_t i, int c) { store(y[i], a.at[c] * load(x[i]) + b.at[c]); });
    });
}

template <class X, class T>
void combine(const X* dy, const X* x, Table<T> by_dy, Table<T> by_x, Table<T> shift, X* dx,
             int64_t photos, int64_t pixels, int64_t channels) {
    for_parts(photos, pixels, channels, [=](auto width, int64_t n, int64_t c0, auto each) {
        constexpr int WIDTH = decltype(width)::value;
        const Row<T, WIDTH> a(by_dy, n, c0), b(by_x, n, c0), s(shift, n, c0);
        each([&](int64_t i, int c) {
            store(dx[i], a.at[c] * load(dy[i]) + b.at[c] * load(x[i]) + s.at[c]);
        });
    });
}

}  // namespace

// Names that Python can look up: moments_float32 and so on. Sizes are photos, pixels, channels.
#define SIZES int64_t n, int64_t p, int64_t c
#define EXPORT(NAME, X, T)                                                                        \
    extern "C" void moments_##NAME(const X* x, T* mean_var, SIZES) {                              \
        moments(x, mean_var, n, p, c);                                                            \
    }                                                                                             \
    extern "C" void scale_shift_##NAME(const X* x, Table<T> scale, Table<T> shift, X* y, SIZES) { \
        scale_shift(x, scale, shift, y, n, p, c);                                                 \
    }                                                                                             \
    extern "C" void gradient_sums_##NAME(const X* dy, const X* x, Table<T> mean, T* sums, SIZES) { \
        gradient_sums(dy, x, mean, sums, n, p, c);                                                \
    }                                                                                             \
    extern "C" void combine_##NAME(const X* dy, const X* x, Table<T> by_dy, Table<T> by_x,        \
                                   Table<T> shift, X* dx, SIZES) {                                \
        combine(dy, x, by_dy, by_x, shift, dx, n, p, c);                                          \
    }

EXPORT(float64, double, double)
EXPORT(float32, float, float)
EXPORT(bfloat16, bfloat16, float)
