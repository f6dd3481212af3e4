// The timings that a name or a lease duration stands for.
#include "config/table.h"

namespace baton::config {

const std::vector<Profile>& profiles() {
  using ms = std::chrono::milliseconds;
  static const std::vector<Profile> all = {
      {"aggressive", {ms(3000), ms(2400), ms(1000), ms(400), ms(50), ms(90)}},
      {"balanced", {ms(15000), ms(12000), ms(5000), ms(2000), ms(250), ms(450)}},
      {"conservative", {ms(45000), ms(36000), ms(10000), ms(5000), ms(500), ms(5000)}},
  };
  return all;
}

election::Timings timings_of_ttl(election::Duration ttl) {
  const election::Duration whole = std::chrono::ceil<std::chrono::seconds>(ttl);
  return {whole, whole * 4 / 5, whole / 4, whole / 8, whole / 40, whole / 20};
}

}  // namespace baton::config
