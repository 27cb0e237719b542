/// The transforms of Winograd's minimal filtering F(4x4, 3x3) and F(2x2, 5x5): a tile of 4 x 4 results of a 3 x 3
/// filter, or of 2 x 2 results of a 5 x 5 filter, takes 36 multiplications in place of 144 or 100,
///
///     Y = A^T [(G g G^T) . (B^T d B)] A
///
/// with the filter g, the 6 x 6 places d of the image under it, and . element by element; sums over channels are taken
/// of the products, before A. Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2015).
///
/// The matrices evaluate polynomials at 0, a, -a, b, -b and infinity. The usual 1 and 2 for a and b cost digits; 11/16
/// and 3/2 had the smallest error among the pairs of short fractions that were tried (docs/architecture.md).
///
///     B^T = a^2 b^2    0      -a^2 - b^2   0            1   0       G = 1/(a^2 b^2)   0     0
///           0         -a b^2  -b^2         a            1   0           p             p a   p a^2
///           0          a b^2  -b^2        -a            1   0           p            -p a   p a^2
///           0         -b a^2  -a^2         b            1   0           q             q b   q b^2
///           0          b a^2  -a^2        -b            1   0           q            -q b   q b^2
///           0          a^2 b^2  0         -a^2 - b^2    0   1           0             0     1
///
///     A^T = 1   1     1     1     1    0        p = 1 / (2 a^2 (a^2 - b^2))
///           0   a    -a     b    -b    0        q = 1 / (2 b^2 (b^2 - a^2))
///           0   a^2   a^2   b^2   b^2  0
///           0   a^3  -a^3   b^3  -b^3  1
///
/// are those of 3 x 3 filters. B^T depends on the points alone; with 5 x 5 filters G goes on to the fourth powers, A^T
/// ends with the first ones, and the 1 of infinity stands in the last place again.
///
/// Each function below is one of the matrices times a column, for sixteen channels at once; rows for a and -a differ in
/// the sign of their odd places only.
#ifndef APUS_WINOGRAD_TRANSFORMS_H
#define APUS_WINOGRAD_TRANSFORMS_H

#include <stdbool.h>

#include "lanes.h"
#include "math_functions.h"

enum {
    APUS_WINOGRAD_WINDOW = 6,   // places of the image that a tile's results need, along an axis
    APUS_WINOGRAD_POINTS = 36,  // products of a tile
    APUS_WINOGRAD_MOST_TILE = 4,
    APUS_WINOGRAD_MOST_SIZE = 5,
};

/// The results of a tile along an axis, for kernels of a size: 3 or 5.
#define APUS_WINOGRAD_TILE(size) (APUS_WINOGRAD_WINDOW + 1 - (size))

/// Does what is given, in which `size` is a constant: that of the kernel.
#define APUS_WINOGRAD_FOR_SIZE(kernel_size, ...) \
    if ((kernel_size) == 3) {                    \
        enum { size = 3 };                       \
        __VA_ARGS__;                             \
    } else {                                     \
        enum { size = 5 };                       \
        __VA_ARGS__;                             \
    }

// Exact in float32, as are the products below up to a^2 b^2.
#define APUS_WINOGRAD_A 0.6875f
#define APUS_WINOGRAD_B 1.5f
#define APUS_WINOGRAD_AA (APUS_WINOGRAD_A * APUS_WINOGRAD_A)
#define APUS_WINOGRAD_BB (APUS_WINOGRAD_B * APUS_WINOGRAD_B)
#define APUS_WINOGRAD_P (1 / (2 * APUS_WINOGRAD_AA * (APUS_WINOGRAD_AA - APUS_WINOGRAD_BB)))
#define APUS_WINOGRAD_Q (1 / (2 * APUS_WINOGRAD_BB * (APUS_WINOGRAD_BB - APUS_WINOGRAD_AA)))

/// Half of B^T d: the rows of 0, a and -a, or those of b, -b and infinity.
APUS_INLINE void apus_winograd_image_half(const bool is_second, const apus_lanes d[6], apus_lanes v[3]) {
    const float a = APUS_WINOGRAD_A, b = APUS_WINOGRAD_B, aa = a * a, bb = b * b;
    if (!is_second) {
        apus_lanes even = d[4] - bb * d[2], odd = d[3] - bb * d[1];
        v[0] = aa * bb * d[0] + (d[4] - (aa + bb) * d[2]);
        v[1] = even + a * odd;
        v[2] = even - a * odd;
    } else {
        apus_lanes even = d[4] - aa * d[2], odd = d[3] - aa * d[1];
        v[0] = even + b * odd;
        v[1] = even - b * odd;
        v[2] = aa * bb * d[1] + (d[5] - (aa + bb) * d[3]);
    }
}

/// B^T d.
APUS_INLINE void apus_winograd_image_line(const apus_lanes d[6], apus_lanes v[6]) {
    apus_winograd_image_half(false, d, v);
    apus_winograd_image_half(true, d, v + 3);
}

/// B v.
APUS_INLINE void apus_winograd_spread_line(const apus_lanes v[6], apus_lanes d[6]) {
    const float a = APUS_WINOGRAD_A, b = APUS_WINOGRAD_B, aa = a * a, bb = b * b;
    apus_lanes even_a = v[1] + v[2], odd_a = a * (v[1] - v[2]), even_b = v[3] + v[4], odd_b = b * (v[3] - v[4]);
    d[0] = aa * bb * v[0];
    d[1] = aa * bb * v[5] - (bb * odd_a + aa * odd_b);
    d[2] = -(aa + bb) * v[0] - (bb * even_a + aa * even_b);
    d[3] = odd_a + odd_b - (aa + bb) * v[5];
    d[4] = v[0] + even_a + even_b;
    d[5] = v[5];
}

/// G g, of `size` numbers.
APUS_INLINE void apus_winograd_kernel_line(const int size, const apus_lanes *g, apus_lanes u[6]) {
    const float a = APUS_WINOGRAD_A, b = APUS_WINOGRAD_B, aa = a * a, bb = b * b;
    const float p = APUS_WINOGRAD_P, q = APUS_WINOGRAD_Q;
    u[0] = 1 / (aa * bb) * g[0];
    apus_lanes even = p * g[0] + p * aa * g[2], odd = p * a * g[1];
    if (size == 5) {
        even += p * aa * aa * g[4];
        odd += p * aa * a * g[3];
    }
    u[1] = even + odd;
    u[2] = even - odd;
    even = q * g[0] + q * bb * g[2];
    odd = q * b * g[1];
    if (size == 5) {
        even += q * bb * bb * g[4];
        odd += q * bb * b * g[3];
    }
    u[3] = even + odd;
    u[4] = even - odd;
    u[5] = g[size - 1];
}

/// A^T m.
APUS_INLINE void apus_winograd_output_line(const int size, const apus_lanes m[6], apus_lanes *y) {
    const float a = APUS_WINOGRAD_A, b = APUS_WINOGRAD_B, aa = a * a, bb = b * b;
    apus_lanes even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    if (size == 5) {
        y[1] = a * odd_a + (b * odd_b + m[5]);
        return;
    }
    y[1] = a * odd_a + b * odd_b;
    y[2] = aa * even_a + bb * even_b;
    y[3] = aa * a * odd_a + (bb * b * odd_b + m[5]);
}

/// A y.
APUS_INLINE void apus_winograd_upstream_line(const int size, const apus_lanes *y, apus_lanes z[6]) {
    const float a = APUS_WINOGRAD_A, b = APUS_WINOGRAD_B, aa = a * a, bb = b * b;
    apus_lanes even = y[0], odd = y[1];
    if (size == 3) {
        even = y[0] + aa * y[2];
        odd = y[1] + aa * y[3];
    }
    z[0] = y[0];
    z[1] = even + a * odd;
    z[2] = even - a * odd;
    if (size == 3) {
        even = y[0] + bb * y[2];
        odd = y[1] + bb * y[3];
    }
    z[3] = even + b * odd;
    z[4] = even - b * odd;
    z[5] = y[APUS_WINOGRAD_TILE(size) - 1];
}

/// G^T u.
APUS_INLINE void apus_winograd_gradient_line(const int size, const apus_lanes u[6], apus_lanes *g) {
    const float a = APUS_WINOGRAD_A, b = APUS_WINOGRAD_B, aa = a * a, bb = b * b;
    const float p = APUS_WINOGRAD_P, q = APUS_WINOGRAD_Q;
    apus_lanes even_a = u[1] + u[2], odd_a = u[1] - u[2], even_b = u[3] + u[4], odd_b = u[3] - u[4];
    g[0] = 1 / (aa * bb) * u[0] + (p * even_a + q * even_b);
    g[1] = p * a * odd_a + q * b * odd_b;
    g[2] = p * aa * even_a + q * bb * even_b;
    if (size == 5) {
        g[3] = p * aa * a * odd_a + q * bb * b * odd_b;
        g[4] = p * aa * aa * even_a + q * bb * bb * even_b;
    }
    g[size - 1] += u[5];
}

#endif
