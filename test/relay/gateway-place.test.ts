import { describe, expect, test } from "bun:test";
import { onionName } from "../../lib/address/onion.ts";
import { GatewayError } from "../../lib/relay/gateway-error.ts";
import {
  chooseDaemonWay,
  type DaemonRules,
  type DaemonTexts,
  needlessDirect,
  readDaemonPlace,
} from "../../lib/relay/gateway-place.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { parseTorProxy, parseTxProxy } from "../../lib/zone/option.ts";

const onion = onionName(new SeededRandom(9).bytes(32));
const i2p = `${"abcd".repeat(13)}.b32.i2p`;
const CERTIFICATE = ["pem"];
const none: DaemonRules = {
  ...{ mode: "default", proxies: [], daemonProxy: undefined, direct: false },
};
const tor = parseTxProxy("tor,127.0.0.1:9050");
const proxied: DaemonRules = { ...none, daemonProxy: parseTorProxy("127.0.0.1:9050") };

function read(url: string, more: Partial<DaemonTexts> = {}) {
  return readDaemonPlace({ url, defaultPort: 18_081, ...more });
}

function faultOf(work: () => unknown): GatewayError {
  try {
    work();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error("Nothing was thrown.");
}

describe("--daemon", () => {
  const good: readonly [string, Partial<DaemonTexts>, string, string, number][] = [
    [onion, {}, "autodetect", "any", 18_081],
    [`${onion}:80`, {}, "autodetect", "any", 80],
    [`http://${onion}/`, {}, "disabled", "any", 18_081],
    [`HTTPS://${onion}`, {}, "enabled", "authorities", 18_081],
    ["https://node.example:443", {}, "enabled", "authorities", 443],
    ["[2001:db8::1]:80", {}, "autodetect", "any", 80],
    [onion, { ssl: "enabled" }, "enabled", "authorities", 18_081],
    [onion, { certificates: CERTIFICATE }, "enabled", "pinned", 18_081],
    [onion, { certificates: CERTIFICATE, ssl: "autodetect" }, "enabled", "pinned", 18_081],
    [`https://${onion}`, { anyCertificate: true }, "enabled", "any", 18_081],
  ];
  test.each(good)("%s with %p: TLS %s, certificate %s", (url, more, ssl, trust, port) => {
    const place = read(url, more);
    const found: readonly unknown[] = [place.ssl, place.trust.kind, place.address.port];
    expect(found).toEqual([ssl, trust, port]);
  });

  const bad: readonly [string, Partial<DaemonTexts>][] = [
    ["", {}],
    ["ftp://a", {}],
    ["https://", {}],
    ["https://a/json_rpc", {}],
    ["a?b", {}],
    ["a#b", {}],
    ["a:0", {}],
    ["a:99999", {}],
    ["a b", {}],
    ["a\r\nX: y", {}],
    ["nonsense.onion", {}],
    ["256.1.1.1", {}],
    ["::1", {}],
    [onion, { ssl: "maybe" }],
    [`https://${onion}`, { ssl: "disabled" }],
    [`http://${onion}`, { ssl: "enabled" }],
    [`http://${onion}`, { certificates: CERTIFICATE }],
    [`http://${onion}`, { anyCertificate: true }],
    [`https://${onion}`, { anyCertificate: true, certificates: CERTIFICATE }],
  ];
  test.each(bad)("%p with %p is refused", (url, more) => {
    const fault = faultOf(() => read(url, more));
    expect([fault.code, fault.where]).toEqual(["bad-daemon", "config"]);
    expect(fault.message).toMatch(/^[-A-Z].*\.$/s);
  });

  test.each(["ftp://x", "http://127.0.0.1:5/json_rpc", "a?b"])("%s: told what can be", (url) => {
    expect(faultOf(() => read(url)).message).toBe(
      `--daemon ${url}: only http:// or https:// can stand before the host, and no path after it; write --daemon [http://|https://]HOST[:PORT].`,
    );
    expect(faultOf(() => read("")).message).toContain("missing");
  });

  test("what might be a password is not shown", () => {
    const fault = faultOf(() => read("https://me:secret@node.example"));
    expect(fault.message).not.toMatch(/secret|me:/);
    expect(fault.message).toContain("--daemon-login-file");
  });

  test("only a daemon on this machine is trusted unasked", () => {
    expect(read("127.0.0.1").trusted).toBe(true);
    expect(read("[::1]").trusted).toBe(true);
    for (const url of [onion, i2p, "10.0.0.1", "node.example"]) {
      expect([url, read(url).trusted]).toEqual([url, false]);
    }
    expect(read(onion, { trusted: true }).trusted).toBe(true);
    expect(read("127.0.0.1", { trusted: false }).trusted).toBe(false);
  });
});

describe("the way to it", () => {
  test("is the proxy of its zone", () => {
    const both = { ...none, proxies: [tor, parseTxProxy("i2p,127.0.0.1:4447")] };
    expect(chooseDaemonWay(read(onion), both)).toEqual({ kind: "zone" });
    expect(chooseDaemonWay(read(i2p), both)).toEqual({ kind: "zone" });
    expect(chooseDaemonWay(read(i2p), { ...both, mode: "only-onion" })).toEqual({ kind: "zone" });
  });

  test("is none without it: never that of another zone", () => {
    for (const [url, proxies] of [
      [onion, []],
      [i2p, [tor]],
      [onion, [parseTxProxy("i2p,127.0.0.1:4447")]],
    ] as const) {
      const fault = faultOf(() => chooseDaemonWay(read(url), { ...none, proxies, direct: true }));
      expect(fault.code).toBe("no-way");
      expect(fault.message).toContain("add --tx-proxy");
    }
  });

  test.each(["tor,socks5://a:b@127.0.0.1:9050", "tor,socks4a://127.0.0.1:9050"])(
    "is not %s, on which the transactions' circuits would be shared",
    (text) => {
      const proxies = [parseTxProxy(text)];
      const fault = faultOf(() => chooseDaemonWay(read(onion), { ...none, proxies }));
      expect(fault.message).toContain("would share circuits");
      const { daemonProxy } = proxied;
      const rules = { ...none, proxies, daemonProxy };
      expect(chooseDaemonWay(read(onion), rules).kind).toBe("proxy");
    },
  );

  test("to the public internet is a proxy, with a certificate to check", () => {
    for (const place of [
      read("https://node.example"),
      read("node.example", { certificates: CERTIFICATE }),
      read("https://198.51.100.7"),
    ]) {
      expect(chooseDaemonWay(place, proxied).kind).toBe("proxy");
    }
    for (const place of [
      read("node.example"),
      read("http://node.example"),
      read("https://node.example", { anyCertificate: true }),
    ]) {
      expect(faultOf(() => chooseDaemonWay(place, proxied)).code).toBe("daemon-in-clear");
    }
  });

  test("to the public internet is nothing else, unless it is asked for", () => {
    const place = read("https://198.51.100.7");
    for (const rules of [none, { ...none, proxies: [tor] }]) {
      expect(faultOf(() => chooseDaemonWay(place, rules)).message).toContain("--daemon-direct");
    }
    const direct = { ...none, direct: true };
    expect(chooseDaemonWay(place, direct).kind).toBe("open");
    const named = faultOf(() => chooseDaemonWay(read("https://node.example"), direct));
    expect(named.message).toContain("names are resolved only by a proxy");
    expect(faultOf(() => chooseDaemonWay(read("localhost"), none)).code).toBe("no-way");
    expect(faultOf(() => chooseDaemonWay(place, { ...proxied, direct: true })).code).toBe("no-way");
    for (const rules of [direct, proxied]) {
      const fault = faultOf(() => chooseDaemonWay(place, { ...rules, mode: "only-onion" }));
      expect(fault.message).toContain("--only-onion");
    }
  });

  test("is open only where leave is needed for it: a needless one is told", () => {
    const here = read("127.0.0.1:5");
    expect(needlessDirect(here, chooseDaemonWay(here, none))).toBe(
      "--daemon-direct changes nothing: the daemon at 127.0.0.1 is on this machine.",
    );
    const hidden = read(onion);
    expect(needlessDirect(hidden, chooseDaemonWay(hidden, proxied))).toEndWith("through a proxy.");
    const open = read("198.51.100.7");
    expect(needlessDirect(open, chooseDaemonWay(open, { ...none, direct: true }))).toBeUndefined();
  });

  test("to this machine is no proxy", () => {
    for (const rules of [none, proxied, { ...none, mode: "only-onion" as const }]) {
      expect(chooseDaemonWay(read("127.0.0.1"), rules).kind).toBe("open");
    }
  });
});
