// GET /ui, the status in a browser (docs/ui.md): ui.html, which CMakeLists.txt makes a string.
#pragma once

#include <string_view>

#include "http/message.h"

namespace baton::api {

extern const std::string_view kUiHtml;  // with one <style> and one <script>

/// The page, with a policy by which a browser runs nothing but its script, sends nothing anywhere
/// but here, and shows it in nobody's frame.
http::Response ui_answer();

}  // namespace baton::api
