// Refusals: foreign hosts, web pages, unknown paths, methods, parameters and bodies; the
// description; the probes and the legacy listener.
#include <set>

#include "local_api_fixture.h"

namespace baton::api {
namespace {

class RouterTest : public ApiTest {
 protected:
  int status_for_host(const std::string& host) {
    return send({"GET", "/token", {{"Host", host}}, ""})->answer.status;
  }
  Exchange probe(const http::Handler& handler, const std::string& target,
                 const std::string& method = "GET") {
    const auto exchange =
        std::make_shared<FakeExchange>(http::Request{method, target, {}, ""}, false);
    handler(exchange);
    return exchange;
  }
};

TEST_F(RouterTest, OnlyLocalNamesAreAnswered) {
  lead();
  for (const char* host :
       {"localhost", "LocalHost:4040", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:4040"}) {
    EXPECT_EQ(status_for_host(host), 200) << host;
  }
  for (const char* host :
       {"evil.example", "localhost.evil.example:4040", "127.0.0.1.nip.io", "", "127.0.0.1:x",
        "localhost:", "[::1]x", "[::2]", "::1", "10.0.0.1:4040"}) {
    EXPECT_EQ(status_for_host(host), 403) << host;
  }
  EXPECT_EQ(send({"GET", "/token", {}, ""})->answer.status, 403) << "HTTP/1.0 without Host";
  EXPECT_EQ(send({"GET", "/token", {{"Host", "any"}}, ""}, true)->answer.status, 200);
  EXPECT_EQ(send({"GET", "/token", {}, ""}, true)->answer.status, 200);
}

TEST_F(RouterTest, WebPagesAreRefused) {
  lead();
  for (const char* origin : {"http://evil.example", "null", "http://localhost:4040"}) {
    const Exchange answer =
        send({"GET", "/leader", {{"Host", "localhost"}, {"Origin", origin}}, ""});
    EXPECT_EQ(answer->answer.status, 403) << origin;
    EXPECT_EQ(board_->answers(), 0U);
  }
}

// What an image, a frame or a link of another site asks for: it has no Origin.
TEST_F(RouterTest, WhatAnotherSiteMakesABrowserAskForIsRefused) {
  lead();
  const auto ask = [this](const char* path, const char* site) {
    return send({"GET", path, {{"Host", "localhost:4040"}, {"Sec-Fetch-Site", site}}, ""});
  };
  for (const char* site : {"cross-site", "same-site", "anything"}) {
    for (const char* path : {"/leader", "/leader/events?hold=true", "/token", "/", "/ui/events"}) {
      const Exchange refused = ask(path, site);
      EXPECT_EQ(refused->answer.status, 403) << path << " " << site;
      EXPECT_FALSE(refused->streams);
    }
    EXPECT_EQ(ask("/ui", site)->answer.status, 200) << "a link may open it";
    EXPECT_EQ(ask("/openapi.json", site)->answer.status, 200);
  }
  EXPECT_EQ(board_->answers(), 0U);
  EXPECT_EQ(
      error(ask("/leader", "cross-site")),
      "Sec-Fetch-Site: \"cross-site\" is refused: pages of other sites may not call this; type "
      "its address into the browser");
  EXPECT_EQ(ask("/leader", "same-origin")->answer.status, 200);
  EXPECT_EQ(ask("/leader", "none")->answer.status, 200) << "typed in by a person";
}

TEST_F(RouterTest, EveryPostNeedsTheControlHeader) {
  lead();
  for (const char* path :
       {"/resign", "/drained", "/ready-to-lead", "/fencing/rejections", "/token/advance"}) {
    const Exchange answer = send({"POST", path, {{"Host", "localhost"}}, ""});
    EXPECT_EQ(answer->answer.status, 403) << path;
    EXPECT_EQ(error(answer),
              "POST needs the header \"Baton-Control: 1\", which no plain link or form can send; "
              "add it");
  }
  EXPECT_TRUE(posted_.empty());
}

TEST_F(RouterTest, UnknownPathsAndMethods) {
  EXPECT_EQ(get("/nowhere")->answer.status, 404);
  EXPECT_EQ(get("/leader/")->answer.status, 404);
  EXPECT_EQ(post("/leader")->answer.status, 405);
  EXPECT_EQ(header(post("/leader"), "Allow"), "GET, HEAD");
  EXPECT_EQ(header(get("/resign"), "Allow"), "POST");
  EXPECT_EQ(header(get("/leader/events", "HEAD"), "Allow"), "GET");
  EXPECT_EQ(get("/leader", "STREAM")->answer.status, 405);
  EXPECT_EQ(get("/leader/events", "STREAM")->answer.status, 405);
  EXPECT_EQ(get("/leader", "OPTIONS")->answer.status, 405);
}

// Errors for people: what was wrong, the value, the rule, the mend.
TEST_F(RouterTest, BadParametersAreNamed) {
  const std::map<std::string, std::string> cases{
      {"/leader?x=1", "unknown query parameter \"x\"; known here: minRemaining, wait, after"},
      {"/token?x=1", "unknown query parameter \"x\"; known here: none"},
      {"/leader?wait=-1",
       "wait: \"-1\" is no duration from 0s to 5m; write a number with a unit, such as 1500ms or "
       "3s"},
      {"/leader?wait=6m&after=1",
       "wait: \"6m\" is no duration from 0s to 5m; write a number with a unit, such as 1500ms or "
       "3s"},
      {"/leader?minRemaining=1y",
       "minRemaining: \"1y\" is no duration from 0s to 12s; write a number with a unit, such as "
       "1500ms or 3s"},
      {"/leader?minRemaining=13s",
       "minRemaining: \"13s\" is no duration from 0s to 12s; write a number with a unit, such as "
       "1500ms or 3s"},
      {"/leader?wait=1s", "wait needs after=REVISION, taken from the document you have"},
      {"/leader?minRemaining=1s&minRemaining=2s",
       "query parameter \"minRemaining\" is given more than once; give it once"},
      {"/leader/events?hold=yes", "hold: \"yes\" is neither true nor false; write one of them"},
  };
  for (const auto& [target, what] : cases) {
    const Exchange answer = get(target);
    EXPECT_EQ(answer->answer.status, 400) << target;
    EXPECT_EQ(error(answer), what);
  }
}

TEST_F(RouterTest, BadBodiesAreNamed) {
  lead();
  const std::map<std::string, std::string> cases{
      {"{", "the body is no JSON object; write {\"key\":\"value\"}"},
      {"[]", "the body is no JSON object; write {\"key\":\"value\"}"},
      {"\xff", "the body is no JSON object; write {\"key\":\"value\"}"},
      {R"({"termId":null})", "body field \"termId\" is no string; write it in quotes"},
      {R"({"termId":["a"]})", "body field \"termId\" is no string; write it in quotes"},
      {R"({"termId":5})", "body field \"termId\" is no string; write it in quotes"},
      {R"({"term":"t1"})", "unknown body field \"term\"; known here: termId, name"},
      {"{}", "body field \"termId\" is missing: the term meant; 409 if it is not the present one"},
  };
  for (const auto& [body, what] : cases) {
    const Exchange answer = post("/drained", body);
    EXPECT_EQ(answer->answer.status, 400) << body;
    EXPECT_EQ(error(answer), what);
  }
  EXPECT_TRUE(posted_.empty());
}

TEST_F(RouterTest, TheDescriptionHasEveryRoute) {
  const json description = document(get("/openapi.json"));
  EXPECT_EQ(description["openapi"], "3.0.3");
  std::set<std::string> paths;
  for (const auto& [path, methods] : description["paths"].items()) {
    paths.insert(path);
    const bool is_post = methods.contains("post");
    const Exchange other = get(path, is_post ? "GET" : "DELETE");
    EXPECT_EQ(other->answer.status, 405) << path << " is dispatched";
  }
  EXPECT_EQ(paths, (std::set<std::string>{"/", "/leader", "/leader/events", "/token", "/resign",
                                          "/drained", "/ready-to-lead", "/fencing/rejections",
                                          "/token/advance", "/ui", "/ui/events", "/openapi.json"}));
  EXPECT_EQ(description["paths"]["/drained"]["post"]["requestBody"]["content"]["application/json"]
                       ["schema"]["required"],
            json::array({"termId"}));
}

// Every key that `value` has is described, every key described is there, and each has its type.
void expect_described(const json& value, const json& schema, const std::string& where) {
  if (value.is_null()) {
    EXPECT_EQ(schema.value("nullable", false), true) << where;
    return;
  }
  const std::string type = value.is_number_integer() ? "integer" : value.type_name();
  EXPECT_EQ(schema["type"], type) << where;
  if (schema.contains("enum")) {
    EXPECT_NE(std::find(schema["enum"].begin(), schema["enum"].end(), value), schema["enum"].end())
        << where << " " << value;
  }
  if (!value.is_object()) return;
  std::set<std::string> keys;
  for (const auto& [key, one] : value.items()) {
    keys.insert(key);
    ASSERT_TRUE(schema["properties"].contains(key)) << where << "." << key << " is not described";
    expect_described(one, schema["properties"][key], where + "." + key);
  }
  EXPECT_EQ(schema["required"].get<std::set<std::string>>(), keys) << where;
  EXPECT_EQ(schema["properties"].size(), keys.size()) << where;
}

TEST_F(RouterTest, TheDescriptionHasTheStatusDocument) {
  const json description = document(get("/openapi.json"));
  const json& schemas = description["components"]["schemas"];
  expect_described(document(get("/leader")), schemas["Status"], "starting");
  lead();
  expect_described(document(get("/leader")), schemas["Status"], "leading");
  for (int i = 0; i <= static_cast<int>(State::stopped); ++i) {
    Status status = following("web-1_aaaa_bbbb", server_.now + 9s);
    status.state = static_cast<State>(i);
    status.reason = "why";
    publish(status);
    expect_described(document(get("/leader")), schemas["Status"], to_string(status.state));
  }
  expect_described({{"leads", "here"}, {"reason", "why"}},
                   schemas["Status"]["properties"]["traffic"], "traffic");
  expect_described(document(get("/nowhere")), schemas["Error"], "error");

  const auto body_of = [&](const char* path, const char* method, const char* status) {
    return description["paths"][path][method]["responses"][status]["content"]["application/json"]
                      ["schema"]["$ref"];
  };
  for (const char* status : {"200", "503"}) {
    EXPECT_EQ(body_of("/leader", "get", status), "#/components/schemas/Status");
  }
  for (const char* path : {"/resign", "/drained", "/ready-to-lead", "/token/advance"}) {
    EXPECT_EQ(body_of(path, "post", "200"), "#/components/schemas/Status") << path;
  }
  EXPECT_EQ(body_of("/leader", "get", "default"), "#/components/schemas/Error");
}

TEST_F(RouterTest, Probes) {
  const http::Handler probes = probe_handler(context_);
  EXPECT_EQ(probe(probes, "/livez")->answer.status, 200);
  EXPECT_EQ(probe(probes, "/livez")->answer.body, "ok\n");
  EXPECT_EQ(probe(probes, "/livez?verbose")->answer.body,
            "[+] election-thread: last went round 3 ms ago\nok\n");
  is_live_ = false;
  EXPECT_EQ(probe(probes, "/livez")->answer.status, 503);
  EXPECT_EQ(probe(probes, "/livez")->answer.body,
            "[-] election-thread: last went round 3 ms ago\nfailed\n");
  EXPECT_EQ(probe(probes, "/startupz")->answer.status, 200);
  EXPECT_EQ(probe(probes, "/metrics", "HEAD")->answer.status, 200);
  EXPECT_EQ(probe(probes, "/metrics")->answer.body, "baton_is_leader 1\n");
  EXPECT_EQ(probe(probes, "/livez", "POST")->answer.status, 405) << "read-only";
  EXPECT_EQ(probe(probes, "/resign", "POST")->answer.status, 404) << "no control on the Pod's IP";
  EXPECT_EQ(probe(probes, "/leader")->answer.status, 404);
  EXPECT_EQ(probe(probes, "/ui")->answer.status, 404);
}

// Section 4: /readyz is 200 in all but starting, degraded, blocked, stopped.
TEST_F(RouterTest, ReadinessByState) {
  const http::Handler probes = probe_handler(context_);
  for (int i = 0; i <= static_cast<int>(State::stopped); ++i) {
    Status status;
    status.state = static_cast<State>(i);
    publish(status);
    const bool ready = status.state != State::starting && status.state != State::degraded &&
                       status.state != State::blocked && status.state != State::stopped;
    EXPECT_EQ(probe(probes, "/readyz")->answer.status, ready ? 200 : 503)
        << to_string(status.state);
  }
  Status blocked;
  blocked.state = State::blocked;
  blocked.reason = "Lease missing; allow create";
  publish(blocked);
  EXPECT_EQ(probe(probes, "/readyz")->answer.body,
            "[-] state: blocked, Lease missing; allow create\n[+] watch: down\nfailed\n");
}

// It costs no term, so no readiness either.
TEST_F(RouterTest, TrafficThatFailsIsShownAndCostsNoReadiness) {
  lead();
  EXPECT_EQ(probe(probe_handler(context_), "/readyz?verbose")->answer.body,
            "[+] state: leading\n[+] watch: down\nok\n");
  const auto traffic = std::make_shared<TrafficBoard>();
  context_.traffic = traffic;
  traffic->publish({TrafficState::Leads::away, "403, bind the Role"});
  EXPECT_EQ(probe(probe_handler(context_), "/readyz?verbose")->answer.body,
            "[+] state: leading\n[+] watch: down\n"
            "[+] traffic: leads away, 403, bind the Role\nok\n");
}

TEST_F(RouterTest, LeaderzWaitsForTheApplicationAndTheClock) {
  const http::Handler probes = probe_handler(context_);
  EXPECT_EQ(probe(probes, "/leaderz")->answer.status, 503);
  Status status = leading("t1", 42, server_.now + 12s);
  status.state = State::warming;
  publish(status);
  EXPECT_EQ(probe(probes, "/leaderz")->answer.status, 503);
  lead();
  EXPECT_EQ(probe(probes, "/leaderz")->answer.status, 200);
  server_.now += 12s;
  EXPECT_EQ(probe(probes, "/leaderz")->answer.status, 503);
  EXPECT_EQ(probe(probes, "/readyz")->answer.status, 503) << "lapsed: degraded";
}

TEST_F(RouterTest, LegacyListener) {
  const http::Handler legacy = legacy_handler(context_);
  lead();
  EXPECT_EQ(probe(legacy, "/")->answer.body, "{\"name\":\"web-0\"}");
  EXPECT_EQ(probe(legacy, "/", "HEAD")->answer.status, 200);
  EXPECT_EQ(probe(legacy, "/", "POST")->answer.status, 405);
  EXPECT_EQ(probe(legacy, "/livez")->answer.status, 200);
  EXPECT_EQ(probe(legacy, "/resign", "POST")->answer.status, 404);
  EXPECT_EQ(probe(legacy, "/metrics")->answer.status, 404);
  EXPECT_EQ(probe(legacy, "/ui")->answer.status, 404);
}

}  // namespace
}  // namespace baton::api
