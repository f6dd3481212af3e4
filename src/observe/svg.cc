// Draws a Timeline. Lengths are in the units of the viewBox, which is kWidth wide.
#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/text.h"
#include "observe/timeline.h"

namespace baton::observe {
namespace {

constexpr double kWidth = 1400, kLeft = 190, kRight = 20, kPlot = kWidth - kLeft - kRight;
constexpr double kLaneHeight = 66, kTextHeight = 18;
constexpr double kCharacter = 6.6;  // of the small text
constexpr std::size_t kLongestTip = 400;

constexpr char kStyle[] = R"(<style>
svg{--paper:#fff;--ink:#1c2430;--faint:#8b95a3;--rule:#e3e7ec;--belief:#2e9e5b;
--draining:#e0a100;--request:#3b7dd8;--failed:#d43c3c;--watch:#9aa5b1;--stall:#b9a3e3;
--fault:#f0b3a6;background:var(--paper)}
@media(prefers-color-scheme:dark){svg{--paper:#14181d;--ink:#e4e9ef;--rule:#2a313a;
--belief:#37b76c;--draining:#c99300;--request:#5b9bf0;--failed:#ef6461;--watch:#66717d;
--stall:#6d57a3;--fault:#8a4a3e}}
text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:var(--ink)}
.title{font-size:16px;font-weight:600}.faint{fill:var(--faint)}.in{fill:#fff}
.rule{stroke:var(--rule)}.belief{fill:var(--belief)}.draining{fill:var(--draining)}
.request{fill:var(--request)}.failed{fill:var(--failed)}.watch{fill:var(--watch)}
.stall{fill:var(--stall);fill-opacity:.45}.fault{fill:var(--fault);fill-opacity:.55}
.twice{fill:var(--failed);fill-opacity:.25;stroke:var(--failed)}
</style>
)";

/// How each kind of bar is drawn: its class, and its place in the lane.
struct Look {
  const char* name;
  const char* meaning;
  double top, height;
};
constexpr std::array<Look, 7> kBars = {{
    {"belief", "leads: answers yes, until the deadline", 8, 24},
    {"draining", "draining: answers no, not yet released", 8, 24},
    {"request", "request", 38, 8},
    {"failed", "request, failed", 38, 8},
    {"watch", "watch open", 52, 4},
    {"stall", "not running, or not recorded", 2, 60},
    {"fault", "fault", 2, 60},
}};
struct Sign {
  const char* text;
  const char* name;
  const char* meaning;
  double bottom;
};
constexpr std::array<Sign, 5> kMarks = {{
    {"▶", "belief", "a term begins", 60},
    {"✖", "failed", "a term is lost (why: point at it)", 25},
    {"◆", "draining", "released", 25},
    {"╳", "watch", "a watch ends", 60},
    {"⚠", "failed", "alarm", 50},
}};
const Look& look(Bar::Kind kind) { return kBars.at(static_cast<std::size_t>(kind)); }
const Sign& sign(Mark::Kind kind) { return kMarks.at(static_cast<std::size_t>(kind)); }

std::string escaped(const std::string& text, std::size_t limit = kLongestTip) {
  std::string out;
  for (const char character : printable(text, limit)) {
    switch (character) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += character;
    }
  }
  return out;
}

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  return text.data();
}

std::string text_at(double x, double y, const std::string& name, const std::string& text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" class=\"" + name + "\">" +
         escaped(text) + "</text>\n";
}

class Drawing {
 public:
  explicit Drawing(const Timeline& timeline) : timeline_(timeline) {
    for (const Lane& lane : timeline.lanes) {
      for (const Bar& bar : lane.bars) include(bar.from, bar.until);
      for (const Mark& mark : lane.marks) include(mark.at, mark.at);
    }
    if (from_ > until_) from_ = until_ = Instant(Duration(0));
    until_ = std::max(until_, from_ + std::chrono::milliseconds(1));
  }

  std::string draw() {
    head();
    const double top = y_;
    axis(top, top + kLaneHeight * static_cast<double>(timeline_.lanes.size()));
    for (const Lane& lane : timeline_.lanes) draw(lane);
    overlaps(top);
    legend();
    const std::string height = number(y_ + 10);
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(kWidth) + " " +
           height + "\" font-size=\"12\">\n" + kStyle + out_ + "</svg>\n";
  }

 private:
  void include(Instant from, Instant until) {
    from_ = std::min(from_, from);
    until_ = std::max(until_, until);
  }

  double x(Instant at) const {
    return kLeft + kPlot * static_cast<double>((at - from_).count()) /
                       static_cast<double>((until_ - from_).count());
  }

  std::string seconds(Instant at) const {
    const double value = std::chrono::duration<double>(at - from_).count();
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.3f s", value);
    return text.data();
  }

  /// Wide enough to be seen, and to be pointed at.
  void rectangle(const std::string& name, Instant from, Instant until, double top, double height,
                 const std::string& tip) {
    const double left = x(from), width = std::max(1.5, x(until) - left);
    out_ += "<rect class=\"" + name + "\" x=\"" + number(left) + "\" y=\"" + number(top) +
            "\" width=\"" + number(width) + "\" height=\"" + number(height) + "\"><title>" +
            escaped(seconds(from) + " to " + seconds(until) + ": " + tip) + "</title></rect>\n";
  }

  void head() {
    y_ = 26;
    out_ += text_at(10, y_, "title", timeline_.title);
    for (const std::string& note : timeline_.notes) {
      out_ += text_at(10, y_ += kTextHeight, "faint", note);
    }
    y_ += 30;
  }

  /// About ten ticks, at 1, 2 or 5 of a power of ten.
  void axis(double top, double bottom) {
    const auto length = static_cast<double>((until_ - from_).count());
    double step = 1e6;  // 1 ms
    for (int i = 0; length / step > 12; ++i) step *= i % 3 == 1 ? 2.5 : 2;
    const char* const form = step < 1e9 ? "%.3f s" : "%.0f s";
    for (int tick = 0; tick * step <= length; ++tick) {
      const double at = tick * step;
      const double place = kLeft + kPlot * at / length;
      std::array<char, 32> label{};
      std::snprintf(label.data(), label.size(), form, at / 1e9);
      out_ += "<line class=\"rule\" x1=\"" + number(place) + "\" x2=\"" + number(place) +
              "\" y1=\"" + number(top - 6) + "\" y2=\"" + number(bottom) + "\"/>\n";
      out_ += text_at(place + 3, top - 8, "faint", label.data());
    }
  }

  void draw(const Lane& lane) {
    out_ += "<line class=\"rule\" x1=\"10\" x2=\"" + number(kWidth - kRight) + "\" y1=\"" +
            number(y_) + "\" y2=\"" + number(y_) + "\"/>\n<text x=\"10\" y=\"" + number(y_ + 25) +
            "\">" + escaped(lane.name, 24) + "<title>" + escaped(lane.name) + "</title></text>\n";
    // What lies over the whole lane first, so that nothing hides behind it.
    for (const bool is_wide : {true, false}) {
      for (const Bar& bar : lane.bars) {
        if ((look(bar.kind).height > 30) == is_wide) draw(bar);
      }
    }
    for (const Mark& mark : lane.marks) {
      const Sign& drawn = sign(mark.kind);
      out_ += "<text class=\"" + std::string(drawn.name) + "\" text-anchor=\"middle\" x=\"" +
              number(x(mark.at)) + "\" y=\"" + number(y_ + drawn.bottom) + "\">" + drawn.text +
              "<title>" + escaped(seconds(mark.at) + ": " + mark.tip) + "</title></text>\n";
    }
    y_ += kLaneHeight;
  }

  void draw(const Bar& bar) {
    const Look& drawn = look(bar.kind);
    rectangle(drawn.name, bar.from, bar.until, y_ + drawn.top, drawn.height,
              bar.tip.empty() ? bar.label : bar.tip);
    const double room = x(bar.until) - x(bar.from) - 8;
    const auto fits = static_cast<std::size_t>(std::max(0.0, room / kCharacter));
    if (bar.label.empty() || fits < 6) return;
    const std::string label =
        bar.label.size() <= fits ? bar.label : bar.label.substr(0, bar.label.rfind(" · "));
    if (label.size() <= fits) out_ += text_at(x(bar.from) + 4, y_ + drawn.top + 16, "in", label);
  }

  /// Two lanes that believe at once: what must never be.
  void overlaps(double top) {
    std::vector<std::pair<const Bar*, const Lane*>> beliefs;
    for (const Lane& lane : timeline_.lanes) {
      for (const Bar& bar : lane.bars) {
        if (bar.kind == Bar::Kind::belief) beliefs.emplace_back(&bar, &lane);
      }
    }
    std::ranges::sort(beliefs, {}, [](const auto& one) { return one.first->from; });
    const std::pair<const Bar*, const Lane*>* longest = nullptr;  // of those before
    for (const auto& one : beliefs) {
      if (longest != nullptr && one.second != longest->second &&
          one.first->from < longest->first->until) {
        rectangle("twice", one.first->from, std::min(one.first->until, longest->first->until), top,
                  y_ - top,
                  "two believe at once: " + one.second->name + " and " + longest->second->name);
      }
      if (longest == nullptr || one.first->until > longest->first->until) longest = &one;
    }
  }

  void legend() {
    y_ += 24;
    double place = 10;
    const auto entry = [&](const std::string& picture, const std::string& meaning) {
      const double width = 30 + kCharacter * static_cast<double>(meaning.size()) * 1.12;
      if (place + width > kWidth) {
        place = 10;
        y_ += kTextHeight;
      }
      out_ += "<g transform=\"translate(" + number(place) + " " + number(y_) + ")\">" + picture +
              text_at(18, 0, "faint", meaning) + "</g>\n";
      place += width;
    };
    for (const Look& each : kBars) {
      entry("<rect class=\"" + std::string(each.name) + "\" y=\"-9\" width=\"12\" height=\"10\"/>",
            each.meaning);
    }
    for (const Sign& each : kMarks) {
      entry("<text class=\"" + std::string(each.name) + "\">" + each.text + "</text>",
            each.meaning);
    }
    entry("<rect class=\"twice\" y=\"-9\" width=\"12\" height=\"10\"/>", "two believe at once");
  }

  const Timeline& timeline_;
  Instant from_ = kNever, until_ = kLongAgo;
  double y_ = 0;
  std::string out_;
};

}  // namespace

std::string to_svg(const Timeline& timeline) { return Drawing(timeline).draw(); }

}  // namespace baton::observe
