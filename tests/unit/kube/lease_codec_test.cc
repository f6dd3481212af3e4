#include "kube/lease_codec.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace baton::kube {
namespace {

using election::FailureKind;
using election::Lease;
using election::LeaseWrite;
using election::WatchEventKind;
using election::WriteKind;
using nlohmann::json;

constexpr const char* kNow = "2031-05-06T07:08:09.000123Z";

json full_lease() {
  return json::parse(R"({
    "kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
    "metadata": {
      "name": "billing", "namespace": "shop", "uid": "u-1", "resourceVersion": "417",
      "creationTimestamp": "2030-01-01T00:00:00Z",
      "labels": {"team": "payments"},
      "annotations": {"note": "keep me", "baton/term": "t-1", "baton/fencing-token": "416",
                      "baton/draining": "true"},
      "managedFields": [{"manager": "baton", "fieldsV1": {"f:spec": {"f:renewTime": {}}}}],
      "ownerReferences": [{"name": "x"}]},
    "spec": {"holderIdentity": "pod-a_1_x", "leaseDurationSeconds": 15, "leaseTransitions": 7,
             "acquireTime": "2030-01-01T00:00:01.000000Z",
             "renewTime": "2030-01-01T00:00:02.000000Z",
             "preferredHolder": "p", "strategy": "OldestEmulationVersion", "future": [1, {"a": 2.5}]},
    "topLevelFuture": {"kept": true}})");
}

json with(const char* pointer, const json& value) {
  json object = full_lease();
  object[json::json_pointer(pointer)] = value;
  return object;
}

LeaseWrite write_over(const json& object, WriteKind kind) {
  LeaseWrite write;
  write.kind = kind;
  write.base = *decode_lease(object.dump());
  write.holder = "pod-b_2_y";
  write.duration_s = 20;
  write.transitions = 8;
  write.annotations = {{"baton/term", "t-2"}, {"baton/attempt", "a-9"}};
  return write;
}

json encoded(const LeaseWrite& write) {
  return json::parse(encode_write(write, "shop", "billing", kNow));
}

TEST(ParseObject, KeepsAllThatIsThere) {
  EXPECT_EQ(*parse_object(full_lease().dump()), full_lease());
}

TEST(DecodeLease, LeavesManagedFieldsOutWhateverIsInThem) {
  json without = full_lease();
  without["metadata"].erase("managedFields");
  without["metadata"]["annotations"]["managedFields"] = "kept";
  without["metadata"]["annotations"]["note"] = R"("managedFields":[{"]}\)";
  for (const json& fields : {json::array(), json::array({{{"f:x", {{"]", "\\\"}]"}}}},
                                                         {{"managedFields", {1, {2}}}}})}) {
    json object = without;
    object["metadata"]["managedFields"] = fields;
    for (const std::string& text : {object.dump(), object.dump(2)}) {
      const auto lease = decode_lease(text);
      ASSERT_TRUE(lease.ok()) << lease.error();
      EXPECT_EQ(received(*lease), without);
    }
  }
}

TEST(DecodeLease, ReadsWhatTheRulesKnow) {
  const auto lease = decode_lease(full_lease().dump());
  ASSERT_TRUE(lease.ok()) << lease.error();
  EXPECT_EQ(lease->uid, "u-1");
  EXPECT_EQ(lease->version, 417);
  EXPECT_EQ(lease->holder, "pod-a_1_x");
  EXPECT_EQ(lease->duration_s, 15);
  EXPECT_EQ(lease->transitions, 7);
  EXPECT_EQ(lease->acquire_time, "2030-01-01T00:00:01.000000Z");
  EXPECT_EQ(lease->strategy, "OldestEmulationVersion");
  EXPECT_EQ(lease->preferred_holder, "p");
  EXPECT_FALSE(lease->being_deleted);
  EXPECT_EQ(lease->annotations, (std::map<std::string, std::string>{{"baton/term", "t-1"},
                                                                    {"baton/fencing-token", "416"},
                                                                    {"baton/draining", "true"}}));
  EXPECT_EQ(json::parse(lease->spec), full_lease()["spec"]);
}

TEST(DecodeLease, SeesTheDeletionTimestamp) {
  EXPECT_TRUE(decode_lease(with("/metadata/deletionTimestamp", "2030-01-01T00:00:00Z").dump())
                  ->being_deleted);
}

// R4: "uid, spec and baton/* unchanged (labels and other annotations do not count)".
TEST(DecodeLease, SpecTextIsCanonical) {
  json reordered = json::parse(full_lease().dump(4));
  reordered["metadata"]["labels"]["team"] = "other";
  reordered["metadata"]["annotations"]["note"] = "changed";
  EXPECT_EQ(decode_lease(reordered.dump(4))->spec, decode_lease(full_lease().dump())->spec);
  EXPECT_NE(decode_lease(with("/spec/future", 1).dump())->spec,
            decode_lease(full_lease().dump())->spec);
}

TEST(DecodeLease, WithoutSpecIsUnheld) {
  for (const char* text : {R"({"metadata":{"uid":"u","resourceVersion":"5"}})",
                           R"({"metadata":{"uid":"u","resourceVersion":"5"},"spec":null})",
                           R"({"metadata":{"uid":"u","resourceVersion":"5"},"spec":{}})",
                           R"({"metadata":{"uid":"u","annotations":null,"resourceVersion":"5"},
                               "spec":{"holderIdentity":null,"leaseDurationSeconds":null}})"}) {
    const auto lease = decode_lease(text);
    ASSERT_TRUE(lease.ok()) << lease.error();
    EXPECT_EQ(lease->holder, "");
    EXPECT_FALSE(lease->duration_s);
    EXPECT_EQ(lease->version, 5);
  }
}

// R6: "Versions are compared as decimal integers, parsed strictly; a Lease whose version is no
// positive integer gets no token and no leader".
TEST(DecodeLease, VersionIsAStrictPositiveInteger) {
  EXPECT_EQ(decode_lease(with("/metadata/resourceVersion", "9223372036854775807").dump())->version,
            9223372036854775807);
  for (const char* bad : {"", "0", "-1", "+1", "01", "1 ", " 1", "1.0", "1e3", "0x10", "abc",
                          "9223372036854775808", "99999999999999999999999"}) {
    const auto lease = decode_lease(with("/metadata/resourceVersion", bad).dump());
    ASSERT_TRUE(lease.ok()) << lease.error();
    EXPECT_FALSE(lease->version) << bad;
  }
  json without = full_lease();
  without["metadata"].erase("resourceVersion");
  EXPECT_FALSE(decode_lease(without.dump())->version);
}

TEST(DecodeLease, AbsurdDurationsPassThrough) {
  for (const std::int64_t absurd :
       {std::int64_t{-1}, std::int64_t{0}, std::int64_t{1} << 40, INT64_MIN, INT64_MAX}) {
    EXPECT_EQ(decode_lease(with("/spec/leaseDurationSeconds", absurd).dump())->duration_s, absurd);
  }
}

TEST(DecodeLease, WrongTypesAreOneLine) {
  const std::pair<const char*, json> wrong[] = {
      {"/metadata", 7},
      {"/metadata/uid", json::array()},
      {"/metadata/uid", nullptr},
      {"/metadata/resourceVersion", 417},
      {"/metadata/annotations", "x"},
      {"/metadata/annotations/baton~1term", 3},
      {"/metadata/deletionTimestamp", true},
      {"/spec", "none"},
      {"/spec", json::array()},
      {"/spec/holderIdentity", 5},
      {"/spec/leaseDurationSeconds", 15.5},
      {"/spec/leaseDurationSeconds", 15.0},
      {"/spec/leaseDurationSeconds", "15"},
      {"/spec/leaseDurationSeconds", 18446744073709551615u},
      {"/spec/leaseTransitions", -1},
      {"/spec/leaseTransitions", 2147483648},
      {"/spec/acquireTime", 0},
      {"/spec/strategy", json::object()},
      {"/spec/preferredHolder", false},
      {"/kind", "Pod"},
      {"/kind", 1},
  };
  for (const auto& [pointer, value] : wrong) {
    const auto lease = decode_lease(with(pointer, value).dump());
    ASSERT_FALSE(lease.ok()) << pointer << " " << value;
    EXPECT_EQ(lease.error().find('\n'), std::string::npos);
    EXPECT_LT(lease.error().size(), 300u);
  }
  EXPECT_EQ(decode_lease(with("/spec/leaseDurationSeconds", "15").dump()).error(),
            "Lease spec.leaseDurationSeconds is \"15\", must be an integer");
}

TEST(DecodeLease, WhatIsNoObjectIsAnError) {
  const std::string whole = full_lease().dump();
  for (const std::string& bad :
       {std::string(), std::string("null"), std::string("[]"), std::string("\"x\""),
        std::string("<html>\n<body>502</body>"), std::string("{\"spec\": 1e999}"),
        std::string("{\"a\":\"\xff\"}"), std::string("{}{}"), std::string(8, '\0')}) {
    const auto lease = decode_lease(bad);
    ASSERT_FALSE(lease.ok()) << bad;
    EXPECT_EQ(lease.error().find('\n'), std::string::npos) << lease.error();
  }
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    EXPECT_FALSE(decode_lease(whole.substr(0, cut)).ok());
    EXPECT_FALSE(decode_lease_list(whole.substr(0, cut), "billing").ok());
    EXPECT_FALSE(decode_watch_line(whole.substr(0, cut)).event);
  }
}

TEST(DecodeLease, BombsAreRefused) {
  for (const char* unit : {"[", "{\"a\":"}) {
    std::string deep = R"({"metadata":{"uid":"u"},"x":)";
    for (int i = 0; i < 200'000; ++i) deep += unit;
    EXPECT_FALSE(decode_lease(deep).ok());
  }
  const std::string closed =
      R"({"metadata":{"uid":"u"},"x":)" + std::string(70, '[') + std::string(70, ']') + "}";
  EXPECT_EQ(decode_lease(closed).error(), "the answer's JSON nests deeper than 64 levels");
  EXPECT_FALSE(decode_lease(with("/x", std::string(std::size_t{5} << 20, 'x')).dump()).ok());
  // Brackets within a string are no nesting.
  EXPECT_TRUE(
      decode_lease(with("/x", std::string(100, '[') + "\"\\" + std::string(100, '{')).dump()).ok());
}

TEST(DecodeLeaseList, FindsTheOneNamed) {
  json item = full_lease();
  item.erase("kind");
  json other = with("/metadata/name", "other");
  other["spec"] = 5;  // not ours to judge
  const json list = {{"kind", "LeaseList"},
                     {"metadata", {{"resourceVersion", "900"}}},
                     {"items", json::array({other, item})}};
  const auto decoded = decode_lease_list(list.dump(), "billing");
  ASSERT_TRUE(decoded.ok()) << decoded.error();
  EXPECT_EQ(decoded->revision, 900);
  ASSERT_TRUE(decoded->lease);
  EXPECT_EQ(decoded->lease->version, 417);
  EXPECT_FALSE(decode_lease_list(list.dump(), "billin")->lease);
}

TEST(DecodeLeaseList, AbsenceIsClaimedByAnEmptyListOnly) {
  const auto empty = decode_lease_list(
      R"({"kind":"LeaseList","metadata":{"resourceVersion":"9"},"items":null})", "a");
  ASSERT_TRUE(empty.ok()) << empty.error();
  EXPECT_FALSE(empty->lease);
  for (const char* bad :
       {R"({})", R"({"kind":"LeaseList"})", R"({"kind":"LeaseList","items":[]})",
        R"({"kind":"LeaseList","metadata":{"resourceVersion":"9"}})",
        R"({"kind":"LeaseList","metadata":{"resourceVersion":"0"},"items":[]})",
        R"({"kind":"LeaseList","metadata":{"resourceVersion":""},"items":[]})",
        R"({"kind":"LeaseList","metadata":{"resourceVersion":9},"items":[]})",
        R"({"kind":"LeaseList","metadata":{"resourceVersion":"9"},"items":{}})",
        R"({"kind":"LeaseList","metadata":{"resourceVersion":"9"},"items":[{"metadata":5}]})",
        R"({"kind":"Status","metadata":{"resourceVersion":"9"},"items":[],"message":"no"})"}) {
    const auto list = decode_lease_list(bad, "a");
    EXPECT_FALSE(list.ok()) << bad;
  }
}

TEST(DecodeWatchLine, Events) {
  const auto line = [](const char* type, const json& object) {
    return decode_watch_line(json{{"type", type}, {"object", object}}.dump());
  };
  for (const char* type : {"ADDED", "MODIFIED"}) {
    const auto changed = line(type, full_lease());
    ASSERT_TRUE(changed.event) << changed.failure.what;
    EXPECT_EQ(changed.event->kind, WatchEventKind::changed);
    EXPECT_EQ(changed.event->revision, 417);
    EXPECT_EQ(changed.event->lease->holder, "pod-a_1_x");
  }
  EXPECT_EQ(line("DELETED", full_lease()).event->kind, WatchEventKind::deleted);
  const auto bookmark =
      line("BOOKMARK", json::parse(R"({"kind":"Lease","metadata":{"resourceVersion":"77"}})"));
  ASSERT_TRUE(bookmark.event);
  EXPECT_EQ(bookmark.event->kind, WatchEventKind::bookmark);
  EXPECT_EQ(bookmark.event->revision, 77);
  EXPECT_FALSE(bookmark.event->lease);
}

TEST(DecodeWatchLine, ErrorEventsAreFailures) {
  const auto error = [](int code) {
    return decode_watch_line(json{
        {"type", "ERROR"}, {"object", {{"kind", "Status"}, {"code", code}, {"message", "too old"}}}}
                                 .dump());
  };
  EXPECT_FALSE(error(410).event);
  EXPECT_EQ(error(410).failure.kind, FailureKind::gone);
  EXPECT_EQ(error(410).failure.what, "ERROR event: too old");
  EXPECT_EQ(error(500).failure.kind, FailureKind::unavailable);
  EXPECT_EQ(error(403).failure.kind, FailureKind::refused);
}

TEST(DecodeWatchLine, NonsenseIsGarbled) {
  for (const char* bad :
       {"", "x", "{}", R"({"type":"ADDED"})", R"({"type":1,"object":{}})",
        R"({"type":"ADDED","object":[]})", R"({"type":"BOOKMARK","object":{}})",
        R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"-4"}}})",
        R"({"type":"SURPRISE","object":{"metadata":{"uid":"u","resourceVersion":"4"}}})",
        R"({"type":"ADDED","object":{"metadata":{"uid":"u","resourceVersion":"x"}}})",
        R"({"type":"ADDED","object":{"metadata":{"uid":"u","resourceVersion":"4"},"spec":4}})",
        R"({"type":"ERROR","object":{"code":"410"}})"}) {
    const auto line = decode_watch_line(bad);
    EXPECT_FALSE(line.event) << bad;
    EXPECT_EQ(line.failure.kind, FailureKind::garbled) << bad;
    EXPECT_FALSE(line.failure.what.empty()) << bad;
  }
}

// R1: "every PUT carries metadata.uid and metadata.resourceVersion ... without managedFields".
TEST(EncodeWrite, ComparesAndSwapsOnUidAndVersion) {
  for (const WriteKind kind : {WriteKind::acquire, WriteKind::renew, WriteKind::release}) {
    const json object = encoded(write_over(full_lease(), kind));
    EXPECT_EQ(object["metadata"]["uid"], "u-1");
    EXPECT_EQ(object["metadata"]["resourceVersion"], "417");
    EXPECT_FALSE(object["metadata"].contains("managedFields"));
  }
}

// R9: a renewal "copies labels, annotations and unknown fields"; R13: "Never drop these fields".
TEST(EncodeWrite, ChangesNothingButTheRulesFields) {
  json expected = full_lease();
  expected["metadata"].erase("managedFields");
  expected["metadata"]["annotations"] = {
      {"note", "keep me"}, {"baton/term", "t-2"}, {"baton/attempt", "a-9"}};
  expected["spec"]["holderIdentity"] = "pod-b_2_y";
  expected["spec"]["leaseDurationSeconds"] = 20;
  expected["spec"]["leaseTransitions"] = 8;
  expected["spec"]["renewTime"] = kNow;
  EXPECT_EQ(encoded(write_over(full_lease(), WriteKind::renew)), expected);
  expected["spec"]["acquireTime"] = kNow;
  EXPECT_EQ(encoded(write_over(full_lease(), WriteKind::acquire)), expected);
}

TEST(EncodeWrite, AnItemOfAListIsWrittenWithItsKind) {
  json item = full_lease();
  item.erase("kind");
  item.erase("apiVersion");
  const json object = encoded(write_over(item, WriteKind::renew));
  EXPECT_EQ(object["kind"], "Lease");
  EXPECT_EQ(object["apiVersion"], "coordination.k8s.io/v1");
}

TEST(EncodeWrite, ReleaseWritesTheEmptyHolder) {
  LeaseWrite write = write_over(full_lease(), WriteKind::release);
  write.holder = "";
  write.duration_s = 1;
  const json object = encoded(write);
  EXPECT_EQ(object["spec"]["holderIdentity"], "");
  EXPECT_EQ(object["spec"]["leaseDurationSeconds"], 1);
  EXPECT_EQ(object["spec"]["acquireTime"], "2030-01-01T00:00:01.000000Z");
}

// R5: "Creation is a PUT without uid and resourceVersion".
TEST(EncodeWrite, CreatesFromNothing) {
  LeaseWrite write;
  write.kind = WriteKind::create;
  write.duration_s = 15;
  write.annotations = {{"baton/fencing-token", "12"}, {"baton/duration", "15"}};
  EXPECT_EQ(encoded(write),
            (json{{"apiVersion", "coordination.k8s.io/v1"},
                  {"kind", "Lease"},
                  {"metadata",
                   {{"name", "billing"},
                    {"namespace", "shop"},
                    {"annotations", {{"baton/fencing-token", "12"}, {"baton/duration", "15"}}}}},
                  {"spec",
                   {{"holderIdentity", ""},
                    {"leaseDurationSeconds", 15},
                    {"leaseTransitions", 0},
                    {"renewTime", kNow}}}}));
}

TEST(EncodeWrite, ABareLeaseGetsItsSpec) {
  const json bare = {
      {"metadata", {{"uid", "u"}, {"resourceVersion", "3"}, {"annotations", nullptr}}},
      {"spec", nullptr}};
  LeaseWrite write = write_over(bare, WriteKind::acquire);
  EXPECT_EQ(encoded(write)["spec"]["holderIdentity"], "pod-b_2_y");
  write.annotations.clear();
  EXPECT_FALSE(encoded(write)["metadata"].contains("annotations"));
}

TEST(EncodeWrite, IsReadBackAsWritten) {
  const LeaseWrite write = write_over(full_lease(), WriteKind::acquire);
  const auto lease = decode_lease(encode_write(write, "shop", "billing", kNow));
  ASSERT_TRUE(lease.ok()) << lease.error();
  EXPECT_EQ(lease->holder, write.holder);
  EXPECT_EQ(lease->annotations, write.annotations);
}

TEST(EncodeWrite, InvalidUtf8IsReplaced) {
  LeaseWrite write = write_over(full_lease(), WriteKind::renew);
  write.holder = "bad\xff";
  EXPECT_EQ(encoded(write)["spec"]["holderIdentity"], "bad\xef\xbf\xbd");
}

TEST(StatusMessage, TakesTheServersWords) {
  EXPECT_EQ(status_message(R"({"kind":"Status","message":"leases \"a\" is\nforbidden"})"),
            "leases \"a\" is?forbidden");
  EXPECT_EQ(status_message("<html>Bad Gateway</html>"), "<html>Bad Gateway</html>");
  EXPECT_EQ(status_message(" \n"), "an answer without a body");
  EXPECT_LT(status_message(std::string(100'000, 'x')).size(), 200u);
}

TEST(FailureKindOf, Statuses) {
  EXPECT_EQ(failure_kind(401), FailureKind::refused);
  EXPECT_EQ(failure_kind(403), FailureKind::refused);
  EXPECT_EQ(failure_kind(404), FailureKind::not_found);
  EXPECT_EQ(failure_kind(409), FailureKind::conflict);
  EXPECT_EQ(failure_kind(410), FailureKind::gone);
  EXPECT_EQ(failure_kind(422), FailureKind::refused);
  EXPECT_EQ(failure_kind(429), FailureKind::throttled);
  EXPECT_EQ(failure_kind(500), FailureKind::unavailable);
  EXPECT_EQ(failure_kind(302), FailureKind::garbled);
}

}  // namespace
}  // namespace baton::kube
