import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatAddress } from "../../lib/address/address.ts";
import { overlongTarget, readTarget, targetLabel } from "../../lib/probe/target.ts";
import { LINE_BYTES_MAX, type TargetLine, targetLines } from "../../lib/probe/target-lines.ts";

const ONION = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";
const I2P = "uqj3aphckqtjsitz7kxx5flqpwjlq5ppr3chazfued7xucv3nheq.b32.i2p";
const TUB = "lfkhkl7wnbgbxdjbnhkmvsjsvhzf7t3q";
const KEY =
  "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f";

async function summary(text: string, protocol?: Parameters<typeof readTarget>[1]) {
  const target = await readTarget(text, protocol);
  if (target.kind === "bad") return target.code;
  return `${target.protocol} ${formatAddress(target.address)}`;
}

describe("a target", () => {
  const good: readonly (readonly [string, string])[] = [
    [`${ONION}:18083`, `monero ${ONION}:18083`],
    [`${ONION}:80`, `http ${ONION}:80`],
    [`${ONION}:443`, `https ${ONION}:443`],
    [`${ONION}:1234`, `tcp ${ONION}:1234`],
    [`monero://${ONION}`, `monero ${ONION}:18083`],
    [`tcp://${ONION}:80`, `tcp ${ONION}:80`],
    [`socks5://${ONION}:9`, `socks ${ONION}:9`],
    [`tls://${ONION}`, `tls ${ONION}:443`],
    [`http://${ONION}/a/b?c=d`, `http ${ONION}:80`],
    [`https://${ONION}:8443`, `https ${ONION}:8443`],
    [`${I2P}:18080`, `monero ${I2P}:18080`],
    ["[::1]:18080", "monero [::1]:18080"],
    [`enode://${KEY}@${ONION}:30303`, `ethereum ${ONION}:30303`],
    [`pb://${TUB}@tcp:192.0.2.1:4,tor:${ONION}:3457/swissnum`, `tahoe ${ONION}:3457`],
  ];
  test.each(good)("%s", async (text, expected) => {
    expect(await summary(text)).toBe(expected);
  });

  const bad: readonly (readonly [string, string])[] = [
    ["foo.onion:80", "onion-length"],
    [`${ONION.replace("2", "3")}:80`, "onion-checksum"],
    [`${ONION.toUpperCase()}:80`, "upper-case"],
    [ONION, "port-missing"],
    [`${ONION}:0`, "port-invalid"],
    ["ftp://example.com", "bad-target"],
    ["http://user:secret@example.com/", "bad-target"],
    ["http://example.com/a b", "bad-target"],
    ["", "empty"],
    [`enode://00@${ONION}:1`, "enode-invalid"],
    ["enr:x", "record-text"],
    ["pb://nothing/secret", "furl-invalid"],
    [`pb://${TUB}@/secret`, "bad-target"],
  ];
  test.each(bad)("%s is refused", async (text, code) => {
    const found = await summary(text);
    // Which code a broken record gets is the record's reader's matter.
    if (text.startsWith("enr:")) expect(found).toMatch(/^record-/);
    else expect(found).toBe(code);
  });

  test("that needs a key says so, and one of another protocol is refused", async () => {
    expect(await summary(`${ONION}:30303`, "ethereum")).toBe("bad-target");
    expect(await summary(`${ONION}:3457`, "tahoe")).toBe("bad-target");
    expect(await summary(`http://${ONION}/`, "monero")).toBe("bad-target");
    expect(await summary(`http://${ONION}/`, "tcp")).toBe(`tcp ${ONION}:80`);
    expect(await summary(ONION, "monero")).toBe(`monero ${ONION}:18083`);
  });

  test("is met in the most hidden zone first", async () => {
    const text = `pb://${TUB}@tcp:192.0.2.1:4,i2p:${I2P}/swissnum`;
    const target = await readTarget(text);
    expect(target).toMatchObject({
      ...{ address: { zone: "i2p" }, otherAddresses: [{ zone: "public", host: "192.0.2.1" }] },
    });
  });

  test("shows no secret, whatever is wrong with it", async () => {
    const texts = [
      `pb://${TUB}@tor:${ONION}:1/s3cret`,
      "pb://x@y/s3cret",
      "pb://x@,/s3cret/more",
      "PB://x@y/s3cret",
      `pb+tor://x@y/s3cret#v=1`,
      "http://me:s3cret@host/",
    ];
    for (const text of texts) {
      expect(JSON.stringify(await readTarget(text))).not.toContain("s3cret");
      expect(targetLabel(text)).not.toContain("s3cret");
    }
    expect(JSON.stringify(overlongTarget("pb://x@y/s3cret", 5_000, 4_096))).not.toContain("s3cret");
  });

  test("of any text is a target or a reason, never a throw", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.string({ unit: "binary" }),
          fc
            .constantFrom("pb://", "enr:", "enode://", "http://", "monero://")
            .chain((head) => fc.string().map((tail) => head + tail)),
        ),
        async (text) => {
          const target = await readTarget(text);
          expect(target.label.length).toBeLessThanOrEqual(201);
          expect(target.label).toMatch(/^[\x20-\x7e…]*$/);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

async function lines(chunks: readonly Uint8Array[]): Promise<TargetLine[]> {
  async function* bytes() {
    yield* chunks;
  }
  const found: TargetLine[] = [];
  for await (const line of targetLines(bytes())) found.push(line);
  return found;
}

describe("a list of targets", () => {
  test("passes over what is empty or a remark, and counts lines", async () => {
    const text = "# remark\n\na:1\r\n  b:2  \n\n#\nc:3";
    expect(await lines([Buffer.from(text)])).toEqual([
      { kind: "text", line: 3, text: "a:1" },
      { kind: "text", line: 4, text: "b:2" },
      { kind: "text", line: 7, text: "c:3" },
    ]);
  });

  test("is the same however it is split", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("a:1", "", "# x", "ü".repeat(30), "y".repeat(5_000))),
        fc.array(fc.integer({ min: 1, max: 7_000 })),
        async (texts, cuts) => {
          const whole = Buffer.from(texts.join("\n"));
          const chunks: Uint8Array[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(whole.subarray(at, at + cut));
            at += cut;
          }
          chunks.push(whole.subarray(at));
          expect(await lines(chunks)).toEqual(await lines([whole]));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("with a line of ten megabytes keeps a few kilobytes of it, and goes on", async () => {
    const chunk = Buffer.alloc(65_536, "x");
    async function* bytes() {
      yield Buffer.from("a:1\n");
      for (let sent = 0; sent < 10_000_000; sent += chunk.length) yield chunk;
      yield Buffer.from("\nb:2\n");
    }
    const found: TargetLine[] = [];
    const before = process.memoryUsage().heapUsed;
    for await (const line of targetLines(bytes())) found.push(line);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000);
    expect(found.map(({ line, kind }) => [line, kind])).toEqual([
      [1, "text"],
      [2, "too-long"],
      [3, "text"],
    ]);
    const [, long] = found;
    if (long?.kind !== "too-long") throw new Error("The long line was taken.");
    expect(long.bytes).toBeGreaterThan(10_000_000);
    const bad = overlongTarget(long.head, long.bytes, LINE_BYTES_MAX);
    expect(bad).toMatchObject({ code: "too-long" });
    expect(bad.label.length).toBeLessThan(100);
  });
});
