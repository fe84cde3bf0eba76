import { describe, expect, test } from "bun:test";
import { parseBootstrap, parseEvent, type TorEvent } from "../../lib/tor/event.ts";
import { Publication } from "../../lib/tor/publication.ts";
import { messageOf } from "./fake-tor.ts";
import { transcript } from "./transcript.ts";

function eventOf(...lines: string[]): TorEvent {
  const message = messageOf(...lines);
  if (message?.kind !== "event") throw new Error("That is no event.");
  return parseEvent(message);
}

const recorded = transcript("info_events").flatMap(({ who, text }) =>
  who === "S" && text.startsWith("650 ") && text !== "650 OK" ? [text] : [],
);

describe("a recorded event", () => {
  test("of each type is read", () => {
    const failed = recorded.find((line) => line.includes("HS_DESC FAILED")) ?? "";
    expect(eventOf(failed)).toEqual({
      type: "HS_DESC",
      action: "FAILED",
      address: "tfnv2kwcwijrm2y6oj65ohmqyah66pqsopr267ueurlslfv5gtsdmsqd.onion",
      authType: "NO_AUTH",
      directory: "$748C0611B010B40C1BC53C98F26BC5DA3820957E~a0",
      descriptorId: "RIm8Fn56hW/Q+ZIdOIC8XS+GKR3OPCmAGOXieeF59ag",
      reason: "NOT_FOUND",
    });
    const circuit = eventOf(recorded.find((line) => line.includes("CIRC 90 BUILT")) ?? "");
    expect(circuit).toMatchObject({ type: "CIRC", id: "90", status: "BUILT" });
    expect(circuit.type === "CIRC" ? circuit.path.length : 0).toBe(4);
    const launched = eventOf(recorded.find((line) => line.includes("CIRC 90 LAUNCHED")) ?? "");
    expect(launched).toMatchObject({ path: [] });
    expect(launched.type === "CIRC" ? launched.keywords.get("PURPOSE") : "").toBe(
      "HS_CLIENT_HSDIR",
    );
    expect(eventOf(recorded.find((line) => line.includes("STREAM 58 NEW")) ?? "")).toMatchObject({
      type: "STREAM",
      id: "58",
      status: "NEW",
      circuit: "0",
      target: "127.0.0.1.$A9E2729203E784272605F3F928AFB12AB5225732.exit:20150",
    });
    expect(eventOf("650 BW 0 0")).toEqual({ type: "BW", readBytes: 0, writtenBytes: 0 });
    expect(eventOf(recorded.find((line) => line.includes("NOTICE")) ?? "")).toMatchObject({
      type: "other",
      name: "NOTICE",
      text: 'Starting with guard context "default"',
    });
  });

  test("of a known type is always known", () => {
    for (const line of recorded) {
      const event = eventOf(line);
      const [, name = ""] = line.split(" ");
      const known = ["HS_DESC", "CIRC", "STREAM", "BW"].includes(name);
      expect([line, event.type]).toEqual([line, known ? name : "other"] as never);
    }
  });
});

test.each([
  ["650 BW x y"],
  ["650 BW 1"],
  ["650 CIRC 1"],
  ["650 STREAM 1 NEW 0"],
  ["650 HS_DESC UPLOADED x"],
  ["650 HS_DESC_CONTENT a b c"],
  ["650 STATUS_CLIENT"],
])("%s is known by its words alone", (line) => {
  expect(eventOf(line).type).toBe("other");
});

test("a bootstrap tells how far and what is wrong", () => {
  const line =
    '650 STATUS_CLIENT WARN BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY="Connecting" WARNING="No route to host" REASON=NOROUTE';
  expect(eventOf(line)).toMatchObject({
    type: "STATUS_CLIENT",
    severity: "WARN",
    bootstrap: { percent: 5, tag: "conn", summary: "Connecting", warning: "No route to host" },
  });
  expect(eventOf("650 STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED")).toMatchObject({
    action: "CIRCUIT_ESTABLISHED",
    bootstrap: undefined,
  });
  expect(parseBootstrap("NOTICE BOOTSTRAP PROGRESS=abc")).toBeUndefined();
  expect(parseBootstrap("NOTICE BOOTSTRAP PROGRESS=999")?.percent).toBe(100);
});

test("a service is published once a directory has its descriptor", () => {
  const service = "heslkhcygakfnlit3c3biryyoky5plc4hzabo5cfzt2ht2zxrc37k6ad";
  const publication = new Publication(`${service}.onion`);
  const seen = recorded.map((line) => publication.handle(eventOf(line)));
  expect(seen.filter((changed) => changed)).toHaveLength(1);
  expect(publication.created).toBe(true);
  expect(publication.published).toBe(false);
  const tell = (action: string, directory: string, more = ""): boolean =>
    publication.handle(eventOf(`650 HS_DESC ${action} ${service} UNKNOWN ${directory}~a${more}`));
  expect(tell("UPLOAD", "$A", " id HSDIR_INDEX=1")).toBe(true);
  expect(tell("UPLOAD", "$B")).toBe(true);
  expect(tell("FAILED", "$A", " REASON=UPLOAD_REJECTED")).toBe(true);
  expect(publication).toMatchObject({ asked: 2, took: 0, published: false });
  expect(tell("UPLOADED", "$B")).toBe(true);
  expect(tell("UPLOADED", "$B")).toBe(false);
  expect(publication).toMatchObject({ took: 1, published: true });
  expect(publication.failures).toEqual([{ directory: "$A~a", reason: "UPLOAD_REJECTED" }]);
  for (let i = 0; i < 200; i++) tell("FAILED", `$${i}`);
  expect(publication.failures).toHaveLength(100);
});
