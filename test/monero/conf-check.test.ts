import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { onionName } from "../../lib/address/onion.ts";
import { CONF_CHARACTERS_MAX, parseConf } from "../../lib/monero/conf.ts";
import { checkMoneroConf } from "../../lib/monero/conf-check.ts";
import { mutated, RUNS } from "../levin/mutation.ts";
import { ONION_CONF, SAFE_CONF, TX_ONLY_CONF } from "./conf-files.ts";

const ONION = onionName(new Uint8Array(32).fill(7));
const B32 = `${"a".repeat(52)}.b32.i2p`;

/** Findings in short: line, level and code. */
function found(text: string): string[] {
  return checkMoneroConf(text).findings.map(
    ({ line, level, code }) => `${line ?? "-"} ${level} ${code}`,
  );
}

describe("a monero.conf that shows nothing", () => {
  test.each([
    ["everything through a proxy", SAFE_CONF],
    ["the same with hidden services", ONION_CONF],
    ["nothing but this machine", "offline=1\n"],
  ])("%s", (_, text) => {
    expect(checkMoneroConf(text)).toEqual({ safe: true, findings: [] });
  });
});

describe("what users took for safe", () => {
  test("tx-proxy alone leaves the open side open (#10264)", () => {
    expect(found(TX_ONLY_CONF)).toEqual([
      "- leak dns-updates",
      "- leak dns-checkpoints",
      "- leak dns-seeds",
      "- leak listens-openly",
      "- leak upnp",
      "- leak port-announced",
      "1 leak open-side",
    ]);
  });

  test("an empty file", () => {
    expect(found("")).toContain("- leak open-side");
    expect(checkMoneroConf("").safe).toBe(false);
  });

  // Issue #5925, whose reporter wrote today's tx-proxy as proxy.
  test.each([
    ["proxy=tor,127.0.0.1:9050,100", "1 error proxy-for-tx-proxy"],
    ["proxy=localhost:9050", "1 error proxy-invalid"],
    ["tx-proxy=127.0.0.1:9050", "1 error tx-proxy-for-proxy"],
    ["tx-proxy=tor,9050", "1 error tx-proxy-invalid"],
    ["tx-proxy=tor,127.0.0.1:1\ntx-proxy=tor,127.0.0.1:2", "2 error tx-proxy-twice"],
  ])("%j", (text, expected) => {
    expect(found(text)).toContain(expected);
    expect(checkMoneroConf(text).safe).toBe(false);
  });
});

describe("one line changed makes it unsafe", () => {
  const lines = ONION_CONF.trim().split("\n").length + 1;
  test.each([
    ["proxy-allow-dns-leaks=1", "leak dns-allowed"],
    ["add-priority-node=nodes.example.com:18080", "leak dns-peer"],
    ["add-peer=storage.i2p:80", "leak dns-peer"],
    ["seed-node=what is this", "leak dns-peer"],
    ["rpc-bind-ip=0.0.0.0", "leak rpc-open-unrestricted"],
    ["public-node=1", "leak public-node"],
    ["p2p-use-ipv6=1", "leak listens-openly"],
    ["rpc-use-ipv6=1\nrpc-bind-ipv6-address=::", "leak rpc-open", 1],
    ["zmq-pub=tcp://0.0.0.0:18083", "leak zmq-open"],
    ["rpc-restricted-bind-port=18089\nrpc-restricted-bind-ip=0.0.0.0", "leak rpc-open", 1],
    [`anonymous-inbound=${B32},127.0.0.1:18080`, "leak shared-port"],
    [`anonymous-inbound=${B32},127.0.0.1:18081`, "leak shared-port"],
    [`anonymous-inbound=${B32},127.0.0.1:18084`, "leak shared-port"],
    [`anonymous-inbound=${B32},0.0.0.0:18085`, "leak inbound-openly"],
    [`anonymous-inbound=${ONION}:1,127.0.0.1:18085`, "error inbound-twice"],
    ["anonymous-inbound=1.2.3.4:1,127.0.0.1:18085", "error inbound-invalid"],
    ["no-igd", "error unreadable"],
    ["p2p-bind-ip=127.0.0.1", "error given-twice"],
  ] as [string, string, number?][])("%s", (change, expected, later = 0) => {
    const text = `${ONION_CONF}${change}\n`;
    expect(found(text)).toContain(`${lines + later} ${expected}`);
    expect(checkMoneroConf(text).safe).toBe(false);
  });

  test.each([
    ["proxy=", "3 leak open-side"],
    ["p2p-bind-ip=", "- leak listens-openly"],
    ["no-igd=", "- leak upnp"],
    ["tx-proxy=tor", "5 error inbound-without-proxy"],
  ])("so does taking out its line %s", (start, expected) => {
    const rest = ONION_CONF.split("\n").filter((line) => !line.startsWith(start));
    const text = rest.join("\n");
    expect(found(text)).toContain(expected);
    expect(checkMoneroConf(text).safe).toBe(false);
  });

  test.each([
    ["rpc-bind-ip=0.0.0.0\nrestricted-rpc=1", "rpc-open"],
    ["igd=enabled", "upnp"],
    ["enable-dns-blocklist=1\nproxy-allow-dns-leaks=on", "dns-blocklist"],
    ["zmq-rpc-bind-ip=0.0.0.0", "zmq-open"],
  ])("%j", (change, code) => {
    const text = `${SAFE_CONF.replace("no-zmq=1\n", "").replace("no-igd=1\n", "no-igd=no\n")}${change}\n`;
    expect(checkMoneroConf(text).findings.map((one) => one.code)).toContain(code);
  });
});

describe("what depends on what else stands there", () => {
  test("with a proxy monerod asks DNS for nothing", () => {
    const text = "proxy=127.0.0.1:9050\np2p-bind-ip=127.0.0.1\nno-igd=1\nenable-dns-blocklist=1\n";
    expect(found(text)).toEqual([]);
  });

  test("a proxy on another machine hears everything", () => {
    const text = SAFE_CONF.replace("127.0.0.1:9050", "10.0.0.1:9050");
    expect(found(text)).toEqual(["1 leak proxy-elsewhere"]);
    const withPassword = SAFE_CONF.replace(
      "=127.0.0.1:9050",
      "=socks5://me:swordfish@127.0.0.1:9050",
    );
    expect(checkMoneroConf(withPassword).safe).toBe(true);
  });

  test("only hidden peers: nothing is dialed in the open, and nothing synchronised", () => {
    const text = `tx-proxy=tor,127.0.0.1:9050\nadd-exclusive-node=${ONION}:18083\np2p-bind-ip=127.0.0.1\nno-igd=1\ncheck-updates=disabled\ndisable-dns-checkpoints=1\n`;
    expect(found(text)).toEqual(["2 note cannot-sync"]);
    expect(found(text.replace("add-exclusive-node", "add-peer"))).toContain("1 leak open-side");
    expect(found(`${text}add-exclusive-node=1.2.3.4:18080\n`)).toContain("1 leak open-side");
    expect(found(text.replace("tx-proxy=tor", "tx-proxy=i2p"))).toContain(
      "2 error peer-without-proxy",
    );
  });

  test("a bootstrap daemon hears the wallets' questions", () => {
    const text = "p2p-bind-ip=127.0.0.1\nbootstrap-daemon-address=auto\n";
    expect(found(text)).toContain("2 leak bootstrap-daemon");
    expect(found(`${text}bootstrap-daemon-proxy=127.0.0.1:9050\n`)).not.toContain(
      "2 leak bootstrap-daemon",
    );
  });

  test("the number of the open side on a hidden service is worth a word, and noise off too", () => {
    const text = ONION_CONF.replace(/onion:\d+,/, "onion:18080,").replace(
      ",16",
      ",16,disable_noise",
    );
    expect(checkMoneroConf(text).safe).toBe(true);
    expect(found(text).map((one) => one.slice(2))).toEqual(["note noise-off", "note service-port"]);
  });

  test("the test networks have ports of their own", () => {
    const inbound = `anonymous-inbound=${ONION}:1,127.0.0.1:28080\n`;
    const text = ONION_CONF.replace(/anonymous-inbound.*\n/, inbound);
    expect(found(text)).toEqual([]);
    expect(found(`testnet=1\n${text}`).map((one) => one.slice(2))).toEqual(["leak shared-port"]);
  });
});

test("no finding holds a password", () => {
  const text = `rpc-login=me:swordfish\nproxy=me:swordfish@x\ntx-proxy=swordfish\nbootstrap-daemon-login=me:swordfish\nadd-peer=me:swordfish@x\nanonymous-inbound=swordfish\nrestricted-rpc=swordfish\nzmq-pub=swordfish\nrpc-login me swordfish\nrpc-bind-ip=swordfish\n`;
  expect(JSON.stringify(checkMoneroConf(text))).not.toContain("swordfish");
});

describe("the reader", () => {
  test.each([
    ["a=1", [["a", "1", 1]], 0],
    [" a = b=c # d\r\n", [["a", "b=c", 1]], 0],
    ["#a=1\n\n\ta=\n", [["a", "", 3]], 0],
    [
      "[x]\na=1\n[y.]\nb=2",
      [
        ["x.a", "1", 2],
        ["y.b", "2", 4],
      ],
      0,
    ],
    ["a\n=1\nb=2", [["b", "2", 3]], 2],
    ["x".repeat(CONF_CHARACTERS_MAX + 1), [], 1],
  ] as [string, [string, string, number][], number][])("%#", (text, expected, faults) => {
    const conf = parseConf(text);
    expect(conf.lines.map(({ name, value, line }) => [name, value, line])).toEqual(expected);
    expect(conf.faults).toHaveLength(faults);
  });
});

test("A mutated monero.conf is judged, and is safe only where the open side is closed", () => {
  const encoder = new TextEncoder();
  const files = [SAFE_CONF, ONION_CONF, TX_ONLY_CONF].map((text) => encoder.encode(text));
  const decoder = new TextDecoder();
  let safes = 0;
  fc.assert(
    fc.property(mutated(files), (bytes) => {
      const text = decoder.decode(bytes);
      const { safe, findings } = checkMoneroConf(text);
      expect(findings.length).toBeLessThan(100);
      for (const { reason } of findings) expect(reason).not.toMatch(/[\u0000-\u001f]/);
      if (!safe) return;
      safes += 1;
      // Read without a look at how it is judged.
      if (!/^[ \t]*offline=1[ \t\r]*$/m.test(text)) {
        expect(text).toMatch(/^[ \t]*proxy[ \t]*=[ \t]*(?:socks5:\/\/.*@)?127\.\d+\.\d+\.\d+:\d+/m);
        expect(text).toMatch(/^[ \t]*p2p-bind-ip[ \t]*=[ \t]*127\./m);
      }
    }),
    { numRuns: RUNS },
  );
  expect(safes).toBeGreaterThan(RUNS / 20);
});

test.each([
  ["tx-proxy=tor,127.0.0.1:1,disable_noise\n", "1 leak open-side"],
  ["tx-proxy=x\n", "1 error tx-proxy-for-proxy"],
  ["add-peer=a\n", "1 leak dns-peer"],
  ["::::::::::", "1 error unreadable"],
  ["add-peer=::::\n", "1 leak dns-peer"],
])("A file full of %j is judged in no time, with a bounded verdict", (piece, expected) => {
  const text = piece.repeat(Math.floor(CONF_CHARACTERS_MAX / piece.length));
  const startedAt = performance.now();
  const { safe, findings } = checkMoneroConf(text);
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  expect(safe).toBe(false);
  expect(findings.length).toBeLessThanOrEqual(200);
  expect(found(text).some((one) => one.slice(2) === expected.slice(2))).toBe(true);
});

test("One long line is judged in no time", () => {
  for (const start of ["add-peer=", "proxy=", "zmq-pub=tcp://", "anonymous-inbound=", "igd="]) {
    for (const filling of [":", "1", "@", ",", "a:"]) {
      const text = `${start}${filling.repeat(120_000)}x`;
      const startedAt = performance.now();
      checkMoneroConf(text);
      expect(performance.now() - startedAt).toBeLessThan(2_000);
    }
  }
});

test("Any text is judged", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      checkMoneroConf(text);
    }),
    { numRuns: RUNS },
  );
});
