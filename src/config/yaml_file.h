// The settings file: a flat YAML map, read without interpreting any value.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace baton::config {

struct YamlEntry {
  std::string key;
  std::string value;  // a list's parts are joined by commas
  int line = 0;       // from 1
  std::string wrong;  // why the entry cannot be used: no scalar, no value, key given twice
};

/// The entries in file order. The error names the file and the place.
Result<std::vector<YamlEntry>> read_yaml_file(const std::string& path);

}  // namespace baton::config
