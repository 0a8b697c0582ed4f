int main() {
  // [region]
  return 0;
  // [/region]
}
