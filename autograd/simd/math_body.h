// The functions on packets of one instruction set. Compiled by for_each_isa.h, see packet.h.
// Errors are bounded by tests/autograd/simd/test_accuracy.cpp. Nothing relies on fused
// multiply-add, which only makes results better, and nothing may contract or reorder further.

namespace unroll::simd::UNROLL_SIMD_ISA {

namespace math {

template <class T>
inline constexpr bool single = sizeof(T) == 4;

// Per type: number of mantissa bits, 1.5 * 2^mantissa (adding it rounds to an integer, which is
// then found in the lowest bits), exponent bias, ln 2 in two parts of which the first has zeros at
// its end, so that n * high is exact, and the largest and least arguments of exp that matter.
template <class T>
struct Real;
template <>
struct Real<float> {
  using Unsigned = std::uint32_t;
  static constexpr int mantissa = 23, bias = 127, rescue = 30;
  static constexpr float rounder = 12582912.0F;
  static constexpr float ln2_high = 0.693359375F, ln2_low = -2.12194440054690583e-4F;
  static constexpr float log2_e = 1.44269504088896341F;
  static constexpr float two_over_pi = 0.636619772367581343F;
  static constexpr float exp_most = 89.0F, exp_least = -104.0F, expm1_least = -30.0F;
  static constexpr float rescue_up = 0x1p30F, rescue_down = 0x1p-30F;
  static constexpr float least_normal = 0x1p-126F, denormal_up = 0x1p25F, denormal_shift = 25.0F;
  static constexpr float tiny = 1e-8F, trig_most = 2e4F;
  static constexpr Unsigned half_root_bits = 0x3f3504f3U;  // of sqrt(1/2)
};
template <>
struct Real<double> {
  using Unsigned = std::uint64_t;
  static constexpr int mantissa = 52, bias = 1023, rescue = 100;
  static constexpr double rounder = 6755399441055744.0;
  static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 1.90821492927058781614e-10;
  static constexpr double log2_e = 1.44269504088896340736;
  static constexpr double two_over_pi = 0.636619772367581343076;
  static constexpr double exp_most = 710.0, exp_least = -746.0, expm1_least = -60.0;
  static constexpr double rescue_up = 0x1p100, rescue_down = 0x1p-100;
  static constexpr double least_normal = 0x1p-1022, denormal_up = 0x1p54, denormal_shift = 54.0;
  static constexpr double tiny = 1e-17, trig_most = 1e6;
  static constexpr Unsigned half_root_bits = 0x3fe6a09e667f3bcdULL;
};

template <class T>
inline constexpr T infinity = static_cast<T>(__builtin_inf());
template <class T>
inline constexpr T not_a_number = static_cast<T>(__builtin_nan(""));

template <class T>
Packet<T> fma(const Packet<T>& a, const Packet<T>& b, const Packet<T>& c) {
  return Packet<T>(a.v * b.v + c.v);
}

// sum x^(2 k) + ..., two coefficients at a time: half as long a chain of dependent operations as
// Horner's, with as many operations.
template <class T>
Packet<T> by_pairs(const Packet<T>& sum, const Packet<T>&, const Packet<T>&) {
  return sum;
}
template <class T, class... C>
Packet<T> by_pairs(const Packet<T>& sum, const Packet<T>& x, const Packet<T>& square, double c1,
                   double c0, C... c) {
  const Packet<T> low = fma(x, Packet<T>(c1), Packet<T>(c0));
  return by_pairs(fma(sum, square, low), x, square, c...);
}
// c0 x^n + c1 x^(n-1) + ...: highest power first; `square` is x^2.
template <class T, class... C>
Packet<T> polynomial(const Packet<T>& x, const Packet<T>& square, double c0, double c1, C... c) {
  if constexpr (sizeof...(C) % 2 == 0)
    return by_pairs(fma(x, Packet<T>(c0), Packet<T>(c1)), x, square, c...);
  else
    return by_pairs(Packet<T>(c0), x, square, c1, c...);
}

template <class T>
typename Lanes<T>::Bits bits(const Packet<T>& x) {
  return reinterpret_cast<typename Lanes<T>::Bits>(x.v);
}

// The larger (at_least) or smaller (at_most) of x and a number; NaN stays.
template <class T>
Packet<T> at_least(const Packet<T>& x, T low) {
  return largest(Packet<T>(low), x);
}
template <class T>
Packet<T> at_most(const Packet<T>& x, T high) {
  return smallest(Packet<T>(high), x);
}

template <class T>
Packet<T> minus_abs(const Packet<T>& x) {
  return Packet<T>(bits(x) | bits(Packet<T>(T(-0.0))));
}

template <class T>
Packet<T> with_sign_of(const Packet<T>& not_negative, const Packet<T>& sign) {
  return Packet<T>(bits(not_negative) | (bits(sign) & bits(Packet<T>(T(-0.0)))));
}

// e^r - 1 for |r| <= ln 2 / 2.
template <class T>
Packet<T> expm1_near_zero(const Packet<T>& r) {
  const Packet<T> square = r * r;
  Packet<T> q;
  if constexpr (single<T>)
    q = polynomial(r, square, 1.3946670377957963e-3, 8.3667106389117181e-3, 4.1666279075697488e-2,
                   0.16666542048455804, 0.50000000626510437);
  else
    q = polynomial(r, square, 2.0924624909832327948e-9, 2.5109261787585204629e-8,
                   2.7557242176081676112e-7, 2.7557243609260268666e-6, 2.4801587361232875814e-5,
                   1.9841269886673300207e-4, 1.3888888888866499488e-3, 8.3333333333214363104e-3,
                   4.1666666666666702033e-2, 0.1666666666666667679, 0.5);
  return fma(square, q, r);
}

// e^x = 2^n (1 + m) with n integer and 1 + m in [sqrt(1/2), sqrt(2)]; scale = 2^(n + shift).
template <class T>
struct Exponential {
  Packet<T> scale, m;
};
template <class T>
Exponential<T> split_exponential(const Packet<T>& x, const Packet<T>& shift) {
  using R = Real<T>;
  const Packet<T> rounder = shift + (R::rounder + R::bias);
  const Packet<T> z = fma(x, Packet<T>(R::log2_e), rounder);
  const Packet<T> n = z - rounder;
  const Packet<T> r = fma(n, Packet<T>(-R::ln2_low), fma(n, Packet<T>(-R::ln2_high), x));
  return {Packet<T>(bits(z) << R::mantissa), expm1_near_zero(r)};
}
// With one rounded ln 2: the error of 2^n (1 + m) is then one in the last place of 1, for n <= 0.
template <class T>
Exponential<T> split_exponential_roughly(const Packet<T>& x) {
  using R = Real<T>;
  const Packet<T> rounder(R::rounder + R::bias);
  const Packet<T> z = fma(x, Packet<T>(R::log2_e), rounder);
  const Packet<T> r = fma(z - rounder, Packet<T>(-0.693147180559945309417), x);
  return {Packet<T>(bits(z) << R::mantissa), expm1_near_zero(r)};
}

// e^x for x <= 0, right down to the denormals: the scale is kept in the normal range and
// multiplied down at the end.
template <class T>
Packet<T> exp_below_zero(const Packet<T>& x) {
  using R = Real<T>;
  const auto e = split_exponential(at_least(x, R::exp_least), Packet<T>(R::rescue));
  return fma(e.scale, e.m, e.scale) * R::rescue_down;
}

// log(2^k (1 + f)) + c for 1 + f in [sqrt(1/2), sqrt(2)]: with s = f / (2 + f), log(1 + f) is
// 2 atanh(s), of which f and f^2 / 2 are added last and exactly.
template <class T>
Packet<T> log_of_parts(const Packet<T>& k, const Packet<T>& f, const Packet<T>& c) {
  using R = Real<T>;
  const Packet<T> s = f / (f + 2);
  const Packet<T> z = s * s;
  Packet<T> rest;
  if constexpr (single<T>)
    rest = polynomial(z, z * z, 0.29588302336787307, 0.39988580115372068, 0.66666685608243368);
  else
    rest = polynomial(z, z * z, 0.14625912631199920119, 0.15330943751286825511,
                      0.18182912957596257464, 0.22222210800636086295, 0.28571428628075320026,
                      0.39999999999894728619, 0.66666666666666698599);
  const Packet<T> half_square = f * f * 0.5;
  const Packet<T> low = fma(s, fma(z, rest, half_square), fma(k, Packet<T>(R::ln2_low), c));
  return fma(k, Packet<T>(R::ln2_high), f - (half_square - low));
}

// x = 2^k (1 + f) for a positive normal x.
template <class T>
struct Parts {
  Packet<T> k, f;
};
template <class T>
Parts<T> split_parts(const Packet<T>& x) {
  using R = Real<T>;
  using Unsigned = typename Lanes<T>::Unsigned;
  using U = typename R::Unsigned;
  constexpr U offset = U(R::bias + 1) << R::mantissa;
  const Unsigned shifted = reinterpret_cast<Unsigned>(x.v) + (offset - R::half_root_bits);
  const Unsigned k = shifted >> R::mantissa;
  constexpr T whole = static_cast<T>(U(1) << R::mantissa);
  const Packet<T> numbered(
      reinterpret_cast<typename Packet<T>::Values>(k | (U(R::bias + R::mantissa) << R::mantissa)));
  const Packet<T> one_plus_f(reinterpret_cast<typename Packet<T>::Values>(
      reinterpret_cast<Unsigned>(x.v) - (k << R::mantissa) + offset));
  return {numbered - (whole + T(R::bias + 1)), one_plus_f - 1};
}

template <class T>
[[gnu::noinline, gnu::cold]] Packet<T> each(const Packet<T>& x, T (*f)(T)) {
  T all[Packet<T>::size];
  x.store(all);
  for (T& a : all) a = f(a);
  return Packet<T>::load(all);
}

// x = n pi/2 + r with r in [-pi/4, pi/4], for |x| up to trig_most: pi/2 is taken in parts short
// enough for n times a part to be exact.
template <class T>
struct Quarter {
  Packet<T> r;
  typename Lanes<T>::Bits n;
};
template <class T>
Quarter<T> split_quarters(const Packet<T>& x) {
  using R = Real<T>;
  const Packet<T> z = fma(x, Packet<T>(R::two_over_pi), Packet<T>(R::rounder));
  const Packet<T> n = z - R::rounder;
  Packet<T> r = x;
  if constexpr (single<T>) {
    r = fma(n, Packet<T>(-1.5703125), r);
    r = fma(n, Packet<T>(-4.8351287841796875e-4), r);
    r = fma(n, Packet<T>(-3.1385570764541626e-7), r);
    r = fma(n, Packet<T>(-6.070877134334296e-11), r);
    r = fma(n, Packet<T>(-6.2233721718966134e-14), r);
  } else {
    r = fma(n, Packet<T>(-1.5707963267341256142), r);
    r = fma(n, Packet<T>(-6.0771005063039659766e-11), r);
    r = fma(n, Packet<T>(-2.0222662487959507324e-21), r);
  }
  return {r, bits(z)};
}

// y, and f(x) in lanes that are beyond. What stands in other lanes, and behind the last element,
// changes nothing, y is not even computed by another copy of its code: one number has one sine.
template <class T>
Packet<T> unless_far(const Packet<T>& x, const Packet<T>& y, T (*f)(T)) {
  const auto near = abs(x) <= Real<T>::trig_most;
  if (!any(!near)) return y;
  return where(near, y, each<T>(x, f));
}

// sin(r + n pi/2).
template <class T>
Packet<T> sine(const Packet<T>& r, const typename Lanes<T>::Bits& n) {
  const Packet<T> s = r * r, square = s * s;
  Packet<T> p, q;
  if constexpr (single<T>) {
    p = polynomial(s, square, -1.9515397012405959e-4, 8.3321645692296356e-3, -0.16666654737883665);
    q = polynomial(s, square, 2.4436295193798510e-5, -1.3887349368262601e-3, 4.1666646511203930e-2);
  } else {
    p = polynomial(s, square, 1.5895877184219196366e-10, -2.5050742809790292561e-8,
                   2.75573135979390953e-6, -1.9841269829549033469e-4, 8.333333333322107748e-3,
                   -0.16666666666666630881);
    q = polynomial(s, square, -1.1359015031346813739e-11, 2.0875711469302668666e-9,
                   -2.7557314268800848334e-7, 2.4801587289205482104e-5, -1.3888888888873702809e-3,
                   4.1666666666666597186e-2);
  }
  const Packet<T> odd = fma(r * s, p, r);
  const Packet<T> even = fma(square, q, fma(s, Packet<T>(-0.5), Packet<T>(1)));
  const Packet<T> y(-(n & 1) ? even.v : odd.v);
  constexpr int to_sign = static_cast<int>(sizeof(T)) * 8 - 2;
  return Packet<T>(bits(y) ^ ((n & 2) << to_sign));
}

}  // namespace math

template <class T>
Packet<T> abs(const Packet<T>& x) {
  return Packet<T>(math::bits(x) & ~math::bits(Packet<T>(T(-0.0))));
}

template <class T>
Packet<T> square(const Packet<T>& x) {
  return x * x;
}

template <class T>
Packet<T> sqrt(const Packet<T>& x) {
  return math::root(x);
}

template <class T>
Packet<T> exp(const Packet<T>& x) {
  using R = math::Real<T>;
  const Mask<T> up = x > 0;
  const Packet<T> within = math::at_most(math::at_least(x, R::exp_least), R::exp_most);
  const auto e = math::split_exponential(within, where(up, -R::rescue, R::rescue));
  return math::fma(e.scale, e.m, e.scale) * where(up, R::rescue_up, R::rescue_down);
}

template <class T>
Packet<T> expm1(const Packet<T>& x) {
  using R = math::Real<T>;
  const Packet<T> within = math::at_most(math::at_least(x, R::expm1_least), R::exp_most);
  const auto e = math::split_exponential(within, Packet<T>(-1));  // half, or 2^1024 would not fit
  const Packet<T> y = 2 * math::fma(e.scale, e.m, e.scale - 0.5);
  return where(abs(x) < R::tiny, x, y);
}

template <class T>
Packet<T> log(const Packet<T>& x) {
  using R = math::Real<T>;
  constexpr T inf = math::infinity<T>;
  const Mask<T> small = x < R::least_normal;
  const auto p = math::split_parts(where(small, x * R::denormal_up, x));
  const Packet<T> k = p.k - where(small, R::denormal_shift, 0);
  const Packet<T> y = math::log_of_parts(k, p.f, Packet<T>(0));
  const Packet<T> special = where(x > 0, x, where(x == 0, -inf, math::not_a_number<T>));
  return where((x > 0) & (x < inf), y, special);
}

template <class T>
Packet<T> log1p(const Packet<T>& x) {
  constexpr T inf = math::infinity<T>;
  const Packet<T> u = x + 1;
  const auto p = math::split_parts(u);
  const Packet<T> lost = where(x < 1, x - (u - 1), 1 - (u - x)) / u;  // of x, in making u
  const Mask<T> near = p.k == 0;
  const Packet<T> y = math::log_of_parts(p.k, where(near, x, p.f), where(near, 0, lost));
  const Packet<T> special = where(x > -1, x, where(x == -1, -inf, math::not_a_number<T>));
  return where((x > -1) & (x < inf) & (x != 0), y, special);
}

// 1 / (1 + e^-x), from e^-|x|, so that nothing overflows and the left tail keeps its digits.
template <class T>
Packet<T> sigmoid(const Packet<T>& x) {
  const Packet<T> e = math::exp_below_zero(math::minus_abs(x));
  return where(x < 0, e, 1) / (e + 1);
}

// t / (2 - t) with t = 1 - e^-2|x|. Cheaper rational approximations are off by 5 units in the last
// place where the result comes close to 1.
template <class T>
Packet<T> tanh(const Packet<T>& x) {
  const Packet<T> a = math::at_least(2 * math::minus_abs(x), math::Real<T>::expm1_least);
  const auto e = math::split_exponential_roughly(a);
  const Packet<T> t((1 - e.scale.v) - e.scale.v * e.m.v);
  return math::with_sign_of(t / (2 - t), x);
}

// log(1 + e^x).
template <class T>
Packet<T> softplus(const Packet<T>& x) {
  const Packet<T> e = math::exp_below_zero(math::minus_abs(x));
  const Packet<T> u = e + 1;
  const auto p = math::split_parts(u);
  const Mask<T> near = p.k == 0;
  const Packet<T> lost = (e - (u - 1)) / u;
  const Packet<T> y = math::log_of_parts(p.k, where(near, e, p.f), where(near, 0, lost));
  return where(x > 0, x, 0) + y;
}

// Below 1 x plus x times a polynomial of x^2, above 1 - e^-p with p close to -log(1 - erf).
template <class T>
Packet<T> erf(const Packet<T>& x) {
  Packet<T> small, p;
  if constexpr (math::single<T>) {
    const Packet<T> a = math::at_most(abs(x), 3.93F), s = a * a;
    small = math::polynomial(s, s * s, 7.8538617912735175e-5, -8.0101937625024384e-4,
                             5.1883277016310225e-3, -2.6853811943481716e-2, 0.11283585148786295,
                             -0.37612625824240816, 0.1283791657267062);
    p = math::polynomial(a, s, 2.1697619402698773e-5, -4.4147272514356146e-4, 4.2052851863787362e-3,
                         -2.5210341149356096e-2, 0.10842210225888753, 0.63321639377957329,
                         1.1295803134084243, -1.8846833456325913e-4);
  } else {
    const Packet<T> a = math::at_most(abs(x), 5.93), s = a * a;
    small = math::polynomial(
        s, s * s, -7.77946960679853537e-10, 1.3710981003343107121e-8, -1.620631389965458325e-7,
        1.6447131589827805677e-6, -1.4924712303518526936e-5, 1.2055293576979168939e-4,
        -8.5483259293171036483e-4, 5.2239776061185270507e-3, -2.6866170643111473338e-2,
        0.11283791670944184752, -0.37612638903183519539, 0.1283791670955125657);
    p = math::polynomial(
        a, s, -3.6419050336993136862e-13, 1.8687942070271679146e-11, -4.4452040850753922975e-10,
        6.49972287722697099e-9, -6.5217905309274829057e-8, 4.73300017091210585e-7,
        -2.5348154347983743799e-6, 9.8835874854477672227e-6, -2.5671381555814138712e-5,
        2.5370580405428818286e-5, 1.2819429035323384578e-4, -7.6408753853436807879e-4,
        1.9121420442891964701e-3, -4.104024430435233057e-4, -1.8988266107763121068e-2,
        0.10270148873509835765, 0.63664463634264720991, 1.1283738045422124434,
        5.37941450613412871e-7);
  }
  const Packet<T> large = math::with_sign_of(1 - math::exp_below_zero(-p), x);
  return where(abs(x) < 1, math::fma(x, small, x), large);
}

// Within 4 units in the last place for |x| up to 2e4 (f32) and 1e6 (f64). What lies beyond is left
// to the C library, element by element: as accurate, and slow.
template <class T>
Packet<T> sin(const Packet<T>& x) {
  const auto q = math::split_quarters(x);
  return math::unless_far<T>(x, where(x == 0, x, math::sine(q.r, q.n)),
                             [](T a) { return static_cast<T>(__builtin_sin(a)); });
}

template <class T>
Packet<T> cos(const Packet<T>& x) {
  const auto q = math::split_quarters(x);
  return math::unless_far<T>(x, math::sine(q.r, q.n + 1),
                             [](T a) { return static_cast<T>(__builtin_cos(a)); });
}

}  // namespace unroll::simd::UNROLL_SIMD_ISA
