// The rules of update.h, compiled once for every instruction set by update.cpp. Each has the number
// of its moments and, built from an Update, replaces p and m[…] by the next ones; g is clipped and
// holds the decay already.
namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

using optim::detail::Update;

// p -= rate · g
template <class T>
struct Plain {
  static constexpr int moments = 0;
  explicit Plain(const Update& u) : rate(u.rate) {}
  void operator()(const Packet<T>& g, Packet<T>& p, Packet<T>*) const { p = p - rate * g; }
  Packet<T> rate;
};

// m = beta1 · m + intake · g;  p -= rate · (of_gradient · g + of_first · m)
template <class T>
struct Momentum {
  static constexpr int moments = 1;
  explicit Momentum(const Update& u)
      : rate(u.rate),
        beta(u.beta1),
        intake(u.intake),
        of_gradient(u.of_gradient),
        of_first(u.of_first) {}
  void operator()(const Packet<T>& g, Packet<T>& p, Packet<T>* m) const {
    m[0] = beta * m[0] + intake * g;
    p = p - rate * (of_gradient * g + of_first * m[0]);
  }
  Packet<T> rate, beta, intake, of_gradient, of_first;
};

// m = beta1 · m + (1 - beta1) · g;  v = beta2 · v + (1 - beta2) · g²
template <class T>
struct Moments {
  explicit Moments(const Update& u)
      : beta1(u.beta1), rest1(1 - u.beta1), beta2(u.beta2), rest2(1 - u.beta2) {}
  void take(const Packet<T>& g, Packet<T>* m) const {
    m[0] = beta1 * m[0] + rest1 * g;
    m[1] = beta2 * m[1] + rest2 * (g * g);
  }
  Packet<T> beta1, rest1, beta2, rest2;
};

// p = keep · p - rate · m / (root · √v + epsilon)
template <class T>
struct Adam {
  static constexpr int moments = 2;
  explicit Adam(const Update& u)
      : both(u), rate(u.rate), keep(u.keep), root(u.root), epsilon(u.epsilon) {}
  void operator()(const Packet<T>& g, Packet<T>& p, Packet<T>* m) const {
    both.take(g, m);
    p = keep * p - rate * (m[0] / (root * sqrt(m[1]) + epsilon));
  }
  Moments<T> both;
  Packet<T> rate, keep, root, epsilon;
};

// The same with the largest v so far, w = max(w, v), in place of v.
template <class T>
struct AmsGrad {
  static constexpr int moments = 3;
  explicit AmsGrad(const Update& u)
      : both(u), rate(u.rate), keep(u.keep), root(u.root), epsilon(u.epsilon) {}
  void operator()(const Packet<T>& g, Packet<T>& p, Packet<T>* m) const {
    both.take(g, m);
    m[2] = math::largest(m[2], m[1]);
    p = keep * p - rate * (m[0] / (root * sqrt(m[2]) + epsilon));
  }
  Moments<T> both;
  Packet<T> rate, keep, root, epsilon;
};

// p -= rate · (of_gradient · g + of_first · m) / (root · √v + epsilon)
template <class T>
struct NAdam {
  static constexpr int moments = 2;
  explicit NAdam(const Update& u)
      : both(u),
        rate(u.rate),
        of_gradient(u.of_gradient),
        of_first(u.of_first),
        root(u.root),
        epsilon(u.epsilon) {}
  void operator()(const Packet<T>& g, Packet<T>& p, Packet<T>* m) const {
    both.take(g, m);
    p = p - rate * ((of_gradient * g + of_first * m[0]) / (root * sqrt(m[1]) + epsilon));
  }
  Moments<T> both;
  Packet<T> rate, of_gradient, of_first, root, epsilon;
};

// m = beta1 · m + (1 - beta1) · g;  u = max(beta2 · u, |g| + epsilon);  p -= rate · m / u
template <class T>
struct Adamax {
  static constexpr int moments = 2;
  explicit Adamax(const Update& u)
      : rate(u.rate), beta1(u.beta1), rest1(1 - u.beta1), beta2(u.beta2), epsilon(u.epsilon) {}
  void operator()(const Packet<T>& g, Packet<T>& p, Packet<T>* m) const {
    m[0] = beta1 * m[0] + rest1 * g;
    m[1] = math::largest(beta2 * m[1], abs(g) + epsilon);
    p = p - rate * (m[0] / m[1]);
  }
  Packet<T> rate, beta1, rest1, beta2, epsilon;
};

// v = beta2 · v + (1 - beta2) · g²;  d = g / (√v + epsilon);  p -= rate · d
// centred: a = beta2 · a + (1 - beta2) · g besides, and v - a² in place of v, no less than 0.
// momentum: m = beta1 · m + d besides, and p -= rate · m.
template <class T, bool centred, bool momentum>
struct RmsProp {
  static constexpr int moments = 1 + (centred ? 1 : 0) + (momentum ? 1 : 0);
  explicit RmsProp(const Update& u)
      : rate(u.rate), beta1(u.beta1), beta2(u.beta2), rest2(1 - u.beta2), epsilon(u.epsilon) {}
  void operator()(const Packet<T>& g, Packet<T>& p, Packet<T>* m) const {
    m[0] = beta2 * m[0] + rest2 * (g * g);
    Packet<T> variance = m[0];
    if constexpr (centred) {
      m[1] = beta2 * m[1] + rest2 * g;
      variance = math::largest(Packet<T>(0), m[0] - m[1] * m[1]);
    }
    Packet<T> change = g / (sqrt(variance) + epsilon);
    if constexpr (momentum) {
      m[moments - 1] = beta1 * m[moments - 1] + change;
      change = m[moments - 1];
    }
    p = p - rate * change;
  }
  Packet<T> rate, beta1, beta2, rest2, epsilon;
};
template <class T>
using RmsPropPlain = RmsProp<T, false, false>;
template <class T>
using RmsPropCentred = RmsProp<T, true, false>;
template <class T>
using RmsPropMomentum = RmsProp<T, false, true>;
template <class T>
using RmsPropBoth = RmsProp<T, true, true>;

// s += g²;  p -= rate · g / (√s + epsilon)
template <class T>
struct Adagrad {
  static constexpr int moments = 1;
  explicit Adagrad(const Update& u) : rate(u.rate), epsilon(u.epsilon) {}
  void operator()(const Packet<T>& g, Packet<T>& p, Packet<T>* m) const {
    m[0] = m[0] + g * g;
    p = p - rate * (g / (sqrt(m[0]) + epsilon));
  }
  Packet<T> rate, epsilon;
};

// v = beta2 · v + (1 - beta2) · g²;  d = g · √(u + epsilon) / √(v + epsilon)
// u = beta2 · u + (1 - beta2) · d²;  p -= rate · d
template <class T>
struct Adadelta {
  static constexpr int moments = 2;
  explicit Adadelta(const Update& u)
      : rate(u.rate), beta2(u.beta2), rest2(1 - u.beta2), epsilon(u.epsilon) {}
  void operator()(const Packet<T>& g, Packet<T>& p, Packet<T>* m) const {
    m[0] = beta2 * m[0] + rest2 * (g * g);
    const Packet<T> change = sqrt(m[1] + epsilon) / sqrt(m[0] + epsilon) * g;
    m[1] = beta2 * m[1] + rest2 * (change * change);
    p = p - rate * change;
  }
  Packet<T> rate, beta2, rest2, epsilon;
};

// p = keep · p - rate · sign(beta1 · m + (1 - beta1) · g);  m = beta2 · m + (1 - beta2) · g
template <class T>
struct Lion {
  static constexpr int moments = 1;
  explicit Lion(const Update& u)
      : rate(u.rate),
        keep(u.keep),
        beta1(u.beta1),
        rest1(1 - u.beta1),
        beta2(u.beta2),
        rest2(1 - u.beta2) {}
  void operator()(const Packet<T>& g, Packet<T>& p, Packet<T>* m) const {
    const Packet<T> c = beta1 * m[0] + rest1 * g;
    p = keep * p - where(c > 0, rate, where(c < 0, -rate, 0));
    m[0] = beta2 * m[0] + rest2 * g;
  }
  Packet<T> rate, keep, beta1, rest1, beta2, rest2;
};

}  // namespace
}  // namespace unroll::simd::UNROLL_SIMD_ISA
