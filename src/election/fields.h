// The fields of a struct by name, for those who write all of them down and read them back (the
// flight recorder). A field that is not named here does not compile.
#pragma once

/// Inside a struct: visit_fields(self, visit) calls visit("one, two", self.one, self.two) with all
/// of its fields, const if `self` is.
#define BATON_FIELDS(...)                             \
  template <typename Self, typename Visit>            \
  static void visit_fields(Self& self, Visit visit) { \
    auto& [__VA_ARGS__] = self;                       \
    visit(#__VA_ARGS__, __VA_ARGS__);                 \
  }
