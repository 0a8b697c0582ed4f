// Loops of reduce_plan.cpp, compiled once for every instruction set.
namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

using unroll::detail::Term;

template <Term term, class T>
double term_of(T element, double shift) {
  const double x = static_cast<double>(element);
  if constexpr (term == Term::plain) return x;
  if constexpr (term == Term::deviation) return x - shift;
  if constexpr (term == Term::squared) return (x - shift) * (x - shift);
  if constexpr (term == Term::magnitude) return x < 0 ? -x : x;
}

// sums[c] += Σ over rows, in double.
template <Term term, class T>
void add_columns(const T* x, Index rows, Index columns, const double* shifts, double* sums) {
  for (Index r = 0; r < rows; ++r, x += columns)
    for (Index c = 0; c < columns; ++c)
      sums[c] +=
          term_of<term>(x[c], term == Term::plain || term == Term::magnitude ? 0 : shifts[c]);
}

// Σ of n adjacent elements: eight sums side by side, so that it is not one long chain.
template <Term term, class T>
double add_row(const T* x, Index n, double shift) {
  double lanes[8] = {};
  Index i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) lanes[k] += term_of<term>(x[i + k], shift);
  for (int k = 0; i < n; ++i, ++k) lanes[k] += term_of<term>(x[i], shift);
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

template <class T>
struct TermLoops {
  void (*columns)(const T* x, Index rows, Index columns, const double* shifts, double* sums);
  double (*row)(const T* x, Index n, double shift);
};
template <class T>
constexpr TermLoops<T> term_loops[] = {
    {add_columns<Term::plain, T>, add_row<Term::plain, T>},
    {add_columns<Term::deviation, T>, add_row<Term::deviation, T>},
    {add_columns<Term::squared, T>, add_row<Term::squared, T>},
    {add_columns<Term::magnitude, T>, add_row<Term::magnitude, T>}};

}  // namespace
}  // namespace unroll::simd::UNROLL_SIMD_ISA
